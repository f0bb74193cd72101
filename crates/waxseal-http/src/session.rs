//! When a session is loaded and committed, and what its answer says about it.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use tokio::sync::OnceCell;
use waxseal_store::{Access, Error, Keyring, Opened, Outcome, Rejected, Session, SessionManager};

use crate::{Clock, Host, SessionCookie, caches, cookies, origin};

/// More cookies of our name than this are not looked at: a page of a sibling host may plant any number.
const MAX_CANDIDATES: usize = 4;
/// How often a store is looked after.
const ROUND: Duration = Duration::from_secs(60);

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
    sessions: SessionManager,
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
    access: Access,
    /// The answer has no body: nobody sees the page.
    is_head: bool,
    /// Where the request went: what else of our name the browser could have sent there depends on it.
    host: Option<HeaderValue>,
    target: Uri,
    session: OnceCell<Session>,
    /// What it did until then was dropped.
    failed: AtomicBool,
}

impl SessionLayer {
    /// Carries `sessions` in `cookie`, whose name they must have been made for.
    ///
    /// # Panics
    ///
    /// If they were made for another name: no cookie could ever open.
    #[must_use]
    pub fn new(sessions: SessionManager, cookie: SessionCookie) -> Self {
        assert_eq!(sessions.name(), cookie.name(), "sessions and cookie must have one name");
        let sessions = sessions.with_pause(tokio::time::sleep);
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

    /// Who opens, saves, lists and ends the sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionManager {
        &self.shared.sessions
    }

    /// The time by this layer's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.clock.now()
    }

    /// A handle to the session of the request with this method and these headers. Nothing is opened yet.
    #[must_use]
    pub fn handle(&self, method: &Method, headers: &HeaderMap) -> SessionHandle {
        self.handle_at(method, &Uri::default(), headers)
    }

    /// The same for a request whose target is known: if the browser sent several cookies of our name, those that are set
    /// for a path above it can be forgotten too.
    #[must_use]
    pub fn handle_at(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> SessionHandle {
        let mut cookies = headers.get_all(COOKIE).iter().cloned();
        let access = if origin::is_safe(method) { Access::Read } else { Access::Change };
        SessionHandle(Arc::new(Slot {
            layer: self.clone(),
            cookies: (cookies.next(), cookies.collect()),
            access,
            is_head: method == Method::HEAD,
            host: headers.get(HOST).cloned(),
            target: target.clone(),
            session: OnceCell::new(),
            failed: AtomicBool::new(false),
        }))
    }

    /// Looks after the store for as long as it is polled: frees what has expired, makes up for sign-outs that the store
    /// missed, compares clocks. For one task of each process; in state `cookie` there is nothing to do.
    pub async fn maintain(&self) {
        let sessions = &self.shared.sessions;
        if !sessions.needs_upkeep() {
            return std::future::pending().await;
        }
        // Side by side: a sign-out that the store missed does not wait for a long round.
        let rounds = every(ROUND, || async { sessions.upkeep(|| self.now()).await.map(drop) });
        let ends =
            every(Duration::from_secs(1), || async { sessions.finish_ends(self.now()).await.map(drop) });
        tokio::join!(rounds, ends);
    }

    /// Commits the session of `handle` and says in `response` what is due: `Set-Cookie`, `Vary`, `Cache-Control`.
    ///
    /// An answer of 500 or more, or of 408, [drops](is_failure) what the request changed, except that it destroyed the
    /// session; unless that was [dropped](SessionHandle::rollback) before, and this is from what answers in its place. From
    /// here on the session can be read and no longer written.
    ///
    /// If several good cookies of our name came, or more than are looked at under a name that can be planted, the answer makes the browser forget all but ours. In state `cookie` a
    /// sign-out does so, too, and a sign-in under a name that can be planted: what they leave behind may lie in another place
    /// than ours, and is good still.
    ///
    /// What asks a store is a task of its own: a client that hangs up meanwhile does not stop it half-way.
    ///
    /// # Errors
    ///
    /// [`waxseal_store::Error`] if the session could not be saved; [`status_of`] says what to answer. `response` is as it
    /// was then and must not be sent: finish a response of an error instead. The session is then as before the request,
    /// and can be written for that response.
    pub async fn finish<B>(&self, handle: &SessionHandle, response: &mut Response<B>) -> Result<(), Error> {
        let Some(session) = handle.0.session.get() else { return Ok(()) };
        let accessed = session.is_accessed();
        if is_failure(response.status()) {
            match handle.has_failed() {
                true => session.keep_messages(),
                false => session.rollback(),
            }
        }
        let changed = session.is_modified();
        let personal = accessed && (!session.is_new() || changed);
        if handle.0.is_head {
            session.page_unseen();
        }
        let now = self.clock.now();
        let set_cookie = match self.commit(session, now).await? {
            Outcome::Set { token, expires } => Some(self.cookie().set(&token, expires, now)),
            Outcome::Remove => Some(self.cookie().remove()),
            _ => None,
        };
        if !accessed {
            return Ok(());
        }
        let headers = response.headers_mut();
        // Before our own, so that it stays whatever a browser takes them for. Where the one that counts lies, nobody can
        // tell: if it is not sent along, it may be one of them.
        let can_be_planted = self.cookie().can_be_planted();
        let others = || session.forgets_others(can_be_planted) || can_be_planted && handle.0.has_more();
        let lone = (set_cookie.is_some() || session.is_new()) && others();
        let mut sets = if lone { handle.0.forget_others() } else { Vec::new() };
        sets.extend(set_cookie);
        caches::vary_by_cookie(headers);
        caches::keep_private(headers, personal, changed || !sets.is_empty());
        for set_cookie in sets {
            headers.append(SET_COOKIE, set_cookie);
        }
        Ok(())
    }

    /// Ends what a request without an answer has ended; all else that it did is dropped.
    pub(crate) async fn abandon(&self, handle: &SessionHandle) {
        handle.rollback();
        if let Some(session) = handle.loaded()
            && let Err(error) = self.commit(session, self.now()).await
        {
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "session not ended");
        }
    }
}

/// Does `work` now and again after each `span`, for as long as it is polled.
async fn every<F: Future<Output = Result<(), Error>>>(span: Duration, work: impl Fn() -> F) {
    let mut ticks = tokio::time::interval(span);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What fails each second is said once a minute.
    let mut said: Option<tokio::time::Instant> = None;
    loop {
        ticks.tick().await;
        let done = work().await;
        if done.is_ok() {
            said = None;
        }
        if let Err(error) = done
            && said.is_none_or(|at| at.elapsed() >= ROUND)
        {
            said = Some(tokio::time::Instant::now());
            tracing::warn!(
                error = &error as &(dyn std::error::Error + 'static),
                "the session store was not looked after"
            );
        }
    }
}

impl SessionHandle {
    /// The visitor's session; a new one if no good token came.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if a store has to be asked and does not answer: [`status_of`] makes it a 503. None in state
    /// `cookie` without a list.
    pub async fn load(&self) -> Result<Session, Error> {
        if let Some(session) = self.loaded() {
            return Ok(session.clone());
        }
        let opened = self.0.open();
        if let Opened::Ready(session) = &opened
            && let Some(session) = self.0.keep(session.clone())
        {
            return Ok(session);
        }
        // Boxed, because what a store needs to wait with would make the future of every handler larger.
        Box::pin(self.0.session.get_or_try_init(|| opened.load(self.0.layer.now()))).await.cloned()
    }

    /// The same without waiting; `None` if the store has to be asked.
    #[must_use]
    pub fn ready(&self) -> Option<Session> {
        if let Some(session) = self.loaded() {
            return Some(session.clone());
        }
        // What has to be asked for in any case is opened once, then.
        if self.0.layer.shared.sessions.always_asks() && self.0.candidates().next().is_some() {
            return None;
        }
        match self.0.open() {
            Opened::Ready(session) => self.0.keep(session),
            Opened::Pending(_) => None,
        }
    }

    /// The session if somebody has asked for it already.
    #[must_use]
    pub fn loaded(&self) -> Option<&Session> {
        self.0.session.get()
    }

    /// Drops what this request has changed so far, except that it destroyed the session. To be called where a request
    /// failed, before a page that says so is made: that page sees the session as it will be, and what it writes, such as a
    /// message, is kept whatever its status.
    pub fn rollback(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
        if let Some(session) = self.loaded() {
            session.rollback();
        }
    }

    fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Asks the store whether the session is still what this request takes it for, before something is done that cannot
    /// be undone. Requests of unsafe methods have been asked for already.
    ///
    /// # Errors
    ///
    /// Those of [`SessionManager::confirm`], and of [`load`](Self::load).
    pub async fn confirm(&self) -> Result<(), Error> {
        let session = self.load().await?;
        let layer = &self.0.layer;
        layer.shared.sessions.confirm(&session, layer.now()).await
    }

    /// Signs the visitor out, also while the store is away: the browser forgets the session, this process refuses it,
    /// and the store is told as soon as it answers. (Until then, other servers may show the copies of state `mirrored`
    /// for as long as the grace.)
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`].
    pub async fn destroy(&self) -> Result<(), Error> {
        match self.load().await {
            Ok(session) => session.destroy(),
            Err(Error::Unavailable(_)) => {
                self.0.session.get_or_init(|| async { self.0.to_end() }).await.destroy()
            }
            Err(error) => Err(error),
        }
    }
}

impl SessionLayer {
    async fn commit(&self, session: &Session, now: SystemTime) -> Result<Outcome, Error> {
        if !self.shared.sessions.commit_waits(session) {
            return self.shared.sessions.commit(session, now).await;
        }
        let (shared, session) = (self.shared.clone(), session.clone());
        match tokio::spawn(async move { shared.sessions.commit(&session, now).await }).await {
            Ok(outcome) => outcome,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// The status of an answer that could not be given because of its session: 503 if the store does not answer, 409 if
/// another request was there first and this one may be repeated, 500 otherwise.
#[must_use]
pub fn status_of(error: &Error) -> StatusCode {
    match error {
        Error::Unavailable(_) | Error::Unconfirmed => StatusCode::SERVICE_UNAVAILABLE,
        Error::Conflict { .. } | Error::Contended | Error::Gone | Error::Renewed => StatusCode::CONFLICT,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// Whether an answer of this status says that its request failed, so that nothing is kept of what it changed: 500 or more,
/// and 408, by which a time limit inside the layer ends a handler half-way. By any other status of 4xx a handler has
/// decided, and what it changed is kept.
#[must_use]
pub fn is_failure(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT
}

impl Slot {
    /// The request's session from now on, or another task's that was faster; `None` while that one asks the store.
    fn keep(&self, session: Session) -> Option<Session> {
        let _ = self.session.set(session);
        self.session.get().cloned()
    }

    fn to_end(&self) -> Session {
        match self.open() {
            Opened::Ready(session) => session,
            Opened::Pending(pending) => pending.to_end(),
        }
    }

    /// Opens the token that counts.
    fn open(&self) -> Opened<'_> {
        let Shared { sessions, cookie } = &*self.layer.shared;
        let (mut tokens, mut count) = ([&[][..]; MAX_CANDIDATES], 0);
        for token in self.candidates() {
            tokens[count] = token;
            count += 1;
        }
        let now = self.layer.clock.now();
        let log = |rejected: Rejected| tracing::info!(reason = %rejected.reason(), "session cookie refused");
        sessions.snapshot().open_among(&tokens[..count], cookie.can_be_planted(), self.access, now, log)
    }

    /// What makes the browser forget all else of our name that it could have sent with this request.
    fn forget_others(&self) -> Vec<HeaderValue> {
        let named = self.target.authority().map(|authority| authority.as_str().as_bytes());
        let host = named.or(self.host.as_ref().map(HeaderValue::as_bytes));
        let host = host.and_then(|host| Host::parse(host).ok());
        self.layer.cookie().remove_others(host.as_ref().map(Host::name), self.target.path())
    }

    /// The different values of our cookie among the first few. A browser that sends one twice means the same.
    fn candidates(&self) -> impl Iterator<Item = &[u8]> {
        let is_new = |&(at, value): &(usize, &[u8])| !self.values().take(at).any(|earlier| earlier == value);
        self.values().take(MAX_CANDIDATES).enumerate().filter(is_new).map(|(_, value)| value)
    }

    /// Whether there are values that are not looked at: the visitor's may be one of them, and a sign-in's would be.
    fn has_more(&self) -> bool {
        self.values().nth(MAX_CANDIDATES).is_some()
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let name = self.layer.cookie().name();
        let (first, others) = &self.cookies;
        let fields = first.iter().chain(others);
        fields.flat_map(|field| cookies::values_in(field.as_bytes(), name))
    }
}
