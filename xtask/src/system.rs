//! What the browser test needs from the system: Chromium and its driver.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs};

/// A browser and the driver that speaks WebDriver for it.
pub(crate) struct Browser {
    pub(crate) program: PathBuf,
    pub(crate) driver: PathBuf,
}

const BROWSERS: [&str; 5] =
    ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"];
const DRIVERS: [&str; 2] = ["chromedriver", "chromium.chromedriver"];
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
    if install(packages)
        && let Some(browser) = find()
    {
        return Ok(browser);
    }
    let mut advice =
        "it needs Chromium (or Google Chrome) and chromedriver of the same version on the PATH.".to_owned();
    if on_path("apt-get").is_some() {
        advice += &format!(" Install them with `sudo apt-get install {}`.", packages.join(" "));
    }
    Err(advice)
}

fn find() -> Option<Browser> {
    let driver = DRIVERS.iter().find_map(working)?;
    let program = BROWSERS.iter().find_map(working).or_else(|| MAC_BROWSERS.iter().find_map(working))?;
    Some(Browser { program, driver })
}

/// The program called `name`, if it is there and runs. Being there is not enough:
/// Ubuntu's `chromium-browser` without its snap is a script that only complains.
fn working(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let path = on_path(name)?;
    succeeds(Command::new(&path).arg("--version")).then_some(path)
}

fn on_path(name: impl AsRef<OsStr>) -> Option<PathBuf> {
    let name = Path::new(name.as_ref());
    // Joining an absolute path replaces what stood before it.
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Debian's names, or Ubuntu's, where they bring the snap.
fn packages() -> [&'static str; 2] {
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ubuntu = release
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .any(|names| names.trim_matches('"').split(' ').any(|name| name == "ubuntu"));
    if ubuntu { ["chromium-browser", "chromium-chromedriver"] } else { ["chromium", "chromium-driver"] }
}

/// Installs Debian packages as root or through sudo without a password; false where neither is possible.
fn install(packages: [&str; 2]) -> bool {
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
    eprintln!("\n==> set-up: installing {} for the browser test", packages.join(" and "));
    let apt = |arguments: &[&str]| {
        let line = [
            prefix,
            &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"],
            arguments,
        ]
        .concat();
        // Its standard output joins standard error: what it says is about the set-up, not a result.
        let status =
            Command::new(line[0]).args(&line[1..]).stdin(Stdio::null()).stdout(std::io::stderr()).status();
        status.is_ok_and(|status| status.success())
    };
    // A mirror that is out of reach may still leave yesterday's lists, so the update's result does not matter.
    apt(&["update"]);
    apt(&[&["install", "--yes", "--no-install-recommends"][..], &packages].concat())
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
