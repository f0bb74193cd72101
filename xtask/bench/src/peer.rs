//! The servers that are compared.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::artifacts;
use crate::process::Cores;

/// How long a server may take to start, and to stop.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server that can be started.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    /// Crates or packages whose versions say what was measured.
    pub(crate) made_of: &'static [&'static str],
    /// Whether it has sessions; hyper alone has none.
    pub(crate) has_sessions: bool,
    program: PathBuf,
    arguments: Vec<String>,
    variables: Vec<(&'static str, String)>,
}

/// A server that runs, until dropped.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    child: Child,
}

/// The peer whose page all others are compared with.
pub(crate) const CONSTANT: &str = "hyper, constant page";
pub(crate) const OURS: &str = "Waxseal";

/// Builds all peers, or those whose names contain one of `only`.
pub(crate) fn all(flask: bool, only: &[String]) -> Result<Vec<Peer>> {
    let wanted = |name: &str| {
        let name = name.to_lowercase();
        only.is_empty() || name == CONSTANT || only.iter().any(|part| name.contains(&part.to_lowercase()))
    };
    let mut peers = Vec::new();
    for (name, program, made_of) in [
        (CONSTANT, "hyper-constant", &["hyper", "tokio"][..]),
        ("hyper, rendered page", "hyper-template", &["minijinja"]),
        ("axum + PrivateCookieJar", "axum-private-cookie", &["axum", "axum-extra"]),
        ("axum + tower-sessions", "axum-tower-sessions", &["tower-sessions"]),
        ("actix-web + actix-session", "actix-session", &["actix-web", "actix-session"]),
    ] {
        if wanted(name) {
            peers.push(Peer {
                name,
                made_of,
                has_sessions: !name.starts_with("hyper"),
                program: artifacts::peer(program)?,
                arguments: vec!["PORT".to_owned()],
                variables: Vec::new(),
            });
        }
    }
    if wanted(OURS) {
        peers.push(ours()?);
        peers.push(Peer {
            name: "Waxseal, feature ring",
            program: artifacts::example_with_ring("bench")?,
            ..ours()?
        });
    }
    if flask {
        peers.extend(flask_peers()?.into_iter().filter(|peer| wanted(peer.name)));
    }
    Ok(peers)
}

/// Waxseal, set up as for production under a key made just now.
pub(crate) fn ours() -> Result<Peer> {
    let key = Command::new(artifacts::operators_program()?).arg("gen-secret").output()?;
    ensure!(key.status.success(), "no secret key could be made");
    Ok(Peer {
        name: OURS,
        made_of: &[],
        has_sessions: true,
        program: artifacts::example("bench")?,
        arguments: ["--port", "PORT", "--state", "cookie", "--workers", "1"].map(str::to_owned).into(),
        variables: vec![("SECRET_KEY", String::from_utf8(key.stdout)?.trim().to_owned())],
    })
}

/// Flask under two servers, in a Python environment of its own.
fn flask_peers() -> Result<Vec<Peer>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let environment = folder.join("target/flask");
    if !environment.join("bin/granian").exists() {
        eprintln!("installing Flask");
        fs::create_dir_all(folder.join("target"))?;
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
        let requirements = folder.join("flask/requirements.txt");
        let pip = environment.join("bin/pip");
        succeed(Command::new(pip).args(["install", "--quiet", "--requirement"]).arg(requirements))?;
    }
    let application = folder.join("flask").display().to_string();
    let peer = |name, program: &str, made_of, arguments: &str| Peer {
        name,
        made_of,
        has_sessions: true,
        program: environment.join("bin").join(program),
        arguments: arguments.split(' ').map(|argument| argument.replace("FOLDER", &application)).collect(),
        variables: Vec::new(),
    };
    let gunicorn = "app:app --chdir FOLDER --bind 127.0.0.1:PORT --workers 1 --worker-class gthread --threads 1 \
                    --log-level error";
    let granian = "app:app --interface wsgi --working-dir FOLDER --host 127.0.0.1 --port PORT --workers 1 \
                   --no-log";
    Ok(vec![
        peer("Flask + gunicorn", "gunicorn", &["flask", "gunicorn"], gunicorn),
        peer("Flask + granian", "granian", &["granian"], granian),
    ])
}

fn succeed(command: &mut Command) -> Result<()> {
    let status = command.stdout(io::stderr()).status();
    let program = command.get_program().display().to_string();
    ensure!(status.with_context(|| format!("could not start {program}"))?.success(), "{program} failed");
    Ok(())
}

impl Peer {
    /// Starts it on the server's core and waits until it listens.
    pub(crate) fn start(&self, cores: &Cores) -> Result<Running> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = free.local_addr()?;
        drop(free);
        let port = address.port().to_string();
        let mut command = Command::new(&self.program);
        command.args(self.arguments.iter().map(|argument| argument.replace("PORT", &port)));
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            cores.on_servers(|| command.spawn())?.with_context(|| format!("starting {}", self.name))?;
        let mut running = Running { address, child };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if let Some(status) = running.child.try_wait()? {
                bail!("{} ended early, {status}", self.name);
            }
            ensure!(start.elapsed() < PATIENCE, "{} does not listen", self.name);
            sleep(Duration::from_millis(20));
        }
        Ok(running)
    }
}

impl Running {
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    /// Asks it to end, so that it ends what it started itself; if it does not, makes it.
    fn drop(&mut self) {
        let asked = Instant::now();
        let _ = kill_process(self.process(), Signal::TERM);
        while asked.elapsed() < PATIENCE {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
