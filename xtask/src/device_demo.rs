//! `cargo xtask run --tls --device-demo`: a Chromium that binds sessions to its device, with keys in software.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};

use crate::cargo::project_root;
use crate::certificate::{Certificate, DEMO_HOST};
use crate::system;

/// The browser's home: its profile, and the certificates that it trusts. Git ignores it.
const FOLDER: &str = ".waxseal/device-demo";
const FEATURES: &str =
    "--enable-features=DeviceBoundSessions,EnableBoundSessionCredentialsSoftwareKeysForManualTesting";
/// The shortest that the wizard's flag takes.
const PROOF_SECONDS: &str = "120";
/// The longest time that the wizard may take to listen, once it is built.
const START_LIMIT: Duration = Duration::from_secs(60);

/// A browser that is ready to be opened.
pub(crate) struct DeviceDemo {
    program: PathBuf,
    home: PathBuf,
    url: String,
    port: u16,
}

impl DeviceDemo {
    /// Finds the browser, and lets it trust the certificate: in a home of its own, where nothing else is changed.
    ///
    /// # Errors
    ///
    /// If a program is missing, or port 0 was asked for.
    pub(crate) fn new(port: Option<u16>, certificate: &Certificate) -> Result<Self> {
        let port = port.unwrap_or(5000);
        ensure!(port != 0, "the browser has to be told the port; name it with --port");
        let program = system::chromium().map_err(|advice| anyhow!(advice))?;
        let home = project_root().join(FOLDER);
        let database = home.join(".pki/nssdb");
        if database.exists() {
            fs::remove_dir_all(&database).context("could not remove the certificates of another run")?;
        }
        fs::create_dir_all(&database).with_context(|| format!("could not make {}", database.display()))?;
        certutil(&database, &["-N", "--empty-password"])?;
        let file = certificate.certificate.to_str().context("the project's path is not UTF-8")?;
        certutil(&database, &["-A", "-t", "P,,", "-n", "waxseal-development", "-i", file])?;
        Ok(Self { program, home, url: format!("https://{DEMO_HOST}:{port}/"), port })
    }

    /// The wizard's flags, but for those that were given.
    pub(crate) fn flags(given: &[String]) -> Vec<&'static str> {
        let flags = [("--device-bound", "require"), ("--device-bound-for", PROOF_SECONDS)];
        let is_given = |flag: &str| {
            given
                .iter()
                .any(|one| one == flag || one.strip_prefix(flag).is_some_and(|it| it.starts_with('=')))
        };
        flags
            .into_iter()
            .filter(|(flag, _)| !is_given(flag))
            .flat_map(|(flag, value)| [flag, value])
            .collect()
    }

    /// Opens the browser once the wizard listens, or says how to.
    pub(crate) fn open_later(self) {
        thread::spawn(move || {
            let start = Instant::now();
            while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
                if start.elapsed() > START_LIMIT {
                    return;
                }
                thread::sleep(Duration::from_millis(100));
            }
            let opened = has_display() && self.command().spawn().is_ok();
            eprintln!("{}", self.explanation(opened));
        });
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut profile = OsString::from("--user-data-dir=");
        profile.push(self.home.join("profile"));
        let mut arguments = vec![FEATURES.into(), profile, "--no-first-run".into()];
        // A browser of the superuser's has no sandbox.
        arguments.extend(system::is_root().then(|| "--no-sandbox".into()));
        arguments.push((&self.url).into());
        arguments
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.args(self.arguments()).env("HOME", &self.home);
        // X looks for its key in the home that was left.
        if let (None, Some(home)) = (env::var_os("XAUTHORITY"), env::var_os("HOME")) {
            command.env("XAUTHORITY", Path::new(&home).join(".Xauthority"));
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn explanation(&self, opened: bool) -> String {
        let arguments: Vec<_> =
            self.arguments().iter().map(|one| format!("'{}'", one.to_string_lossy())).collect();
        let line =
            format!("HOME='{}' {} {}", self.home.display(), self.program.display(), arguments.join(" "));
        let how = match opened {
            true => format!("A Chromium with a profile of its own was opened. To open it again:\n  {line}"),
            false => format!(
                "There is no display here, so no browser was opened. Where this machine has one, for example over\n\
                 `ssh -X` or under `xvfb-run`:\n  {line}"
            ),
        };
        format!(
            "\n{how}\n\
             Fill in the form at {} and look at DevTools, Application, Cookies.\n\
             __Host-session-... is the proof of the device, good for {PROOF_SECONDS} s. Delete it and reload: it comes back.\n\
             Copy __Host-session into another browser: a minute after the form it shows nothing there.\n\
             Chromium makes six signatures in some minutes; after that, wait, or remove {FOLDER}/profile.\n",
            self.url
        )
    }
}

fn has_display() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(not(target_os = "linux")) || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}

fn certutil(database: &Path, arguments: &[&str]) -> Result<()> {
    let mut place = OsString::from("sql:");
    place.push(database);
    let mut command = Command::new("certutil");
    command.arg("-d").arg(place).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let made = command.status().context("could not start certutil")?;
    ensure!(made.success(), "certutil could not write to {}", database.display());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_were_given_are_not_given_twice() {
        let given = |flags: &[&str]| flags.iter().map(|&flag| flag.to_owned()).collect::<Vec<_>>();
        let all = ["--device-bound", "require", "--device-bound-for", "120"];
        assert_eq!(DeviceDemo::flags(&given(&["--log=debug"])), all);
        assert_eq!(DeviceDemo::flags(&given(&["--device-bound-for=300"])), all[..2]);
        assert_eq!(DeviceDemo::flags(&given(&["--device-bound", "observe"])), all[2..]);
    }
}
