//! Tokens, opened: by the keys of one moment, and by what the store says.

use std::future::ready;
use std::sync::Arc;
use std::time::SystemTime;

use super::SessionManager;
use super::rivals::{Claim, Rivals};
use crate::Error;
use crate::active_keys::{ActiveKeys, TokenKeys};
use crate::content::Content;
use crate::error::{Reason, Rejected};
use crate::origin::{COOKIE_ID_BYTES, CookieToken, Origin};
use crate::revocations::{Question, Verdict};
use crate::server::{Access, Server, Token};
use crate::session::{ReadOnly, Session};
use crate::timestamp::unix_seconds;

/// The keys of one moment: what one request opens its tokens with; from [`SessionManager::snapshot`].
///
/// A session that it opened or created keeps these keys until it is committed, whatever ring is set meanwhile.
pub struct Snapshot<'a> {
    sessions: &'a SessionManager,
    ring: Arc<ActiveKeys>,
}

/// A good token.
#[derive(Debug)]
pub enum Opened<'a> {
    /// The session was in it, and nobody has to be asked.
    Ready(Session),
    /// The store has to be asked.
    Pending(Pending<'a>),
}

/// A good token whose session the store has, or has to confirm.
pub struct Pending<'a> {
    sessions: &'a SessionManager,
    ring: Arc<ActiveKeys>,
    what: What<'a>,
    access: Access,
}

/// What the store is to be asked.
enum What<'a> {
    /// For the session of a token.
    Token(Box<Token>),
    /// Whether the session, which was in the token, was ended.
    Listed(Session, Question),
    /// Which of several sessions there is.
    Rivals(Box<Rivals<'a>>),
}

impl<'a> Snapshot<'a> {
    pub(super) fn new(sessions: &'a SessionManager, ring: Arc<ActiveKeys>) -> Self {
        Self { sessions, ring }
    }

    /// [`SessionManager::create`], with the keys of this snapshot.
    #[must_use]
    pub fn create(&self) -> Session {
        self.session(Content::default(), None)
    }

    /// [`SessionManager::open`], with the keys of this snapshot.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Rejected> {
        let opened = self.try_open(token, access, now);
        opened.map_err(|reason| {
            self.sessions.refusals.count(&reason);
            reason.into()
        })
    }

    /// Opens all the tokens that one request brought, and chooses among those that are good. Each that is not is told to
    /// `refused`.
    ///
    /// Two of one session are no conflict: the later counts. Of different ones those drop out that the store says have
    /// ended. If several are left, and the name that they came under `can_be_planted` by others, none counts, and the
    /// visitor is a stranger; under a name that cannot, whoever is signed in comes before a stranger, then the later
    /// sign-in, then the token that was made later. [`Session::destroy`] ends them all.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # use waxseal_store::{Access, Opened, Outcome, SessionManager};
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
        mut refused: impl FnMut(Rejected),
    ) -> Opened<'a> {
        let mut good =
            tokens.iter().filter_map(|token| self.open(token, access, now).map_err(&mut refused).ok());
        let Some(first) = good.next() else { return Opened::Ready(self.create()) };
        if good.next().is_none() {
            return first;
        }
        good.for_each(drop);
        // Each is asked for in any case: what is told to the browser of several must be so.
        let all = tokens.iter().filter_map(|token| self.try_open(token, Access::Change, now).ok());
        let as_it_is = |opened| match opened {
            Opened::Pending(pending) => Opened::Pending(Pending { access, ..pending }),
            ready => ready,
        };
        let rivals =
            Rivals::new(self.sessions, self.ring.clone(), all.map(as_it_is).collect(), can_be_planted);
        rivals.settled().map_or_else(
            |rivals| {
                let (ring, what) = (self.ring.clone(), What::Rivals(Box::new(rivals)));
                Opened::Pending(Pending { sessions: self.sessions, ring, what, access })
            },
            Opened::Ready,
        )
    }

    fn try_open(&self, token: &[u8], access: Access, now: SystemTime) -> Result<Opened<'a>, Reason> {
        let (sessions, lifetimes) = (self.sessions, self.sessions.lifetimes);
        let refusal = |rejected: waxseal_crypto::Rejected| self.ring.refusal(token, rejected.reason());
        let sealer = match (self.ring.tokens(), &sessions.server) {
            (TokenKeys::Signed(tokens), Some(server)) => {
                let longest = sessions.token_limits().absolute;
                let signed = tokens.open(token, unix_seconds(now), longest).map_err(refusal)?;
                self.ring.count(signed.key_position());
                return Ok(self.shown(server, Token::of_id(&signed), access, now));
            }
            _ => self.ring.sealer(),
        };
        let opened = sealer.open_text(token, unix_seconds(now), sessions.token_limits()).map_err(refusal)?;
        let position = opened.key_position();
        let Some(server) = &sessions.server else {
            let (times, needs_reseal) = (opened.times(), opened.needs_reseal());
            let id = opened.payload().first_chunk::<COOKIE_ID_BYTES>();
            let id = *id.ok_or(Reason::Content("it ends before its id"))?;
            let content = Content::parse(Arc::new(opened), COOKIE_ID_BYTES).map_err(Reason::Content)?;
            times.check(unix_seconds(now), lifetimes.of(content.permanent)).map_err(Reason::Seal)?;
            self.ring.count(position);
            let list = sessions.revocations.as_ref();
            let question = list.map(|_| Question::new(id, times, &content));
            let carried = CookieToken { id, times, needs_reseal, question: question.clone() };
            let session = self.session(content, Some(Origin::Cookie(carried)));
            let (Some(list), Some(question)) = (list, question) else { return Ok(Opened::Ready(session)) };
            return Ok(match list.remembered(&question, access, now.into()) {
                Some(false) => Opened::Ready(session),
                Some(true) => Opened::Ready(self.create()),
                None => {
                    let (ring, what) = (self.ring.clone(), What::Listed(session, question));
                    Opened::Pending(Pending { sessions, ring, what, access })
                }
            });
        };
        let token = Token::parse(opened).map_err(Reason::Content)?;
        self.ring.count(position);
        Ok(self.shown(server, token, access, now))
    }

    /// The session of a token if it can be shown now, or what the store is to be asked.
    fn shown(&self, server: &Server, token: Token, access: Access, now: SystemTime) -> Opened<'a> {
        match server.ready(&self.ring, token, access, now.into()) {
            Ok(session) => Opened::Ready(session),
            Err(token) => {
                let (ring, what) = (self.ring.clone(), What::Token(token));
                Opened::Pending(Pending { sessions: self.sessions, ring, what, access })
            }
        }
    }

    fn session(&self, content: Content, origin: Option<Origin>) -> Session {
        let strict = self.sessions.server.as_ref().is_some_and(|server| server.strict);
        Session::new(content, origin, self.ring.clone(), strict)
    }
}

impl Opened<'_> {
    /// The session if it was in the token and nobody has to be asked; always, in state `cookie` without a list.
    #[must_use]
    pub fn ready(self) -> Option<Session> {
        match self {
            Self::Ready(session) => Some(session),
            Self::Pending(_) => None,
        }
    }

    /// The session, by what the store says if it has to be asked. `now` is read just before.
    ///
    /// A session that is no more makes a new one: the visitor is a stranger.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store has to be asked and does not answer, [`Error::Store`] if it refuses.
    pub async fn load(self, now: SystemTime) -> Result<Session, Error> {
        match self {
            Self::Ready(session) => ready(Ok(session)).await,
            Self::Pending(pending) => pending.load(now).await,
        }
    }
}

impl Pending<'_> {
    /// As [`Opened::load`].
    ///
    /// # Errors
    ///
    /// As there.
    pub async fn load(self, now: SystemTime) -> Result<Session, Error> {
        let Self { sessions, ring, what, access } = self;
        match what {
            What::Token(token) => sessions.server()?.load(&ring, *token, access, now.into()).await,
            What::Listed(session, question) => {
                let list = sessions.revocations.as_ref().ok_or(Error::NoStore)?;
                Ok(match list.ask(&question, access, now.into()).await? {
                    Verdict::Good => session,
                    Verdict::Unconfirmed => session.read_only(ReadOnly::Outage),
                    Verdict::Ended => Snapshot { sessions, ring }.create(),
                })
            }
            What::Rivals(rivals) => Box::pin(rivals.load(now)).await,
        }
    }

    /// The session without asking anybody, for one thing alone: to be [destroyed](Session::destroy), so that signing out
    /// works while the store is away. It cannot be written.
    #[must_use]
    pub fn to_end(self) -> Session {
        match self.what {
            What::Token(token) => Server::to_end(&self.ring, *token),
            What::Listed(session, _) => session.read_only(ReadOnly::Outage),
            What::Rivals(rivals) => rivals.into_end(),
        }
    }

    /// What speaks for it, as far as its token says.
    pub(super) fn claim(&self) -> Option<Claim> {
        match &self.what {
            What::Token(token) => Some(Claim::of_token(token)),
            What::Listed(session, _) => session.claim(),
            What::Rivals(_) => None,
        }
    }
}

impl std::fmt::Debug for Pending<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("access", &self.access).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Snapshot").field(self.ring.tokens()).finish()
    }
}
