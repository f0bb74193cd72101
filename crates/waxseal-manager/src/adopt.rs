//! Taking over foreign sessions.

use std::sync::Arc;
use std::time::SystemTime;

use waxseal_session::backend::{Content, ReadOnly};
use waxseal_store::{Revision, Timestamp};

use crate::access::{Access, WhenAway};
use crate::adoption::counts::Outcome;
use crate::adoption::foreign::{Foreign, ForeignRef};
use crate::adoption::refusal::ForeignRefusal;
use crate::adoption::terms::Adoption;
use crate::error::Error;
use crate::gated::{Gated, anonymous};
use crate::manager::{SessionManager, Sessions};
use crate::open::{Asked, Opened, Snapshot};
use crate::origin::{COOKIE_ID_BYTES, CookieToken, Origin};
use crate::revocations::epoch::Epoch;
use crate::visit::Visit;

impl<'a> Snapshot<'a> {
    /// Takes over a foreign session, for a request that brought no good token: see
    /// [`SessionManager::adopting`](crate::SessionManager::adopting).
    ///
    /// The visit is that of a new session with the foreign one's content, owner and class. Its token is sent with the
    /// response even if the request fails, because a foreign session is taken over only once: further requests within a
    /// minute get the same session, and later ones are refused as a replay. If the foreign session is refused, the
    /// visitor is anonymous.
    ///
    /// A session is refused if it began after the switch, if it has expired, if it was signed out or taken over more
    /// than a minute ago, if its owner signed out or ended all sessions after it began, or if it does not fit.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::{Duration, SystemTime};
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// use waxseal_manager::{Access, Adoption, Foreign, SessionManager};
    /// # use waxseal_store::MemoryStore;
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let (now, hour) = (SystemTime::now(), Duration::from_secs(3_600));
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// let sessions = SessionManager::mirrored(&keyring, "__Host-session", "wizard", MemoryStore::new())?;
    /// let sessions = sessions.adopting(Adoption::new(now, now + 24 * hour))?;
    ///
    /// let foreign = Foreign::new([7; 32], now - hour, now + hour);
    /// foreign.session().set_owner(Some("user-7"))?;
    /// let visit = sessions.snapshot().adopt(&foreign, Access::Read, now).load(now).await?;
    /// assert_eq!(visit.owner().as_deref(), Some("user-7"));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn adopt(&self, foreign: &Foreign, access: Access, now: SystemTime) -> Opened<'a> {
        let now = Timestamp::from(now);
        let Some(adopter) = self.sessions.adopter.as_ref().filter(|adopter| now < adopter.terms.until) else {
            return Opened::Ready(self.create());
        };
        let (mut reference, content) = (foreign.reference(&adopter.terms), foreign.content());
        reference.lives_on &= foreign.is_recurring() || now < adopter.terms.switched;
        if let Some(why) = self.reason_against(&reference, &content, &adopter.terms, now) {
            adopter.counts.count(Outcome::Refused(why));
            return Opened::Ready(self.create().refused_foreign(why));
        }
        match &self.sessions.sessions {
            Sessions::Cookie => {
                let opened = self.ready(self.adopt_replayable(&reference, content, now), access, now);
                if matches!(&opened, Opened::Ready(visit) if visit.is_adopted()) {
                    adopter.counts.count(Outcome::Adopted);
                }
                opened
            }
            _ => self.pending(Asked::Foreign(Box::new(reference), content), access),
        }
    }

    /// Takes over a foreign session, by the store's answer. The gate is asked first: a request that may not see the
    /// session claims nothing, so that one that may see it can still take it over. Such a request gets the visit that
    /// the gate decides on.
    pub(crate) async fn load_foreign(
        &self,
        foreign: ForeignRef,
        content: Arc<Content>,
        access: Access,
        now: Timestamp,
    ) -> Result<Result<Visit, Gated>, Error> {
        let origin = Origin::Foreign(foreign.clone());
        let unclaimed = Visit::restored(Arc::unwrap_or_clone(content), origin, self.keys.clone(), false);
        let adopted = match Gated::new(self.gate, unclaimed, self.sessions.is_strict()) {
            Gated::Through(visit) if visit.home().origin.is_some() => {
                self.take_over(&foreign, &visit.session().content(), now).await
            }
            Gated::Asking(visit, series) => match self.was_taken_up(series, now).await {
                Ok(true) => return Ok(Err(Gated::Through(anonymous(visit, self.sessions.is_strict())))),
                Ok(false) => self.take_over(&foreign, &visit.session().content(), now).await,
                Err(error) => Err(error),
            },
            unseen => return Ok(Err(unseen)),
        };
        match adopted {
            Err(Error::Unavailable(error))
                if access == Access::Read && self.sessions.when_away() == WhenAway::Anonymous =>
            {
                tracing::warn!(%error, "the session store does not answer; the visitor is shown as an anonymous one");
                Ok(Ok(self.unadopted(foreign)))
            }
            adopted => adopted.map(Ok),
        }
    }

    /// Claims a foreign session that the gate lets the request see.
    async fn take_over(
        &self,
        foreign: &ForeignRef,
        content: &Content,
        now: Timestamp,
    ) -> Result<Visit, Error> {
        match &self.sessions.sessions {
            Sessions::Cookie => Err(Error::NoStore),
            Sessions::Revocable(list) => {
                let adopted = list.adopt(&self.keys, foreign, content.clone(), now).await;
                adopted.map(|visit| visit.unwrap_or_else(|why| self.create().refused_foreign(why)))
            }
            Sessions::Stored(stored) => stored.records.adopt(&self.keys, foreign, content, now).await,
            Sessions::Mirrored(mirrored) => mirrored.records.adopt(&self.keys, foreign, content, now).await,
        }
    }

    /// Returns `true` if the list of the former state says that an offer of this series was taken up. The token is
    /// then a copy from before its session was bound.
    async fn was_taken_up(&self, series: [u8; 12], now: Timestamp) -> Result<bool, Error> {
        let list = self.sessions.records().and_then(|records| records.former_list.as_ref());
        let Some(list) = list else { return Ok(false) };
        Ok(list.has_ended(&list.of_series(series, now), now).await?)
    }

    /// The visit of a foreign session that is not shown. It can be used to end the session.
    pub(crate) fn unadopted(&self, foreign: ForeignRef) -> Visit {
        let origin = Origin::Foreign(foreign);
        Visit::restored(Content::default(), origin, self.keys.clone(), false).read_only(ReadOnly::Outage)
    }

    /// The reason that a foreign session is refused regardless of the store's answer.
    fn reason_against(
        &self,
        foreign: &ForeignRef,
        content: &Content,
        terms: &Adoption,
        now: Timestamp,
    ) -> Option<ForeignRefusal> {
        let fits = || {
            let mut content = content.clone();
            if self.sessions.list_of_ended().is_some() && foreign.owner.is_some() {
                Epoch::put(Some(&Epoch::PLACEHOLDER), &mut content.metadata);
            }
            content.fits(self.keys.capacity())
        };
        if foreign.began >= terms.switched {
            Some(ForeignRefusal::AfterSwitch)
        } else if now >= foreign.end {
            Some(ForeignRefusal::Expired)
        } else if !fits() {
            Some(ForeignRefusal::TooLarge)
        } else {
            None
        }
    }

    /// Takes a foreign session over in state `cookie`, which remembers nothing. The new id is the same for all requests
    /// of its owner.
    fn adopt_replayable(&self, foreign: &ForeignRef, content: Arc<Content>, now: Timestamp) -> Visit {
        let times = self.sessions.lifetimes.times(&content, now);
        let drawn = foreign.is_anybodys().then(Revision::first).and_then(Result::ok);
        let id = self.keys.imported_ids(&foreign.replay_id, &drawn.unwrap_or(Revision::UNKNOWN)).next();
        let id = id.expect("a ring has at least one key");
        let id = *id.as_bytes().first_chunk::<COOKIE_ID_BYTES>().expect("a session id is longer");
        let token = CookieToken { id, times, needs_reseal: false, refresh_after: 0, question: None };
        let origin = Origin::Cookie(token);
        Visit::restored(Arc::unwrap_or_clone(content), origin, self.keys.clone(), false).adopted()
    }
}

impl SessionManager {
    /// The visit of an anonymous visitor, for a session that must not be shown because it depends on an app that runs
    /// beside this one, which did not confirm it. A sign-in or a sign-out still ends that session.
    #[must_use]
    pub fn unshown(&self, visit: Visit) -> Visit {
        anonymous(visit, self.is_strict())
    }

    /// Ends the foreign sessions of an owner that began until `now`, but none of this app's sessions. While the store
    /// is unavailable, this process refuses them, and the store is told later.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable and too many ends wait for it.
    pub async fn end_foreign_of(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        let Some(claims) = self.claims() else { return Ok(()) };
        Ok(claims.sign_out_owner(owner, now.into(), now.into()).await?)
    }

    /// Notes a foreign session whose cookie came with the request. A sign-in or a sign-out in this request ends it at
    /// the commit, so that it cannot replace the session later.
    pub fn note_foreign(&self, visit: &Visit, foreign: &Foreign) {
        if let Some(adopter) = &self.adopter {
            visit.home().foreign.push(foreign.reference(&adopter.terms));
        }
    }
}
