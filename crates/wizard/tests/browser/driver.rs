//! A browser that a test controls through `fantoccini`, one command at a time.
//!
//! A person does one thing after the other, and so do these tests: each method waits for its command.

use std::env;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::cookies::Cookie;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use http::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::runtime::{self, Runtime};
use tokio::time::timeout;
use url::{ParseError, Url};

const START_LIMIT: Duration = Duration::from_secs(30);
/// Starts of a driver, of which the first may meet another one.
const STARTS: usize = 3;
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
const PAGE_LIMIT: Duration = Duration::from_secs(60);
const CLOSE_LIMIT: Duration = Duration::from_secs(30);

/// A headless browser with a new profile. When it is dropped, the browser closes, and then the driver and profile are
/// removed.
pub(crate) struct Browser {
    runtime: Runtime,
    client: Client,
    driver: Driver,
    _profile: TempDir,
}

impl Browser {
    pub(crate) fn start() -> Browser {
        Browser::start_with(&[], None)
    }

    /// Starts a browser with more arguments and with a separate home folder.
    pub(crate) fn start_with(arguments: &[String], home: Option<&Path>) -> Browser {
        let driver = Driver::start(home);
        let profile = tempfile::tempdir().expect("a temporary folder can be made");
        let mut options = json!({ "args": [
            "--headless=new",
            // It opens only this test's own server, often inside a container, where no sandbox is available.
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
        let all = options["args"].as_array_mut().expect("it is a list");
        all.extend(arguments.iter().cloned().map(Value::from));
        if let Ok(program) = env::var("CHROME") {
            options["binary"] = program.into();
        }
        let wishes = Map::from_iter([
            ("goog:chromeOptions".to_owned(), options),
            ("goog:loggingPrefs".to_owned(), json!({ "browser": "ALL" })),
        ]);
        let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        let client = runtime.block_on(async {
            let mut builder = ClientBuilder::new(HttpConnector::new());
            timeout(COMMAND_LIMIT, builder.capabilities(wishes).connect(&driver.url())).await
        });
        let client = client.expect("the driver answers in time").expect("the browser starts");
        Browser { runtime, client, driver, _profile: profile }
    }

    /// Opens a page and waits until it has loaded.
    pub(crate) fn open(&self, url: &str) {
        self.wait_for(self.client.goto(url)).expect("a page opens");
    }

    /// The path of the page's address.
    pub(crate) fn path(&self) -> String {
        self.wait_for(self.client.current_url()).expect("a page has an address").path().to_owned()
    }

    /// Waits for a page that a key press or a click has requested.
    pub(crate) fn wait_for_path(&self, path: &str) {
        let start = Instant::now();
        // While one page replaces another, there is no page to query.
        let arrived = || {
            let script = "return [location.pathname, document.readyState]";
            let found = self.wait_for(self.client.execute(script, vec![]));
            found.is_ok_and(|found| found == json!([path, "complete"]))
        };
        while !arrived() {
            assert!(start.elapsed() < PAGE_LIMIT, "{path} was not reached, the page is {}", self.path());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// Waits for a page in which an element that `selector` finds has this `text`.
    pub(crate) fn wait_for_text(&self, selector: &str, text: &str) {
        let start = Instant::now();
        let script = "return document.readyState === 'complete' \
             && [...document.querySelectorAll(arguments[0])].some(found => found.innerText.includes(arguments[1]))";
        let arrived = || {
            let found = self.wait_for(self.client.execute(script, vec![json!(selector), json!(text)]));
            found.is_ok_and(|found| found == json!(true))
        };
        while !arrived() {
            assert!(start.elapsed() < PAGE_LIMIT, "{text:?} did not come; the page is {}", self.source());
            thread::sleep(Duration::from_millis(30));
        }
    }

    /// The HTTP status of this page.
    pub(crate) fn status(&self) -> u64 {
        let status = self.script("return performance.getEntriesByType('navigation')[0].responseStatus");
        status.as_u64().expect("a status is a number")
    }

    /// The page's source after parsing.
    pub(crate) fn source(&self) -> String {
        self.wait_for(self.client.source()).expect("a page has a source")
    }

    /// Types `text`, one key after the other, into whatever has the focus.
    pub(crate) fn press(&self, text: &str) {
        let mut keys = KeyActions::new("keyboard".to_owned());
        for value in text.chars() {
            keys = keys.then(KeyAction::Down { value });
            // Shift stays pressed for the keys that follow.
            if value != char::from(Key::Shift) {
                keys = keys.then(KeyAction::Up { value });
            }
        }
        self.wait_for(self.client.perform_actions(keys)).expect("keys can be pressed");
        self.wait_for(self.client.release_actions()).expect("keys that are down can be released");
    }

    /// Clicks the one element that `selector` finds.
    pub(crate) fn click(&self, selector: &str) {
        let clicked = self.wait_for(async { self.client.find(Locator::Css(selector)).await?.click().await });
        clicked.expect("the element is there and can be clicked");
    }

    /// Chooses a file in the one field that `selector` finds.
    pub(crate) fn choose_file(&self, selector: &str, path: &Path) {
        let path = path.to_str().expect("the path is text");
        let chosen = async { self.client.find(Locator::Css(selector)).await?.send_keys(path).await };
        self.wait_for(chosen).expect("a file can be chosen");
    }

    /// The visible text of each element that `selector` finds.
    pub(crate) fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(element => element.innerText)";
        let texts = self.script_with(script, vec![json!(selector)]);
        serde_json::from_value(texts).expect("texts are text")
    }

    /// How many elements `selector` finds.
    pub(crate) fn count(&self, selector: &str) -> usize {
        self.wait_for(self.client.find_all(Locator::Css(selector))).expect("the selector is right").len()
    }

    /// A property of the one element that `selector` finds, as text.
    pub(crate) fn property(&self, selector: &str, name: &str) -> String {
        let property =
            self.wait_for(async { self.client.find(Locator::Css(selector)).await?.prop(name).await });
        property.expect("the element is there").expect("it has the property")
    }

    /// Runs a script as in the console, where the page's content security policy does not apply.
    pub(crate) fn script(&self, script: &str) -> Value {
        self.script_with(script, vec![])
    }

    pub(crate) fn script_with(&self, script: &str, arguments: Vec<Value>) -> Value {
        self.wait_for(self.client.execute(script, arguments)).expect("the script is right")
    }

    /// The cookie named `name`, as the browser keeps it, with its attributes.
    pub(crate) fn cookie(&self, name: &str) -> Option<Cookie<'static>> {
        match self.wait_for(self.client.get_named_cookie(name)) {
            Err(error) if error.is_no_such_cookie() => None,
            cookie => Some(cookie.expect("a page has cookies")),
        }
    }

    /// The cookies that the browser sends to this page's address.
    pub(crate) fn cookies(&self) -> Vec<Cookie<'static>> {
        self.wait_for(self.client.get_all_cookies()).expect("the browser shows its cookies")
    }

    /// Runs a script and waits for the value that it passes to its last argument.
    pub(crate) fn script_later(&self, script: &str) -> Value {
        self.wait_for(self.client.execute_async(script, Vec::new())).expect("the script runs")
    }

    /// The number of cookies named `name` that the browser would send to `url`.
    pub(crate) fn cookies_for(&self, url: &str, name: &str) -> usize {
        let found = self.devtools("Network.getCookies", json!({ "urls": [url] }));
        let found = found["cookies"].as_array().expect("a browser has cookies").iter();
        found.filter(|cookie| cookie["name"] == name).count()
    }

    /// Replaces `cookie` by one that differs only in its value.
    pub(crate) fn set_cookie(&self, cookie: &Cookie<'static>, value: &str) {
        let mut cookie = cookie.clone();
        cookie.set_value(value.to_owned());
        self.wait_for(self.client.add_cookie(cookie)).expect("a cookie can be set");
    }

    /// The console's messages since the last call: errors, violations of policies, resources that did not load.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let log = self.chromium("se/log", json!({ "type": "browser" }));
        let entries = log.as_array().expect("a log is a list").iter();
        entries.map(|entry| entry["message"].to_string()).collect()
    }

    /// Sends a command of the browser's own protocol, for functions that WebDriver does not have.
    pub(crate) fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.chromium("goog/cdp/execute", json!({ "cmd": command, "params": parameters }))
    }

    fn chromium(&self, path: &'static str, body: Value) -> Value {
        let command = ChromiumCommand::Session { path, body };
        self.wait_for(self.client.issue_cmd(command)).expect("Chromium knows the command")
    }

    fn wait_for<T>(&self, command: impl Future<Output = Result<T, CmdError>>) -> Result<T, CmdError> {
        let answer = self.runtime.block_on(async { timeout(COMMAND_LIMIT, command).await });
        answer.expect("the driver answers in time")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // If asked to shut down, the driver closes the browser and cleans up; if killed, it would do neither.
        let shutdown = self.client.issue_cmd(ChromiumCommand::Shutdown);
        if self.runtime.block_on(async { timeout(CLOSE_LIMIT, shutdown).await }).is_ok() {
            self.driver.wait();
        }
    }
}

/// A command that Chromium's driver has in addition to WebDriver.
#[derive(Debug)]
enum ChromiumCommand {
    Session { path: &'static str, body: Value },
    Shutdown,
}

impl WebDriverCompatibleCommand for ChromiumCommand {
    fn endpoint(&self, driver: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        match self {
            ChromiumCommand::Session { path, .. } => {
                let session = session.expect("a client has a session from the start");
                driver.join(&format!("session/{session}/{path}"))
            }
            ChromiumCommand::Shutdown => driver.join("shutdown"),
        }
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        match self {
            ChromiumCommand::Session { body, .. } => (Method::POST, Some(body.to_string())),
            ChromiumCommand::Shutdown => (Method::GET, None),
        }
    }
}

/// A running chromedriver. Stopped when dropped.
struct Driver {
    process: Child,
    port: u16,
}

impl Driver {
    /// Starts one. It chooses its port by IPv4 and takes it by IPv6 as well, where another driver that starts at the same
    /// time may have taken it; then it ends, and is started again.
    fn start(home: Option<&Path>) -> Driver {
        let started = (0..STARTS).find_map(|_| Self::try_start(home));
        started.unwrap_or_else(|| panic!("chromedriver did not say where it listens, in {STARTS} starts"))
    }

    fn try_start(home: Option<&Path>) -> Option<Driver> {
        let program = env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned());
        let mut process = Command::new(&program)
            .envs(home.map(|home| ("HOME", home)))
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
                return Some(driver);
            }
        }
        None
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Waits a while for the driver to end by itself.
    fn wait(&mut self) {
        let start = Instant::now();
        while matches!(self.process.try_wait(), Ok(None)) && start.elapsed() < CLOSE_LIMIT {
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Both fail only if the process has already ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Reads to the end, even when nobody receives the lines any more, because a full pipe would block the driver.
fn forward(output: impl Read + Send + 'static, lines: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = lines.send(line);
        }
    });
}
