//! A browser with a jar and a key in software, and a site that it visits at any time of day.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use http::header::{COOKIE, RETRY_AFTER, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{
    Clock, DeviceBinding, DevicePolicy, RequestSession, SessionCookie, SessionLayer, status_of,
};
use waxseal_manager::{Error, Revocable, SessionManager};
use waxseal_store::MemoryStore;
use waxseal_store::testing::FaultyStore;

pub(crate) const NOON: u64 = 1_800_000_000;
pub(crate) const ALL: [State; 4] = [State::Cookie, State::Listed, State::Store, State::Mirrored];
pub(crate) const ON_SERVER: [State; 2] = [State::Store, State::Mirrored];

pub(crate) const WITH_STORE: [State; 3] = [State::Listed, State::Store, State::Mirrored];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Cookie,
    Listed,
    Store,
    Mirrored,
}

/// A server at some time of day.
#[derive(Clone)]
pub(crate) struct Site {
    pub(crate) layer: SessionLayer,
    pub(crate) store: FaultyStore<MemoryStore>,
    state: State,
    now: Arc<AtomicU64>,
}

impl Site {
    pub(crate) fn new(state: State) -> Self {
        Self::with(state, Some(DevicePolicy::Require))
    }

    pub(crate) fn with(state: State, policy: Option<DevicePolicy>) -> Self {
        let store = FaultyStore::new(MemoryStore::new());
        Self::serving(state, policy, store, Arc::new(AtomicU64::new(NOON)), 0)
    }

    /// Another server over the same store, whose clock is `ahead` by so many seconds.
    pub(crate) fn beside(&self, policy: Option<DevicePolicy>, ahead: i64) -> Self {
        Self::serving(self.state, policy, self.store.clone(), self.now.clone(), ahead)
    }

    fn serving(
        state: State,
        policy: Option<DevicePolicy>,
        store: FaultyStore<MemoryStore>,
        now: Arc<AtomicU64>,
        ahead: i64,
    ) -> Self {
        let cookie = SessionCookie::builder().build().unwrap();
        let keyring = keyring(&[1]);
        let sessions = match state {
            State::Cookie => SessionManager::cookie(&keyring, cookie.name(), "demo"),
            State::Listed => {
                SessionManager::new(&keyring, cookie.name(), "demo", Revocable::new(store.clone()))
            }
            State::Store => SessionManager::store(&keyring, cookie.name(), "demo", store.clone()),
            State::Mirrored => SessionManager::mirrored(&keyring, cookie.name(), "demo", store.clone()),
        };
        let mut sessions = sessions.unwrap();
        if policy.is_some() {
            sessions = sessions.with_device_tokens(&keyring).unwrap();
        }
        let hand = now.clone();
        let clock = Clock::from_fn(move || {
            let seconds = hand.load(Ordering::Relaxed).checked_add_signed(ahead).unwrap();
            SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
        });
        let mut layer = SessionLayer::new(sessions, cookie).with_clock(clock);
        if let Some(policy) = policy {
            layer = layer.device_bound(&DeviceBinding::new(policy).except("/static")).unwrap();
        }
        Self { layer, store, state, now }
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.now.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Response<String> {
        let inner = hyper::service::service_fn(|request: Request<Body>| async {
            Ok::<_, Infallible>(answer(request).await)
        });
        let (parts, body) =
            hyper::service::Service::call(&self.layer.layer(inner), request).await.unwrap().into_parts();
        let body = axum::body::to_bytes(Body::new(body), usize::MAX).await.unwrap();
        Response::from_parts(parts, String::from_utf8(body.to_vec()).unwrap())
    }
}

/// A keyring of the keys of these bytes, the first of which seals.
pub(crate) fn keyring(keys: &[u8]) -> Keyring {
    let mut keys = keys.iter().map(|byte| SecretKey::from_bytes([*byte; 32]));
    let first = Keyring::new(keys.next().expect("a keyring has a key"));
    keys.fold(first, |ring, key| ring.with_fallback(key).unwrap())
}

async fn answer(request: Request<Body>) -> Response<Body> {
    let handle = request.extensions().get::<RequestSession>().expect("the layer put it there").clone();
    let path = request.uri().path();
    match page(&handle, path).await {
        Ok(_) if path == "/fail" => {
            Response::builder().status(StatusCode::INTERNAL_SERVER_ERROR).body(Body::empty()).unwrap()
        }
        Ok(text) => Response::new(text.into()),
        Err(error) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = status_of(&error);
            if response.status() == StatusCode::SERVICE_UNAVAILABLE {
                response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
            }
            response
        }
    }
}

async fn page(handle: &RequestSession, path: &str) -> Result<String, Error> {
    if path == "/logout" {
        handle.destroy().await?;
        return Ok("bye".to_owned());
    }
    if path == "/ready" {
        // As a page does that can wait for nothing.
        drop(handle.ready());
    }
    let session = handle.load().await?;
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(NOON);
    match path {
        "/login" | "/fail" => session.sign_in("albus", at)?,
        "/clear" => session.clear()?,
        "/renew" => session.renew()?,
        "/renew-empty" => session.renew_empty()?,
        "/permanent" => session.set_permanent(true)?,
        "/end-others" if session.owner().is_some() => session.end_others()?,
        "/act" => session.insert("acted", true)?,
        "/count" => session.add("visits", 1)?,
        "/form" => return Ok(session.csrf_token()?),
        "/device" => return Ok(format!("{:?}", handle.device().await?)),
        _ => {}
    }
    Ok(session.owner().unwrap_or_else(|| "stranger".to_owned()))
}

/// A browser. Clones share nothing: a copied jar is a thief's.
#[derive(Clone)]
pub(crate) struct Browser {
    /// Value and path of each cookie.
    pub(crate) jar: BTreeMap<String, (String, String)>,
    key: SigningKey,
    pub(crate) offer: Option<String>,
    pub(crate) identifier: Option<String>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub(crate) fn new(seed: u8) -> Self {
        let key = SigningKey::from_slice(&[seed; 32]).unwrap();
        Self { jar: BTreeMap::new(), key, offer: None, identifier: None, headers: Vec::new() }
    }

    /// The same jar elsewhere, without the key.
    pub(crate) fn stolen(&self, seed: u8) -> Self {
        Self { jar: self.jar.clone(), ..Self::new(seed) }
    }

    /// This browser without its device cookies.
    pub(crate) fn without_proof(&self) -> Self {
        let mut other = self.clone();
        other.jar.retain(|name, _| !is_device_cookie(name));
        other
    }

    pub(crate) fn with(&self, name: &'static str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name, value.to_owned()));
        other
    }

    pub(crate) fn device_cookie(&self) -> Option<(String, String)> {
        self.jar
            .iter()
            .find(|(name, _)| is_device_cookie(name))
            .map(|(name, (value, _))| (name.clone(), value.clone()))
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request<Body> {
        let mut request = Request::builder().method(method).uri(path).header("host", "a.example");
        let own: Vec<_> = self
            .jar
            .iter()
            .filter(|(_, (_, below))| path.starts_with(below.as_str()))
            .map(|(name, (value, _))| format!("{name}={value}"))
            .collect();
        if !own.is_empty() {
            request = request.header(COOKIE, own.join("; "));
        }
        if !self.headers.iter().any(|(name, _)| *name == "sec-fetch-site") {
            request = request.header("sec-fetch-site", "same-origin");
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        request.body(Body::empty()).unwrap()
    }

    pub(crate) async fn send(&mut self, site: &Site, method: &str, path: &str) -> Response<String> {
        let response = site.send(self.request(method, path)).await;
        self.keep(response.headers());
        response
    }

    /// The text of a page.
    pub(crate) async fn get(&mut self, site: &Site, path: &str) -> String {
        self.send(site, "GET", path).await.into_body()
    }

    pub(crate) async fn post(&mut self, site: &Site, path: &str) -> String {
        self.send(site, "POST", path).await.into_body()
    }

    pub(crate) fn keep(&mut self, headers: &HeaderMap) {
        for line in headers.get_all(SET_COOKIE) {
            let line = line.to_str().unwrap();
            let (pair, attributes) = line.split_once("; ").unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let path = attributes.split("; ").find_map(|one| one.strip_prefix("Path=")).unwrap().to_owned();
            match attributes.contains("Max-Age=0") {
                true => _ = self.jar.remove(name),
                false => _ = self.jar.insert(name.to_owned(), (value.to_owned(), path)),
            }
        }
        if let Some(offer) = headers.get("secure-session-registration") {
            let (_, challenge) = offer.to_str().unwrap().split_once("challenge=\"").unwrap();
            self.offer = Some(challenge.trim_end_matches('"').to_owned());
        }
    }

    /// Takes up the last offer.
    pub(crate) async fn register(&mut self, site: &Site) -> Response<String> {
        let offer = self.offer.clone().expect("an offer was made");
        let response =
            self.with("secure-session-response", &self.registration(&offer)).call(site, "register").await;
        self.keep(response.headers());
        if response.status() == 200 {
            let body: serde_json::Value = serde_json::from_str(response.body()).unwrap();
            self.identifier = Some(body["session_identifier"].as_str().unwrap().to_owned());
        }
        response
    }

    /// Proves the device anew: two requests, as browsers do. Returns the last answer.
    pub(crate) async fn refresh(&mut self, site: &Site) -> Response<String> {
        let asked = self.ask(site).await;
        let Some(challenge) = challenge_of(&asked) else { return asked };
        self.respond(site, &challenge).await
    }

    /// Asks for a challenge.
    pub(crate) async fn ask(&mut self, site: &Site) -> Response<String> {
        let identifier = self.identifier.clone().expect("it has registered");
        let response = self.with("sec-secure-session-id", &identifier).call(site, "refresh").await;
        self.keep(response.headers());
        response
    }

    /// Answers a challenge.
    pub(crate) async fn respond(&mut self, site: &Site, challenge: &str) -> Response<String> {
        let identifier = self.identifier.clone().expect("it has registered");
        let browser = self.with("sec-secure-session-id", &identifier);
        let response = self.response(challenge);
        let response = browser.with("secure-session-response", &response).call(site, "refresh").await;
        self.keep(response.headers());
        response
    }

    pub(crate) async fn call(&self, site: &Site, endpoint: &str) -> Response<String> {
        let browser = self.with("sec-fetch-mode", "no-cors");
        site.send(browser.request("POST", &format!("/_device/{endpoint}"))).await
    }

    /// Signs in, and registers.
    pub(crate) async fn sign_in(&mut self, site: &Site) {
        assert_eq!(self.post(site, "/login").await, "albus");
        assert_eq!(self.register(site).await.status(), 200);
    }

    pub(crate) fn registration(&self, challenge: &str) -> String {
        let point = self.key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{}","y":"{}"}}"#, base64(x), base64(y));
        self.sign(&format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#), challenge)
    }

    pub(crate) fn response(&self, challenge: &str) -> String {
        self.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, challenge)
    }

    pub(crate) fn sign(&self, header: &str, challenge: &str) -> String {
        let claims = format!(r#"{{"jti":"{challenge}"}}"#);
        let signed = format!("{}.{}", base64(header.as_bytes()), base64(claims.as_bytes()));
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", base64(&signature.to_bytes()))
    }
}

pub(crate) fn is_device_cookie(name: &str) -> bool {
    name.starts_with("__Host-session-")
}

pub(crate) fn challenge_of(response: &Response<String>) -> Option<String> {
    let header = response.headers().get("secure-session-challenge")?.to_str().unwrap();
    Some(header.split_once(';').unwrap().0.trim_matches('"').to_owned())
}

pub(crate) fn has_offer(response: &Response<String>) -> bool {
    response.headers().contains_key("secure-session-registration")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word =
            chunk.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..=chunk.len() {
            text.push(char::from(LETTERS[(word >> (18 - 6 * at) & 63) as usize]));
        }
    }
    text
}
