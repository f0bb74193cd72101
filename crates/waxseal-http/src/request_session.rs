//! One request's session, opened when it is first asked for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use http::header::{COOKIE, HOST};
use http::{HeaderMap, HeaderValue, Method, Uri};
use tokio::sync::{OnceCell, SetError};
use waxseal_manager::{Access, Error, Foreign, Opened, Rejected, Session, SessionManager, Snapshot, Visit};

use crate::carrier::Carrier;
use crate::cookies;
use crate::device::device;
#[cfg(feature = "device")]
use crate::device_bound::{
    device::Device,
    gate::{DeviceRequest, bound_since},
};
use crate::foreign_cookies::ForeignCookies;
use crate::foreign_sessions::ForeignSessions;
use crate::host_name::Host;
use crate::origin::is_safe;
use crate::session_ended::SessionEnded;
use crate::side_by_side::{self, Beside, Verdict};

/// Cookies of our name that are tried; a page of a sibling host may plant any number.
pub(crate) const MAX_CANDIDATES: usize = 4;

/// One request's session, opened at most once and only when asked for.
///
/// Behind a [`SessionLayer`](crate::SessionLayer) it is in the request's extensions. Clones share the session.
#[derive(Debug, Clone)]
pub struct RequestSession(Arc<Slot>);

/// What ends the foreign sessions that came along with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ForeignEnd {
    None,
    SignedIn,
    SignedOut,
}

#[derive(Debug)]
struct Slot {
    carrier: Carrier,
    /// The `Cookie` field, and those beyond the one that browsers send.
    cookies: (Option<HeaderValue>, Vec<HeaderValue>),
    access: Access,
    /// The answer has no body: nobody sees the page.
    is_head: bool,
    /// Host and target decide what else of our name the browser could have sent with this request.
    host: Option<HeaderValue>,
    target: Uri,
    visit: OnceCell<Visit>,
    /// The foreign cookies, once they were looked for.
    foreign: OnceLock<ForeignCookies>,
    /// Those in a store, if they were looked for after the others.
    stored: OnceLock<ForeignCookies>,
    /// All stores of foreign sessions were asked.
    asked_foreign: AtomicBool,
    /// The session as it was loaded beside the old app's, if an old app shares its sign-in.
    beside: OnceLock<Beside>,
    /// The foreign session was to be taken over because no token of ours is good.
    tried_foreign: AtomicBool,
    /// Changes made until then were dropped.
    failed: AtomicBool,
    /// The proof of the device. `None` if device-bound sessions are off.
    #[cfg(feature = "device")]
    device: Option<DeviceRequest>,
}

impl RequestSession {
    pub(crate) fn new(carrier: Carrier, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        #[cfg(feature = "device")]
        let device = {
            let bound = carrier.bound().cloned();
            bound.map(|bound| DeviceRequest::new(bound, carrier.clock().clone(), headers))
        };
        Self::of_slot(Slot {
            #[cfg(feature = "device")]
            device,
            ..Slot::new(carrier, method, target, headers)
        })
    }

    /// [`new`](Self::new), whatever device the request comes from.
    #[cfg(feature = "device")]
    pub(crate) fn without_gate(carrier: Carrier, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        Self::of_slot(Slot::new(carrier, method, target, headers))
    }

    fn of_slot(slot: Slot) -> Self {
        Self(Arc::new(slot))
    }
    /// Loads the visitor's session; a new one if no good token came.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if a store has to be asked and does not answer: [`status_of`](crate::status_of) makes it a
    /// 503. None in state `cookie` without a list.
    pub async fn load(&self) -> Result<Session, Error> {
        if let Some(session) = self.loaded() {
            return Ok(session.clone());
        }
        self.0.find_foreign().await?;
        let opened = match self.0.open() {
            Opened::Ready(visit) => match self.0.keep_if_settled(visit) {
                Ok(session) => return Ok(session),
                // Another task asks the store; its answer counts. Or the session is over by what the old app says.
                Err(visit) => Opened::Ready(*visit),
            },
            pending => pending,
        };
        let load = async || self.0.settle(opened.load(self.0.carrier.now()).await?).await;
        // Boxed, because what a store needs to wait with would make the future of every handler larger.
        let visit = Box::pin(self.0.visit.get_or_try_init(load)).await?;
        Ok(visit.session().clone())
    }

    /// Opens the session without waiting; `None` if the store has to be asked.
    #[must_use]
    pub fn ready(&self) -> Option<Session> {
        if let Some(session) = self.loaded() {
            return Some(session.clone());
        }
        // What has to be asked for in any case is opened once, then.
        if self.0.carrier.sessions().always_asks() && self.0.candidates().next().is_some() {
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

    /// The visit, if the session was loaded before: for what a [`SessionManager`](waxseal_manager::SessionManager) is
    /// asked about it.
    #[must_use]
    pub fn visit(&self) -> Option<&Visit> {
        self.0.visit.get()
    }

    /// Drops this request's changes so far, except that it destroyed the session.
    ///
    /// Call it where a request failed, before a page that says so is made. That page sees the session as it will be. Its
    /// own changes, such as a message, are kept whatever its status.
    pub fn rollback(&self) {
        self.0.failed.store(true, Ordering::Relaxed);
        if let Some(session) = self.loaded() {
            session.rollback();
        }
    }

    /// Signs `owner` in, by the app's own name for a user: a new session id, the time and, if sessions are on the server,
    /// the browser's name for lists, by the request's `User-Agent`. What was in the session stays.
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

    /// Asks the store if the session still is what this request takes it for, before something that cannot be undone.
    /// Requests of unsafe methods have been asked for already.
    ///
    /// # Errors
    ///
    /// Those of [`SessionManager::revalidate`](waxseal_manager::SessionManager::revalidate), and of [`load`](Self::load).
    pub async fn revalidate(&self) -> Result<(), Error> {
        self.load().await?;
        let (carrier, visit) = (&self.0.carrier, self.visit());
        carrier.sessions().revalidate(visit.expect("it was loaded above"), carrier.now()).await
    }

    /// The end of this request's session, for an answer that stays open: a stream of events, a socket.
    ///
    /// It resolves with the [reason](waxseal_manager::EndReason) when the session is signed out, here or on another server,
    /// is ended by its owner, expires (an open answer is no activity), is renewed, as by a sign-in, or if the store is away
    /// for longer than the grace; and, for a session that is bound to a device, when the proof that the request brought runs
    /// out. It never resolves if the request brought no session, and it is about the session that came, not about one that
    /// this request begins.
    ///
    /// A sign-out or a renewal by a request to this process is noticed within a second. An end by the owner's list, or of all
    /// sessions of the owner, and what other processes do, is noticed within the freshness lifetime and a second (two seconds
    /// in state `store`): the store is asked once in the freshness lifetime, at least a second, for each session and process,
    /// however many answers it has open. In state `cookie` without a list only the end of the token that came is known, and
    /// what this process does.
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

    /// The [end](Self::ended) of a session that was loaded before. One that was not never ends.
    pub fn loaded_end(&self) -> SessionEnded {
        self.visit().map_or(SessionEnded::never(), |visit| self.end_of(visit))
    }

    /// The [end](Self::ended) of the session, if the request has looked at its session and brought one.
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

    /// Signs the visitor out, also while the store is away.
    ///
    /// The browser forgets the session, this process refuses it, and the store is told as soon as it answers. (Until then,
    /// other servers may show the copies of state `mirrored` for as long as the grace.)
    ///
    /// # Errors
    ///
    /// Those of [`Session::destroy`]. [`Error::Unavailable`] if the visitor's session is in the store of an old app that is
    /// [migrated from](crate::SessionLayer::migrate_from), and that store is away: nothing can be ended then, and the
    /// browser keeps the old cookie, so that the visitor can try again.
    pub async fn destroy(&self) -> Result<(), Error> {
        if self.loaded().is_none() {
            self.0.find_foreign().await?;
        }
        match self.load().await {
            Ok(session) => Ok(session.destroy()?),
            Err(Error::Unavailable(_)) => {
                Ok(self.0.visit.get_or_init(|| async { self.0.to_end() }).await.destroy()?)
            }
            Err(error) => Err(error),
        }
    }

    /// What the request has proven of the device that its session is tied to. Asks for the session.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    #[cfg(feature = "device")]
    pub async fn device(&self) -> Result<Device, Error> {
        self.load().await?;
        let (Some(device), Some(visit)) = (&self.0.device, self.visit()) else { return Ok(Device::Unbound) };
        Ok(device.device(visit))
    }

    /// The time since which the session is tied to a device; `None` if it is tied to none, or was not loaded.
    #[cfg(feature = "device")]
    #[must_use]
    pub fn device_bound_since(&self) -> Option<SystemTime> {
        bound_since(self.visit()?)
    }

    /// The `Set-Cookie` line that makes the browser prove its device before it repeats this request; `None` if the request
    /// is not [proven](Device::Proven), or if the browser says that it cannot.
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

    /// The manager of the session, for lists of an owner's sessions.
    #[must_use]
    pub fn sessions(&self) -> &SessionManager {
        self.0.carrier.sessions()
    }

    /// The time by the layer's clock.
    #[must_use]
    pub fn now(&self) -> SystemTime {
        self.0.carrier.now()
    }

    pub(crate) fn carrier(&self) -> &Carrier {
        &self.0.carrier
    }

    pub(crate) fn cookie_name(&self) -> &str {
        self.0.carrier.cookie().name()
    }

    pub(crate) fn has_failed(&self) -> bool {
        self.0.failed.load(Ordering::Relaxed)
    }

    pub(crate) fn is_head(&self) -> bool {
        self.0.is_head
    }

    /// Notes the foreign sessions that came along with a request that signs in or out, so that they end with the commit.
    /// No other request looks at them if it has a session of ours.
    pub(crate) async fn note_foreign(&self, now: SystemTime) {
        let Some(visit) = self.visit().filter(|_| self.ends_foreign() != ForeignEnd::None) else { return };
        if self.0.awaits_foreign()
            && let Err(error) = Box::pin(self.0.load_foreign()).await
        {
            tracing::warn!(%error, "a foreign session that came along could not be looked at");
        }
        let found = self.0.foreign(now).into_iter().chain(self.0.stored.get());
        // A sign-in says nothing of other browsers, which have the same cookie.
        let signed_out = self.ends_foreign() == ForeignEnd::SignedOut;
        let ended = |foreign: &&Foreign| signed_out || !foreign.is_recurring();
        for foreign in found.flat_map(ForeignCookies::good).filter(ended) {
            self.sessions().note_foreign(visit, foreign);
        }
    }

    /// The line for the cookie of the old app that runs beside this one: see [`Beside::line`].
    pub(crate) async fn write_beside(&self, now: SystemTime) -> Result<Option<HeaderValue>, Error> {
        let (Some(beside), Some((reader, old)), Some(visit)) =
            (self.0.beside.get(), self.0.sharing(now), self.visit())
        else {
            return Ok(None);
        };
        let is_secure = self.0.carrier.cookie().is_secure();
        let Some(line) = beside.line(reader, old, visit.session(), is_secure, now)? else { return Ok(None) };
        // The commit of a change asks for itself. A request without one may end after a sign-out, and would sign the old
        // app's cookie anew, with a time from after it.
        if line.only_renews
            && let Err(error) = Box::pin(self.sessions().revalidate(visit, now)).await
        {
            tracing::debug!(%error, "the old app's cookie is not written for a session that may be over");
            return Ok(None);
        }
        Ok(Some(line.field))
    }

    /// Tells if the session whose token came has ended by what the old app says.
    pub(crate) fn was_replaced(&self) -> bool {
        self.0.beside.get().is_some_and(|beside| beside.replaced)
    }

    /// The lines that make the browser forget foreign cookies whose sessions are over: taken over or refused for good in
    /// this request, or `ended` by it. The cookie of an app that runs beside this one stays when it is taken over.
    pub(crate) fn forget_foreign(&self, ended: ForeignEnd) -> Vec<HeaderValue> {
        let (Some(visit), Some(foreign)) = (self.visit(), self.0.foreign.get()) else { return Vec::new() };
        let signed_out = ended == ForeignEnd::SignedOut;
        let Some(beside) = self.0.beside.get() else {
            let is_over = ended != ForeignEnd::None || visit.is_foreign_over();
            return foreign.removals(signed_out).filter(|_| is_over).cloned().collect();
        };
        if signed_out {
            // Of several, too: one that is left over was planted, and shows its own session as it does there.
            let found = [foreign].into_iter().chain(self.0.stored.get());
            return found.flat_map(ForeignCookies::all_removals).cloned().collect();
        }
        let is_refused = beside.old_is_over || visit.is_foreign_over() && !visit.is_adopted();
        foreign.removals(true).filter(|_| is_refused).cloned().collect()
    }

    /// What the request's commit does to foreign sessions that came along: asked before the commit.
    pub(crate) fn ends_foreign(&self) -> ForeignEnd {
        match self.loaded() {
            Some(session) if session.is_to_end() => ForeignEnd::SignedOut,
            Some(session) if session.has_signed_in() => ForeignEnd::SignedIn,
            _ => ForeignEnd::None,
        }
    }

    /// Tells if there are values that are not tried: the visitor's may be one of them, and a sign-in's would be.
    pub(crate) fn has_more(&self) -> bool {
        self.0.values().nth(MAX_CANDIDATES).is_some()
    }

    /// `Set-Cookie` lines that make the browser forget all else of our name that it could have sent with this request.
    pub(crate) fn forget_others(&self) -> Vec<HeaderValue> {
        let named = self.0.target.authority().map(|authority| authority.as_str().as_bytes());
        let host = named.or(self.0.host.as_ref().map(HeaderValue::as_bytes));
        let host = host.and_then(|host| Host::parse(host).ok());
        self.0.carrier.cookie().remove_others(host.as_ref().map(Host::name), self.0.target.path())
    }
}

impl Slot {
    fn new(carrier: Carrier, method: &Method, target: &Uri, headers: &HeaderMap) -> Self {
        let mut cookies = headers.get_all(COOKIE).iter().cloned();
        let access = if is_safe(method) { Access::Read } else { Access::Change };
        Self {
            carrier,
            cookies: (cookies.next(), cookies.collect()),
            access,
            is_head: method == Method::HEAD,
            host: headers.get(HOST).cloned(),
            target: target.clone(),
            visit: OnceCell::new(),
            foreign: OnceLock::new(),
            stored: OnceLock::new(),
            asked_foreign: AtomicBool::new(false),
            beside: OnceLock::new(),
            tried_foreign: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            #[cfg(feature = "device")]
            device: None,
        }
    }

    /// Keeps the visit as the request's, or takes that of another task that was faster; gives it back while such a task
    /// asks the store.
    fn keep(&self, visit: Visit) -> Result<Session, Box<Visit>> {
        match self.visit.set(visit) {
            Err(SetError::InitializingError(visit)) => Err(Box::new(visit)),
            Ok(()) | Err(SetError::AlreadyInitializedError(_)) => {
                Ok(self.visit.get().expect("it was set just now, or before").session().clone())
            }
        }
    }

    /// [Keeps](Self::keep) a visit that nothing has to be asked or done for.
    fn keep_if_settled(&self, visit: Visit) -> Result<Session, Box<Visit>> {
        if let Some((reader, old)) = self.sharing(self.carrier.now()) {
            if !matches!(self.verdict(&visit, old), Verdict::Holds) {
                return Err(Box::new(visit));
            }
            self.met(&visit, reader, old);
        }
        self.keep(visit)
    }

    /// Brings a session that was loaded in step with the app that runs beside this one, if there is one: a session that
    /// is over there ends, and one that was begun there is taken over.
    async fn settle(&self, visit: Visit) -> Result<Visit, Error> {
        let (sessions, now) = (self.carrier.sessions(), self.carrier.now());
        let Some((reader, old)) = self.sharing(now) else { return Ok(visit) };
        let adopt =
            async |foreign| Box::pin(self.snapshot().adopt(foreign, self.access, now).load(now)).await;
        let (settled, replaced, old_is_over) = match self.verdict(&visit, old) {
            Verdict::Holds => {
                self.met(&visit, reader, old);
                return Ok(visit);
            }
            Verdict::Over => {
                Box::pin(sessions.end_visit(&visit, now)).await?;
                let next = match old.only() {
                    Some(foreign) => adopt(foreign).await?,
                    None => self.snapshot().create(),
                };
                (next, true, false)
            }
            Verdict::Unclear => {
                tracing::warn!(
                    "too many cookies of the old app's name came; the session is not shown, and goes on"
                );
                (sessions.unshown(visit), false, false)
            }
            Verdict::SignedInThere(foreign) => {
                let next = adopt(foreign).await?;
                if next.is_adopted() {
                    Box::pin(sessions.end_visit(&visit, now)).await?;
                    (next, true, false)
                } else {
                    let old_is_over = next.is_foreign_over();
                    (visit, false, old_is_over)
                }
            }
        };
        settled.session().note_access();
        let _ = self.beside.set(Beside::of(&settled, replaced, old_is_over));
        Ok(settled)
    }

    /// Brings a session that holds in step, and notes it.
    fn met(&self, visit: &Visit, reader: &dyn ForeignSessions, old: &ForeignCookies) {
        if let Err(error) = side_by_side::meet(visit, old, reader.shares().unwrap_or_default()) {
            tracing::warn!(%error, "what the old app has changed could not be taken over");
        }
        let _ = self.beside.set(Beside::of(visit, false, false));
    }

    fn verdict<'a>(&self, visit: &Visit, old: &'a ForeignCookies) -> Verdict<'a> {
        match side_by_side::verdict(visit, old) {
            Verdict::SignedInThere(_) if self.tried_foreign.load(Ordering::Relaxed) => Verdict::Holds,
            verdict => verdict,
        }
    }

    /// The reader of the old app that runs beside this one, and its cookies that came along.
    fn sharing(&self, now: SystemTime) -> Option<(&dyn ForeignSessions, &ForeignCookies)> {
        let reader = self.carrier.readers()?.sharing()?;
        let is_on = self.carrier.sessions().is_before_switch(now);
        Some((reader, self.foreign(now).filter(|_| is_on)?))
    }

    fn to_end(&self) -> Visit {
        match self.open() {
            Opened::Ready(visit) => visit,
            Opened::Pending(pending) => pending.to_end(),
        }
    }

    /// Opens the token that counts, or the foreign session if none of ours is good.
    fn open(&self) -> Opened<'_> {
        let (snapshot, now) = (self.snapshot(), self.carrier.now());
        self.open_own(&snapshot).unwrap_or_else(|| match self.foreign(now).and_then(ForeignCookies::only) {
            Some(foreign) => {
                self.tried_foreign.store(true, Ordering::Relaxed);
                snapshot.adopt(foreign, self.access, now)
            }
            None => Opened::Ready(snapshot.create()),
        })
    }

    /// Opens the token of ours that counts; `None` if none is good.
    fn open_own<'a>(&'a self, snapshot: &Snapshot<'a>) -> Option<Opened<'a>> {
        let (mut tokens, mut count) = ([&[][..]; MAX_CANDIDATES], 0);
        for token in self.candidates() {
            tokens[count] = token;
            count += 1;
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

    /// Tells if a foreign session is in a store that was not asked yet.
    fn awaits_foreign(&self) -> bool {
        let is_asked = self.asked_foreign.load(Ordering::Relaxed);
        let Some(readers) = self.carrier.readers().filter(|_| !is_asked) else { return false };
        self.carrier.sessions().adopts(self.carrier.now()) && readers.waits(self.fields())
    }

    /// Asks the old app's store, which may fail, if it is to be asked and the visitor has no session of ours.
    async fn find_foreign(&self) -> Result<(), Error> {
        if self.awaits_foreign() && self.open_own(&self.snapshot()).is_none() {
            Box::pin(self.load_foreign()).await?;
        }
        Ok(())
    }

    /// Loads the foreign sessions of this request.
    async fn load_foreign(&self) -> Result<(), Error> {
        let Some(readers) = self.carrier.readers() else { return Ok(()) };
        // Those without a store were read before where an app shares its sign-in.
        let was_read = self.foreign.get().is_some();
        let (sessions, now) = (self.carrier.sessions(), self.carrier.now());
        let found = readers.load(self.fields(), sessions, now, was_read).await?;
        self.asked_foreign.store(true, Ordering::Relaxed);
        // Another task may have been faster; both asked the same.
        let _ = if was_read { &self.stored } else { &self.foreign }.set(found);
        Ok(())
    }

    fn fields(&self) -> impl Iterator<Item = &HeaderValue> + Clone {
        self.cookies.0.iter().chain(&self.cookies.1)
    }

    /// The request's foreign cookies; `None` if no migration is on.
    fn foreign(&self, now: SystemTime) -> Option<&ForeignCookies> {
        let (sessions, readers) = (self.carrier.sessions(), self.carrier.readers()?);
        let read = || readers.read(self.fields(), sessions, now);
        sessions.adopts(now).then(|| self.foreign.get_or_init(read))
    }

    /// The different values of our cookie among the first few. A browser that sends one twice means the same.
    fn candidates(&self) -> impl Iterator<Item = &[u8]> {
        let is_new = |&(at, value): &(usize, &[u8])| !self.values().take(at).any(|earlier| earlier == value);
        self.values().take(MAX_CANDIDATES).enumerate().filter(is_new).map(|(_, value)| value)
    }

    fn values(&self) -> impl Iterator<Item = &[u8]> {
        let name = self.carrier.cookie().name();
        let (first, others) = &self.cookies;
        let fields = first.iter().chain(others);
        fields.flat_map(|field| cookies::values_in(field.as_bytes(), name))
    }
}
