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
        Self::in_folder(&project_root().join(FOLDER))
    }

    fn in_folder(folder: &Path) -> Result<Self> {
        let found = Self { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        if found.key.exists() && found.is_valid() {
            return Ok(found);
        }
        fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_made_once_and_again_if_it_lacks_a_name_or_its_key() {
        if openssl().arg("version").status().is_err() {
            eprintln!("not tested: there is no openssl");
            return;
        }
        let folder = std::env::temp_dir().join(format!("waxseal-certificate-{}", std::process::id()));
        let made = Certificate::in_folder(&folder).unwrap();
        let read = || fs::read_to_string(&made.certificate).unwrap();
        let first = read();
        for name in ["localhost", "*.localhost", DEMO_HOST] {
            assert!(made.has(name), "{name}");
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = fs::metadata(&made.key).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "others read the key: {mode:o}");
        }
        Certificate::in_folder(&folder).unwrap();
        assert_eq!(read(), first);

        fs::remove_file(&made.key).unwrap();
        Certificate::in_folder(&folder).unwrap();
        let second = read();
        assert!(made.key.exists() && second != first);

        let other = ["req", "-x509", "-key", "key.pem", "-subj", "/CN=other", "-out", "cert.pem"];
        assert!(openssl().args(other).current_dir(&folder).status().unwrap().success());
        assert!(!made.has("localhost"));
        Certificate::in_folder(&folder).unwrap();
        assert!(made.has("localhost"));
        fs::remove_dir_all(&folder).unwrap();
    }
}
