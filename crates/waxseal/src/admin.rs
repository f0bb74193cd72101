//! The operator's own pages, on an address of their own: `/metrics`, `/health` and `/ready`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::{Method, Request, StatusCode, header};
use hyper::body::Incoming;
use waxseal_http::{Error, SessionLayer, development, host};
use waxseal_keys::{KeyKind, KeyStatus, error_chain};

use crate::counters::Counters;
use crate::{BoxFuture, Response, typed};

/// The service of the operator's pages.
///
/// It shows key ids, also those of passphrases, against which guesses can be checked: they are for the operator alone.
#[derive(Debug, Clone)]
pub(crate) struct Admin {
    shared: Arc<Shared>,
}

struct Shared {
    status: Arc<KeyStatus>,
    counters: Option<&'static Counters>,
    sessions: SessionLayer,
    /// `true` if the address is a loopback one. Then a request for another host is a DNS rebinding attack.
    local: bool,
}

const LOCAL: &str = "the operator's pages on this address answer this machine alone: ask for localhost or 127.0.0.1, \
                     or serve them on another address with --admin-address";

impl Admin {
    pub(crate) fn new(
        address: SocketAddr,
        status: Arc<KeyStatus>,
        counters: Option<&'static Counters>,
        sessions: SessionLayer,
    ) -> Self {
        Self { shared: Arc::new(Shared { status, counters, sessions, local: address.ip().is_loopback() }) }
    }

    async fn answer(&self, request: Request<()>) -> Response {
        let host = match host::host(request.version(), request.uri(), request.headers()) {
            Ok(host) => host,
            Err(error) => return plain(error.status(), error.to_string()),
        };
        // The guard of development mode, whose texts name that mode.
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
        match (request.uri().path(), self.shared.counters) {
            ("/metrics", Some(counters)) => {
                typed("text/plain; version=0.0.4; charset=utf-8", counters.text())
            }
            ("/metrics", None) => plain(
                StatusCode::NOT_IMPLEMENTED,
                "this program records its metrics elsewhere; look there".to_owned(),
            ),
            ("/health", _) => typed("application/json", self.health(SystemTime::now()).await),
            ("/ready", _) => self.ready().await,
            _ => plain(StatusCode::NOT_FOUND, "there are /health, /ready and /metrics".to_owned()),
        }
    }

    /// Answers a load balancer: 503 while the session store does not answer, or is full.
    async fn ready(&self) -> Response {
        match self.store_trouble().await {
            None => plain(StatusCode::OK, "ready".to_owned()),
            Some(trouble) => plain(StatusCode::SERVICE_UNAVAILABLE, trouble),
        }
    }

    /// The fault of the session store for which visitors cannot be served, if there is one.
    async fn store_trouble(&self) -> Option<String> {
        // Shorter than a load balancer waits.
        const PATIENCE: Duration = Duration::from_secs(2);
        let answer = tokio::time::timeout(PATIENCE, self.shared.sessions.sessions().store_ready()).await;
        match answer {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error_chain::one_line(error_chain::texts(&error))),
            Err(_) => Some(format!("the session store has not answered for {} seconds", PATIENCE.as_secs())),
        }
    }

    /// The status of keys and store as JSON, sent with 200 in any case: faults are in `warnings`.
    async fn health(&self, now: SystemTime) -> String {
        let report = self.shared.status.report();
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
        let store = self.store_trouble().await;
        let warnings: Vec<_> =
            refused.into_iter().chain(report.warnings).chain(clocks).chain(store).collect();
        let age = now.duration_since(report.since).unwrap_or_default().as_secs();
        let health = serde_json::json!({
            "status": if warnings.is_empty() { "ok" } else { "warning" },
            "keys": keys,
            "source": report.source,
            "ring_age_seconds": age,
            "warnings": warnings,
        });
        format!("{health:#}\n")
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

#[cfg(test)]
mod tests {
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
        Admin::new(address.parse().unwrap(), status, None, SessionLayer::new(sessions, cookie))
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

    #[tokio::test]
    async fn a_full_store_is_seen_from_outside() {
        let mut admin = admin("127.0.0.1:9000");
        let cookie = waxseal_http::SessionCookie::builder().build().unwrap();
        let store = waxseal_store::MemoryStore::new().max_records(2);
        let keyring = waxseal_crypto::Keyring::new(waxseal_crypto::SecretKey::from_bytes([1; 32]));
        let sessions =
            waxseal_manager::SessionManager::store(&keyring, cookie.name(), "demo", store).unwrap();
        let layer = SessionLayer::new(sessions, cookie);
        Arc::get_mut(&mut admin.shared).unwrap().sessions = layer.clone();
        for n in 0..3 {
            let status = if n < 2 { 200 } else { 503 };
            let ready = ask(&admin, "GET", "/ready", "localhost").await;
            assert_eq!(ready.status(), status, "{n} sessions");
            let says = |body: &[u8]| {
                String::from_utf8(body.to_vec()).unwrap().contains("store is full at 2 records")
            };
            let body = async |response: Response| {
                response.into_body().collect(10_000, Duration::from_secs(60)).await.unwrap()
            };
            assert_eq!(says(&body(ready).await), n == 2);
            let health = ask(&admin, "GET", "/health", "localhost").await;
            assert_eq!(
                (health.status(), says(&body(health).await)),
                (StatusCode::OK, n == 2),
                "{n} sessions"
            );
            let session = layer.sessions().create();
            session.sign_in("albus", layer.now()).unwrap();
            assert_eq!(layer.sessions().commit(&session, layer.now()).await.is_ok(), n < 2);
        }
    }

    #[tokio::test]
    async fn other_requests_are_told_so() {
        let local = admin("127.0.0.1:9000");
        let remote = admin("10.0.0.7:9000");
        for (admin, method, path, host, status) in [
            (&local, "HEAD", "/health", "127.0.0.1:9000", 200),
            (&local, "GET", "/health", "rebound.example", 421),
            (&remote, "GET", "/health", "prometheus.example", 200),
            (&remote, "GET", "/health", "", 400),
            (&local, "GET", "/ready", "localhost", 200),
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
