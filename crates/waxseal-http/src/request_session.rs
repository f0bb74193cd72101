//! The session of one request, opened at its first use.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::Mutex;
use waxseal_manager::session::backend::Phase;
use waxseal_manager::{
    Access, Error, Foreign, Opened, PublicId, Rejected, Session, SessionManager, Snapshot, Visit,
};

use crate::carrier::Carrier;
use crate::cookies;
use crate::device::device;
#[cfg(feature = "device")]
use crate::device_bound::{
    device::Device,
    gate::{DeviceRequest, bound_since},
};
use crate::error_chain::chain;
use crate::foreign_cookies::{ForeignCookies, Readers};
use crate::foreign_findings::ForeignFindings;
use crate::foreign_sessions::ForeignSessions;
use crate::host_name::Host;
use crate::in_time::InTime;
use crate::origin::is_safe;
use crate::session_ended::SessionEnded;
use crate::side_by_side::{self, Beside, Verdict};

/// The most cookies of the session's name that are tried. A page of a sibling host may plant any number.
pub(crate) const MAX_CANDIDATES: usize = 4;

/// The session of one request. It is opened only when asked for, and at most once.
///
/// Behind a [`SessionLayer`](crate::SessionLayer) it is in the request's extensions. Clones share the session.
#[derive(Clone)]
pub struct RequestSession(Arc<Slot>);

/// What ends the foreign sessions that a request brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignEnd {
    None,
    SignedIn,
    SignedOut,
}

type Loading<'a> = Pin<Box<dyn Future<Output = Result<Session, Error>> + Send + 'a>>;

struct Slot {
    carrier: Arc<Carrier>,
    /// The first `Cookie` field, and further ones. Browsers send only one.
    cookies: (Option<HeaderValue>, Vec<HeaderValue>),
    access: Access,
    /// `true` if the response has no body, so that nobody sees the page.
    is_head: bool,
    /// The host and target determine which other cookies of this name the browser could have sent.
    host: Option<HeaderValue>,
    target: Uri,
    visit: OnceLock<Visit>,
    /// Held while a store is asked for the session, so that it is asked once.
    asks: Mutex<()>,
    in_time: InTime,
    /// `None` without a migration. Boxed, because few layers migrate.
    findings: Option<Box<ForeignFindings>>,
    /// `true` once the request's changes were dropped.
    failed: AtomicBool,
    /// `true` once the session is to be closed.
    closes: AtomicBool,
    /// `true` while a task commits the session. A session that is to be closed is closed after that.
    commits: AtomicBool,
    /// The proof of the device. `None` if device-bound sessions are off.
    #[cfg(feature = "device")]
    device: Option<DeviceRequest>,
}

impl RequestSession {
    pub(crate) fn new(carrier: Arc<Carrier>, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        #[cfg(feature = "device")]
        let device = {
            let bound = carrier.bound().cloned();
            bound.map(|bound| DeviceRequest::new(bound, carrier.clock().clone(), headers))
        };
        Self(Arc::new(Slot::new(
            carrier,
            method,
            target,
            headers,
            #[cfg(feature = "device")]
            device,
        )))
    }

    /// [`new`](Self::new), without a check of the request's device.
    #[cfg(feature = "device")]
    pub(crate) fn without_gate(
        carrier: Arc<Carrier>,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
    ) -> Self {
        Self(Arc::new(Slot::new(carrier, method, target, headers, None)))
    }

    /// Loads the visitor's session, or a new one if the request has no valid token.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if a store has to be asked and does not answer: [`status_of`](crate::status_of) makes it
    /// a 503. State `cookie` without a list of revoked sessions never asks one.
    pub async fn load(&self) -> Result<Session, Error> {
        if let Some(session) = self.0.kept() {
            return Ok(session.clone());
        }
        self.0.find_foreign().await?;
        let opened = match self.0.open() {
            Opened::Ready(visit) => match self.0.keep_if_settled(visit) {
                Ok(session) => return Ok(session),
                // The old app says that the session is over, or that another one began.
                Err(visit) => Opened::Ready(*visit),
            },
            pending => pending,
        };
        self.0.load_waiting(opened).await
    }

    /// Opens the session without waiting; `None` if the store has to be asked.
    #[must_use]
    pub fn ready(&self) -> Option<Session> {
        if let Some(session) = self.0.kept() {
            return Some(session.clone());
        }
        // If the store has to be asked in any case, opening is left to `load`, so that it is done once.
        if self.0.carrier.sessions().always_waits() && self.0.values().next().is_some() {
            return None;
        }
        if self.0.awaits_foreign() {
            return None;
        }
        match self.0.open() {
            Opened::Ready(visit) => self.0.keep_if_settled(visit).ok(),
            Opened::Pending(_) => None,
        }
    }

    /// The session, if it was loaded before.
    #[must_use]
    pub fn loaded(&self) -> Option<&Session> {
        self.visit().map(Visit::session)
    }

    /// The visit, if the session was loaded before. It is needed for calls to a
    /// [`SessionManager`](waxseal_manager::SessionManager).
    #[must_use]
    pub fn visit(&self) -> Option<&Visit> {
        self.0.visit.get()
    }

    /// Drops this request's changes so far. A session that it destroyed is still ended.
    ///
    /// Call it when a request failed, before its error page is made. That page sees the session as it will be. The
    /// page's own changes, such as a message, are kept whatever its status.
    pub fn rollback(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
        if let Some(session) = self.loaded() {
            session.rollback();
        }
    }

    /// Closes the session without saving it: for a request that is dropped without a response. What it wrote is lost,
    /// and what a clone of this handle writes from now on fails with [`waxseal_session::Error::Sent`].
    ///
    /// A commit that waits for a store is completed first. A [`SessionService`](crate::SessionService) does this by itself.
    pub fn close(&self) {
        // In this order, and the commit's end in the other one, so that whichever comes last closes the session.
        self.0.closes.store(true, Ordering::SeqCst);
        if !self.0.commits.load(Ordering::SeqCst) {
            self.close_now();
        }
    }

    fn close_now(&self) {
        if let Some(visit) = self.visit_at_end() {
            drop(visit.session().close());
        }
    }

    /// Notes that a task commits the session from now on, until [`commit_ends`](Self::commit_ends).
    pub(crate) fn commit_begins(&self) {
        self.0.commits.store(true, Ordering::SeqCst);
    }

    /// Closes a session that was to be closed during its commit. If the commit failed, it could be written again.
    pub(crate) fn commit_ends(&self) {
        self.0.commits.store(false, Ordering::SeqCst);
        if self.0.closes.load(Ordering::SeqCst) {
            self.close_now();
        }
    }

    /// Ends the request's time to load its session, and returns the visit if it was loaded in time. A session that is
    /// loaded after this can be read but not written, because nobody will commit it.
    pub(crate) fn visit_at_end(&self) -> Option<&Visit> {
        // Another task may have loaded it and not said so yet.
        let in_time = self.0.in_time.decide(self.visit().is_some());
        self.visit().filter(|_| in_time)
    }

    /// Signs in `owner`, the app's own name for the user. The session gets a new id and records the time. If sessions
    /// are on the server, it also records the browser's name for lists, from the request's `User-Agent`. Its entries
    /// stay, unless another owner was signed in: see [`Session::sign_in`].
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load) and of [`Session::sign_in`].
    pub async fn sign_in(&self, owner: &str, user_agent: Option<&HeaderValue>) -> Result<(), Error> {
        let session = self.load().await?;
        session.sign_in(owner, self.now())?;
        if self.sessions().has_store() {
            session.set_device(&device(user_agent))?;
        }
        Ok(())
    }

    /// Asks the store whether the session is still as this request loaded it, before something that cannot be undone.
    /// For requests with unsafe methods this has already happened.
    ///
    /// # Errors
    ///
    /// Those of [`SessionManager::revalidate`](waxseal_manager::SessionManager::revalidate), and of
    /// [`load`](Self::load).
    pub async fn revalidate(&self) -> Result<(), Error> {
        self.load().await?;
        let (carrier, visit) = (&self.0.carrier, self.visit());
        carrier.sessions().revalidate(visit.expect("it was loaded above"), carrier.now()).await
    }

    /// The end of this request's session, as a future, for a response that stays open, such as a stream of events or a
    /// socket.
    ///
    /// It resolves with the [reason](waxseal_manager::EndReason) when the session is signed out (here or on another
    /// server), is ended by its owner, expires (an open response is not activity), or is renewed, as by a sign-in; and
    /// when the store is away for longer than the stale-if-error limit. For a session that is bound to a device, it
    /// also resolves when the proof that the request brought expires. If the request brought no session, it never
    /// resolves. It is about the session that the request brought, not about one that the request begins.
    ///
    /// A sign-out or a renewal by a request to this process is noticed within a second. An end through the owner's
    /// list, the end of all sessions of the owner, and what other processes do, are noticed within the freshness
    /// lifetime plus one second, in state `store` within two seconds. For this, each process asks the store about a
    /// session once in a freshness lifetime, and at most once a second, however many responses are open. In state
    /// `cookie` without a list, only the expiry of the token and what this process does are known.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    ///
    /// # Example
    ///
    /// ```
    /// # async fn next_message() -> String { String::new() }
    /// # async fn follow(session: waxseal_http::RequestSession) -> Result<(), waxseal_manager::Error> {
    /// let mut ended = session.ended().await?;
    /// loop {
    ///     tokio::select! {
    ///         message = next_message() => drop(message),
    ///         reason = &mut ended => break tracing::debug!(%reason, "the stream ends"),
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn ended(&self) -> Result<SessionEnded, Error> {
        self.load().await?;
        Ok(self.loaded_end())
    }

    /// The [end](Self::ended) of a session that was loaded before. If it was not loaded, the future never resolves.
    pub fn loaded_end(&self) -> SessionEnded {
        self.visit().map_or(SessionEnded::never(), |visit| self.end_of(visit))
    }

    /// The [end](Self::ended) of the session, if the request brought a session and has accessed it.
    #[must_use]
    pub fn end_if_accessed(&self) -> Option<SessionEnded> {
        let visit = self.visit().filter(|visit| visit.session().is_accessed())?;
        Some(self.end_of(visit)).filter(|ended| !ended.is_never())
    }

    fn end_of(&self, visit: &Visit) -> SessionEnded {
        #[cfg(feature = "device")]
        let until = self.0.device.as_ref().and_then(|device| device.shown_until(visit));
        #[cfg(not(feature = "device"))]
        let until = None;
        SessionEnded::of(&self.0.carrier, visit, until)
    }

    /// Signs the visitor out, even while the store is away.
    ///
    /// The browser forgets the session, this process refuses it at once, and the store is told as soon as it answers.
    /// Until then, other servers may show copies in state `mirrored`, up to the stale-if-error limit.
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`]. [`Error::Unavailable`] if the visitor's session is in the store of an old app
    /// that is [migrated from](crate::SessionLayer::migrate_from), and that store is away. Nothing can be ended then,
    /// and the browser keeps the old cookie, so that the visitor can try again.
    pub async fn destroy(&self) -> Result<(), Error> {
        if self.loaded().is_none() {
            self.0.find_foreign().await?;
        }
        match self.load().await {
            Ok(session) => Ok(session.destroy()?),
            Err(Error::Unavailable(_)) => {
                let _asks = self.0.asks.lock().await;
                let visit = self.0.visit.get_or_init(|| self.0.to_end());
                Ok(self.0.in_time(visit).destroy()?)
            }
            Err(error) => Err(error),
        }
    }

    /// Ends one of the visitor's own sessions at once, given its public session id. Returns `false` if none has that id.
    /// After the session of this request, what is written next begins a new one, as after [`destroy`](Self::destroy). While
    /// the store is away, that session alone can be ended.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load) and of [`SessionManager::end`](waxseal_manager::SessionManager::end).
    pub async fn end_session(&self, public_id: PublicId) -> Result<bool, Error> {
        let session = self.load().await?;
        let Some(owner) = session.owner() else { return Ok(false) };
        let is_own = self.visit().and_then(Visit::public_id) == Some(public_id);
        if is_own && session.phase() != Phase::Sent {
            self.end_own(&session, public_id).await;
            session.destroy()?;
            return Ok(true);
        }
        self.sessions().end(&owner, public_id, self.now()).await
    }

    /// Ends the session of this request in the owner's list. The commit ends it by the id that came, and somebody who has a
    /// copy of the cookie may renew that until then.
    async fn end_own(&self, session: &Session, public_id: PublicId) {
        let Some(owner) = session.owner_before() else { return };
        if let Err(error) = Box::pin(self.sessions().end(&owner, public_id, self.now())).await {
            tracing::debug!(error = chain(&error), "a session is ended by its id alone");
        }
    }

    /// Ends all sessions of `owner` at once. If this request's session was loaded and came as one of them, it ends as
    /// by [`destroy`](Self::destroy): a sign-in after this call begins a new session, and one before it is lost.
    ///
    /// # Errors
    ///
    /// Those of [`SessionManager::end_all`](waxseal_manager::SessionManager::end_all) and of
    /// [`destroy`](Self::destroy).
    pub async fn end_all_sessions(&self, owner: &str) -> Result<(), Error> {
        self.sessions().end_all(owner, self.now()).await?;
        match self.loaded() {
            Some(session)
                if session.phase() != Phase::Sent && session.owner_before().as_deref() == Some(owner) =>
            {
                Ok(session.destroy()?)
            }
            _ => Ok(()),
        }
    }

    /// What the request has proven about the device that its session is bound to. Loads the session, and counts as
    /// access.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    #[cfg(feature = "device")]
    pub async fn device(&self) -> Result<Device, Error> {
        self.load().await?.note_access();
        let (Some(device), Some(visit)) = (&self.0.device, self.visit()) else { return Ok(Device::Unbound) };
        Ok(device.device(visit))
    }

    /// When the session was bound to a device; `None` if it is not bound or was not loaded. Counts as access.
    #[cfg(feature = "device")]
    #[must_use]
    pub fn device_bound_since(&self) -> Option<SystemTime> {
        let visit = self.visit()?;
        visit.session().note_access();
        bound_since(visit)
    }

    /// The `Set-Cookie` line that makes the browser prove its device before it repeats this request; `None` if the
    /// request is not [proven](Device::Proven), or if the browser says that it cannot.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    #[cfg(feature = "device")]
    pub async fn to_prove_anew(&self) -> Result<Option<HeaderValue>, Error> {
        let is_proven = matches!(self.device().await?, Device::Proven(_));
        let (Some(device), Some(visit)) = (&self.0.device, self.visit()) else { return Ok(None) };
        let line = device.removal(visit).filter(|_| is_proven && !device.has_skipped());
        Ok(line.map(crate::session_cookie::field))
    }

    #[cfg(feature = "device")]
    pub(crate) fn device_request(&self) -> Option<&DeviceRequest> {
        self.0.device.as_ref()
    }

    /// The session manager, for lists of an owner's sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionManager {
        self.0.carrier.sessions()
    }

    /// The time by the layer's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.carrier.now()
    }

    pub(crate) fn carrier(&self) -> &Arc<Carrier> {
        &self.0.carrier
    }

    pub(crate) fn cookie_name(&self) -> &str {
        self.0.carrier.cookie().name()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    /// Returns `true` if [`load`](Self::load) may have to ask a store. In state `cookie` it need not, unless sessions are
    /// bound to devices or taken over from another app.
    #[must_use]
    pub fn may_wait(&self) -> bool {
        self.sessions().needs_maintenance() || self.has_more_than_a_session()
    }

    /// Returns `true` if the layer binds sessions to devices or migrates from another app, so that a response may carry
    /// more than the session's own headers.
    pub(crate) fn has_more_than_a_session(&self) -> bool {
        #[cfg(feature = "device")]
        let is_bound = self.0.device.is_some();
        #[cfg(not(feature = "device"))]
        let is_bound = false;
        is_bound || self.0.findings.is_some()
    }

    pub(crate) fn is_head(&self) -> bool {
        self.0.is_head
    }

    /// Records the foreign sessions that a request brought, if it signs in or out, so that they end with the commit.
    /// Other requests with a session of this app do not read them.
    pub(crate) async fn note_foreign(&self, now: SystemTime) {
        let Some(visit) = self.visit().filter(|_| self.ends_foreign() != ForeignEnd::None) else { return };
        if self.0.awaits_foreign()
            && let Err(error) = Box::pin(self.0.load_foreign()).await
        {
            tracing::warn!(error = chain(&error), "a foreign session that came along could not be looked at");
        }
        let stored = self.0.findings.as_ref().and_then(|findings| findings.stored.get());
        let found = self.0.foreign(now).into_iter().chain(stored);
        // A sign-in says nothing about other browsers that have the same cookie.
        let signed_out = self.ends_foreign() == ForeignEnd::SignedOut;
        let ended = |foreign: &&Foreign| signed_out || !foreign.is_recurring();
        for foreign in found.flat_map(ForeignCookies::good).filter(ended) {
            self.sessions().note_foreign(visit, foreign);
        }
    }

    /// Ends foreign sessions that were signed between `began` and `now`, while a sign-out was in progress, for the old
    /// app that runs beside this one. Until the store knows of the sign-out the session is alive, and other responses
    /// may tell the old app so.
    pub(crate) async fn end_signed_meanwhile(&self, began: SystemTime, now: SystemTime) {
        let owner = self.0.beside().and_then(Beside::owner_before);
        let Some(owner) = owner.filter(|_| seconds(began) < seconds(now)) else { return };
        if let Err(error) = Box::pin(self.sessions().end_foreign_of(&owner, now)).await {
            tracing::error!(error = chain(&error), "what was signed during a sign-out is good still");
        }
    }

    /// The `Set-Cookie` line for the old app that runs beside this one: see [`Beside::line`].
    pub(crate) async fn write_beside(&self, now: SystemTime) -> Result<Option<HeaderValue>, Error> {
        let (Some(beside), Some((reader, old)), Some(visit)) =
            (self.0.beside(), self.0.sharing(), self.visit())
        else {
            return Ok(None);
        };
        let is_secure = self.0.carrier.cookie().is_secure();
        let Some(line) = beside.line(reader, old, visit.session(), is_secure, now)? else { return Ok(None) };
        // The commit of a change asks the store by itself. A request without a change may end after a sign-out; it
        // would then sign the old app's cookie again, with a time after the sign-out.
        if line.only_renews
            && let Err(error) = Box::pin(self.sessions().revalidate(visit, now)).await
        {
            tracing::debug!(%error, "the old app's cookie is not written for a session that may be over");
            return Ok(None);
        }
        Ok(Some(line.field))
    }

    /// Returns `true` if the old app says that the session of the request's token is over, but the token would open it
    /// again. In all other cases the browser keeps its token, even one that opens nothing: by now it may have one from
    /// a newer sign-in.
    pub(crate) fn token_outlives(&self) -> bool {
        self.0.beside().is_some_and(|beside| beside.token_outlives)
    }

    /// The `Set-Cookie` lines that delete foreign cookies whose sessions are over: taken over or permanently refused in
    /// this request, or `ended` by it. The cookie of an app that runs beside this one stays when its session is taken
    /// over.
    pub(crate) fn forget_foreign(&self, ended: ForeignEnd) -> Vec<HeaderValue> {
        let Some(findings) = self.0.findings.as_deref() else { return Vec::new() };
        let (Some(visit), Some(foreign)) = (self.visit(), findings.cookies.get()) else { return Vec::new() };
        let signed_out = ended == ForeignEnd::SignedOut;
        let mut lines: Vec<_> = match findings.beside.get() {
            // All are deleted, even if there are several: one that is left was planted, and shows its own session as it
            // does in the old app.
            Some(_) if signed_out => {
                let found = [foreign].into_iter().chain(findings.stored.get());
                found.flat_map(ForeignCookies::all_removals).cloned().collect()
            }
            Some(beside) => {
                let is_refused = beside.old_is_over || visit.is_foreign_over() && !visit.is_adopted();
                foreign.removals(true).filter(|_| is_refused).cloned().collect()
            }
            None => {
                let is_over = ended != ForeignEnd::None || visit.is_foreign_over();
                foreign.removals(signed_out).filter(|_| is_over).cloned().collect()
            }
        };
        for line in foreign.removals_at_sign_out().filter(|_| signed_out) {
            if !lines.contains(line) {
                lines.push(line.clone());
            }
        }
        lines
    }

    /// Whether the request's commit ends the foreign sessions that it brought. Must be called before the commit.
    pub(crate) fn ends_foreign(&self) -> ForeignEnd {
        if self.0.carrier.readers().is_none() {
            return ForeignEnd::None;
        }
        match self.loaded() {
            Some(session) if session.is_to_end() => ForeignEnd::SignedOut,
            Some(session) if session.has_signed_in() => ForeignEnd::SignedIn,
            _ => ForeignEnd::None,
        }
    }

    /// Returns `true` if there are more values than are tried. The visitor's cookie may be one of the others, and that
    /// of a sign-in would be.
    pub(crate) fn has_more(&self) -> bool {
        self.0.values().nth(MAX_CANDIDATES).is_some()
    }

    /// `Set-Cookie` lines that delete all other cookies of the session's name that the browser could have sent with
    /// this request.
    pub(crate) fn forget_others(&self) -> Vec<HeaderValue> {
        let named = self.0.target.authority().map(|authority| authority.as_str().as_bytes());
        let host = named.or(self.0.host.as_ref().map(HeaderValue::as_bytes));
        let host = host.and_then(|host| Host::parse(host).ok());
        self.0.carrier.cookie().remove_others(host.as_ref().map(Host::name), self.0.target.path())
    }
}

impl Slot {
    fn new(
        carrier: Arc<Carrier>,
        method: &Method,
        target: &Uri,
        headers: &HeaderMap,
        #[cfg(feature = "device")] device: Option<DeviceRequest>,
    ) -> Self {
        let mut cookies = headers.get_all(COOKIE).iter().cloned();
        let access = if is_safe(method) { Access::Read } else { Access::Change };
        let findings = carrier.readers().map(|_| Box::default());
        Self {
            carrier,
            cookies: (cookies.next(), cookies.collect()),
            access,
            is_head: method == Method::HEAD,
            // Not by `get`: this is the code that has just found the cookies.
            host: headers.get_all(HOST).iter().next().cloned(),
            target: target.clone(),
            visit: OnceLock::new(),
            asks: Mutex::new(()),
            in_time: InTime::default(),
            findings,
            failed: AtomicBool::new(false),
            closes: AtomicBool::new(false),
            commits: AtomicBool::new(false),
            #[cfg(feature = "device")]
            device,
        }
    }

    /// The session, if a task has loaded it.
    fn kept(&self) -> Option<&Session> {
        self.visit.get().map(|visit| self.in_time(visit))
    }

    /// Keeps the visit as the request's, or uses that of another task that was faster.
    fn keep(&self, visit: Visit) -> &Session {
        self.in_time(self.visit.get_or_init(|| visit))
    }

    /// The session of a visit that was just loaded. It is closed if the request has ended meanwhile.
    fn in_time<'a>(&self, visit: &'a Visit) -> &'a Session {
        let session = visit.session();
        if !self.in_time.decide(true) {
            close_late(session);
        }
        session
    }

    /// [Keeps](Self::keep) a visit, unless the old app's cookies require that it ends, is hidden or is replaced.
    fn keep_if_settled(&self, visit: Visit) -> Result<Session, Box<Visit>> {
        if let Some((reader, old)) = self.sharing() {
            if !matches!(self.verdict(&visit, old), Verdict::Holds) {
                return Err(Box::new(visit));
            }
            self.met(&visit, reader, old);
        }
        Ok(self.keep(visit).clone())
    }

    /// Brings a loaded session in step with the app that runs beside this one, if there is one. A session that is over
    /// there ends, and one that began there is taken over.
    async fn settle(&self, visit: Visit) -> Result<Visit, Error> {
        let Some((reader, old)) = self.sharing() else { return Ok(visit) };
        let (sessions, now) = (self.carrier.sessions(), self.carrier.now());
        let adopt =
            async |foreign| Box::pin(self.snapshot().adopt(foreign, self.access, now).load(now)).await;
        let (settled, token_outlives, old_is_over) = match self.verdict(&visit, old) {
            Verdict::Holds => {
                self.met(&visit, reader, old);
                return Ok(visit);
            }
            Verdict::Over => {
                let has_ended = Box::pin(sessions.end_visit(&visit, now)).await?;
                let next = match old.only() {
                    Some(foreign) => adopt(foreign).await?,
                    None => self.snapshot().create(),
                };
                (next, !has_ended, false)
            }
            Verdict::Unclear => {
                tracing::warn!(
                    "cookies of the old app came that cannot be read, or too many; the session is not shown, and goes on"
                );
                (sessions.unshown(visit), false, false)
            }
            Verdict::SignedInThere(foreign) => {
                let next = adopt(foreign).await?;
                if next.is_adopted() {
                    let has_ended = Box::pin(sessions.end_visit(&visit, now)).await?;
                    (next, !has_ended, false)
                } else {
                    let old_is_over = next.is_foreign_over();
                    (visit, false, old_is_over)
                }
            }
        };
        settled.session().note_access();
        self.note_beside(Beside::of(&settled, token_outlives, old_is_over));
        Ok(settled)
    }

    /// Brings a session that stays valid in step, and records it as it is then.
    fn met(&self, visit: &Visit, reader: &dyn ForeignSessions, old: &ForeignCookies) {
        if let Err(error) = side_by_side::meet(visit, old, reader.shares().unwrap_or_default()) {
            tracing::warn!(error = chain(&error), "what the old app has changed could not be taken over");
        }
        self.note_beside(Beside::of(visit, false, false));
    }

    /// Keeps the session as it was loaded, unless another task was faster.
    fn note_beside(&self, beside: Beside) {
        if let Some(findings) = &self.findings {
            let _ = findings.beside.set(beside);
        }
    }

    fn beside(&self) -> Option<&Beside> {
        self.findings.as_ref()?.beside.get()
    }

    fn verdict<'a>(&self, visit: &Visit, old: &'a ForeignCookies) -> Verdict<'a> {
        let was_tried = || self.findings.as_ref().is_some_and(|it| it.was_tried.load(Ordering::Relaxed));
        match side_by_side::verdict(visit, old) {
            Verdict::SignedInThere(_) if was_tried() => Verdict::Holds,
            verdict => verdict,
        }
    }

    /// The reader of the old app that runs beside this one, and the cookies of that app.
    fn sharing(&self) -> Option<(&dyn ForeignSessions, &ForeignCookies)> {
        let reader = self.carrier.readers()?.sharing()?;
        let now = self.carrier.now();
        let is_on = self.carrier.sessions().is_before_switch(now);
        Some((reader, self.foreign(now).filter(|_| is_on)?))
    }

    /// Loads the session by asking the store, or waits for another task that does.
    // Boxed here and not by the caller: what waiting for a store needs would enlarge the future of every handler. In a
    // separate function it takes no space on the stack of callers that need not wait.
    #[inline(never)]
    fn load_waiting<'a>(&'a self, opened: Opened<'a>) -> Loading<'a> {
        Box::pin(async move {
            let _asks = self.asks.lock().await;
            if let Some(session) = self.kept() {
                return Ok(session.clone());
            }
            // Not by `Opened::load`, whose future would hold the token once more.
            let visit = match opened {
                Opened::Ready(visit) => visit,
                Opened::Pending(pending) => pending.load(self.carrier.now()).await?,
            };
            let visit = self.settle(visit).await?;
            Ok(self.keep(visit).clone())
        })
    }

    fn to_end(&self) -> Visit {
        match self.open() {
            Opened::Ready(visit) => visit,
            Opened::Pending(pending) => pending.to_end(),
        }
    }

    /// Opens the token to use, or the foreign session if there is no valid token of this app.
    fn open(&self) -> Opened<'_> {
        let snapshot = self.snapshot();
        self.open_own(&snapshot).unwrap_or_else(|| {
            let now = self.carrier.now();
            match (self.foreign(now).and_then(ForeignCookies::only), &self.findings) {
                (Some(foreign), Some(findings)) => {
                    findings.was_tried.store(true, Ordering::Relaxed);
                    snapshot.adopt(foreign, self.access, now)
                }
                _ => Opened::Ready(snapshot.create()),
            }
        })
    }

    /// Opens the token of this app to use; `None` if none is valid.
    fn open_own<'a>(&'a self, snapshot: &Snapshot<'a>) -> Option<Opened<'a>> {
        // Each value is tried once, since duplicates mean the same session.
        let (mut tokens, mut count) = ([&[][..]; MAX_CANDIDATES], 0);
        for token in self.values().take(MAX_CANDIDATES) {
            if !tokens[..count].contains(&token) {
                tokens[count] = token;
                count += 1;
            }
        }
        let can_be_planted = self.carrier.cookie().can_be_planted();
        let log = |rejected: Rejected| tracing::info!(reason = %rejected.reason(), "session cookie refused");
        snapshot.open_any(&tokens[..count], can_be_planted, self.access, self.carrier.now(), log)
    }

    fn snapshot(&self) -> Snapshot<'_> {
        let snapshot = self.carrier.sessions().snapshot();
        #[cfg(feature = "device")]
        let snapshot = match &self.device {
            Some(device) => snapshot.gated(device),
            None => snapshot,
        };
        snapshot
    }

    /// Returns `true` if a foreign session is in a store that was not asked yet.
    fn awaits_foreign(&self) -> bool {
        let Some((readers, findings)) = self.migration() else { return false };
        !findings.has_asked.load(Ordering::Relaxed)
            && self.carrier.sessions().adopts(self.carrier.now())
            && readers.waits(self.fields())
    }

    /// Asks the old app's store, which may fail, if that has not happened and the visitor has no session of this app.
    async fn find_foreign(&self) -> Result<(), Error> {
        if self.awaits_foreign() && self.open_own(&self.snapshot()).is_none() {
            Box::pin(self.load_foreign()).await?;
        }
        Ok(())
    }

    /// Loads the foreign sessions of this request.
    async fn load_foreign(&self) -> Result<(), Error> {
        let Some((readers, findings)) = self.migration() else { return Ok(()) };
        // If an app shares its sign-in, those without a store were already read.
        let was_read = findings.cookies.get().is_some();
        let (sessions, now) = (self.carrier.sessions(), self.carrier.now());
        let found = readers.load(self.fields(), sessions, now, was_read).await?;
        findings.has_asked.store(true, Ordering::Relaxed);
        // Another task may have been faster; its result is the same.
        let _ = if was_read { &findings.stored } else { &findings.cookies }.set(found);
        Ok(())
    }

    fn fields(&self) -> impl Iterator<Item = &HeaderValue> + Clone {
        self.cookies.0.iter().chain(&self.cookies.1)
    }

    /// The request's foreign cookies; `None` if there is no migration at this time.
    fn foreign(&self, now: SystemTime) -> Option<&ForeignCookies> {
        let (sessions, (readers, findings)) = (self.carrier.sessions(), self.migration()?);
        let read = || readers.read(self.fields(), sessions, now);
        sessions.adopts(now).then(|| findings.cookies.get_or_init(read))
    }

    /// The readers of foreign cookies and what they have found, if the layer migrates.
    fn migration(&self) -> Option<(&Readers, &ForeignFindings)> {
        self.carrier.readers().zip(self.findings.as_deref())
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let name = self.carrier.cookie().name();
        let (first, others) = &self.cookies;
        let fields = first.iter().chain(others);
        fields.flat_map(|field| cookies::values_in(field.as_bytes(), name))
    }
}

/// Shows the session's state. The request's cookies are secrets.
impl fmt::Debug for RequestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestSession").field("session", &self.loaded()).finish_non_exhaustive()
    }
}

#[cold]
#[inline(never)]
fn close_late(session: &Session) {
    drop(session.close());
}

/// The time in whole seconds, as the old app signs it.
fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use waxseal_crypto::{Keyring, SecretKey};

    use super::*;
    use crate::session_cookie::SessionCookie;
    use crate::session_layer::SessionLayer;

    /// A task has loaded the session and is interrupted before it notes that.
    #[tokio::test]
    async fn a_session_that_another_task_has_loaded_just_now_is_committed_or_closed() {
        let cookie = SessionCookie::builder().build().unwrap();
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        let layer =
            SessionLayer::new(SessionManager::cookie(&keyring, cookie.name(), "demo").unwrap(), cookie);
        for is_in_time in [true, false] {
            let request = layer.session_of(&Method::GET, &Uri::default(), &HeaderMap::new());
            let mut response = http::Response::new(());
            if !is_in_time {
                layer.finish(&request, &mut response).await.unwrap();
            }
            let set = request.0.visit.set(request.0.snapshot().create());
            assert!(set.is_ok());
            let session = match is_in_time {
                true => request.loaded().cloned(),
                false => request.ready(),
            };
            let written = session.unwrap().insert("name", "Merlin");
            assert_eq!(written.is_ok(), is_in_time);
            layer.finish(&request, &mut response).await.unwrap();
            assert_eq!(response.headers().contains_key(http::header::SET_COOKIE), is_in_time);
            assert!(request.load().await.unwrap().insert("late", 1).is_err());
        }
    }
}
