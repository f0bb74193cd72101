//! The certificate of a development server with TLS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::cargo::project_root;

/// Where certificate and key are kept; git ignores it.
const FOLDER: &str = ".waxseal/tls";
/// The name of the demonstration of device-bound sessions. Chromium takes no wildcard right below `localhost`.
pub(crate) const DEMO_HOST: &str = "wizard.localhost";
/// Names and addresses that a development server is asked for.
const NAMES: &str = "subjectAltName=DNS:localhost,DNS:*.localhost,DNS:wizard.localhost,IP:127.0.0.1,IP:::1";
const DAYS: &str = "90";
/// A certificate that ends sooner, in seconds, is made anew.
const REST: &str = "86400";

/// Files of a certificate for this machine and of its key.
pub(crate) struct Certificate {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Certificate {
    /// The certificate that was made before, or a new one.
    ///
    /// It is no authority: whoever takes its key can pass for this machine and for no other site.
    ///
    /// # Errors
    ///
    /// If openssl is missing or fails.
    pub(crate) fn for_development() -> Result<Self> {
        let folder = project_root().join(FOLDER);
        let found = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        if found.key.exists() && found.is_valid() {
            return Ok(found);
        }
        fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        let made = openssl()
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-subj", "/CN=Waxseal development", "-days", DAYS, "-addext", NAMES])
            .args(["-addext", "basicConstraints=critical,CA:FALSE", "-keyout"])
            .args([&found.key, Path::new("-out"), &found.certificate])
            .status()
            .context("could not start openssl, which makes the certificate; install it (Debian: openssl)")?;
        ensure!(made.success(), "openssl could not make a certificate in {}", folder.display());
        eprintln!("{}", found.advice());
        Ok(found)
    }

    fn is_valid(&self) -> bool {
        let check =
            openssl().args(["x509", "-noout", "-checkend", REST, "-in"]).arg(&self.certificate).status();
        check.is_ok_and(|status| status.success()) && self.has(DEMO_HOST)
    }

    fn has(&self, name: &str) -> bool {
        let mut names = openssl();
        names.args(["x509", "-noout", "-ext", "subjectAltName", "-in"]).arg(&self.certificate);
        // One that an earlier release made has fewer.
        let found = names.stdout(Stdio::piped()).output();
        found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).contains(&format!("DNS:{name}")))
    }

    /// The ways to trust it, once.
    fn advice(&self) -> String {
        let path = self.certificate.display();
        format!(
            "A certificate for localhost was made, good for {DAYS} days: {path}\n\
             Trust it once, or let the browser pass over its warning:\n  \
             Chromium on Linux: certutil -d sql:$HOME/.pki/nssdb -A -t P,, -n waxseal-development -i {path}\n  \
             Firefox: open the page, then Advanced, Accept the Risk and Continue\n  \
             macOS: security add-trusted-cert -p ssl -k ~/Library/Keychains/login.keychain-db {path}\n  \
             curl: curl --cacert {path} https://localhost:5000/"
        )
    }
}

fn openssl() -> Command {
    let mut command = Command::new("openssl");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
