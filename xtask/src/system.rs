//! What tests need from the system: Chromium and its driver for the browser test, servers for the stores.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// A browser and the driver that speaks WebDriver for it.
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    pub(crate) driver: PathBuf,
    pub(crate) proxy: PathBuf,
}

const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const DRIVERS: [&str; 2] = ["chromedriver", "chromium.chromedriver"];
/// Programs that make a certificate which the browser trusts.
const CERTIFIERS: [&str; 2] = ["certutil", "openssl"];
/// The proxy that ends TLS.
const PROXY: &str = "nginx";
const MAC_BROWSERS: [&str; 2] = [
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/// Finds the browser and its driver, installing them where that is allowed.
///
/// # Errors
///
/// A sentence that says what to install, if they are missing and stay so.
pub(crate) fn browser() -> Result<Browser, String> {
    if let Some(browser) = find() {
        return Ok(browser);
    }
    let packages = packages();
    if install(&packages, "the browser test")
        && let Some(browser) = find()
    {
        return Ok(browser);
    }
    let mut advice =
        "it needs Chromium (or Google Chrome), chromedriver of the same version, certutil (of NSS), openssl and nginx on the PATH."
            .to_owned();
    if on_path("apt-get").is_some() {
        advice += &format!(" Install them with `sudo apt-get install {}`.", packages.join(" "));
    }
    Err(advice)
}

/// Finds a Chromium for a person to look at, and certutil, without which it trusts no certificate of ours.
///
/// # Errors
///
/// A sentence that says what to install.
pub(crate) fn chromium() -> Result<PathBuf, String> {
    let found = BROWSERS.iter().find_map(working).filter(|_| is_there("certutil"));
    found.ok_or_else(|| {
        let [browser, _, certifier, ..] = packages();
        format!("it needs Chromium and certutil (of NSS) on the PATH; on Debian: apt-get install {browser} {certifier}")
    })
}

/// A server that a store's tests start, each on a free port and in a temporary folder.
pub(crate) struct Server {
    /// What people call it.
    pub(crate) name: &'static str,
    /// What its program is called, the likeliest first.
    pub(crate) programs: &'static [&'static str],
    /// A folder with one for each version, which has the program in `bin`: where Debian keeps what is not on the PATH.
    pub(crate) versions: Option<&'static str>,
    /// Programs without which some of its tests do nothing.
    pub(crate) besides: &'static [&'static str],
    /// The Debian packages that have all of them.
    pub(crate) packages: &'static [&'static str],
    /// Where the tests look for the program's path.
    pub(crate) variable: &'static str,
}

impl Server {
    /// Finds the program, installing it where that is allowed; not started, as a service of the system would be.
    ///
    /// # Errors
    ///
    /// A sentence that says what to install, if it is missing and stays so.
    pub(crate) fn find(&self) -> Result<PathBuf, String> {
        let find = || self.programs.iter().find_map(working).or_else(|| self.newest());
        let missing = || -> Vec<_> { self.besides.iter().copied().filter(|name| !is_there(name)).collect() };
        if find().is_none() || !missing().is_empty() {
            install(self.packages, &format!("the tests of {}", self.name));
        }
        if let Some(program) = find() {
            for name in missing() {
                eprintln!("\n!!! Some tests of {} do nothing: there is no {name}", self.name);
            }
            return Ok(program);
        }
        let mut advice = format!("it needs {} on the PATH.", self.programs.join(" or "));
        if on_path("apt-get").is_some() {
            advice += &format!(" Install it with `sudo apt-get install {}`.", self.packages.join(" "));
        }
        Err(advice)
    }

    /// The newest version's, of those that are not on the PATH.
    fn newest(&self) -> Option<PathBuf> {
        let version = |folder: &PathBuf| folder.file_name()?.to_str()?.parse::<u32>().ok();
        let folders = fs::read_dir(self.versions?).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
        let newest = folders.filter(|folder| version(folder).is_some()).max_by_key(version)?.join("bin");
        self.programs.iter().find_map(|program| working(newest.join(program)))
    }
}

fn find() -> Option<Browser> {
    let driver = DRIVERS.iter().find_map(working)?;
    CERTIFIERS.iter().all(|name| is_there(name)).then_some(())?;
    let program = BROWSERS.iter().find_map(working).or_else(|| MAC_BROWSERS.iter().find_map(working))?;
    let proxy = working(PROXY).or_else(|| working(Path::new("/usr/sbin").join(PROXY)))?;
    Some(Browser { program, driver, proxy })
}

/// The program called `name`, if it is there and runs. Being there is not enough:
/// Ubuntu's `chromium-browser` without its snap is a script that only complains.
fn working(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = on_path(name)?;
    // nginx and HAProxy know the short one alone, and Caddy has a subcommand.
    ["--version", "-v", "version"].iter().any(|flag| succeeds(Command::new(&path).arg(flag))).then_some(path)
}

fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = Path::new(name.as_ref());
    // Joining an absolute path replaces what stood before it.
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// On the PATH, or where Debian has what only the superuser starts.
fn is_there(name: &str) -> bool {
    on_path(name).is_some() || Path::new("/usr/sbin").join(name).is_file()
}

/// Debian's names, or Ubuntu's, where they bring the snap.
fn packages() -> [&'static str; 5] {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ubuntu = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .any(|names| names.trim_matches('"').split(' ').any(|name| name == "ubuntu"));
    let [browser, driver] =
        if ubuntu { ["chromium-browser", "chromium-chromedriver"] } else { ["chromium", "chromium-driver"] };
    [browser, driver, "libnss3-tools", "openssl", PROXY]
}

/// Installs Debian packages as root or through sudo without a password; false where neither is possible.
fn install(packages: &[&str], purpose: &str) -> bool {
    if on_path("apt-get").is_none() {
        return false;
    }
    let prefix: &[&str] = if is_root() {
        &[]
    } else if succeeds(Command::new("sudo").args(["-n", "true"])) {
        &["sudo", "-n"]
    } else {
        return false;
    };
    eprintln!("\n==> set-up: installing {} for {purpose}", packages.join(" and "));
    let run = |arguments: &[&str]| {
        let line = [prefix, arguments].concat();
        // Its standard output joins standard error: what it says is about the set-up, not a result.
        let status =
            Command::new(line[0]).args(&line[1..]).stdin(Stdio::null()).stdout(std::io::stderr()).status();
        status.is_ok_and(|status| status.success())
    };
    let apt = |arguments: &[&str]| {
        let quiet =
            ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"];
        run(&[&quiet, arguments].concat())
    };
    // A mirror that is out of reach may still leave yesterday's lists, so the update's result does not matter.
    apt(&["update"]);
    // Debian starts a server that it installs, unless this file says no.
    let quiet = !Path::new(NO_SERVICES).exists() && run(&["sh", "-c", FORBID_SERVICES]);
    let installed = apt(&[&["install", "--yes", "--no-install-recommends"][..], packages].concat());
    if quiet {
        run(&["rm", "-f", NO_SERVICES]);
        // Nor at the machine's next start: whoever wants the service enables it.
        for package in packages.iter().filter(|package| SERVICES.contains(package)) {
            succeeds(Command::new("sh").args(["-c", "command -v systemctl"]))
                .then(|| run(&["systemctl", "--quiet", "disable", package]));
        }
    }
    installed
}

/// Packages whose service is called as they are.
const SERVICES: [&str; 7] =
    ["redis-server", "postgresql", "pgbouncer", "nginx", "prometheus", "haproxy", "caddy"];
/// What Debian asks before it starts a service.
const NO_SERVICES: &str = "/usr/sbin/policy-rc.d";
const FORBID_SERVICES: &str =
    "printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d";

pub(crate) fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
