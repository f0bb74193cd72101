//! The servers that are compared.

use std::env;
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
    _place: Place,
}

/// Where sessions are kept, until dropped: a folder, and a Redis if one is wanted. Its time is not the server's and is
/// not counted.
pub(crate) struct Place {
    redis: Option<(Child, SocketAddr)>,
    folder: PathBuf,
}

/// The peer whose page all others are compared with.
pub(crate) const CONSTANT: &str = "hyper, constant page";
pub(crate) const OURS: &str = "Waxseal";

/// Builds all peers, or those whose names contain one of `only`.
pub(crate) fn all(flask: bool, stores: bool, only: &[String]) -> Result<Vec<Peer>> {
    let wanted = |name: &str| {
        let name = name.to_lowercase();
        only.is_empty() || name == CONSTANT || only.iter().any(|part| name.contains(&part.to_lowercase()))
    };
    let mut peers = Vec::new();
    for (name, program, made_of) in [
        (CONSTANT, "hyper-constant", &["hyper", "tokio"][..]),
        ("hyper, rendered page", "hyper-template", &["minijinja"]),
        ("hyper, cookie sealed by hand", "hyper-sealed", &["ring"]),
        ("axum + PrivateCookieJar", "axum-private-cookie", &["axum", "axum-extra"]),
        ("axum + tower-sessions", "axum-tower-sessions", &["tower-sessions"]),
        ("actix-web + actix-session", "actix-session", &["actix-web", "actix-session"]),
    ] {
        if wanted(name) {
            peers.push(Peer {
                name,
                made_of,
                has_sessions: !["hyper-constant", "hyper-template"].contains(&program),
                program: artifacts::peer("peers", program)?,
                arguments: vec!["PORT".to_owned()],
                variables: Vec::new(),
            });
        }
    }
    for (name, arguments) in
        [("axum + Waxseal", &["PORT"][..]), ("axum + Waxseal, store", &["PORT", "store"])]
    {
        if wanted(name) {
            peers.push(Peer {
                name,
                made_of: &[],
                has_sessions: true,
                program: artifacts::peer("peers", "axum-waxseal")?,
                arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
                variables: vec![secret()?],
            });
        }
    }
    if wanted(OURS) {
        peers.push(ours()?);
    }
    if wanted("Waxseal, store") {
        peers.push(Peer { name: "Waxseal, store", ..ours()?.keeping("store", "memory:") });
    }
    if wanted("Waxseal, without ring") {
        peers.push(Peer { name: "Waxseal, without ring", program: artifacts::ours("")?, ..ours()? });
    }
    if stores {
        peers.extend(store_peers(wanted)?);
    }
    if flask {
        peers.extend(flask_peers()?.into_iter().filter(|peer| wanted(peer.name)));
    }
    Ok(peers)
}

/// Waxseal, set up as for production under a key made just now.
pub(crate) fn ours() -> Result<Peer> {
    Ok(Peer {
        name: OURS,
        made_of: &[],
        has_sessions: true,
        program: artifacts::ours("default")?,
        arguments: ["--port", "PORT", "--state", "cookie", "--workers", "1"].map(str::to_owned).into(),
        variables: vec![secret()?],
    })
}

/// A variable with a key made just now.
fn secret() -> Result<(&'static str, String)> {
    let key = Command::new(artifacts::operators_program()?).arg("gen-secret").output()?;
    ensure!(key.status.success(), "no secret key could be made");
    Ok(("SECRET_KEY", String::from_utf8(key.stdout)?.trim().to_owned()))
}

impl Peer {
    /// Keeps its sessions in this state and store.
    fn keeping(mut self, state: &str, store: &str) -> Self {
        self.arguments = ["--port", "PORT", "--state", state, "--store", store, "--workers", "1"]
            .map(str::to_owned)
            .into();
        self
    }
}

/// Servers that keep sessions in a database, which is empty at each start.
fn store_peers(wanted: impl Fn(&str) -> bool) -> Result<Vec<Peer>> {
    let mut peers = Vec::new();
    for (name, state) in [
        ("tower-sessions, SQLite", None),
        ("Waxseal, store, SQLite", Some("store")),
        ("Waxseal, mirrored, SQLite", Some("mirrored")),
        ("tower-sessions, Redis", None),
        ("Waxseal, store, Redis", Some("store")),
        ("Waxseal, mirrored, Redis", Some("mirrored")),
    ] {
        if !wanted(name) {
            continue;
        }
        let redis = name.ends_with("Redis");
        if redis && Command::new("redis-server").arg("--version").output().is_err() {
            eprintln!("left out: {name}, which needs the package `redis-server`");
            continue;
        }
        let (program, made_of, theirs, place) = match redis {
            true => (
                "axum-tower-redis",
                &["tower-sessions-redis-store", "fred"],
                "redis://127.0.0.1:REDIS",
                "redis://127.0.0.1:REDIS",
            ),
            false => (
                "axum-tower-sqlite",
                &["tower-sessions-sqlx-store", "sqlx"],
                "FOLDER/sessions.db",
                "sqlite:FOLDER/sessions.db",
            ),
        };
        peers.push(match state {
            Some(state) => {
                let program = artifacts::ours("default,stores")?;
                Peer { name, program, ..ours()?.keeping(state, place) }
            }
            None => Peer {
                name,
                made_of,
                has_sessions: true,
                program: artifacts::peer("store-peers", program)?,
                arguments: vec!["PORT".to_owned(), theirs.to_owned()],
                variables: Vec::new(),
            },
        });
    }
    Ok(peers)
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
    /// The same under callgrind, which writes its count into `log`.
    pub(crate) fn under_callgrind(&self, log: &Path) -> Self {
        let mut arguments = vec!["--tool=callgrind".to_owned(), "--callgrind-out-file=/dev/null".to_owned()];
        arguments.push(format!("--log-file={}", log.display()));
        arguments.push(self.program.display().to_string());
        arguments.extend(self.arguments.iter().cloned());
        Self { program: "valgrind".into(), arguments, variables: self.variables.clone(), ..*self }
    }

    /// Starts it on the server's core and waits until it listens.
    pub(crate) fn start(&self, cores: &Cores) -> Result<Running> {
        let address = free_address()?;
        let place = Place::make(&self.arguments.concat())?;
        let mut command = Command::new(&self.program);
        let port = address.port().to_string();
        command.args(self.arguments.iter().map(|argument| place.name(argument).replace("PORT", &port)));
        command.envs(self.variables.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null());
        let child =
            cores.on_servers(|| command.spawn())?.with_context(|| format!("starting {}", self.name))?;
        let mut running = Running { address, child, _place: place };
        listens(&mut running.child, address).context(self.name)?;
        Ok(running)
    }
}

/// A port of this machine that nobody uses now.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A Redis of our own, in memory alone, on the core of the load.
fn start_redis(address: SocketAddr, folder: &Path) -> Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &address.port().to_string()]);
    command.args(["--save", "", "--appendonly", "no", "--dir"]).arg(folder);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().context("redis-server")?;
    listens(&mut child, address).context("redis-server")?;
    Ok(child)
}

/// Waits until somebody listens at `address`, for as long as `child` runs.
fn listens(child: &mut Child, address: SocketAddr) -> Result<()> {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        if let Some(status) = child.try_wait()? {
            bail!("ended early, {status}");
        }
        ensure!(start.elapsed() < PATIENCE, "does not listen");
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

impl Running {
    pub(crate) fn process(&self) -> Pid {
        Pid::from_child(&self.child)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

impl Place {
    /// What `arguments` name: `FOLDER`, `REDIS`.
    pub(crate) fn make(arguments: &str) -> Result<Self> {
        let address = free_address()?;
        let folder = env::temp_dir().join(format!("waxseal-bench-{}", address.port()));
        fs::create_dir(&folder).with_context(|| format!("making {}", folder.display()))?;
        let mut place = Self { redis: None, folder };
        if arguments.contains("REDIS") {
            place.redis = Some((start_redis(address, &place.folder)?, address));
        }
        Ok(place)
    }

    /// With the names replaced by where they lead.
    pub(crate) fn name(&self, argument: &str) -> String {
        let named = argument.replace("FOLDER", &self.folder.display().to_string());
        match &self.redis {
            Some((_, address)) => named.replace("REDIS", &address.port().to_string()),
            None => named,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some((redis, _)) = &mut self.redis {
            end(redis);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Asks it to end, so that it ends what it started itself; if it does not, makes it.
fn end(child: &mut Child) {
    let asked = Instant::now();
    let _ = kill_process(Pid::from_child(child), Signal::TERM);
    while asked.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    let _ = child.kill();
    let _ = child.wait();
}
