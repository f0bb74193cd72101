//! A key is rotated on two servers behind one address, under load, and nobody is signed out.

mod key_files;
mod program;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use key_files::{bring, operate, waxseal};
use program::Program;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Outcome, SessionManager};

const CLIENTS: usize = 6;
const PATIENCE: Duration = Duration::from_secs(30);

/// A server with its own copy of the secret file.
struct Machine {
    program: Program,
    file: PathBuf,
}

impl Machine {
    fn start(secret: &str) -> Self {
        Self::start_with(secret, &["--port=0", "--admin-address=0"])
    }

    fn start_with(secret: &str, arguments: &[&str]) -> Self {
        let folder = program::folder();
        let file = folder.path().join("secret");
        fs::write(&file, secret).unwrap();
        let variables = [("SECRET_KEY_FILE", file.to_str().unwrap())];
        let mut program = Program::spawn(folder, &variables, arguments);
        program.hear_address();
        Self { program, file }
    }

    fn bring(&self, from: &Machine) {
        bring(&from.file, &self.file);
    }

    fn hear_change(&mut self) {
        self.program.hear("secret keys changed from ");
        self.program.hear("\n");
    }

    /// A page that only the operator sees.
    fn operators_page(&self, path: &str) -> String {
        let rest = self.program.heard().split("operator on http://").nth(1).expect("it said so");
        let address: SocketAddr = rest.lines().next().unwrap().parse().unwrap();
        let (status, _, body) =
            ask(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n"), "").unwrap();
        assert_eq!(status, 200, "{body}");
        body
    }
}

/// Creates one address for both servers. Connections go to them in turn.
fn relay(servers: [SocketAddr; 2]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for (client, server) in listener.incoming().zip(servers.into_iter().cycle()) {
            let client = client.unwrap();
            let server = TcpStream::connect(server).unwrap();
            let (mut from_client, mut to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from_client, &mut to_server));
            thread::spawn(move || {
                let (mut from_server, mut to_client) = (server, client);
                let _ = io::copy(&mut from_server, &mut to_client);
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

/// Sends one request and returns the response's status, head and body.
fn ask(address: SocketAddr, head: &str, body: &str) -> io::Result<(u16, String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, head.to_owned(), body.to_owned()))
}

/// A visitor who has a name and keeps the cookie of the last response.
struct Visitor {
    address: SocketAddr,
    cookie: String,
}

impl Visitor {
    fn sign_in(address: SocketAddr, name: &str) -> Self {
        let mut visitor = Self { address, cookie: String::new() };
        visitor.rename(name);
        visitor
    }

    /// Writes to the session, so that it is sealed again.
    fn rename(&mut self, name: &str) {
        let form = format!("name={name}&magic_school=Hogwarts");
        let head = format!(
            "POST /wizard/create HTTP/1.1\r\nHost: wizard.example\r\nSec-Fetch-Site: same-origin\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nCookie: {}\r\n",
            form.len(),
            self.cookie
        );
        let (status, head, body) = ask(self.address, &head, &form).unwrap();
        assert_eq!(status, 303, "{body}");
        self.keep(&head);
    }

    fn page(&mut self) -> String {
        let head =
            format!("GET /wizard/success HTTP/1.1\r\nHost: wizard.example\r\nCookie: {}\r\n", self.cookie);
        let (status, head, body) = ask(self.address, &head, "").unwrap();
        assert_eq!(status, 200, "{body}");
        self.keep(&head);
        body
    }

    fn keep(&mut self, head: &str) {
        let set = head.lines().find_map(|line| line.strip_prefix("set-cookie: "));
        if let Some(cookie) = set.and_then(|set| set.split(';').next()) {
            self.cookie = cookie.to_owned();
        }
    }
}

/// Visitors that send requests all the time, and check that they are recognised by name.
struct Load {
    done: Arc<AtomicBool>,
    rounds: Arc<[AtomicUsize; CLIENTS]>,
    threads: Vec<JoinHandle<usize>>,
}

impl Load {
    fn start(address: SocketAddr) -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(std::array::from_fn(|_| AtomicUsize::new(0)));
        let threads = (0..CLIENTS)
            .map(|number| {
                let (done, rounds): (_, Arc<[AtomicUsize; CLIENTS]>) = (done.clone(), rounds.clone());
                thread::spawn(move || {
                    let mut visitor = Visitor::sign_in(address, &format!("Merlin{number}x0"));
                    let mut round = 0;
                    while !done.load(Ordering::SeqCst) {
                        // Reads on both servers, then writes on one.
                        for _ in 0..3 {
                            let (name, page) = (format!("Merlin{number}x{round}"), visitor.page());
                            assert!(page.contains(&name), "{name} was signed out: {page}");
                        }
                        round += 1;
                        visitor.rename(&format!("Merlin{number}x{round}"));
                        rounds[number].store(round, Ordering::SeqCst);
                        thread::sleep(Duration::from_millis(5));
                    }
                    round
                })
            })
            .collect();
        Self { done, rounds, threads }
    }

    /// Waits until every visitor has done some more rounds, so that all of them have met the last change.
    fn go_on(&self) {
        let before: Vec<_> = self.rounds.iter().map(|rounds| rounds.load(Ordering::SeqCst)).collect();
        let deadline = Instant::now() + PATIENCE;
        while self
            .rounds
            .iter()
            .zip(&before)
            .any(|(rounds, before)| rounds.load(Ordering::SeqCst) < before + 4)
        {
            assert!(self.threads.iter().all(|thread| !thread.is_finished()), "a visitor was turned away");
            assert!(Instant::now() < deadline, "the load came to a stop");
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn stop(self) -> usize {
        self.done.store(true, Ordering::SeqCst);
        self.threads
            .into_iter()
            .map(|thread| thread.join().expect("every visitor was known all the time"))
            .sum()
    }
}

#[test]
fn a_rotation_on_two_servers_under_load_signs_nobody_out() {
    let secret = program::secret() + "\n";
    let (mut one, mut two) = (Machine::start(&secret), Machine::start(&secret));
    let address = relay([one.program.address(), two.program.address()]);
    let mut left_behind = Visitor::sign_in(address, "Morgana");
    let load = Load::start(address);
    load.go_on();

    // 1. Add a new key to both servers, as a fallback.
    let old = "5ae566ad";
    let new = operate(&["keys", "add"], &one.file)["added"].as_str().unwrap().to_owned();
    one.hear_change();
    load.go_on();
    two.bring(&one);
    two.hear_change();
    load.go_on();

    // 2. Let it seal, on one server earlier than on the other.
    operate(&["keys", "promote", &new], &one.file);
    one.hear_change();
    load.go_on();
    two.bring(&one);
    two.program.signal("HUP");
    two.hear_change();
    load.go_on();
    let health: serde_json::Value = serde_json::from_str(&two.operators_page("/health")).unwrap();
    assert_eq!(
        (health["status"].as_str(), health["keys"][0]["kid"].as_str(), health["keys"][1]["kid"].as_str()),
        (Some("ok"), Some(&*new), Some(old))
    );
    for machine in [&one, &two] {
        let metrics = machine.operators_page("/metrics");
        for kid in [old, &*new] {
            let counter = format!("waxseal_cookies_opened_total{{kid=\"{kid}\"}} ");
            let count = metrics.lines().find_map(|line| line.strip_prefix(&counter)).expect("it is counted");
            assert!(count.parse::<u64>().unwrap() > 0, "{metrics}");
        }
        assert!(metrics.contains("waxseal_cookies_refused_total{reason=\"unknown_key\"} 0\n"), "{metrics}");
    }

    // 3. Remove the old key: this is refused for now, unless it is revoked.
    let refused = waxseal(&["keys", "retire", old], &one.file);
    assert_eq!(refused.status.code(), Some(3), "{refused:?}");
    assert!(left_behind.page().contains("Morgana"));
    operate(&["keys", "retire", old, "--revoke"], &one.file);
    two.bring(&one);
    one.hear_change();
    two.hear_change();
    load.go_on();
    for _ in [&one, &two] {
        assert!(!left_behind.page().contains("Morgana"), "what the old key sealed is a stranger's");
    }
    let rounds = load.stop();
    assert!(rounds > 0);
    for machine in [&one, &two] {
        let said = machine.program.heard();
        assert!(!said.contains("ERROR") && !said.contains("waxseal1_"), "{said}");
    }
}

/// Somebody who has the secret key: they forge a permanent session, old enough to be sealed anew, and ask with it all the
/// time. They try each cookie that a server gives them in return.
struct Thief {
    done: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Thief {
    fn start(servers: [SocketAddr; 2]) -> Self {
        let (done, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (is_done, counted) = (done.clone(), rounds.clone());
        let thread = thread::spawn(move || {
            let mut cookies = vec![forged_cookie()];
            while !is_done.load(Ordering::SeqCst) {
                for address in servers {
                    for cookie in [cookies.first(), cookies.last()].map(|cookie| cookie.cloned().unwrap()) {
                        let mut visitor = Visitor { address, cookie };
                        visitor.page();
                        if !cookies.contains(&visitor.cookie) {
                            cookies.push(visitor.cookie);
                        }
                    }
                }
                counted.fetch_add(1, Ordering::SeqCst);
                thread::sleep(Duration::from_millis(5));
            }
            cookies
        });
        Self { done, rounds, thread }
    }

    /// Waits until both servers have been asked some more times.
    fn go_on(&self) {
        let (before, deadline) = (self.rounds.load(Ordering::SeqCst), Instant::now() + PATIENCE);
        while self.rounds.load(Ordering::SeqCst) < before + 4 {
            assert!(!self.thread.is_finished() && Instant::now() < deadline, "the thief came to a stop");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// All cookies that they have.
    fn stop(self) -> Vec<String> {
        self.done.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// A cookie that the leaked key has sealed long enough ago to be sealed with a newer one.
fn forged_cookie() -> String {
    let leaked = Keyring::new(SecretKey::from_text(&program::secret()).unwrap());
    let sessions = SessionManager::cookie(&leaked, "__Host-session", "wizard").unwrap();
    let (session, sealed) = (sessions.create(), SystemTime::now() - Duration::from_secs(61));
    session.sign_in("morgana of avalon", sealed).unwrap();
    session.insert("name", "Morgana").unwrap();
    session.set_permanent(true).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    match runtime.block_on(sessions.commit(&session, sealed)).unwrap() {
        Outcome::Set { token, .. } => format!("__Host-session={token}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_leaked_key_goes_in_one_step_and_a_thief_who_asks_all_the_time_keeps_no_session() {
    let secret = program::secret() + "\n";
    let (mut one, mut two) = (Machine::start(&secret), Machine::start(&secret));
    let servers = [one.program.address(), two.program.address()];
    assert!(Visitor { address: servers[0], cookie: forged_cookie() }.page().contains("Morgana"));
    let thief = Thief::start(servers);
    thief.go_on();

    operate(&["keys", "revoke-all"], &one.file);
    one.hear_change();
    thief.go_on();
    two.bring(&one);
    two.hear_change();
    thief.go_on();

    let cookies = thief.stop();
    for address in servers {
        for (number, cookie) in cookies.iter().enumerate() {
            let page = Visitor { address, cookie: cookie.clone() }.page();
            assert!(!page.contains("Morgana"), "cookie {number} of {} is still good", cookies.len());
        }
        let mut visitor = Visitor::sign_in(address, "Merlin");
        for address in servers {
            visitor.address = address;
            assert!(visitor.page().contains("Merlin"), "whoever signs in again is known to both");
        }
    }
}

#[test]
fn a_running_server_keeps_its_keys_when_the_new_file_cannot_be_used() {
    let mut machine = Machine::start(&(program::secret() + "\n"));
    let mut visitor = Visitor::sign_in(machine.program.address(), "Merlin");
    for text in ["another passphrase of a decent length\n", "dev\n"] {
        fs::write(&machine.file, text).unwrap();
        machine.program.hear("secret keys not changed");
        machine.program.hear("\n");
        assert!(visitor.page().contains("Merlin"));
    }
    assert!(machine.operators_page("/health").contains("was refused"));
    fs::write(&machine.file, program::secret()).unwrap();
    machine.program.hear("secret keys as before");
    assert!(visitor.page().contains("Merlin"));
    let said = machine.program.heard();
    assert!(said.contains("the key that seals here") && !said.contains("another passphrase"), "{said}");
}

#[test]
fn a_server_that_does_not_look_by_itself_looks_at_sighup() {
    let secret = program::secret() + "\n";
    let mut machine = Machine::start_with(&secret, &["--port=0", "--secret-reload-interval=0"]);
    fs::write(&machine.file, secret + "a passphrase of a decent length\n").unwrap();
    thread::sleep(Duration::from_millis(2_500));
    machine.program.signal("HUP");
    machine.program.hear("SIGHUP: looking at the secret keys");
    assert!(!machine.program.heard().contains("secret keys changed"));
    machine.hear_change();
}

#[test]
fn keys_of_the_environment_do_not_change_and_sighup_says_so() {
    let mut program = Program::start(&[("SECRET_KEY", &program::secret())], &["--port=0"]);
    program.signal("HUP");
    program.hear("the secret keys are from SECRET_KEY, which cannot change for a running process");
    let mut visitor = Visitor::sign_in(program.address(), "Merlin");
    assert!(visitor.page().contains("Merlin"));
}
