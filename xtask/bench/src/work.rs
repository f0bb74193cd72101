//! What is asked of a server, and how its answers are checked.

use std::net::SocketAddr;

use anyhow::{Context, Result, ensure};

use crate::artifacts::project_root;
use crate::client::{exchange, find};

/// A kind of request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Work {
    Plain,
    Read,
    Write,
    ReadLarge,
    WriteOne,
}

/// Requests to send in turn, again and again, and the status that each answer has.
pub(crate) struct Requests {
    /// The first of each visitor, then the second of each.
    pub(crate) all: Vec<Vec<u8>>,
    pub(crate) status: u16,
    visitors: usize,
}

/// Visitors, each with a session.
const VISITORS: usize = 64;

impl Requests {
    /// Puts the cookie of an answer into the requests of the visitor who sent number `sent`, as a browser does.
    pub(crate) fn keep_cookie(&mut self, sent: usize, cookie: &str) {
        for request in self.all.iter_mut().skip(sent % self.visitors).step_by(self.visitors) {
            let start = find(request, COOKIE).expect("each request has a cookie") + COOKIE.len();
            let length = find(&request[start..], b"\r\n").expect("a field has an end");
            request.splice(start..start + length, cookie.bytes());
        }
    }
}

impl Work {
    pub(crate) const ALL: [Self; Self::COUNT] =
        [Self::Plain, Self::Read, Self::Write, Self::ReadLarge, Self::WriteOne];
    pub(crate) const COUNT: usize = 5;

    pub(crate) fn name(self) -> &'static str {
        ["W0", "W1", "W2", "W3", "W4"][self as usize]
    }

    pub(crate) fn description(self) -> &'static str {
        [
            "`GET /plain`, session untouched, cookie sent",
            "`GET /wizard/success`, two short values, page from the template",
            "`POST /wizard/create`, both values written over older ones, 303 with `Set-Cookie`",
            "W1 with 2.5 KB of session: 40 more keys",
            "W2, all connections with the cookie of one visitor",
        ][self as usize]
    }

    /// The user time in microseconds that Waxseal is to reach, where one was set.
    pub(crate) fn goal(self) -> Option<f64> {
        [Some(1.9), Some(4.5), Some(6.0), Some(8.0), None][self as usize]
    }

    /// Makes this work's sessions, looks at one answer, and returns the requests to measure. Sessions are made anew each
    /// time, so that no server has reason to refresh them meanwhile.
    pub(crate) fn prepare(self, address: SocketAddr) -> Result<Requests> {
        let visitors = if self == Self::WriteOne { 1 } else { VISITORS };
        let form = if self == Self::ReadLarge { large_form() } else { short_form("Merlin", "Hogwarts") };
        let cookies = (0..visitors).map(|_| create(address, &form)).collect::<Result<Vec<_>>>()?;
        let of_each =
            |request: &dyn Fn(&str) -> Vec<u8>| cookies.iter().map(|cookie| request(cookie)).collect();
        let requests = match self {
            Self::Plain => Requests { all: of_each(&|cookie| get("/plain", cookie)), status: 200, visitors },
            Self::Read | Self::ReadLarge => {
                Requests { all: of_each(&|cookie| get(SUCCESS, cookie)), status: 200, visitors }
            }
            Self::Write | Self::WriteOne => {
                // Two forms in turn, neither the first one, so that each request changes the session.
                let forms = [short_form("Morgana", "Avalon"), short_form("Mimir", "Asgard")];
                let posts = |form: &Form| of_each(&|cookie| post(form, cookie));
                Requests { all: forms.iter().flat_map(posts).collect(), status: 303, visitors }
            }
        };
        let answer = exchange(address, &requests.all[0])?;
        ensure!(answer.status == requests.status, "{}: an answer of {}", self.name(), answer.status);
        let expected = match self {
            Self::Plain => "hello".to_owned(),
            Self::Read | Self::ReadLarge => page("Merlin", "Hogwarts")?,
            Self::Write | Self::WriteOne => return Ok(requests),
        };
        ensure!(
            answer.body.trim_end() == expected.trim_end(),
            "{}: another page: {}",
            self.name(),
            answer.body
        );
        Ok(requests)
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

const COOKIE: &[u8] = b"\r\ncookie: ";
const SUCCESS: &str = "/wizard/success";
const COMMON: &str = "user-agent: waxseal-bench\r\naccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n\
                      accept-language: en\r\n";

type Form = Vec<(String, String)>;

fn short_form(name: &str, magic_school: &str) -> Form {
    vec![("name".into(), name.into()), ("magic_school".into(), magic_school.into())]
}

fn large_form() -> Form {
    let more =
        (0..40).map(|at| (format!("field_{at:02}"), format!("value-{at:02}-").repeat(6)[..50].to_owned()));
    short_form("Merlin", "Hogwarts").into_iter().chain(more).collect()
}

fn page(name: &str, magic_school: &str) -> Result<String> {
    let template = project_root().join("crates/waxseal/examples/templates/success.html");
    let template = std::fs::read_to_string(template).context("the template")?;
    Ok(template.replace("{{ session['name'] }}", name).replace("{{ session['magic_school'] }}", magic_school))
}

/// Sends the form as a new visitor; returns the cookie that comes back.
fn create(address: SocketAddr, form: &[(String, String)]) -> Result<String> {
    let answer = exchange(address, &post(form, ""))?;
    ensure!(answer.status == 303 || answer.status == 302, "the form was answered {}", answer.status);
    answer.cookie.context("the form was answered without a cookie")
}

pub(crate) fn get(path: &str, cookie: &str) -> Vec<u8> {
    format!("GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{COMMON}cookie: {cookie}\r\n\r\n").into_bytes()
}

fn post(form: &[(String, String)], cookie: &str) -> Vec<u8> {
    let escape = |text: &str| text.replace('&', "%26").replace('<', "%3C").replace('>', "%3E");
    let pairs: Vec<_> = form.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
    let body = pairs.join("&");
    let cookie = if cookie.is_empty() { String::new() } else { format!("cookie: {cookie}\r\n") };
    let head = format!(
        "POST /wizard/create HTTP/1.1\r\nhost: 127.0.0.1\r\n{COMMON}{cookie}sec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    (head + &body).into_bytes()
}
