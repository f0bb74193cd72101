//! When a session is loaded and committed, and what its answer says about it.

use std::sync::{Arc, OnceLock};

use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use http::{HeaderMap, HeaderValue, Response};
use waxseal_store::{Keyring, Outcome, Session, Sessions};

use crate::{Clock, SessionCookie, cookies};

/// More cookies of our name than this are not looked at: a page of a sibling host may plant any number.
const MAX_CANDIDATES: usize = 4;
const PRIVATE: HeaderValue = HeaderValue::from_static("private, no-store");

/// Loads sessions from requests and commits them to responses; made once, cheap to clone.
///
/// As a [tower layer](tower_layer::Layer) it wraps any hyper or tower service. A server of its own calls
/// [`handle`](Self::handle) when a request's head has arrived and [`finish`](Self::finish) before the response's
/// head leaves.
///
/// A request that never asks for its session pays nothing for it: nothing is opened, and its answer carries
/// neither `Set-Cookie` nor `Vary`.
#[derive(Debug, Clone)]
pub struct SessionLayer {
    shared: Arc<Shared>,
    clock: Clock,
}

#[derive(Debug)]
struct Shared {
    sessions: Sessions,
    cookie: SessionCookie,
}

/// One request's way to its session; loads it at most once.
///
/// Behind a [`SessionLayer`] it is in the request's extensions. Clones share the session.
#[derive(Debug, Clone)]
pub struct SessionHandle(Arc<Slot>);

#[derive(Debug)]
struct Slot {
    layer: SessionLayer,
    /// The `Cookie` field, and those beyond the one that browsers send.
    cookies: (Option<HeaderValue>, Vec<HeaderValue>),
    session: OnceLock<Session>,
}

impl SessionLayer {
    /// Carries `sessions` in `cookie`, whose name they must have been made for.
    ///
    /// # Panics
    ///
    /// If they were made for another name: no cookie could ever open.
    #[must_use]
    pub fn new(sessions: Sessions, cookie: SessionCookie) -> Self {
        assert_eq!(sessions.name(), cookie.name(), "sessions and cookie must have one name");
        Self { shared: Arc::new(Shared { sessions, cookie }), clock: Clock::system() }
    }

    /// Reads the time from `clock` instead of the system's.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Changes the keys, for every request whose session is loaded from now on; one that has loaded its session is
    /// finished with the keys it was loaded with.
    pub fn set_keyring(&self, keyring: &Keyring) {
        self.shared.sessions.set_keyring(keyring);
    }

    /// The cookie that carries the sessions.
    #[must_use]
    pub fn cookie(&self) -> &SessionCookie {
        &self.shared.cookie
    }

    /// A handle to the session of the request with these headers. Nothing is opened yet.
    #[must_use]
    pub fn handle(&self, headers: &HeaderMap) -> SessionHandle {
        let mut cookies = headers.get_all(COOKIE).iter().cloned();
        let cookies = (cookies.next(), cookies.collect());
        SessionHandle(Arc::new(Slot { layer: self.clone(), cookies, session: OnceLock::new() }))
    }

    /// Commits the session of `handle` and says in `response` what is due: `Set-Cookie`, `Vary`, `Cache-Control`.
    ///
    /// An answer of 500 or more drops what the request changed, except that it destroyed the session. From here on
    /// the session can be read and no longer written.
    ///
    /// # Errors
    ///
    /// [`waxseal_store::Error`] if the session could not be sealed. `response` is as it was then and must not be sent:
    /// finish a response of 500 instead, which changes nothing more.
    pub async fn finish<B>(
        &self,
        handle: &SessionHandle,
        response: &mut Response<B>,
    ) -> Result<(), waxseal_store::Error> {
        let Some(session) = handle.0.session.get() else { return Ok(()) };
        let accessed = session.is_accessed();
        if response.status().is_server_error() {
            session.rollback();
        }
        let now = self.clock.now();
        let set_cookie = match self.shared.sessions.commit(session, now).await? {
            Outcome::Set { token, expires } => Some(self.cookie().set(&token, expires, now)),
            Outcome::Remove => Some(self.cookie().remove()),
            _ => None,
        };
        if !accessed {
            return Ok(());
        }
        let headers = response.headers_mut();
        add_vary_cookie(headers);
        let personal = !session.is_new() || session.is_modified();
        keep_private(headers, personal, set_cookie.is_some());
        if let Some(set_cookie) = set_cookie {
            headers.append(SET_COOKIE, set_cookie);
        }
        Ok(())
    }
}

impl SessionHandle {
    /// The visitor's session; a new one if no good token came.
    ///
    /// # Errors
    ///
    /// None in state `cookie`, which asks nobody.
    #[expect(clippy::unused_async, reason = "states that keep sessions on the server wait here")]
    pub async fn load(&self) -> Result<Session, waxseal_store::Error> {
        Ok(self.ready())
    }

    /// The same without waiting, for a template.
    #[must_use]
    pub fn ready(&self) -> Session {
        self.0.session.get_or_init(|| self.0.open()).clone()
    }
}

impl Slot {
    /// Opens the one token that is good. Two different good ones mean that one was planted: neither counts.
    fn open(&self) -> Session {
        let sessions = self.layer.shared.sessions.snapshot();
        let now = self.layer.clock.now();
        let mut good = None;
        for token in self.candidates() {
            match sessions.open(token, now) {
                Ok(_) if good.is_some() => {
                    tracing::warn!("two different session cookies are good; neither counts");
                    return sessions.create();
                }
                Ok(session) => good = Some(session),
                Err(rejected) => tracing::info!(reason = %rejected.reason(), "session cookie refused"),
            }
        }
        good.unwrap_or_else(|| sessions.create())
    }

    /// The different values of our cookie among the first few. A browser that sends one twice means the same.
    fn candidates(&self) -> impl Iterator<Item = &[u8]> {
        let name = self.layer.cookie().name();
        let (first, others) = &self.cookies;
        let fields = move || first.iter().chain(others);
        let values = move || fields().flat_map(|field| cookies::values_in(field.as_bytes(), name));
        let is_new = move |&(at, value): &(usize, &[u8])| !values().take(at).any(|earlier| earlier == value);
        values().take(MAX_CANDIDATES).enumerate().filter(is_new).map(|(_, value)| value)
    }
}

fn add_vary_cookie(headers: &mut HeaderMap) {
    let said = headers.get_all(VARY).iter().any(|value| has_token(value, &["cookie", "*"]));
    if !said {
        headers.append(VARY, HeaderValue::from_static("Cookie"));
    }
}

/// Says `private, no-store` where someone else's cache could keep what only this visitor may see.
fn keep_private(headers: &mut HeaderMap, personal: bool, sets_cookie: bool) {
    let handlers_own = headers.contains_key(CACHE_CONTROL);
    if personal && !handlers_own {
        headers.insert(CACHE_CONTROL, PRIVATE);
    } else if sets_cookie {
        let private =
            headers.get_all(CACHE_CONTROL).iter().any(|value| has_token(value, &["private", "no-store"]));
        if !private {
            if handlers_own {
                tracing::warn!("Cache-Control was replaced: an answer with a session cookie is never public");
            }
            headers.insert(CACHE_CONTROL, PRIVATE);
        }
    }
}

fn has_token(value: &HeaderValue, tokens: &[&str]) -> bool {
    let value = value.to_str().unwrap_or("");
    value.split(',').any(|part| tokens.iter().any(|token| part.trim().eq_ignore_ascii_case(token)))
}
