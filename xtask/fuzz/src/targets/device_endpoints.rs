//! The two endpoints of device-bound sessions, as a browser asks them: all header fields of a request.

use http::header::COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use tokio::runtime::Runtime;
use waxseal_device::{DeviceState, Offer};
use waxseal_http::{Clock, DeviceBinding, DevicePolicy, SessionCookie, SessionLayer};
use waxseal_manager::{DevicePurpose, Outcome, SessionManager};
use waxseal_store::MemoryStore;

use super::device::{Browser, claims};
use super::sealed::{NOW, keyring, now};
use crate::target::Target;

const REGISTER: &str = "/_device/register";
const REFRESH: &str = "/_device/refresh";

/// A server with one session, which is bound. A request is lines of `name: value`; one whose first line is `register`
/// goes there, and any other is a refresh.
pub(crate) struct Endpoints {
    runtime: Runtime,
    layer: SessionLayer,
    registration: String,
    refresh: String,
    identifier: String,
    cookies: String,
}

impl Endpoints {
    pub(crate) fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        let cookie = SessionCookie::builder().build().expect("the usual cookie");
        let sessions = SessionManager::mirrored(&keyring(), cookie.name(), "demo", MemoryStore::new())
            .and_then(|sessions| sessions.with_device_tokens(&keyring()))
            .expect("short texts");
        let browser = Browser::new();
        let (token, offer) = runtime.block_on(signed_in(&sessions));
        let layer = SessionLayer::new(sessions, cookie)
            .with_clock(Clock::from_fn(now))
            .device_bound(&DeviceBinding::new(DevicePolicy::Require))
            .expect("a Secure cookie");
        let registration = browser.signed(&browser.header(), claims(&offer).as_bytes());
        let mut made = Self {
            runtime,
            layer,
            registration,
            refresh: String::new(),
            identifier: String::new(),
            cookies: format!("__Host-session={token}"),
        };
        let registered = made.registering(&made.registration.clone());
        let (_, body, headers) = made.answer(registered.as_bytes());
        let answer: serde_json::Value =
            serde_json::from_str(&body).expect("a browser that does as it should");
        made.identifier = answer["session_identifier"].as_str().expect("an identifier").to_owned();
        for line in headers.get_all("set-cookie") {
            made.cookies += "; ";
            made.cookies += line.to_str().expect("ASCII").split(';').next().expect("a pair");
        }
        let (_, _, headers) = made.answer(made.refreshing(&made.identifier, None).as_bytes());
        let challenge = headers["secure-session-challenge"].to_str().expect("ASCII");
        let challenge = challenge.split('"').nth(1).expect("it is quoted");
        made.refresh = browser.signed(br#"{"alg":"ES256","typ":"dbsc+jwt"}"#, claims(challenge).as_bytes());
        made
    }

    fn registering(&self, response: &str) -> String {
        let Self { cookies, .. } = self;
        format!(
            "register\nsecure-session-response: {response}\ncookie: {cookies}\nsec-fetch-site: same-origin\n\
             sec-fetch-mode: no-cors"
        )
    }

    fn refreshing(&self, identifier: &str, response: Option<&str>) -> String {
        let response = response.map(|it| format!("\nsecure-session-response: {it}")).unwrap_or_default();
        format!("refresh\nsec-secure-session-id: {identifier}{response}\ncookie: {}", self.cookies)
    }

    /// Status, body and fields.
    fn answer(&self, input: &[u8]) -> (u16, String, HeaderMap) {
        let path = if input.starts_with(b"register") { REGISTER } else { REFRESH };
        let headers = headers(input);
        let call = self.layer.device_call(&Method::POST, &Uri::from_static(path), &headers);
        let (parts, body) = self.runtime.block_on(call.expect("one of the two").answer()).into_parts();
        (parts.status.as_u16(), body, parts.headers)
    }
}

/// A session whose browser was asked to register: its token, and the offer.
async fn signed_in(sessions: &SessionManager) -> (String, String) {
    let visit = sessions.create();
    let offer = Offer::draw().expect("random bytes");
    visit.sign_in("albus", now()).expect("a short name");
    let state = DeviceState::Offered { at: NOW as u32, offer, again: false };
    visit.offer_device(&state.to_bytes()).expect("it fits");
    let Ok(Outcome::Set { token, .. }) = sessions.commit(&visit, now()).await else {
        panic!("a new session gets a token")
    };
    let payload = [offer.as_bytes().as_slice(), &[3; 8]].concat();
    let snapshot = sessions.snapshot();
    let tokens = snapshot.device_tokens().expect("they were asked for");
    let offer = tokens.sign(DevicePurpose::Offer, &payload, NOW).expect("a signature");
    (token, offer.expect("24 bytes"))
}

/// The fields that a server would let through.
fn headers(input: &[u8]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n').skip(1).take(100) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    headers
}

impl Target for Endpoints {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let Self { registration, refresh, identifier, .. } = self;
        let quoted = |text: &str| format!("\"{text}\"");
        let seeds = [
            self.registering(registration),
            self.registering(&quoted(registration)),
            self.refreshing(identifier, None),
            self.refreshing(identifier, Some(refresh)),
            self.refreshing(&quoted(identifier), Some(&quoted(refresh))),
            // Signed out, and by another site's link.
            format!("refresh\nsec-secure-session-id: {identifier}"),
        ];
        seeds.map(String::into_bytes).to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let has = |text: &str| input.windows(text.len()).any(|window| window == text.as_bytes());
        let is_registration = input.starts_with(b"register");
        let (status, body, fields) = self.answer(input);
        match (is_registration, status) {
            (true, 200) => assert!(has(&self.registration), "nobody else's signature registers"),
            (false, 200) if body.is_empty() => {
                assert!(has(&self.refresh), "nobody else's signature refreshes")
            }
            (false, 200) => assert!(body == r#"{"continue":false}"#, "{body}"),
            (true, 403) | (false, 400 | 403) => assert!(body.is_empty(), "{status}: {body}"),
            other => panic!("an answer of {other:?}"),
        }
        let is_asked = headers(input).contains_key(COOKIE);
        format!("{is_registration} {status} {} {} {is_asked}", body.len().min(20), fields.len())
    }
}
