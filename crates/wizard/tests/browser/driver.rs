//! A browser that follows orders: the few WebDriver commands this test needs, over chromedriver's own HTTP.
//!
//! Synchronous, and one connection per command: the driver is on this machine and there is nothing to overlap.
//! Specification: W3C WebDriver 2.

use std::env;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::server::forward;

// Keys that are no characters have code points of their own (WebDriver, "Keyboard actions").
pub(crate) const TAB: &str = "\u{e004}";
pub(crate) const ENTER: &str = "\u{e007}";
pub(crate) const SHIFT_TAB: &str = "\u{e008}\u{e004}";
const SHIFT: char = '\u{e008}';

const START_LIMIT: Duration = Duration::from_secs(30);
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const PAGE_LIMIT: Duration = Duration::from_secs(15);

/// A headless browser with a profile of its own. Its driver closes it when dropped, and then the profile goes.
pub(crate) struct Browser {
    driver: Driver,
    session: String,
    _profile: TempDir,
}

/// A running chromedriver. Stopped when dropped.
struct Driver {
    process: Child,
    port: u16,
}

impl Browser {
    pub(crate) fn start() -> Browser {
        let driver = Driver::start();
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        let mut options = json!({ "args": [
            "--headless=new",
            // Everything it opens is this test's own server, often inside a container where there is no sandbox.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-gpu",
            "--disable-quic",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--hide-scrollbars",
            format!("--user-data-dir={}", profile.path().display()),
        ]});
        if let Ok(program) = env::var("CHROME") {
            options["binary"] = program.into();
        }
        let wishes = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let answer = driver.call("POST", "/session", &wishes).expect("the browser starts");
        let session = answer["sessionId"].as_str().expect("a new session has an id").to_owned();
        Browser { driver, session, _profile: profile }
    }

    /// Opens a page and waits until it has loaded.
    pub(crate) fn open(&self, url: &str) {
        self.post("/url", json!({ "url": url }));
    }

    /// The path of the page's address.
    pub(crate) fn path(&self) -> String {
        self.script("return location.pathname").as_str().expect("a path is text").to_owned()
    }

    /// Waits for a page that a key or a click has asked for.
    pub(crate) fn wait_for_path(&self, path: &str) {
        let start = Instant::now();
        // While one page replaces another there is none to ask.
        let arrived = || {
            let script = json!({ "script": "return [location.pathname, document.readyState]", "args": [] });
            self.try_post("/execute/sync", script).is_ok_and(|found| found == json!([path, "complete"]))
        };
        while !arrived() {
            assert!(start.elapsed() < PAGE_LIMIT, "{path} was not reached, the page is {}", self.path());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// The HTTP status that this page came with.
    pub(crate) fn status(&self) -> u64 {
        let status = self.script("return performance.getEntriesByType('navigation')[0].responseStatus");
        status.as_u64().expect("a status is a number")
    }

    /// The page's source after parsing.
    pub(crate) fn source(&self) -> String {
        self.script("return document.documentElement.outerHTML")
            .as_str()
            .expect("a source is text")
            .to_owned()
    }

    /// Types `text`, one key after the other, into whatever has the focus.
    pub(crate) fn press(&self, text: &str) {
        let mut actions = Vec::new();
        for key in text.chars() {
            actions.push(json!({ "type": "keyDown", "value": key }));
            if key != SHIFT {
                actions.push(json!({ "type": "keyUp", "value": key }));
            }
        }
        self.post("/actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }]}));
        self.call("DELETE", "/actions", &Value::Null).expect("keys that are down can be released");
    }

    /// The visible text of each element that `selector` finds.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(element => element.innerText)";
        let texts = self.script_with(script, json!([selector]));
        serde_json::from_value(texts).expect("texts are text")
    }

    /// How many elements `selector` finds.
    pub(crate) fn count(&self, selector: &str) -> usize {
        self.texts(selector).len()
    }

    /// A property of the one element that `selector` finds, as text.
    pub(crate) fn property(&self, selector: &str, name: &str) -> String {
        let script = "return String(document.querySelector(arguments[0])[arguments[1]])";
        self.script_with(script, json!([selector, name])).as_str().expect("it was made text").to_owned()
    }

    /// Runs a script as a person at the console would: the page's own rules do not apply to it.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.script_with(script, json!([]))
    }

    pub(crate) fn script_with(&self, script: &str, arguments: Value) -> Value {
        self.post("/execute/sync", json!({ "script": script, "args": arguments }))
    }

    /// The cookie called `name` as the browser keeps it, with its attributes.
    pub(crate) fn cookie(&self, name: &str) -> Option<Value> {
        let all = self.call("GET", "/cookie", &Value::Null).expect("a page has cookies");
        all.as_array().expect("cookies are a list").iter().find(|cookie| cookie["name"] == name).cloned()
    }

    /// Replaces `cookie` with one that differs in its value alone.
    pub(crate) fn set_cookie(&self, cookie: &Value, value: &str) {
        let mut cookie = cookie.clone();
        cookie["value"] = value.into();
        self.post("/cookie", json!({ "cookie": cookie }));
    }

    /// What the console holds since the last call: errors, broken policies, resources that did not load.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.post("/se/log", json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log is a list").iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    /// A command of the browser's own protocol, for what WebDriver does not know.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.post("/goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn post(&self, path: &str, body: Value) -> Value {
        self.try_post(path, body).unwrap_or_else(|problem| panic!("{path}: {problem}"))
    }

    fn try_post(&self, path: &str, body: Value) -> Result<Value, String> {
        self.call("POST", path, &body)
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        self.driver.call(method, &format!("/session/{}{path}", self.session), body)
    }
}

impl Driver {
    fn start() -> Driver {
        let program = env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let mut process = Command::new(&program)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| {
                panic!("{program} does not start ({error}); `cargo xtask test` sets it up")
            });
        let (lines, said) = mpsc::channel();
        forward(process.stdout.take().expect("it is piped"), lines);
        let mut driver = Driver { process, port: 0 };
        // "ChromeDriver was started successfully on port 39127."
        while let Ok(line) = said.recv_timeout(START_LIMIT) {
            if let Some((_, port)) = line.split_once("started successfully on port ") {
                driver.port = port.trim_end_matches('.').parse().expect("a port is a number");
                return driver;
            }
        }
        panic!("{program} did not say where it listens");
    }

    /// One command. An error is what the driver says about it.
    fn call(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let answer = self.exchange(method, path, body).map_err(|error| error.to_string())?;
        let mut answer: Value = serde_json::from_slice(&answer).map_err(|error| error.to_string())?;
        match answer["value"]["error"].as_str() {
            Some(error) => {
                Err(format!("{error}: {}", answer["value"]["message"].as_str().unwrap_or_default()))
            }
            None => Ok(answer["value"].take()),
        }
    }

    /// Sends a request and reads the body of the answer, whose length the driver always gives.
    fn exchange(&self, method: &str, path: &str, body: &Value) -> io::Result<Vec<u8>> {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(COMMAND_LIMIT))?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n",
            self.port,
            body.len(),
        );
        stream.write_all((head + &body).as_bytes())?;

        let mut stream = BufReader::new(stream);
        let mut length = 0;
        let mut line = String::new();
        while stream.read_line(&mut line)? > 0 && line != "\r\n" {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().map_err(io::Error::other)?;
            }
            line.clear();
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body)?;
        Ok(body)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Asked to shut down it closes every browser it has started; killed, it would leave them behind.
        let _ = self.call("GET", "/shutdown", &Value::Null);
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(5) {
            thread::sleep(Duration::from_millis(20));
        }
        // Both fail only if it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
