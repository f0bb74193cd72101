//! What is asked of a server, and how its answers are checked.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use crate::artifacts::project_root;
use crate::client::exchange;

/// A kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    Plain,
    Read,
    Write,
    ReadLarge,
}

/// Bytes to send again and again, and the status each answer has.
pub(crate) struct Request {
    pub(crate) bytes: Vec<u8>,
    pub(crate) status: u16,
}

impl Work {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Read, Self::Write, Self::ReadLarge];

    pub(crate) fn name(self) -> &'static str {
        ["W0", "W1", "W2", "W3"][self as usize]
    }

    pub(crate) fn description(self) -> &'static str {
        [
            "`GET /plain`, session untouched, cookie sent",
            "`GET /wizard/success`, two short values, page from the template",
            "`POST /wizard/create`, both values written, 303 with `Set-Cookie`; no cookie sent",
            "W1 with 2.5 KB of session: 40 more keys",
        ][self as usize]
    }

    /// The ratio that Waxseal is to reach.
    pub(crate) fn goal(self) -> f64 {
        [1.0, 1.1, 1.25, 1.6][self as usize]
    }

    /// Makes this work's session, looks at one answer, and returns the request to measure. The session is made
    /// anew each time, so that no server has reason to refresh it meanwhile.
    pub(crate) fn prepare(self, address: SocketAddr) -> Result<Request> {
        let fields = if self == Self::ReadLarge { large_form() } else { short_form() };
        let cookie = create(address, &fields)?;
        let request = match self {
            Self::Plain => Request { bytes: get("/plain", &cookie), status: 200 },
            Self::Read | Self::ReadLarge => Request { bytes: get(SUCCESS, &cookie), status: 200 },
            Self::Write => Request { bytes: post(&fields), status: 303 },
        };
        let answer = exchange(address, &request.bytes)?;
        ensure!(answer.status == request.status, "{}: an answer of {}", self.name(), answer.status);
        let expected = match self {
            Self::Plain => "hello".to_owned(),
            Self::Read | Self::ReadLarge => page("Merlin", "Hogwarts")?,
            Self::Write => return Ok(request),
        };
        ensure!(
            answer.body.trim_end() == expected.trim_end(),
            "{}: another page: {}",
            self.name(),
            answer.body
        );
        Ok(request)
    }
}

/// Whether the server has sessions worth the name: what is written comes back, escaped, and to nobody else.
pub(crate) fn check_sessions(address: SocketAddr) -> Result<()> {
    let cookie = create(address, &[("name".into(), "A<b>&c".into()), ("magic_school".into(), "H".into())])?;
    let answer = exchange(address, &get(SUCCESS, &cookie))?;
    ensure!(answer.body.contains("A&lt;b&gt;&amp;c"), "the name is not in the page, or not escaped");
    let middle = cookie.len() - 12;
    let other = if cookie.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let changed = [&cookie[..middle], other, &cookie[middle + 1..]].concat();
    let answer = exchange(address, &get(SUCCESS, &changed))?;
    ensure!(!answer.body.contains("A&lt;b"), "a changed cookie still opens the session");
    Ok(())
}

const SUCCESS: &str = "/wizard/success";
const COMMON: &str = "user-agent: waxseal-bench\r\naccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
                      accept-language: en\r\n";

type Form = Vec<(String, String)>;

fn short_form() -> Form {
    vec![("name".into(), "Merlin".into()), ("magic_school".into(), "Hogwarts".into())]
}

fn large_form() -> Form {
    let more =
        (0..40).map(|at| (format!("field_{at:02}"), format!("value-{at:02}-").repeat(6)[..50].to_owned()));
    short_form().into_iter().chain(more).collect()
}

fn page(name: &str, magic_school: &str) -> Result<String> {
    let template = project_root().join("crates/waxseal/examples/templates/success.html");
    let template = std::fs::read_to_string(template).context("the template")?;
    Ok(template.replace("{{ session['name'] }}", name).replace("{{ session['magic_school'] }}", magic_school))
}

/// Sends the form as a new visitor; returns the cookie that comes back.
fn create(address: SocketAddr, form: &[(String, String)]) -> Result<String> {
    let answer = exchange(address, &post(form))?;
    ensure!(answer.status == 303 || answer.status == 302, "the form was answered {}", answer.status);
    answer.cookie.context("the form was answered without a cookie")
}

pub(crate) fn get(path: &str, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{COMMON}cookie: {cookie}\r\n\r\n").into_bytes()
}

fn post(form: &[(String, String)]) -> Vec<u8> {
    let escape = |text: &str| text.replace('&', "%26").replace('<', "%3C").replace('>', "%3E");
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let body = pairs.join("&");
    let head = format!(
        "POST /wizard/create HTTP/1.1\r\nhost: 127.0.0.1\r\n{COMMON}sec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}
