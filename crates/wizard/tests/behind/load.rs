//! Visitors who use a site all the time, and check what they see.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::client::{Answer, Client, Connection, get, post};

/// The time after which a test fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// The pause between two requests of a visitor.
const PAUSE: Duration = Duration::from_millis(4);

/// Visitors that send requests, each in a thread.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    visits: Arc<[AtomicUsize]>,
    threads: Vec<JoinHandle<Seen>>,
}

/// What the visitors saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) requests: usize,
    /// What was wrong.
    pub(crate) failures: Vec<String>,
}

impl Seen {
    pub(crate) fn assert_none_failed(&self) {
        let (failed, count) = (self.failures.len(), self.requests);
        assert_eq!(failed, 0, "of {count}: {:#?}", &self.failures[..failed.min(3)]);
    }

    /// Asserts that nothing was wrong but this many forms that the proxy could not bring to a server. A proxy sends a form
    /// only once, because nobody knows whether it was read.
    pub(crate) fn assert_at_most_forms_failed(&self, forms: usize) {
        let is_such = |failure: &String| failure.starts_with("POST") && failure.contains("{ status: 502");
        assert!(self.failures.len() <= forms && self.failures.iter().all(is_such), "{:#?}", self.failures);
    }
}

/// A signed-in visitor, who keeps the newest cookie, and a connection for as long as the server does.
pub(crate) struct Visitor {
    client: Client,
    /// The root path of the app.
    root: &'static str,
    connection: Option<Connection>,
    cookie: String,
    name: String,
}

impl Visitor {
    /// Creates a visitor and signs in under this name.
    pub(crate) fn new(client: &Client, root: &'static str, name: &str) -> Self {
        let mut visitor = Self {
            client: client.clone(),
            root,
            connection: None,
            cookie: String::new(),
            name: String::new(),
        };
        visitor.rename(name).unwrap();
        visitor
    }

    /// Requests the page that shows the visitor's name.
    ///
    /// # Errors
    ///
    /// What the visitor saw instead.
    pub(crate) fn look(&mut self) -> Result<(), String> {
        let request = get(&format!("{}/wizard/success", self.root), &format!("Cookie: {}\r\n", self.cookie));
        let answer = self.ask(&request).map_err(|error| format!("GET: {error}"))?;
        let shown = format!("<dd id=\"name\">{}</dd>", self.name);
        if answer.status == 200 && answer.body.contains(&shown) {
            return Ok(());
        }
        Err(format!("GET for {}: {answer:?}", self.name))
    }

    /// Sends the form, which begins a session under another name.
    ///
    /// # Errors
    ///
    /// What the visitor saw instead.
    pub(crate) fn rename(&mut self, name: &str) -> Result<(), String> {
        let form = format!("name={}&magic_school=Avalon", name.replace(' ', "+"));
        let path = format!("{}/wizard/create", self.root);
        let answer = self.ask(&post(&path, &format!("Cookie: {}\r\n", self.cookie), &form));
        let answer = answer.map_err(|error| format!("POST: {error}"))?;
        if answer.status != 303 {
            return Err(format!("POST for {}: {answer:?}", self.name));
        }
        self.name = name.to_owned();
        Ok(())
    }

    fn ask(&mut self, request: &str) -> io::Result<Answer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.client.connect()?,
        };
        let answer = connection.ask(request)?;
        if answer.field("connection") != Some("close") {
            self.connection = Some(connection);
        }
        if let Some(cookie) = answer.cookie() {
            self.cookie = cookie.to_owned();
        }
        Ok(answer)
    }
}

impl Load {
    /// Starts this many visitors. Each of them writes once after reading three times.
    pub(crate) fn start(client: &Client, root: &'static str, visitors: usize) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let visits: Arc<[AtomicUsize]> = (0..visitors).map(|_| AtomicUsize::new(0)).collect();
        let threads = (0..visitors).map(|number| {
            let (client, is_over, visits) = (client.clone(), is_over.clone(), visits.clone());
            thread::spawn(move || {
                let mut visitor = Visitor::new(&client, root, &format!("Merlin{number}x"));
                let mut seen = Seen::default();
                while !is_over.load(Ordering::SeqCst) {
                    let requests = seen.requests;
                    seen.requests += 1;
                    let result = match requests % 4 {
                        3 => visitor.rename(&format!("Merlin{number}x{requests}")),
                        _ => visitor.look(),
                    };
                    seen.failures.extend(result.err());
                    visits[number].store(seen.requests, Ordering::SeqCst);
                    thread::sleep(PAUSE);
                }
                seen
            })
        });
        let threads = threads.collect();
        let load = Self { is_over, visits, threads };
        load.go_on();
        load
    }

    /// Waits until every visitor has sent ten more requests.
    pub(crate) fn go_on(&self) {
        let visits = || self.visits.iter().map(|visits| visits.load(Ordering::SeqCst));
        let (before, start): (Vec<_>, _) = (visits().collect(), Instant::now());
        while visits().zip(&before).any(|(now, before)| now < before + 10) {
            assert!(start.elapsed() < PATIENCE, "the load came to a stop");
            thread::sleep(PAUSE);
        }
    }

    /// Ends the load, and adds up what the visitors saw.
    pub(crate) fn stop(self) -> Seen {
        self.is_over.store(true, Ordering::SeqCst);
        let mut all = Seen::default();
        for thread in self.threads {
            let seen = thread.join().expect("no visitor panics");
            all.requests += seen.requests;
            all.failures.extend(seen.failures);
        }
        all
    }
}
