//! Two wizards behind a proxy over TLS, started with the flags and the files of `docs/deploying.md`.

#![allow(dead_code, reason = "each test binary uses its own part")]

pub(crate) mod attacks;
pub(crate) mod client;
pub(crate) mod load;
pub(crate) mod rolling;

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;

use store_tests::front::{Front, Kind, nginx_configuration};
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use crate::program::{Program, folder, secret};
use client::Client;

const PAGE: &str = include_str!("../../../../docs/deploying.md");
/// The addresses of the page, and those of the tests. The source of no other connection is one of the latter, so that no
/// client has a server's port while that restarts.
const PROXY: [&str; 2] = ["10.0.0.1", "127.0.0.1"];
const SERVERS: [[&str; 2]; 2] = [["10.0.0.11", "127.0.0.2"], ["10.0.0.12", "127.0.0.3"]];

/// Two servers, and the proxy in front of them.
pub(crate) struct Site {
    pub(crate) machines: [Machine; 2],
    pub(crate) client: Client,
    _front: Front,
}

/// A place where a server runs, again and again.
pub(crate) struct Machine {
    program: Option<Program>,
    variables: Vec<(String, String)>,
    arguments: Vec<String>,
}

/// Ports that are free at both servers' addresses: the app's and that of its health.
#[derive(Clone, Copy)]
struct Ports {
    app: u16,
    health: u16,
}

impl Site {
    /// Starts all, with more flags for the servers, and their store.
    pub(crate) fn start(kind: Kind, store: Option<&str>, more: &[&str]) -> Self {
        let ports = Ports { app: free_port(), health: free_port() };
        let machines = [0, 1].map(|number| Machine::start(arguments(number, ports, more), store));
        let certificate = std::sync::Mutex::new(None);
        let front = Front::start(kind, |port, folder| {
            *certificate.lock().unwrap() = Some(certify(folder));
            configuration(kind, port, ports, folder)
        });
        let certificate = certificate.into_inner().unwrap().expect("it was made for the proxy");
        let client = Client::new(front.port, certificate);
        client.wait_until_served();
        Self { machines, client, _front: front }
    }
}

impl Machine {
    fn start(arguments: Vec<String>, store: Option<&str>) -> Self {
        let mut variables = vec![("SECRET_KEY".to_owned(), secret())];
        variables.extend(store.map(|store| ("WAXSEAL_SESSION_STORE".to_owned(), store.to_owned())));
        Self { program: Some(launch(&variables, &arguments)), variables, arguments }
    }

    pub(crate) fn program(&mut self) -> &mut Program {
        self.program.as_mut().expect("it runs")
    }

    /// Ends the server as a service manager does; what it said.
    pub(crate) fn end(&mut self) -> String {
        let program = self.program.take().expect("it runs");
        program.signal("TERM");
        let ended = program.wait();
        assert!(ended.status.success(), "{ended:?}");
        ended.said
    }

    /// Ends the server and starts another in its place; what the first one said.
    pub(crate) fn restart(&mut self) -> String {
        let said = self.end();
        self.program = Some(launch(&self.variables, &self.arguments));
        said
    }
}

fn launch(variables: &[(String, String)], arguments: &[String]) -> Program {
    let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, &**value)).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let mut program = Program::spawn(folder(), &variables, &arguments);
    program.hear_address();
    program
}

/// The flags on the page, for one of the servers, and more.
fn arguments(number: usize, ports: Ports, more: &[&str]) -> Vec<String> {
    let line = PAGE.lines().find_map(|line| line.strip_prefix("wizard --host ")).expect("it is on the page");
    let mut line = format!("--host {line} --port {}", ports.app);
    set(&mut line, SERVERS[0][0], SERVERS[number][1]);
    set(&mut line, PROXY[0], PROXY[1]);
    set(&mut line, ":9001", &format!(":{}", ports.health));
    // Of two, the last one counts nowhere: a flag that the test sets takes the place of the page's.
    let is_set = |flag: &str| more.iter().any(|given| given.split('=').next() == Some(flag));
    let words: Vec<_> = line.split(' ').collect();
    let pairs = words.chunks(2).filter(|pair| !is_set(pair[0]));
    pairs.flatten().chain(more).map(|word| (*word).to_owned()).collect()
}

/// The proxy's file on the page, with the test's addresses.
fn configuration(kind: Kind, port: u16, ports: Ports, folder: &Path) -> String {
    let language = match kind {
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
    match kind {
        Kind::Nginx => {
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

/// Puts the test's value in place of the page's.
fn set(text: &mut String, from: &str, to: &str) {
    assert!(text.contains(from), "the page has {from:?} no more: {text}");
    *text = text.replace(from, to);
}

/// A port that was free at both addresses a moment ago.
fn free_port() -> u16 {
    loop {
        let [one, two] = SERVERS.map(|[_, here]| here.parse::<Ipv4Addr>().unwrap());
        let listener = TcpListener::bind((one, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        if TcpListener::bind(SocketAddr::from((two, port))).is_ok() {
            return port;
        }
    }
}

/// Makes a certificate for wizard.example, and files of it and its key.
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
