//! The wizard under a service manager: a Unix socket, sockets that are handed over, and notifications.
#![cfg(target_os = "linux")]

mod program;

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use program::{Program, folder, refused, secret};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(30);

fn exchange(mut stream: impl Read + Write) -> String {
    stream.write_all(b"GET / HTTP/1.1\r\nHost: wizard.example\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn hear(manager: &UnixDatagram) -> String {
    let mut bytes = [0; 64];
    let length = manager.recv(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes[..length]).into_owned()
}

#[test]
fn a_unix_socket_is_served_and_the_manager_is_told() {
    let folder = folder();
    let (path, notify) = (folder.path().join("app.sock"), folder.path().join("notify"));
    let manager = UnixDatagram::bind(&notify).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let secret = secret();
    let variables = [
        ("SECRET_KEY", &*secret),
        ("WAXSEAL_UNIX_SOCKET", path.to_str().unwrap()),
        ("NOTIFY_SOCKET", notify.to_str().unwrap()),
    ];
    let program = Program::spawn(folder.clone(), &variables, &["--unix-socket-mode=600"]);
    assert_eq!(hear(&manager), "READY=1");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let answer = exchange(UnixStream::connect(&path).unwrap());
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    program.signal("TERM");
    assert_eq!(hear(&manager), "STOPPING=1");
    let ended = program.wait();
    assert!(ended.status.success() && !path.exists(), "{ended:?}");
    assert!(ended.said.contains(&format!("server on unix:{}", path.display())), "{}", ended.said);
}

/// A program that ends with the test.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the wizard as systemd does, with the socket as descriptors 3 and 4.
fn activated(socket: OwnedFd, count: &str, log: File) -> Started {
    activated_with(&[], socket, count, log)
}

fn activated_with(arguments: &[&str], socket: OwnedFd, count: &str, log: File) -> Started {
    let script = "exec 3<&0 4<&0 </dev/null; LISTEN_PID=$$ exec \"$@\"";
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_wizard")]).args(arguments).env_clear();
    command.env("SECRET_KEY", secret()).env("LISTEN_FDS", count).stdin(Stdio::from(socket)).stderr(log);
    Started(command.spawn().unwrap())
}

#[test]
fn a_socket_that_is_handed_over_is_served() {
    let folder = folder();
    let log = |name| File::create(folder.path().join(name)).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    // The visitor connects before the wizard runs, and waits in the socket's queue.
    let visitor = TcpStream::connect(address).unwrap();
    visitor.set_read_timeout(Some(PATIENCE)).unwrap();
    let _started = activated(listener.into(), "1", log("tcp"));
    assert!(exchange(visitor).starts_with("HTTP/1.1 200"));

    let path = folder.path().join("app.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let visitor = UnixStream::connect(&path).unwrap();
    visitor.set_read_timeout(Some(PATIENCE)).unwrap();
    let started = activated(listener.into(), "1", log("unix"));
    assert!(exchange(visitor).starts_with("HTTP/1.1 200"));
    drop(started);
    assert!(path.exists(), "the manager's file is the manager's");
}

#[test]
fn a_public_socket_is_refused_in_development() {
    let folder = folder();
    let listener = TcpListener::bind("0.0.0.0:0").unwrap();
    let found = listener.local_addr().unwrap().to_string();
    let log = File::create(folder.path().join("log")).unwrap();
    let mut started = activated_with(&["--development"], listener.into(), "1", log);
    let start = Instant::now();
    while started.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it serves the socket");
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(said.contains(&format!("development needs a loopback address, found {found}")), "{said}");
}

#[test]
fn several_sockets_are_refused() {
    let folder = folder();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut started = activated(listener.into(), "2", File::create(folder.path().join("log")).unwrap());
    let start = Instant::now();
    while started.0.try_wait().unwrap().is_none() {
        assert!(start.elapsed() < PATIENCE, "it serves one of them");
        std::thread::sleep(Duration::from_millis(20));
    }
    let said = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(said.contains("handed over 2 sockets (LISTEN_FDS)"), "{said}");
}

#[test]
fn a_path_where_something_else_is_is_named() {
    let folder = folder();
    let path = folder.path().join("notes");
    std::fs::write(&path, "precious").unwrap();
    let secret = secret();
    let ended = refused(&[("SECRET_KEY", &secret)], &["--unix-socket", path.to_str().unwrap()]);
    let said = format!("{} is there and no socket; choose another path", path.display());
    assert!(!ended.status.success() && ended.said.contains(&said), "{ended:?}");
}

/// The page's unit, in a file that systemd's tools read. `None` without these tools.
fn documented_unit() -> Option<(TempDir, &'static str)> {
    if Command::new("systemd-analyze").arg("--version").output().is_err() {
        store_tests::skip("no systemd-analyze on the PATH; on Debian, `apt-get install systemd`");
        return None;
    }
    let page = include_str!("../../../docs/deploying.md");
    let (_, rest) = page.split_once("```ini\n").expect("the page has a unit");
    let unit = rest.split("```").next().expect("the first part");
    let program = "ExecStart=/usr/local/bin/wizard\n";
    assert!(unit.contains(program), "{unit}");
    let folder = tempfile::tempdir().unwrap();
    // A program that is there.
    std::fs::write(folder.path().join("wizard.service"), unit.replace(program, "ExecStart=/bin/true\n"))
        .unwrap();
    Some((folder, page))
}

fn analyse(folder: &TempDir, arguments: &[&str]) -> String {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(arguments).current_dir(folder).env("LC_ALL", "C").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_documented_unit_is_rated_as_documented() {
    let Some((folder, page)) = documented_unit() else { return };
    let (_, rest) = page.split_once("rates its exposure at ").expect("the page has the rating");
    let documented = rest.split(',').next().expect("the first part");
    let of =
        rest.split("(systemd ").nth(1).expect("and the version").split(')').next().expect("the first part");
    let said = analyse(&folder, &["security", "--offline=true", "./wizard.service"]);
    let found = said.rsplit("exposure level for wizard.service: ").next().expect("the last part");
    let found = found.split(' ').next().expect("the first part");
    // Another version may know other dangers.
    if analyse(&folder, &["--version"]).starts_with(&format!("systemd {of} ")) {
        assert_eq!(found, documented, "{said}");
    }
    assert!(found.parse::<f32>().is_ok_and(|exposure| exposure < 2.0), "{said}");
}

#[test]
fn the_documented_unit_has_no_mistake() {
    let Some((folder, _)) = documented_unit() else { return };
    let said = analyse(&folder, &["verify", "./wizard.service"]);
    assert_eq!(said, "");
}
