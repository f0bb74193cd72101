//! What visitors of a running wizard see while its session store is away, and afterwards.

#![allow(dead_code, reason = "each test binary uses its own part")]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::program::{Ended, Program, folder, secret};

/// The most time for a page that asks no store. It is less than the two seconds that a command to the store is given,
/// so such a page did not wait for one.
const PROMPT: Duration = Duration::from_secs(2);
/// How often such a page is requested, because a busy machine may stand still for as long. These are fewer calls than
/// those after which the circuit breaker opens: a page that asked the store would wait each time.
const LOOKS: usize = 3;
/// How often a wizard is started, because a busy machine may stand still for as long as the store is given.
const STARTS: usize = 3;

const FORM: &str = "name=Merlin&magic_school=Camelot";

/// How long stores are away, in the everyday tests and in the full ones.
pub(crate) const SHORT: Duration = Duration::from_secs(3);
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// A visitor who is signed in at a separate wizard.
pub(crate) struct Visitor {
    program: Program,
    cookie: String,
    policy: Policy,
}

/// What the settings say for pages with a session during an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// `store`: 503.
    Refuse,
    /// `store`, `--session-when-away anonymous`: a request that reads is treated as anonymous.
    Anonymous,
    /// `mirrored`: a request that reads sees the copy.
    Copies,
    /// `mirrored` without a stale-if-error limit: 503.
    NoCopies,
}

/// A complete response.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    took: Duration,
    text: String,
}

impl Policy {
    const ALL: [Self; 4] = [Self::Refuse, Self::Anonymous, Self::Copies, Self::NoCopies];

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Refuse => &["--session-state=store"],
            Self::Anonymous => &["--session-state=store", "--session-when-away=anonymous"],
            Self::Copies => &["--session-state=mirrored"],
            Self::NoCopies => &["--session-state=mirrored", "--session-freshness=0", "--session-grace=0"],
        }
    }
}

impl Answer {
    pub(crate) fn shows(&self, words: &str) -> bool {
        self.text.contains(words)
    }

    pub(crate) fn body(&self) -> &str {
        self.text.split_once("\r\n\r\n").unwrap_or_default().1
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let head = self.text.split("\r\n\r\n").next().unwrap_or_default();
        head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    pub(crate) fn knows_merlin(&self) -> bool {
        self.status == 200 && self.shows("<dd id=\"name\">Merlin</dd>")
    }

    pub(crate) fn is_a_strangers(&self) -> bool {
        self.status == 200 && self.shows("We have not met yet")
    }

    /// Asserts that the response says to come again because the store is away, and that it changes no cookie.
    #[track_caller]
    pub(crate) fn assert_refused(&self) {
        assert_eq!((self.status, self.field("retry-after")), (503, Some("5")), "{self:?}");
        assert_eq!(self.field("set-cookie"), None, "{self:?}");
    }
}

impl Visitor {
    /// Starts a wizard with the store at `place`, and signs in there.
    pub(crate) fn new(place: &str, policy: Policy) -> Self {
        Self::under(&[], place, policy)
    }

    /// The same for a wizard that is started by the command `under`.
    pub(crate) fn under(under: &[&str], place: &str, policy: Policy) -> Self {
        let mut visitor = Self::start(under, place, policy);
        for _ in 1..STARTS {
            visitor = visitor.or_else(|_| Self::start(under, place, policy));
        }
        visitor.unwrap_or_else(|problem| panic!("{policy:?}: {problem}"))
    }

    /// # Errors
    ///
    /// What the wizard said instead.
    fn start(under: &[&str], place: &str, policy: Policy) -> Result<Self, String> {
        let variables = [("SECRET_KEY", &*secret()), ("WAXSEAL_SESSION_STORE", place)];
        let arguments = [policy.arguments(), &["--port=0", "--admin-address=0"]].concat();
        let mut program = Program::spawn_under(under, folder(), &variables, &arguments);
        program.has_started()?;
        let mut visitor = Self { program, cookie: String::new(), policy };
        visitor.cookie = visitor.try_to_sign_in().map_err(|answer| format!("{answer:?}"))?;
        let page = visitor.session_page();
        if page.knows_merlin() { Ok(visitor) } else { Err(format!("{page:?}")) }
    }

    /// The cookie of a new session.
    pub(crate) fn sign_in(&self) -> String {
        self.try_to_sign_in().unwrap()
    }

    fn try_to_sign_in(&self) -> Result<String, Answer> {
        let answer = exchange(self.program.address(), "POST /wizard/create", "", FORM);
        match answer.field("set-cookie").and_then(|cookie| cookie.split(';').next()) {
            Some(cookie) if answer.status == 303 => Ok(cookie.to_owned()),
            _ => Err(answer),
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.program.address()
    }

    pub(crate) fn cookie(&self) -> &str {
        &self.cookie
    }

    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.program.admin_address()
    }

    pub(crate) fn program(&self) -> &Program {
        &self.program
    }

    pub(crate) fn session_page(&self) -> Answer {
        self.session_page_of(&self.cookie)
    }

    /// The session's page for this cookie, or for none if it is empty.
    pub(crate) fn session_page_of(&self, cookie: &str) -> Answer {
        exchange(self.program.address(), "GET /wizard/success", cookie, "")
    }

    /// Sends the wizard's form, which signs in again. The response's cookie is not kept.
    pub(crate) fn post_form(&self) -> Answer {
        exchange(self.program.address(), "POST /wizard/create", &self.cookie, FORM)
    }

    /// Ends the session of this cookie.
    pub(crate) fn sign_out(&self, cookie: &str) {
        let answer = exchange(self.program.address(), "POST /wizard/start-over", cookie, "");
        assert_eq!(answer.status, 303, "{answer:?}");
    }

    pub(crate) fn ready(&self) -> Answer {
        exchange(self.program.admin_address(), "GET /health/ready", "", "")
    }

    /// Asserts that pages that need no store are served at once, with and without a cookie.
    pub(crate) fn assert_plain_pages(&self) {
        for path in ["/", "/static/wizard.css"] {
            assert_prompt(|| exchange(self.program.address(), &format!("GET {path}"), &self.cookie, ""));
        }
        let stranger = assert_prompt(|| self.session_page_of(""));
        assert!(stranger.is_a_strangers(), "{stranger:?}");
    }

    /// Checks everything once while the store is away.
    fn see_outage(&self, patience: Duration) {
        self.assert_plain_pages();
        let page = self.session_page();
        match self.policy {
            Policy::Refuse | Policy::NoCopies => page.assert_refused(),
            Policy::Anonymous => assert!(page.is_a_strangers(), "{page:?}"),
            Policy::Copies => assert!(page.knows_merlin(), "{page:?}"),
        }
        assert_eq!(page.field("set-cookie"), None, "{:?}: {page:?}", self.policy);
        let form = self.post_form();
        form.assert_refused();
        let ready = self.ready();
        assert_eq!(ready.status, 503, "{ready:?}");
        for answer in [page, form, ready] {
            assert!(answer.took < patience, "{:?}: {answer:?}", self.policy);
        }
        self.assert_plain_pages();
    }

    /// Checks that everything works as before the outage, with the session from then.
    fn sees_all_well(&self) -> Result<(), Answer> {
        let (page, ready) = (self.session_page(), self.ready());
        if !page.knows_merlin() {
            return Err(page);
        }
        if ready.status != 200 {
            return Err(ready);
        }
        let form = self.post_form();
        if form.status == 303 { Ok(()) } else { Err(form) }
    }

    /// Ends the wizard and returns its output.
    pub(crate) fn end(self) -> Ended {
        self.program.signal("TERM");
        self.program.wait()
    }
}

/// Takes the store away from visitors of every policy for this long, and brings it back. Returns the output of their
/// wizards.
#[expect(clippy::print_stderr, reason = "figures for whoever runs it with --nocapture")]
pub(crate) fn outage(place: &str, length: Duration, away: impl FnOnce(), back: impl FnOnce()) -> [String; 4] {
    let (patience, begin) = (patience(length), Instant::now());
    let visitors = Policy::ALL.map(|policy| Visitor::new(place, policy));
    for visitor in &visitors {
        visitor.assert_plain_pages();
        assert!((0..LOOKS).any(|_| visitor.ready().status == 200), "{:?}", visitor.policy);
    }
    away();
    let looks = at_once(&visitors, |visitor, start| {
        let mut looks = 0;
        while start.elapsed() < length {
            visitor.see_outage(patience);
            looks += 1;
            thread::sleep(Duration::from_millis(250));
        }
        looks
    });
    back();
    let times = at_once(&visitors, |visitor, start| {
        while let Err(answer) = visitor.sees_all_well() {
            assert!(start.elapsed() < patience, "{:?}: {answer:?}", visitor.policy);
            thread::sleep(Duration::from_millis(50));
        }
        start.elapsed()
    });
    for ((visitor, looks), took) in visitors.iter().zip(&looks).zip(times) {
        assert!(took < patience, "{:?}: {took:?}", visitor.policy);
        eprintln!("{:?}: {looks} looks in {length:?}, all well again after {took:?}", visitor.policy);
    }
    let mut looks = looks.into_iter();
    visitors.map(|visitor| {
        // Each looked once with a form, and some with a page, too.
        let refused = looks.next().unwrap();
        let said = visitor.end().said;
        let line = "503 Service Unavailable: the session store does not answer; try again in some seconds: ";
        assert_counted(&said, line, refused, begin);
        said
    })
}

/// Asserts that a wizard, which began after `begin`, has logged each reason that begins with `words` once a minute at most,
/// and how often it came again, so that at least `times` are accounted for.
#[track_caller]
pub(crate) fn assert_counted(said: &str, words: &str, times: usize, begin: Instant) {
    let lines = said.lines().filter(|line| line.contains(words));
    let (counts, lines): (Vec<_>, Vec<_>) =
        lines.partition(|line| line.contains(" repeated lines repeated="));
    let reason = |line: &str| line[line.find(words).unwrap()..].split(" request=").next().unwrap().to_owned();
    let reasons: BTreeSet<_> = lines.iter().map(|line| reason(line)).collect();
    let minutes = 1 + usize::try_from(begin.elapsed().as_secs() / 60).unwrap();
    assert!((1..=reasons.len() * minutes).contains(&lines.len()) && reasons.len() <= 8, "{said}");
    let count = |line: &&str| line.split("repeated=").nth(1)?.split(' ').next()?.parse::<usize>().ok();
    let counted: usize = counts.iter().map(|line| count(line).unwrap()).sum();
    assert!(lines.len() + counted >= times, "{times} were refused: {said}");
}

/// The most time for a page that asks a store that is away, and the time after the store's return within which everything
/// must work again. The full tests are for a machine that is not busy: a command's two seconds, and some more.
fn patience(length: Duration) -> Duration {
    Duration::from_secs(if length < LONG { 30 } else { 5 })
}

/// Asserts that a page asks no store: the quickest of some responses came at once. Returns that response.
#[track_caller]
fn assert_prompt(ask: impl Fn() -> Answer) -> Answer {
    let mut quickest = ask();
    for _ in 1..LOOKS {
        if quickest.took >= PROMPT {
            quickest = ask();
        }
    }
    assert!(quickest.status == 200 && quickest.took < PROMPT, "{quickest:?}");
    assert_eq!(quickest.field("set-cookie"), None, "{quickest:?}");
    quickest
}

/// Does `work` for all visitors at the same time.
fn at_once<T: Send>(visitors: &[Visitor], work: impl Fn(&Visitor, Instant) -> T + Sync) -> Vec<T> {
    let (start, work) = (Instant::now(), &work);
    thread::scope(|scope| {
        let threads: Vec<_> =
            visitors.iter().map(|visitor| scope.spawn(move || work(visitor, start))).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    })
}

pub(crate) fn exchange(address: SocketAddr, line: &str, cookie: &str, form: &str) -> Answer {
    let start = Instant::now();
    let mut stream = TcpStream::connect(address).unwrap();
    // Far longer than any asserted time, so that a slow response fails the assertion and not the read.
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\nsec-fetch-site: same-origin\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\ncookie: {cookie}\r\n\r\n",
        form.len()
    );
    stream.write_all((head + form).as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, took: start.elapsed(), text }
}
