//! The line with which a server says what it runs.

use waxseal_keys::Secrets;

use crate::app_context::AppContext;
use crate::settings::Settings;

/// One line about the running app: version, secret key, state and store, cookie, limits, proxies. It names keys by their
/// ids and has no secrets. `connections` is the most that the system allows.
pub(crate) fn of(app: &AppContext, settings: &Settings, secrets: &Secrets, connections: u32) -> String {
    let cookie = app.sessions.cookie();
    let limits = &app.limits;
    format!(
        "waxseal {} serves `{}`: secret key {secrets}: {}; sessions in state {}{}, idle {} s and absolute {} s, store {}; \
         cookie {}{}; head up to {} bytes, body up to {} bytes, request {} s, {connections} connections, {}, keep-alive \
         {} s, shutdown delay {} s and grace {} s; trusted proxies: {}",
        env!("CARGO_PKG_VERSION"),
        app.name,
        secrets.roles(),
        app.state,
        settings.outage_policy(),
        // A shorter absolute lifetime shortens the other one.
        settings.session_lifetime.min(settings.session_absolute_lifetime),
        settings.session_absolute_lifetime,
        app.store,
        cookie.name(),
        if cookie.is_secure() { ", Secure" } else { " over plain HTTP, too" },
        limits.head,
        limits.body,
        limits.request_time.as_secs_f64(),
        match limits.connections_per_address {
            0 => "any number of one address".to_owned(),
            number => format!("{number} of one address"),
        },
        limits.keep_alive_time.as_secs_f64(),
        limits.shutdown_delay.as_secs_f64(),
        limits.shutdown_grace.as_secs_f64(),
        match &app.proxies.trusted_proxies {
            none if none.is_empty() => "none".to_owned(),
            proxies => proxies.to_string(),
        },
    )
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use waxseal_crypto::SecretKey;

    use super::*;
    use crate::app::App;

    #[tokio::test]
    async fn one_line_says_what_runs_without_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        let [current, former] = [1, 2].map(|byte| SecretKey::from_bytes([byte; 32]).to_text());
        std::fs::write(&path, format!("{}\n{}\n", *current, *former)).unwrap();
        let secrets = Secrets::from_file(&path, &Settings::default(), "demo").unwrap();
        let line = async |flags: &[&str]| {
            let settings = Settings::try_parse_from([&["demo"], flags].concat()).unwrap();
            let service = App::new("demo").service(&settings, secrets.keyring()).await.unwrap();
            let line = service.start_line(&settings, &secrets, 20);
            line.replace(path.to_str().unwrap(), "FILE").replace(env!("CARGO_PKG_VERSION"), "VERSION")
        };
        insta::assert_snapshot!(line(&[]).await, @"waxseal VERSION serves `demo`: secret key from FILE: seals with d169158e, opens with f48c8af6 too; sessions in state cookie, idle 1800 s and absolute 43200 s, store none; cookie __Host-session, Secure; head up to 16384 bytes, body up to 2097152 bytes, request 60 s, 20 connections, any number of one address, keep-alive 65 s, shutdown delay 0 s and grace 65 s; trusted proxies: none");
        let flags = [
            "--session-state=mirrored",
            "--session-store=memory:?max_records=1000",
            "--session-absolute-lifetime=600",
            "--session-cookie-secure=no",
            "--session-cookie-name=id",
            "--max-content-length=5000",
            "--connections-per-address=7",
            "--shutdown-delay=4",
            "--trusted-proxies=10.0.0.1,unix",
        ];
        insta::assert_snapshot!(line(&flags).await, @"waxseal VERSION serves `demo`: secret key from FILE: seals with d169158e, opens with f48c8af6 too; sessions in state mirrored (fresh for 5 s, grace 300 s), idle 600 s and absolute 600 s, store memory:; cookie id over plain HTTP, too; head up to 16384 bytes, body up to 5000 bytes, request 60 s, 20 connections, 7 of one address, keep-alive 65 s, shutdown delay 4 s and grace 65 s; trusted proxies: 10.0.0.1/32,unix");
    }
}
