//! TLS in the settings of an app. The handshake is tested where it is done, in waxseal-server.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use waxseal::{App, AppServer, Endpoint, Secrets, Settings, StartError};
use waxseal_keys::SecretOptions;

use crate::support::log;

/// Longer than a changed certificate stays unnoticed.
const A_WHILE: Duration = Duration::from_secs(60);

/// A certificate or key of the tests.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../waxseal-server/tests/tls").join(name)
}

async fn bind(certificate: PathBuf, key: PathBuf) -> Result<AppServer, StartError> {
    let settings =
        Settings { port: 0, tls_cert: Some(certificate), tls_key: Some(key), ..Settings::default() };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    fs::write(&file, "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6\n").unwrap();
    let secrets = Secrets::from_env(SecretOptions::new().file(&file), "demo")?;
    App::new("demo").bind(&settings, &secrets).await
}

#[tokio::test]
async fn the_files_are_read_at_start_and_refused_if_they_do_not_fit() {
    let server = bind(file("first.crt"), file("first.key")).await.unwrap();
    let endpoint = server.endpoint();
    assert!(matches!(endpoint, Endpoint::Tls(_)) && endpoint.to_string().starts_with("https://127.0.0.1:"));
    let error = bind(file("first.crt"), file("second.key")).await.unwrap_err();
    assert!(matches!(error, StartError::Tls(_)), "{error:?}");
    assert!(format!("{error:?}").contains("see --tls-cert and --tls-key: the certificate"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_running_server_uses_changed_files_and_keeps_its_own_if_they_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let mut changed = SystemTime::now();
    // As a renewal of the certificate does, at another time than before.
    let mut put = |name: &str, kind: &str| {
        let path = folder.path().join(kind);
        fs::copy(file(&format!("{name}.{kind}")), &path).unwrap();
        changed += A_WHILE;
        File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
        path
    };
    let server = bind(put("first", "crt"), put("first", "key")).await.unwrap();
    tokio::spawn(server.serve(std::future::pending()));
    log::start();
    let said = async || {
        log::clear();
        tokio::time::sleep(A_WHILE).await;
        let mut lines = log::lines();
        lines.retain(|line| line.contains("TLS certificate"));
        // Files that are refused are tried again and again; a program's log has the line once a minute.
        lines.dedup();
        lines
    };
    assert_eq!(said().await, [""; 0]);
    put("second", "crt");
    let [refused] = &said().await[..] else { panic!("one line") };
    assert!(
        refused.contains("ERROR the changed TLS certificate is not used, and the one before is kept: "),
        "{refused}"
    );
    put("second", "key");
    assert_eq!(said().await.last().unwrap(), "INFO the changed TLS certificate is used from now on");
    assert_eq!(said().await, [""; 0]);
}
