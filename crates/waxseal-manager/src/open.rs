//! Opens tokens with the keys of one request, and with the store's answer.

use std::future::ready;
use std::sync::Arc;
use std::time::SystemTime;

use waxseal_session::backend::{Content, Phase, ReadOnly};
use waxseal_store::Timestamp;

use crate::access::Access;
use crate::active_keys::{ActiveKeys, TokenKeys};
use crate::adoption::foreign::ForeignRef;
use crate::claim::{Claim, choose, latest_of_each};
use crate::device_gate::DeviceGate;
use crate::device_tokens::DeviceTokens;
use crate::error::Error;
use crate::gated::{Gated, anonymous};
use crate::manager::{SessionManager, Sessions};
use crate::origin::{COOKIE_ID_BYTES, CookieToken, Origin};
use crate::records::token::Token;
use crate::rejected::{Reason, Rejected};
use crate::revocations::list::Verdict;
use crate::revocations::question::Question;
use crate::visit::Visit;

/// The keys with which one request opens its tokens; from [`SessionManager::snapshot`].
///
/// A visit that a snapshot opened or created uses these keys until it is committed, whatever keyring is set meanwhile.
#[derive(Clone)]
pub struct Snapshot<'a> {
    pub(crate) sessions: &'a SessionManager,
    pub(crate) keys: Arc<ActiveKeys>,
    pub(crate) gate: Option<&'a dyn DeviceGate>,
}

/// The outcome of opening a good token: a session, or a question to the store.
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "either the store is asked or not")]
pub enum Opened<'a> {
    /// The session was in the token, or its store has answered at once.
    Ready(Visit),
    /// The store has to be asked.
    Pending(Pending<'a>),
}

/// A good token about which the store has to be asked.
pub struct Pending<'a> {
    snapshot: Snapshot<'a>,
    question: Asked<'a>,
    access: Access,
}

/// The question to the store.
pub(crate) enum Asked<'a> {
    /// Asks for the session of a token.
    Token(Box<Token>),
    /// Asks whether the session, which was in the token, is revoked.
    Listed(Box<Visit>, Question),
    /// Asks whether an offer to the session, which was in the token, was taken up.
    Bound(Box<Visit>, Question),
    /// Asks nothing: the device gate wants the request answered as if the store were unavailable.
    Away(Box<Visit>),
    /// Asks whether a foreign session can be taken over.
    Foreign(Box<ForeignRef>, Arc<Content>),
    /// Asks which of several sessions are alive.
    Rivals(Box<Rivals<'a>>),
}

/// The good tokens of one request, each of a different session as far as the tokens say.
pub(crate) struct Rivals<'a> {
    /// The snapshot that begins a session if none of the tokens is chosen.
    snapshot: Snapshot<'a>,
    all: Vec<Opened<'a>>,
    can_be_planted: bool,
}

impl SessionManager {
    /// Takes the present keys, for all the tokens of one request.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot<'_> {
        Snapshot { sessions: self, keys: self.keys(), gate: None }
    }

    /// Makes a session for an anonymous visitor. Nothing is drawn, kept or sent unless something is written to the
    /// session.
    #[must_use]
    pub fn create(&self) -> Visit {
        self.snapshot().create()
    }

    /// Opens a token, which may be any bytes, at the time `now`. In state `store` this asks a store that
    /// [answers](waxseal_store::Answers) at once, and no other; loading the result may have to.
    ///
    /// # Errors
    ///
    /// [`Rejected`] if the token is not good. The visitor is then anonymous and gets the session of
    /// [`create`](Self::create).
    pub fn open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'_>, Rejected> {
        self.snapshot().open(token, access, now)
    }
}

impl<'a> Snapshot<'a> {
    /// Asks `gate` about every session that this snapshot opens. The gate is only asked if the manager has [device
    /// tokens](SessionManager::with_device_tokens).
    #[must_use]
    pub fn gated(self, gate: &'a dyn DeviceGate) -> Self {
        Self { gate: Some(gate), ..self }
    }

    /// The tokens of device-bound sessions, if the manager has them.
    #[must_use]
    pub fn device_tokens(&self) -> Option<&DeviceTokens> {
        self.keys.device()
    }

    /// Like [`SessionManager::create`], with the keys of this snapshot.
    #[must_use]
    pub fn create(&self) -> Visit {
        Visit::new(self.keys.clone(), self.sessions.is_strict())
    }

    /// Like [`SessionManager::open`], with the keys of this snapshot.
    ///
    /// # Errors
    ///
    /// Those of [`SessionManager::open`].
    pub fn open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Rejected> {
        let opened = self.try_open(token, access, now);
        opened.map_err(|reason| {
            self.sessions.refusals.count(&reason);
            reason.into()
        })
    }

    /// Opens all the tokens that came with one request, and chooses among the good ones. Each rejected token is passed
    /// to `refused`.
    ///
    /// Of two tokens of the same session the later one counts. Of different sessions, those that have ended according
    /// to the store drop out. If several are left and `can_be_planted` says that others can set a cookie of this name,
    /// none is chosen, and the visitor is anonymous. Otherwise a signed-in visitor comes before an anonymous one, then
    /// the later sign-in, then the token that was made later. [`Session::destroy`](waxseal_session::Session::destroy)
    /// ends all of them.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # use waxseal_manager::{Access, Opened, Outcome, SessionManager};
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let sessions = SessionManager::cookie(&Keyring::new(SecretKey::from_bytes([7; 32])), "__Host-session", "demo")?;
    /// # let now = SystemTime::now();
    /// let mut tokens = Vec::new();
    /// for owner in ["user-7", ""] {
    ///     let session = sessions.create();
    ///     session.insert("visits", 1)?;
    ///     if !owner.is_empty() {
    ///         session.sign_in(owner, now)?;
    ///     }
    ///     let Outcome::Set { token, .. } = sessions.commit(&session, now).await? else { panic!() };
    ///     tokens.push(token);
    /// }
    /// let tokens: Vec<&[u8]> = tokens.iter().map(String::as_bytes).collect();
    /// let session = sessions.snapshot().open_among(&tokens, false, Access::Read, now, drop).load(now).await?;
    /// assert_eq!(session.owner().as_deref(), Some("user-7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open_among(
        &self,
        tokens: &[&[u8]],
        can_be_planted: bool,
        access: Access,
        now: SystemTime,
        refused: impl FnMut(Rejected),
    ) -> Opened<'a> {
        self.open_any(tokens, can_be_planted, access, now, refused)
            .unwrap_or_else(|| Opened::Ready(self.create()))
    }

    /// Like [`open_among`](Self::open_among). `None` if no token is good.
    pub fn open_any(
        &self,
        tokens: &[&[u8]],
        can_be_planted: bool,
        access: Access,
        now: SystemTime,
        mut refused: impl FnMut(Rejected),
    ) -> Option<Opened<'a>> {
        let mut good =
            tokens.iter().filter_map(|token| self.open(token, access, now).map_err(&mut refused).ok());
        let first = good.next()?;
        if good.next().is_none() {
            return Some(first);
        }
        good.for_each(drop);
        // Each is opened as if the request acted, because what the browser is told about several tokens must be
        // certain.
        let all = tokens.iter().filter_map(|token| self.try_open(token, Access::Change, now).ok());
        let as_it_is = |opened| match opened {
            Opened::Pending(pending) => Opened::Pending(Pending { access, ..pending }),
            ready => ready,
        };
        let all = all.map(as_it_is).collect();
        let all = latest_of_each(all, Opened::claim);
        let rivals = Rivals { snapshot: self.clone(), all, can_be_planted };
        let pending = |rivals| self.pending(Asked::Rivals(Box::new(rivals)), access);
        Some(rivals.settled().map_or_else(pending, Opened::Ready))
    }

    fn try_open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Reason> {
        let now = Timestamp::from(now);
        let opened = self.open_own(token, access, now);
        opened.or_else(|refused| self.open_former(token, refused, access, now))
    }

    /// Opens a token of the present state.
    fn open_own(&self, token: &[u8], access: Access, now: Timestamp) -> Result<Opened<'a>, Reason> {
        let limits = self.sessions.token_limits();
        let refusal = |rejected: waxseal_crypto::Rejected| self.keys.refusal(token, rejected.reason());
        let (token, position) = match (self.keys.tokens(), &self.sessions.sessions) {
            (TokenKeys::Signed(tokens), _) => {
                let signed = tokens.open(token, now.as_secs(), limits.absolute).map_err(refusal)?;
                (Token::of_id(&signed), signed.key_position())
            }
            (TokenKeys::Sealed(sealer), Sessions::Stored(_) | Sessions::Mirrored(_)) => {
                let opened = sealer.open_text(token, now.as_secs(), limits).map_err(refusal)?;
                let position = opened.key_position();
                (Token::parse(opened).map_err(Reason::Content)?, position)
            }
            (TokenKeys::Sealed(sealer), Sessions::Cookie | Sessions::Revocable(_)) => {
                let opened = sealer.open_text(token, now.as_secs(), limits).map_err(refusal)?;
                return self.open_whole(opened, access, now);
            }
        };
        self.keys.count(position);
        let ready = match &self.sessions.sessions {
            Sessions::Stored(stored) => stored.ready(&self.keys, token, access, now),
            Sessions::Mirrored(mirrored) => mirrored.ready(&self.keys, token, access, now),
            Sessions::Cookie | Sessions::Revocable(_) => Err(Box::new(token)),
        };
        Ok(ready.map_or_else(
            |token| self.pending(Asked::Token(token), access),
            |visit| self.ready(visit, access, now),
        ))
    }

    /// Opens a token that holds the whole session.
    fn open_whole(
        &self,
        opened: waxseal_crypto::Opened,
        access: Access,
        now: Timestamp,
    ) -> Result<Opened<'a>, Reason> {
        let (times, needs_reseal, position) = (opened.times(), opened.needs_reseal(), opened.key_position());
        let id = opened.payload().first_chunk::<COOKIE_ID_BYTES>();
        let id = *id.ok_or(Reason::Content("it ends before its id"))?;
        let (buffer, payload) = opened.into_payload();
        let content = payload.start + COOKIE_ID_BYTES..payload.end;
        let content = Content::parse(buffer, content).map_err(Reason::Content)?;
        let limits = self.sessions.lifetimes.of_session(&content);
        times.check(now.as_secs(), limits).map_err(Reason::Seal)?;
        self.keys.count(position);
        let list = self.sessions.list_of_ended();
        let question = list.map(|_| Question::new(id, times, &content));
        let refresh_after = self.sessions.lifetimes.refresh_after(limits, times);
        let token = CookieToken { id, times, needs_reseal, refresh_after, question: question.clone() };
        let origin = Origin::Cookie(token);
        let visit = Visit::restored(content, origin, self.keys.clone(), false).opened_at(now);
        let (Some(list), Some(question)) = (list, question) else {
            return Ok(self.ready(visit, access, now));
        };
        Ok(match list.remembered(&question, access, now) {
            Some(Verdict::Good) => self.ready(visit, access, now),
            Some(over) => Opened::Ready(self.after(question, over)),
            None => self.pending(Asked::Listed(Box::new(visit), question), access),
        })
    }

    /// Makes the visit for a session that was ended or renewed, as the list of ended sessions says: a new session.
    fn after(&self, over: Question, verdict: Verdict) -> Visit {
        match verdict {
            Verdict::Renewed(_) => self.create().after_a_renewal(over),
            _ => self.create().after(over),
        }
    }

    /// Opens a session about which no store has to be asked, as the gate decides.
    pub(crate) fn ready(&self, visit: Visit, access: Access, now: Timestamp) -> Opened<'a> {
        match Gated::new(self.gate, visit, self.sessions.is_strict()) {
            Gated::Through(visit) => Opened::Ready(visit),
            Gated::Asking(visit, series) => match self.sessions.list_of_ended() {
                Some(list) => {
                    let question = list.of_series(series, now);
                    match list.remembered(&question, access, now) {
                        Some(Verdict::Good) => Opened::Ready(visit),
                        Some(_) => Opened::Ready(anonymous(visit, false)),
                        None => self.pending(Asked::Bound(Box::new(visit), question), access),
                    }
                }
                None => Opened::Ready(visit),
            },
            Gated::Away(visit) => self.pending(Asked::Away(Box::new(visit)), access),
        }
    }

    pub(crate) fn pending(&self, question: Asked<'a>, access: Access) -> Opened<'a> {
        Opened::Pending(Pending { snapshot: self.clone(), question, access })
    }
}

impl Opened<'_> {
    /// Returns the session if it was in the token and no store has to be asked. In state `cookie` without a list this
    /// is always so.
    #[must_use]
    pub fn ready(self) -> Option<Visit> {
        match self {
            Self::Ready(visit) => Some(visit),
            Self::Pending(_) => None,
        }
    }

    /// Loads the session, from the store if it has to be asked. Read `now` just before the call.
    ///
    /// If the session is over, this returns a new one: the visitor is anonymous.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store has to be asked and does not answer, [`Error::Store`] if it refuses the
    /// call.
    pub async fn load(self, now: SystemTime) -> Result<Visit, Error> {
        match self {
            Self::Ready(visit) => ready(Ok(visit)).await,
            Self::Pending(pending) => pending.load(now).await,
        }
    }

    fn claim(&self) -> Option<Claim> {
        match self {
            Self::Ready(visit) => Claim::of_visit(visit),
            Self::Pending(pending) => pending.claim(),
        }
    }
}

impl Pending<'_> {
    /// Loads the session, as [`Opened::load`] does.
    ///
    /// # Errors
    ///
    /// Those of [`Opened::load`].
    pub async fn load(self, now: SystemTime) -> Result<Visit, Error> {
        let Self { snapshot, question, access } = self;
        let keys = &snapshot.keys;
        // Each boxed for itself: otherwise every load would have space for the largest, and be copied with it.
        let visit = match (question, &snapshot.sessions.sessions) {
            (Asked::Token(token), Sessions::Stored(stored)) => {
                Box::pin(stored.load(keys, token, access, now.into())).await?
            }
            (Asked::Token(token), Sessions::Mirrored(mirrored)) => {
                Box::pin(mirrored.load(keys, token, access, now.into())).await?
            }
            (Asked::Listed(visit, question), Sessions::Revocable(list)) => {
                match Box::pin(list.ask(&question, access, now.into())).await? {
                    Verdict::Good => *visit,
                    Verdict::Unconfirmed => visit.read_only(ReadOnly::Outage),
                    over => snapshot.after(question, over),
                }
            }
            (Asked::Bound(visit, question), Sessions::Revocable(list)) => {
                return Ok(match Box::pin(list.ask(&question, access, now.into())).await? {
                    Verdict::Good => *visit,
                    Verdict::Unconfirmed => visit.read_only(ReadOnly::Outage),
                    Verdict::Ended | Verdict::Renewed(_) => anonymous(*visit, false),
                });
            }
            (Asked::Away(visit), _) => {
                return Gated::Away(*visit).visit(access, snapshot.sessions.when_away());
            }
            (Asked::Rivals(rivals), _) => return Box::pin(rivals.load(now)).await,
            (Asked::Foreign(foreign, content), _) => {
                match Box::pin(snapshot.load_foreign(*foreign, content, access, now.into())).await? {
                    // A parallel request may have taken the session over and bound it by now, so the gate is asked
                    // again.
                    Ok(visit) => visit,
                    Err(unseen) => return unseen.visit(access, snapshot.sessions.when_away()),
                }
            }
            _ => return Err(Error::NoStore),
        };
        match Gated::new(snapshot.gate, visit, snapshot.sessions.is_strict()) {
            Gated::Asking(visit, series) => {
                let Some(list) = snapshot.sessions.list_of_ended() else { return Ok(visit) };
                let question = Asked::Bound(Box::new(visit), list.of_series(series, now.into()));
                Box::pin(Pending { snapshot: snapshot.clone(), question, access }.load(now)).await
            }
            gated => gated.visit(access, snapshot.sessions.when_away()),
        }
    }

    /// Returns the session without asking the store, so that a sign-out works while the store is unavailable. It cannot
    /// be written; it can only be [destroyed](waxseal_session::Session::destroy).
    #[must_use]
    pub fn to_end(self) -> Visit {
        match self.question {
            Asked::Token(token) => token.unknown(&self.snapshot.keys),
            Asked::Listed(visit, _) | Asked::Bound(visit, _) => visit.read_only(ReadOnly::Outage),
            Asked::Away(visit) => *visit,
            Asked::Rivals(rivals) => rivals.into_end(),
            Asked::Foreign(foreign, _) => self.snapshot.unadopted(*foreign),
        }
    }

    /// The token's claim to be the visitor's, as far as the token itself says.
    fn claim(&self) -> Option<Claim> {
        match &self.question {
            Asked::Token(token) => Some(Claim::of_token(token)),
            Asked::Listed(visit, _) | Asked::Bound(visit, _) => Claim::of_visit(visit),
            Asked::Away(_) | Asked::Rivals(_) | Asked::Foreign(..) => None,
        }
    }
}

impl<'a> Rivals<'a> {
    /// Returns the chosen session, if no store has to be asked.
    fn settled(self) -> Result<Visit, Self> {
        if self.all.iter().any(|opened| matches!(opened, Opened::Pending(_))) {
            return Err(self);
        }
        let Self { snapshot, all, can_be_planted } = self;
        Ok(settle(&snapshot, all.into_iter().filter_map(Opened::ready).collect(), can_be_planted))
    }

    /// Loads the chosen session, after the store has answered about all of them. Fails if the store does not answer
    /// about one.
    async fn load(self, now: SystemTime) -> Result<Visit, Error> {
        let mut loaded = Vec::with_capacity(self.all.len());
        for opened in self.all {
            loaded.push(opened.load(now).await?);
        }
        Ok(settle(&self.snapshot, loaded, self.can_be_planted))
    }

    /// Makes a visit that ends all of the sessions.
    fn into_end(self) -> Visit {
        let all = self.all.into_iter().map(|opened| match opened {
            Opened::Ready(visit) => visit,
            Opened::Pending(pending) => pending.to_end(),
        });
        let (mut alive, dead) = apart(all.collect());
        let unproven = unproven(&dead);
        // A session about which the store would be asked is alive as far as its token says, or it is not proven.
        match alive.is_empty() {
            true => self.snapshot.create().unproven(unproven, None),
            false => alive.remove(0).among(origins(alive).into_iter().chain(unproven).collect()),
        }
    }
}

/// Chooses the visitor's session among those that several tokens led to. Ended sessions drop out.
fn settle(snapshot: &Snapshot<'_>, all: Vec<Visit>, can_be_planted: bool) -> Visit {
    let (alive, dead) = apart(all);
    let mut alive = latest_of_each(alive, Claim::of_visit);
    let unproven = unproven(&dead);
    if alive.is_empty() && !unproven.is_empty() {
        // The browser keeps all its tokens.
        let kept = dead.into_iter().filter(Visit::is_unproven);
        let kept = kept.max_by_key(|visit| visit.session().phase() != Phase::Open).expect("there is one");
        kept.home().rivals = unproven;
        return kept;
    }
    if alive.is_empty() {
        // The id was replaced, or was signed out. Its visitor gets no cookie, because it could displace a newer one.
        let dead = dead.into_iter().max_by_key(|visit| match visit.session().phase() {
            Phase::ReadOnly(ReadOnly::Renewed) => 2,
            Phase::ReadOnly(_) => 1,
            _ => 0,
        });
        return dead.unwrap_or_else(|| snapshot.create()).among(Vec::new());
    }
    let claims: Option<Vec<_>> = alive.iter().map(Claim::of_visit).collect();
    let claims = claims.expect("what is alive has an origin, and so a claim");
    match choose(&claims, can_be_planted) {
        Some(chosen) => {
            tracing::info!(
                "more than one session cookie is good; one counts, and the others are to be forgotten"
            );
            alive.remove(chosen).among(origins(alive).into_iter().chain(unproven).collect())
        }
        None => {
            tracing::warn!(
                "two different session cookies are good, and under this name one may be planted; neither counts"
            );
            let in_outage = |visit: &Visit| visit.session().phase() == Phase::ReadOnly(ReadOnly::Outage);
            let is_known = !alive.iter().any(in_outage);
            let rivals = origins(alive).into_iter().chain(unproven).collect();
            match is_known {
                true => snapshot.create().among(rivals),
                // When the store answers again, it may say that all sessions but one are over.
                false => snapshot.create().read_only(ReadOnly::Outage).beside(rivals),
            }
        }
    }
}

/// Separates the living sessions from the others.
fn apart(all: Vec<Visit>) -> (Vec<Visit>, Vec<Visit>) {
    all.into_iter().partition(|visit| visit.home().origin.is_some())
}

/// The sessions whose device the request has not proven. They end together with the others.
fn unproven(dead: &[Visit]) -> Vec<Origin> {
    dead.iter()
        .filter(|visit| visit.is_unproven())
        .flat_map(|visit| std::mem::take(&mut visit.home().rivals))
        .collect()
}

fn origins(all: Vec<Visit>) -> Vec<Origin> {
    all.into_iter().filter_map(|visit| visit.home().origin.take()).collect()
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("access", &self.access).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Snapshot").field(self.keys.tokens()).finish()
    }
}
