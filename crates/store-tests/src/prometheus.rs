//! A Prometheus of our own: on a free port of the loopback address, in a temporary folder, and ended with the test.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Process, free_port, shell};

/// A server that scrapes its targets each second.
pub struct Prometheus {
    // Before the folder: it is dropped first.
    _process: Process,
    _folder: TempDir,
    port: u16,
}

impl Prometheus {
    /// A server with the configuration that operators are told of, but for these targets and rules, and without its interval.
    pub fn start(targets: &[SocketAddr], rules: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("prometheus.yml"), configuration(targets, rules)).unwrap();
        // Another program may take the free port first.
        for _ in 0..5 {
            let port = free_port();
            let mut shell = shell(&program(), "TERM", None, folder.path());
            shell.args(["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn"]);
            shell.arg(format!("--web.listen-address=127.0.0.1:{port}"));
            let process = Process::start(shell);
            if is_ready(&process, port) {
                return Self { _process: process, _folder: folder, port };
            }
        }
        let log = fs::read_to_string(folder.path().join("log")).unwrap_or_default();
        panic!("Prometheus does not start; its log: {log}");
    }

    /// The JSON that an instant query is answered with.
    pub fn query(&self, query: &str) -> String {
        let mut form = "query=".to_owned();
        for byte in query.bytes() {
            write!(form, "%{byte:02X}").expect("a string takes all");
        }
        self.answer("POST", "/api/v1/query", &form)
    }

    /// The JSON of all rules and their states.
    pub fn rules(&self) -> String {
        self.answer("GET", "/api/v1/rules", "")
    }

    fn answer(&self, method: &str, path: &str, form: &str) -> String {
        let answer = exchange(self.port, method, path, form).expect("it listens");
        answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
    }
}

/// The files for Prometheus of the page about deploying: for servers with names, and for pods of Kubernetes.
///
/// # Panics
///
/// If the page has other files.
#[must_use]
pub fn documented_files() -> [&'static str; 2] {
    let page = include_str!("../../../docs/deploying.md");
    let (_, section) = page.split_once("\n## Prometheus\n").expect("the page has the section");
    let section = section.split("\n## ").next().expect("the first part");
    let files =
        section.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().expect("the first part"));
    files.collect::<Vec<_>>().try_into().expect("the page has two files")
}

fn configuration(targets: &[SocketAddr], rules: &Path) -> String {
    let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
    let mut text = documented_files()[0].to_owned();
    for (there, here) in [
        (r#"["10.0.0.11:9000", "10.0.0.12:9000"]"#, format!("{targets:?}")),
        ("[alerts.yml]", format!("[{rules:?}]")),
        ("scrape_interval: 15s", "scrape_interval: 1s".to_owned()),
    ] {
        assert!(text.contains(there), "the page has {there:?} no more: {text}");
        text = text.replace(there, &here);
    }
    format!("global: {{ evaluation_interval: 1s }}\n{text}")
}

/// Waits until the server is ready. False if it has ended, or is not ready in half a minute.
fn is_ready(process: &Process, port: u16) -> bool {
    for _ in 0..300 {
        let answer = exchange(port, "GET", "/-/ready", "");
        if !process.is_running() {
            return false;
        }
        if answer.is_ok_and(|answer| answer.starts_with("HTTP/1.0 200")) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    false
}

fn exchange(port: u16, method: &str, path: &str, form: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let length = form.len();
    // By HTTP/1.0, so that the body comes in one piece.
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {length}\r\n\r\n{form}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn program() -> PathBuf {
    std::env::var_os("PROMETHEUS")
        .expect("PROMETHEUS names the program, as `cargo xtask test` sets it")
        .into()
}

/// The tool that comes with Prometheus.
pub fn promtool() -> PathBuf {
    program().with_file_name("promtool")
}
