//! Two wizards behind a proxy over TLS, started with the flags and the files of `docs/deploying.md`.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod attacks;
pub(crate) mod client;
pub(crate) mod large_heads;
pub(crate) mod load;
#[cfg(feature = "redis")]
pub(crate) mod outage;
pub(crate) mod rolling;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, LazyLock};

use store_tests::front::{Front, Kind, nginx_configuration};
use tempfile::TempDir;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::program::{Program, folder, secret};
use client::Client;

pub(crate) const PAGE: &str = include_str!("../../../../docs/deploying.md");
/// The addresses on the page, each with that of the tests. No other connection has one of the latter as its source, so
/// no client can occupy a server's port while that server restarts.
const PROXY: [&str; 2] = ["10.0.0.1", "127.0.0.1"];
const SERVERS: [[&str; 2]; 2] = [["10.0.0.11", "127.0.0.2"], ["10.0.0.12", "127.0.0.3"]];

/// Two servers, and the proxy in front of them.
pub(crate) struct Site {
    pub(crate) machines: [Machine; 2],
    pub(crate) client: Client,
    _front: Front,
}

/// A place where a server runs and can be restarted.
pub(crate) struct Machine {
    program: Option<Program>,
    folder: Arc<TempDir>,
    pub(crate) secret_file: PathBuf,
    /// The address of its pages for the operator.
    pub(crate) admin: SocketAddr,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// The configuration of a site.
#[derive(Clone, Copy)]
pub(crate) struct Plan<'a> {
    pub(crate) kind: Kind,
    /// The servers' store, if they have one.
    pub(crate) store: Option<&'a str>,
    /// The root path of the app: empty, or `/app` as on the page.
    pub(crate) root: &'static str,
    /// More flags for the servers. They replace the same flags on the page.
    pub(crate) more: &'a [&'a str],
}

/// Ports that are free at both servers' addresses: one for the app and one for its health pages.
#[derive(Clone, Copy)]
struct Ports {
    app: u16,
    health: u16,
}

impl Site {
    pub(crate) fn start(plan: Plan<'_>) -> Self {
        let ports = Ports { app: free_port(), health: free_port() };
        let machines = [0, 1].map(|number| Machine::start(plan, number, ports));
        let (front, client) = proxy(plan, ports);
        client.wait_until_served(plan.root);
        Self { machines, client, _front: front }
    }
}

/// The proxy of the page in front of these ports, and its clients.
fn proxy(plan: Plan<'_>, ports: Ports) -> (Front, Client) {
    let certificate = std::sync::Mutex::new(None);
    let front = Front::start(plan.kind, |port, folder| {
        *certificate.lock().unwrap() = Some(certify(folder));
        configuration(plan, port, ports, folder)
    });
    let certificate = certificate.into_inner().unwrap().expect("it was made for the proxy");
    let client = Client::new(front.port, certificate);
    (front, client)
}

impl Machine {
    fn start(plan: Plan<'_>, number: usize, ports: Ports) -> Self {
        let folder = folder();
        let secret_file = folder.path().join("secret");
        std::fs::write(&secret_file, secret() + "\n").unwrap();
        // On the loopback address, since Prometheus sends the address as the host.
        let admin = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let mut variables = vec![("SECRET_KEY_FILE".to_owned(), secret_file.display().to_string())];
        variables.extend(plan.store.map(|store| ("WAXSEAL_SESSION_STORE".to_owned(), store.to_owned())));
        let mut arguments = arguments(number, ports, plan.more);
        arguments.push(format!("--admin-address={admin}"));
        if !plan.root.is_empty() {
            let flag = below_a_path("--root-path ");
            assert!(flag.ends_with(plan.root), "the page has another path: {flag}");
            arguments.extend(flag.split(' ').map(str::to_owned));
        }
        let program = Some(launch(&folder, &variables, &arguments));
        Self { program, folder, secret_file, admin, variables, arguments }
    }

    pub(crate) fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("it runs")
    }

    /// Ends the server as a service manager does. Returns its output.
    pub(crate) fn end(&mut self) -> String {
        let program = self.program.take().expect("it runs");
        program.signal("TERM");
        let ended = program.wait();
        assert!(ended.status.success(), "{ended:?}");
        ended.said
    }

    /// Ends the server and starts another in its place. Returns the output of the first.
    pub(crate) fn restart(&mut self) -> String {
        let said = self.end();
        self.program = Some(launch(&self.folder, &self.variables, &self.arguments));
        said
    }
}

fn launch(folder: &Arc<TempDir>, variables: &[(String, String)], arguments: &[String]) -> Program {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut program = Program::spawn(folder.clone(), &variables, &arguments);
    program.hear_address();
    program
}

/// The flags on the page for one of the servers, and more.
fn arguments(number: usize, ports: Ports, more: &[&str]) -> Vec<String> {
    let line = PAGE.lines().find_map(|line| line.strip_prefix("wizard --host ")).expect("it is on the page");
    let mut line = format!("--host {line} --port {}", ports.app);
    set(&mut line, SERVERS[0][0], SERVERS[number][1]);
    set(&mut line, PROXY[0], PROXY[1]);
    set(&mut line, ":9001", &format!(":{}", ports.health));
    // A flag cannot be given twice, so a flag that the test sets replaces that of the page.
    let is_set = |flag: &str| more.iter().any(|given| given.split('=').next() == Some(flag));
    let words: Vec<_> = line.split(' ').collect();
    let pairs = words.chunks(2).filter(|pair| !is_set(pair[0]));
    pairs.flatten().chain(more).map(|word| (*word).to_owned()).collect()
}

/// The proxy's file on the page, with the test's addresses.
fn configuration(plan: Plan<'_>, port: u16, ports: Ports, folder: &Path) -> String {
    let language = match plan.kind {
        Kind::Nginx => "```nginx\n",
        Kind::Haproxy => "```haproxy\n",
        Kind::Caddy => "```caddyfile\n",
    };
    let (_, rest) = PAGE.split_once(language).expect("it is on the page");
    let mut text = rest.split_once("```").expect("it ends").0.to_owned();
    for [there, here] in SERVERS {
        set(&mut text, &format!("{there}:5000"), &format!("{here}:{}", ports.app));
    }
    let folder = folder.display();
    match plan.kind {
        Kind::Nginx => {
            if !plan.root.is_empty() {
                set(&mut text, "location / {", below_a_path("location /app"));
            }
            set(&mut text, "listen 443 ssl", &format!("listen 127.0.0.1:{port} ssl"));
            set(&mut text, "/etc/ssl/wizard", &folder.to_string());
            nginx_configuration(&text)
        }
        Kind::Haproxy => {
            set(&mut text, "bind :443", &format!("bind 127.0.0.1:{port}"));
            set(&mut text, "/etc/ssl/wizard", &folder.to_string());
            set(&mut text, "port 9001", &format!("port {}", ports.health));
            text
        }
        Kind::Caddy => {
            let certificate = format!("tls {folder}/certificate.pem {folder}/key.pem");
            let site = format!("https://wizard.example:{port} {{\nbind 127.0.0.1\n{certificate}\n");
            set(&mut text, "wizard.example {\n", &site);
            set(&mut text, "health_port 9001", &format!("health_port {}", ports.health));
            format!("{{\nadmin off\nauto_https disable_redirects\n}}\n{text}")
        }
    }
}

/// What the page says, beginning with these words, for an app below a path.
fn below_a_path(words: &str) -> &'static str {
    let found = PAGE.split('`').find(|quoted| quoted.starts_with(words));
    found.unwrap_or_else(|| panic!("the page has no {words:?}"))
}

/// Replaces the page's value by that of the test.
pub(crate) fn set(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "the page has {from:?} no more: {text}");
    *text = text.replace(from, to);
}

/// A port that was free at all addresses a moment ago. The system does not use it for outgoing connections, so it is
/// free again after a restart.
fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Each process chooses from a hundred ports of its own, and occupies the first of them to its end.
    static OWN: LazyLock<TcpListener> = LazyLock::new(|| {
        let mut firsts = (20_000..32_000).step_by(100);
        let first = firsts.find_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok());
        first.expect("less than 120 processes run this")
    });
    let first = OWN.local_addr().unwrap().port();
    loop {
        let port = first + 1 + NEXT.fetch_add(1, Ordering::Relaxed) % 99;
        let hosts = [PROXY, SERVERS[0], SERVERS[1]].map(|[_, here]| here.parse::<Ipv4Addr>().unwrap());
        if hosts.iter().all(|host| TcpListener::bind((*host, port)).is_ok()) {
            return port;
        }
    }
}

/// Creates a certificate for wizard.example, and writes it and its key to files.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let config = "[req]\ndistinguished_name = name\nx509_extensions = more\nprompt = no\n[name]\nCN = wizard.example\n\
        [more]\nsubjectAltName = DNS:wizard.example\nbasicConstraints = critical, CA:FALSE\n";
    std::fs::write(folder.join("openssl.cnf"), config).unwrap();
    let arguments = "req -x509 -days 2 -config openssl.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem \
        -out certificate.pem";
    let output = Command::new("openssl").args(arguments.split_whitespace()).current_dir(folder).output();
    let output = output.expect("openssl is installed");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    std::fs::write(folder.join("both.pem"), read("certificate.pem") + &read("key.pem")).unwrap();
    CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap()
}
