//! The layer that loads sessions from requests and commits them to responses.

use std::future::poll_fn;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::task::Poll;
use std::time::SystemTime;

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response, Uri};
use tracing::Instrument;
use waxseal_manager::session::backend::SoFar;
use waxseal_manager::{AtOnce, Error, Keyring, Outcome, SessionManager, Visit};

use crate::carrier::Carrier;
use crate::clock::Clock;
use crate::commits::Underway;
use crate::cross_origin::CrossOrigin;
#[cfg(feature = "device")]
use crate::device_bound::{bound::Bound, gate, offering::Offering, settings::DeviceBinding};
use crate::foreign_cookies::Readers;
use crate::foreign_sessions::ForeignSessions;
use crate::origin::Scheme;
use crate::request_session::{ForeignEnd, RequestSession};
use crate::session_cookie::SessionCookie;
use crate::setup_error::SetupError;
use crate::status::is_failure;
use crate::{caches, last_ends, maintenance};

/// Loads sessions from requests and commits them to responses. It also refuses, with 403, requests from other sites
/// that are unsafe or open a WebSocket; [`cross_origin`](Self::cross_origin) lets some or all of them through.
///
/// Create it once and clone it, which is cheap. [`layer`](Self::layer) puts it around any hyper or tower service, and
/// it is a [tower layer](tower_layer::Layer). A server that uses neither calls [`session_of`](Self::session_of) when a
/// request's head has arrived and [`finish`](Self::finish) before the response's head is sent, and calls
/// [`origin`](crate::origin) itself.
///
/// A request that never asks for its session costs nothing: no cookie is opened, and its response has neither
/// `Set-Cookie` nor `Vary`.
#[derive(Debug, Clone)]
pub struct SessionLayer {
    carrier: Arc<Carrier>,
}

impl SessionLayer {
    /// Creates a layer that carries `sessions` in `cookie`. Both must have the same cookie name.
    ///
    /// # Panics
    ///
    /// If the manager was created for another cookie name, so that no cookie could ever open.
    #[must_use]
    pub fn new(sessions: SessionManager, cookie: SessionCookie) -> Self {
        assert_eq!(sessions.name(), cookie.name(), "sessions and cookie must have one name");
        let carrier = Carrier::new(sessions.with_pause(tokio::time::sleep), cookie);
        Self { carrier: Arc::new(carrier) }
    }

    /// Reads the time from `clock` instead of the system clock.
    #[must_use]
    pub fn with_clock(self, clock: Clock) -> Self {
        self.changed(|carrier| carrier.with_clock(clock))
    }

    /// Sets which requests from other sites are let through. By default there are none.
    ///
    /// To except some routes, use [`CrossOrigin::except`], or put a clone of the layer with another rule around these
    /// routes only. Put that clone beside the others and not inside of one, because a request has to pass both rules.
    /// Clones share their sessions. A layer that adds CORS headers belongs outside of this one, so that a page of
    /// another origin can read a refusal, too.
    ///
    /// # Example
    ///
    /// ```
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # use waxseal_manager::SessionManager;
    /// use axum::{Router, routing::post};
    /// use waxseal_http::{CrossOrigin, SessionCookie, SessionLayer};
    ///
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// # let sessions = SessionManager::cookie(&keyring, "__Host-session", "demo")?;
    /// # async fn transfer() {}
    /// # async fn hook() {}
    /// let sessions = SessionLayer::new(sessions, SessionCookie::builder().build()?);
    /// let pages: Router = Router::new().route("/transfer", post(transfer)).layer(sessions.clone());
    /// let hooks = Router::new().route("/hook", post(hook)).layer(sessions.cross_origin(CrossOrigin::allow()));
    /// let app = pages.merge(hooks);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cross_origin(self, rule: CrossOrigin) -> Self {
        self.changed(|carrier| carrier.with_cross_origin(rule))
    }

    /// The scheme that browsers see, taken from the cookie: behind a TLS proxy the connection is plain HTTP, but the
    /// cookie is Secure.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        if self.cookie().is_secure() { Scheme::Https } else { Scheme::Http }
    }

    /// Binds sessions to the devices on which they began: see [`DeviceBinding`].
    ///
    /// For a stricter policy on some routes, put a clone with that binding beside the others and not inside of one.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the cookie or the binding's settings do not allow it, or the manager has no keys for it.
    #[cfg(feature = "device")]
    pub fn device_bound(self, binding: &DeviceBinding) -> Result<Self, SetupError> {
        let bound = binding.build(self.sessions(), self.cookie())?;
        Ok(self.changed(|carrier| carrier.with_bound(bound)))
    }

    #[cfg(feature = "device")]
    pub(crate) fn bound(&self) -> Option<&Bound> {
        self.carrier.bound().map(|bound| &**bound)
    }

    /// Takes over the sessions that `readers` find in another framework's cookies, on the terms of the
    /// [manager](SessionManager::adopting).
    ///
    /// The foreign cookie is read if the request has no valid cookie of this layer, or if the request signs in or out,
    /// but never after the migration's end. A response that takes a session over sets this layer's cookie and deletes
    /// the foreign one, unless its reader [keeps](ForeignSessions::keeps_cookie) it. The foreign cookie is deleted in
    /// the same way by a response that signs in or out, and if its session was taken over before, has expired, or was
    /// ended by its owner here. In all other cases it stays, since the old app may still serve it.
    ///
    /// If a reader [shares](ForeignSessions::shares) its sign-in, its cookie is read with each request that uses its
    /// session, until the switch.
    ///
    /// # Errors
    ///
    /// [`SetupError`] if the manager has no terms, or a reader's cookie has the name of this layer's.
    pub fn migrate_from(self, readers: Vec<Box<dyn ForeignSessions>>) -> Result<Self, SetupError> {
        if !self.sessions().has_terms() {
            return Err(SetupError::NotAdopting);
        }
        let own = self.cookie().name();
        if readers.iter().any(|reader| reader.cookie().name() == own) {
            return Err(SetupError::SameCookie(own.to_owned()));
        }
        Ok(self.changed(|carrier| carrier.with_readers(Readers::new(readers))))
    }

    /// Changes the keys, for all requests whose session is loaded from now on. A request that has already loaded its
    /// session keeps the keys that it was loaded with.
    pub fn set_keyring(&self, keyring: &Keyring) {
        self.carrier.sessions().set_keyring(keyring);
    }

    /// The cookie that carries the sessions.
    #[must_use]
    pub fn cookie(&self) -> &SessionCookie {
        self.carrier.cookie()
    }

    /// The manager that opens, saves, lists and ends the sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionManager {
        self.carrier.sessions()
    }

    /// The time by this layer's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.carrier.now()
    }

    /// Creates the session handle of the request with this method, target and headers. Nothing is opened yet.
    ///
    /// The target is used only if the browser sent several cookies of this name, to delete those that were set for
    /// parent paths, too. If it is not known, pass `Uri::default()`.
    #[must_use]
    pub fn session_of(&self, method: &Method, target: &Uri, headers: &HeaderMap) -> RequestSession {
        RequestSession::new(self.carrier.clone(), method, target, headers)
    }

    /// Maintains the store for as long as it is polled: deletes expired rows, retries sign-outs that the store missed,
    /// and compares clocks. Run it in one task of each process. In state `cookie` without a list of revoked sessions
    /// there is nothing to do.
    ///
    /// A [`SessionService`](crate::SessionService) starts such a task by itself; any other server needs this.
    pub async fn maintain(&self) {
        maintenance::maintain(&self.carrier).await;
    }

    /// Waits for commits whose requests were dropped, and tries once more to tell the store of sessions that were ended and
    /// that it could not be told of. Call it when the server has stopped: the runtime's end ends both, and a sign-out whose
    /// visitor was told of it would then be lost. Takes at most five seconds, and logs what could not be done. Waxseal's own
    /// server calls it by itself.
    ///
    /// # Example
    ///
    /// ```no_run
    /// # async fn run(
    /// #     listener: tokio::net::TcpListener,
    /// #     app: axum::Router,
    /// #     stopping: impl Future<Output = ()> + Send + 'static,
    /// #     sessions: waxseal_http::SessionLayer,
    /// # ) -> std::io::Result<()> {
    /// axum::serve(listener, app).with_graceful_shutdown(stopping).await?;
    /// sessions.finish_ends().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn finish_ends(&self) {
        last_ends::finish(&self.carrier).await;
    }

    /// Starts no maintenance task. This is for tests that count calls to their store, and for a process beside another
    /// that maintains the same store.
    #[must_use]
    pub fn without_maintenance(self) -> Self {
        self.carrier.maintainer().pass_to_app();
        self
    }

    /// Commits a request's session and adds to `response` the headers that are due: `Set-Cookie`, `Vary`, `Cache-Control`.
    ///
    /// A response with status 500 or more, or 408, [drops](is_failure) the request's changes, but a session that the
    /// request destroyed is still ended. If the changes were [dropped](RequestSession::rollback) before, later changes
    /// are those of the error page and are kept. After this call the session can be read but not written, also if it is
    /// loaded only then, as by a stream or a socket.
    ///
    /// If the request brought several valid cookies of this name, or (under a name without `__Host-`) more than are
    /// tried, the response deletes all but this layer's own. In state `cookie` a sign-out does so, too, and so does a
    /// sign-in under a name without `__Host-`: an old cookie with another path or domain may be left in the browser,
    /// and would still be valid.
    ///
    /// A commit that waits for a store runs in a separate task, so that a client that disconnects does not stop it
    /// half-way.
    ///
    /// # Errors
    ///
    /// [`waxseal_manager::Error`] if the session could not be saved; [`status_of`](crate::status_of) maps it to a
    /// status. `response` is then unchanged and must not be sent: finish an error response instead. The session is
    /// again as it was before the request, and can be written for that response.
    pub async fn finish<B>(&self, request: &RequestSession, response: &mut Response<B>) -> Result<(), Error> {
        match self.finish_at_once(request, response) {
            true => Ok(()),
            false => self.finish_touched(request, response).await,
        }
    }

    /// [Finishes](Self::finish) a request that [`finish_at_once`](Self::finish_at_once) has left. Any other can be finished
    /// by it, too.
    ///
    /// # Errors
    ///
    /// Those of [`finish`](Self::finish).
    pub async fn finish_touched<B>(
        &self,
        request: &RequestSession,
        response: &mut Response<B>,
    ) -> Result<(), Error> {
        let Some(visit) = request.visit_at_end() else { return Ok(()) };
        let session = visit.session();
        if is_failure(response.status()) {
            match request.has_failed() {
                true => session.keep_messages(),
                false => session.rollback(),
            }
        }
        let now = self.now();
        #[cfg(feature = "device")]
        let offering = request.device_request().map(|device| {
            let (status, now) = (response.status(), gate::seconds(now));
            (device, Offering::prepare(device, visit, status, request.is_head(), now))
        });
        let mut so_far = session.so_far();
        let mut beside = None;
        if so_far.accessed && request.has_more_than_a_session() {
            beside = request.write_beside(now).await?;
            so_far = session.so_far();
        }
        let SoFar { accessed, changed, is_new, is_confirmed } = so_far;
        let is_anonymous = is_new && is_confirmed;
        let personal = accessed && (!is_new || changed);
        if request.is_head() {
            session.page_unseen();
        }
        let ends_foreign = request.ends_foreign();
        let outcome = self.commit(request, now).await?;
        let foreign = request.forget_foreign(ends_foreign);
        let set_cookie = match outcome {
            Outcome::Set { token, expires } => Some(self.cookie().set(&token, expires, now)),
            Outcome::Remove => Some(self.cookie().remove()),
            _ => request.token_outlives().then(|| self.cookie().remove()),
        };
        if !accessed {
            return Ok(());
        }
        let headers = response.headers_mut();
        // Before this layer's own, so that its cookie is kept even if a browser takes them for the same. The place of
        // the cookie that is used is not known: if no new one is sent, it may be among those that are deleted.
        let can_be_planted = self.cookie().can_be_planted();
        let others = || visit.forgets_others(can_be_planted) || can_be_planted && request.has_more();
        let lone = (set_cookie.is_some() || is_anonymous) && others();
        let mut sets = if lone { request.forget_others() } else { Vec::new() };
        sets.extend(set_cookie);
        match beside {
            Some(beside) => sets.push(beside),
            None => sets.extend(foreign),
        }
        caches::vary_by_cookie(headers);
        caches::keep_private(headers, personal, changed || !sets.is_empty());
        for set_cookie in sets {
            headers.append(SET_COOKIE, set_cookie);
        }
        #[cfg(feature = "device")]
        if let Some((device, offering)) = offering {
            offering.complete(device, visit, headers);
        }
        Ok(())
    }

    /// [Finishes](Self::finish) a request whose session [can be committed at once](SessionManager::commit_at_once), as most
    /// can: those that read it, and in state `cookie`, or with sessions in memory, those that write to it. Returns `false`,
    /// and does nothing, if the commit takes more. A server that calls this first has no need to keep room for a commit with
    /// every request.
    pub fn finish_at_once<B>(&self, request: &RequestSession, response: &mut Response<B>) -> bool {
        finish_at_once(&self.carrier, request, response)
    }

    pub(crate) fn of(carrier: Arc<Carrier>) -> Self {
        Self { carrier }
    }

    pub(crate) fn carrier(&self) -> &Arc<Carrier> {
        &self.carrier
    }

    fn changed(self, change: impl FnOnce(Carrier) -> Carrier) -> Self {
        Self { carrier: Arc::new(change(Arc::unwrap_or_clone(self.carrier))) }
    }

    /// Returns `true` if the request's session belongs to this layer's manager.
    pub(crate) fn carries(&self, request: &RequestSession) -> bool {
        request.carrier().is(&self.carrier)
    }

    /// For a request without a response: ends the session if the request destroyed it, and drops its other changes.
    pub(crate) async fn abandon(&self, request: &RequestSession) {
        request.rollback();
        if let Err(error) = self.commit(request, self.now()).await {
            tracing::error!(error = &error as &(dyn std::error::Error + 'static), "session not ended");
        }
    }

    async fn commit(&self, request: &RequestSession, now: SystemTime) -> Result<Outcome, Error> {
        let Some(visit) = request.visit_at_end() else { return Ok(Outcome::Keep) };
        if !self.sessions().commit_waits(visit) {
            return match request.has_more_than_a_session() {
                false => self.sessions().commit(visit, now).await,
                true => Box::pin(commit_with_foreign(&self.carrier, request, visit, now)).await,
            };
        }
        let (carrier, own) = (self.carrier.clone(), request.clone());
        let mut commit = Box::pin(async move {
            let visit = own.visit().expect("it was there above, and nothing takes it");
            commit_with_foreign(&carrier, &own, visit, now).await
        });
        // A store that answers at once, such as one in memory, needs no task.
        if let Poll::Ready(outcome) = poll_fn(|context| Poll::Ready(commit.as_mut().poll(context))).await {
            return outcome;
        }
        let task = CommitTask::begin(request.clone());
        let commit = async move {
            let _task = task;
            commit.await
        };
        // In the request's span, so that the lines of a commit can be told from those of others.
        match tokio::spawn(commit.in_current_span()).await {
            Ok(outcome) => outcome,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shutting down, and this task is ended with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// [Finishes](SessionLayer::finish_at_once) a request of this carrier.
pub(crate) fn finish_at_once<B>(
    carrier: &Carrier,
    request: &RequestSession,
    response: &mut Response<B>,
) -> bool {
    let Some(visit) = request.visit_at_end() else { return true };
    if request.has_more_than_a_session() || request.is_head() || is_failure(response.status()) {
        return false;
    }
    let headers = response.headers_mut();
    let mut now = None;
    match carrier.sessions().commit_at_once(visit, || *now.insert(carrier.now())) {
        None => return false,
        Some(AtOnce::Read { accessed: false }) => {}
        Some(AtOnce::Read { accessed: true }) => {
            caches::vary_by_cookie(headers);
            caches::keep_private(headers, true, false);
        }
        Some(AtOnce::Written(outcome)) => {
            caches::vary_by_cookie(headers);
            caches::keep_private(headers, true, true);
            if let Outcome::Set { token, expires } = outcome {
                if carrier.cookie().can_be_planted() && request.has_more() {
                    for other in request.forget_others() {
                        headers.append(SET_COOKIE, other);
                    }
                }
                let now = now.expect("it was asked for sealing");
                headers.append(SET_COOKIE, carrier.cookie().set(&token, expires, now));
            }
        }
    }
    true
}

/// A commit in a task of its own. The task may outlive its request, and the server.
struct CommitTask {
    request: RequestSession,
    _underway: Underway,
}

impl CommitTask {
    fn begin(request: RequestSession) -> Self {
        request.commit_begins();
        let underway = request.carrier().commits().begin();
        Self { request, _underway: underway }
    }
}

impl Drop for CommitTask {
    fn drop(&mut self) {
        self.request.commit_ends();
    }
}

/// Commits a request's session. If it signs in or out, the foreign sessions that came along end with it.
async fn commit_with_foreign(
    carrier: &Carrier,
    request: &RequestSession,
    visit: &Visit,
    now: SystemTime,
) -> Result<Outcome, Error> {
    let ends_foreign = request.ends_foreign();
    request.note_foreign(now).await;
    let outcome = carrier.sessions().commit(visit, now).await?;
    if ends_foreign == ForeignEnd::SignedOut {
        request.end_signed_meanwhile(now, carrier.now()).await;
    }
    Ok(outcome)
}
