//! The pages for the operator, on a separate address: `/metrics`, `/health`, `/health/live` and `/health/ready`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::SystemTime;

use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use serde::Serialize;
use waxseal_http::{Error, SessionLayer, development, host};
use waxseal_keys::{KeyKind, KeyStatus};

use crate::counters::Counters;
use crate::readiness::Readiness;
use crate::{BoxFuture, Response, typed};

/// The service of the operator's pages.
///
/// They show key ids. An attacker can check guesses of a passphrase against its key id, so only the operator may see them.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
}

struct Shared {
    readiness: Arc<Readiness>,
    sessions: SessionLayer,
    /// The data of `/metrics` and `/health`. If `None`, only `/health/live` and `/health/ready` are served.
    private: Option<Private>,
    /// `true` if the address is a loopback one. Then a request for another host is a DNS rebinding attack.
    local: bool,
}

/// What the operator's pages show.
pub(crate) struct Private {
    status: Arc<KeyStatus>,
    counters: Option<&'static Counters>,
}

const LOCAL: &str = "the operator's pages on this address answer this machine alone: ask for localhost or 127.0.0.1, \
                     or serve them on another address with --admin-address";

impl Private {
    pub(crate) fn new(status: Arc<KeyStatus>, counters: Option<&'static Counters>) -> Self {
        Self { status, counters }
    }
}

impl Admin {
    pub(crate) fn new(
        address: SocketAddr,
        sessions: SessionLayer,
        readiness: Arc<Readiness>,
        private: Option<Private>,
    ) -> Self {
        Self { shared: Arc::new(Shared { readiness, sessions, private, local: address.ip().is_loopback() }) }
    }

    async fn answer(&self, request: Request<()>) -> Response {
        let host = match host::host(request.version(), request.uri(), request.headers()) {
            Ok(host) => host,
            Err(error) => return plain(error.status(), error.to_string()),
        };
        // The same check as in development mode. Its error texts name that mode, so other texts are sent here.
        if self.shared.local
            && let Err(error) = development::check(request.headers(), &host)
        {
            let found = match &error {
                Error::ForeignHost(name) => format!("this request is for `{name}`"),
                Error::Proxied(field) => format!("this request came through a proxy (it has `{field}`)"),
                other => other.to_string(),
            };
            return plain(error.status(), format!("{found}; {LOCAL}"));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            let text = "only GET and HEAD are answered here".to_owned();
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, text);
            response.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match (request.uri().path(), &self.shared.private) {
            ("/health/live", _) => json(StatusCode::OK, &serde_json::json!({ "status": "live" })),
            ("/health/ready", _) => self.ready().await,
            ("/health", Some(private)) => {
                json(StatusCode::OK, &self.health(&private.status, SystemTime::now()).await)
            }
            ("/metrics", Some(Private { counters: Some(counters), .. })) => {
                self.shared.readiness.note().await;
                typed("text/plain; version=0.0.4; charset=utf-8", counters.text())
            }
            ("/metrics", Some(_)) => plain(
                StatusCode::NOT_IMPLEMENTED,
                "this program records its metrics elsewhere; look there".to_owned(),
            ),
            (_, Some(_)) => plain(
                StatusCode::NOT_FOUND,
                "there are /health, /health/live, /health/ready and /metrics".to_owned(),
            ),
            (_, None) => plain(StatusCode::NOT_FOUND, "there are /health/live and /health/ready".to_owned()),
        }
    }

    /// Answers a load balancer. The status is 503 while the session store does not answer or is full, and once the
    /// server is told to stop.
    async fn ready(&self) -> Response {
        let report = self.shared.readiness.report().await;
        let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, &report)
    }

    /// The status of keys and store as JSON. It is always sent with status 200; faults are listed in `warnings`.
    async fn health(&self, status: &KeyStatus, now: SystemTime) -> serde_json::Value {
        let report = status.report();
        let keys: Vec<_> = report
            .keys
            .iter()
            .enumerate()
            .map(|(at, (kid, kind)): (usize, &(_, KeyKind))| {
                let role = if at == 0 { "seals" } else { "opens" };
                serde_json::json!({ "kid": kid.to_string(), "role": role, "kind": kind.name() })
            })
            .collect();
        let refused = report.refused.map(|why| format!("the secret file as it is now was refused: {why}"));
        let clocks = (!self.shared.sessions.sessions().clocks_agree()).then(|| {
            "this server's clock and the session store's differ by over a second; see to time synchronisation".to_owned()
        });
        let store = self.shared.readiness.store_trouble().await;
        let warnings: Vec<_> =
            refused.into_iter().chain(report.warnings).chain(clocks).chain(store).collect();
        let age = now.duration_since(report.since).unwrap_or_default().as_secs();
        serde_json::json!({
            "status": if warnings.is_empty() { "ok" } else { "warning" },
            "keys": keys,
            "source": report.source,
            "ring_age_seconds": age,
            "warnings": warnings,
        })
    }
}

impl hyper::service::Service<Request<Incoming>> for Admin {
    type Response = Response;
    type Error = Infallible;
    type Future = BoxFuture<Result<Response, Infallible>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let (admin, request) = (self.clone(), request.map(drop));
        Box::pin(async move {
            let mut response = admin.answer(request).await;
            response
                .headers_mut()
                .insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
            Ok(response)
        })
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Admin").field("local", &self.local).finish_non_exhaustive()
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    let mut response = typed("text/plain; charset=utf-8", text + "\n");
    *response.status_mut() = status;
    response
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let text = serde_json::to_string_pretty(value).expect("it has text keys alone");
    let mut response = typed("application/json", text + "\n");
    *response.status_mut() = status;
    response
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{Secrets, Settings};

    fn admin(address: &str) -> Admin {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "a passphrase 15\n").unwrap();
        let secrets = Secrets::from_file(&path, &Settings::default(), "demo").unwrap();
        let status = Arc::new(KeyStatus::new(&secrets, SystemTime::now()));
        let cookie = waxseal_http::SessionCookie::builder().build().unwrap();
        let sessions =
            waxseal_manager::SessionManager::cookie(secrets.keyring(), cookie.name(), "demo").unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        let readiness = Arc::new(Readiness::new(layer.clone(), false));
        let private = Some(Private::new(status, None));
        Admin::new(address.parse().unwrap(), layer, readiness, private)
    }

    /// The operator's pages over a store with room for two sessions.
    fn admin_over_a_small_store(without_store: bool) -> Admin {
        let cookie = waxseal_http::SessionCookie::builder().build().unwrap();
        let store = waxseal_store::MemoryStore::new().max_records(2);
        let keyring = waxseal_crypto::Keyring::new(waxseal_crypto::SecretKey::from_bytes([1; 32]));
        let sessions =
            waxseal_manager::SessionManager::mirrored(&keyring, cookie.name(), "demo", store).unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        let readiness = Arc::new(Readiness::new(layer.clone(), without_store));
        Admin::new("127.0.0.1:9000".parse().unwrap(), layer, readiness, None)
    }

    async fn body_of(response: Response) -> String {
        let body = response.into_body().collect(10_000, Duration::from_secs(60)).await.unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    async fn ask(admin: &Admin, method: &str, path: &str, host: &str) -> Response {
        let request = Request::builder().method(method).uri(path).header(header::HOST, host);
        admin.answer(request.body(()).unwrap()).await
    }

    #[tokio::test]
    async fn another_method_is_told_which_there_are() {
        for (method, path) in [("POST", "/health"), ("OPTIONS", "/health"), ("OPTIONS", "*")] {
            let response = ask(&admin("127.0.0.1:9000"), method, path, "localhost:9000").await;
            assert_eq!(
                (response.status().as_u16(), response.headers()["allow"].to_str().unwrap()),
                (405, "GET, HEAD")
            );
        }
    }

    #[tokio::test]
    async fn health_names_keys_and_what_to_look_at() {
        let response = ask(&admin("127.0.0.1:9000"), "GET", "/health", "localhost:9000").await;
        assert_eq!(response.status(), 200);
        let body = response.into_body().collect(10_000, std::time::Duration::from_secs(60)).await.unwrap();
        let health: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let kid = health["keys"][0]["kid"].as_str().unwrap();
        assert_eq!(
            health["keys"][0],
            serde_json::json!({ "kid": kid, "role": "seals", "kind": "passphrase" })
        );
        assert_eq!(health["status"], "warning");
        let warning = health["warnings"][0].as_str().unwrap();
        assert!(warning.starts_with(&format!("the secret key {kid} is shorter than 16 bytes")), "{warning}");
        assert!(health["ring_age_seconds"].is_u64());
    }

    /// As the app's own recorder sees it, for which no page is read.
    #[test]
    fn a_key_file_is_counted_as_refused_when_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        let good = "a passphrase of a decent length\n";
        std::fs::write(&path, good).unwrap();
        let secrets = Secrets::from_file(&path, &Settings::default(), "demo").unwrap();
        let counters: &'static Counters = Box::leak(Box::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        metrics::with_local_recorder(&counters, || {
            runtime.unwrap().block_on(async {
                let watcher = waxseal_keys::KeyWatcher::new(&secrets, Some(Duration::from_secs(1)));
                let is_counted = |number| {
                    counters.text().contains(&format!("waxseal_file_refused{{file=\"secret\"}} {number}\n"))
                };
                assert!(is_counted(0));
                let changes = async {
                    // The record, in which a revoked key would stand, is refused as well.
                    let record = folder.path().join("secret.rotation");
                    let good_record = r#"{"version":1,"keys":{}}"#;
                    for (path, text, number) in
                        [(&path, "dev\n", 1), (&path, good, 0), (&record, "?", 1), (&record, good_record, 0)]
                    {
                        std::fs::write(path, text).unwrap();
                        tokio::time::sleep(Duration::from_secs(10)).await;
                        assert!(is_counted(number), "{text}: {}", counters.text());
                    }
                };
                tokio::select! {
                    () = watcher.run(|_| ()) => panic!("it runs on"),
                    () = changes => {}
                }
            });
        });
    }

    #[tokio::test]
    async fn a_full_store_is_seen_from_outside() {
        for without_store in [false, true] {
            let admin = admin_over_a_small_store(without_store);
            let sessions = admin.shared.sessions.clone();
            for n in 0..3 {
                let is_full = n == 2;
                let response = ask(&admin, "GET", "/health/ready", "localhost").await;
                let status = if is_full && !without_store { 503 } else { 200 };
                assert_eq!(response.status(), status, "{n} sessions");
                let report: serde_json::Value = serde_json::from_str(&body_of(response).await).unwrap();
                let place = if without_store { "warnings" } else { "reasons" };
                let trouble = &report[place][0];
                assert_eq!(trouble["reason"] == "store", is_full, "{n} sessions: {report}");
                let text = trouble["text"].as_str().unwrap_or_default();
                assert_eq!(text.contains("store is full at 2 records"), is_full, "{text}");
                let session = sessions.sessions().create();
                session.sign_in("albus", sessions.now()).unwrap();
                assert_eq!(sessions.sessions().commit(&session, sessions.now()).await.is_ok(), !is_full);
            }
        }
    }

    #[tokio::test]
    async fn a_server_that_stops_is_alive_and_not_ready() {
        let admin = admin_over_a_small_store(true);
        assert_eq!(ask(&admin, "GET", "/health/ready", "localhost").await.status(), 200);
        admin.shared.readiness.stop();
        let response = ask(&admin, "GET", "/health/ready", "localhost").await;
        assert_eq!(response.status(), 503);
        insta::assert_snapshot!(body_of(response).await, @r#"
        {
          "status": "not ready",
          "reasons": [
            {
              "reason": "stopping",
              "text": "the server was told to stop; it answers what still comes"
            }
          ],
          "warnings": []
        }
        "#);
        assert_eq!(ask(&admin, "GET", "/health/live", "localhost").await.status(), 200);
    }

    #[tokio::test]
    async fn the_address_for_health_alone_shows_no_keys_and_no_metrics() {
        let admin = admin_over_a_small_store(false);
        for (path, status) in
            [("/health/live", 200), ("/health/ready", 200), ("/health", 404), ("/metrics", 404)]
        {
            assert_eq!(ask(&admin, "GET", path, "localhost").await.status(), status, "{path}");
        }
    }

    #[tokio::test]
    async fn other_requests_are_told_so() {
        let local = admin("127.0.0.1:9000");
        let remote = admin("10.0.0.7:9000");
        for (admin, method, path, host, status) in [
            (&local, "HEAD", "/health", "127.0.0.1:9000", 200),
            (&local, "GET", "/health", "127.0.0.11:9000", 200),
            (&local, "GET", "/health", "rebound.example", 421),
            (&remote, "GET", "/health", "prometheus.example", 200),
            (&remote, "GET", "/health", "", 400),
            (&local, "GET", "/health/ready", "localhost", 200),
            (&local, "POST", "/health", "localhost", 405),
            (&local, "GET", "/", "localhost", 404),
            (&local, "GET", "/metrics", "localhost", 501),
        ] {
            assert_eq!(ask(admin, method, path, host).await.status(), status, "{method} {path} for {host}");
        }
    }

    #[tokio::test]
    async fn a_refusal_says_nothing_of_development() {
        let admin = admin("127.0.0.1:9000");
        for (host, proxy, status, found) in [
            ("rebound.example", None, 421, "this request is for `rebound.example`; the operator's pages"),
            (
                "localhost",
                Some("via"),
                403,
                "this request came through a proxy (it has `via`); the operator's pages",
            ),
        ] {
            let mut request = Request::get("/health").header(header::HOST, host).body(()).unwrap();
            request
                .headers_mut()
                .extend(proxy.map(|name| (http::HeaderName::from_static(name), "x".parse().unwrap())));
            let response = admin.answer(request).await;
            assert_eq!(response.status(), status);
            let body = response.into_body().collect(10_000, Duration::from_secs(60)).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(text.starts_with(found) && text.contains("--admin-address"), "{text}");
            assert!(!text.contains("development"), "{text}");
        }
    }
}
