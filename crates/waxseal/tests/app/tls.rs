//! TLS in the settings of an app. The handshake is tested where it is done, in waxseal-server.

use waxseal::{App, Endpoint, Secrets, Settings, StartError};
use waxseal_keys::SecretOptions;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../waxseal-server/tests/tls");

async fn bind(certificate: &str, key: &str) -> Result<Endpoint, StartError> {
    let settings = Settings {
        port: 0,
        tls_cert: Some(format!("{FOLDER}/{certificate}").into()),
        tls_key: Some(format!("{FOLDER}/{key}").into()),
        ..Settings::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6\n").unwrap();
    let secrets = Secrets::from_env(SecretOptions::new().file(&file), "demo")?;
    Ok(App::new("demo").bind(&settings, &secrets).await?.endpoint().clone())
}

#[tokio::test]
async fn the_files_are_read_at_start_and_refused_if_they_do_not_fit() {
    let endpoint = bind("first.crt", "first.key").await.unwrap();
    assert!(matches!(endpoint, Endpoint::Tls(_)) && endpoint.to_string().starts_with("https://127.0.0.1:"));
    let error = bind("first.crt", "second.key").await.unwrap_err();
    assert!(matches!(error, StartError::Tls(_)), "{error:?}");
    assert!(format!("{error:?}").contains("see --tls-cert and --tls-key: the certificate"), "{error:?}");
}
