//! Notices the end of a session for a request whose response is still open.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use waxseal_crypto::Limits;
use waxseal_store::{Found, Lifespan, RecordKey, Timestamp};

use crate::access::Access;
use crate::end_reason::EndReason;
use crate::manager::{SessionManager, Sessions};
use crate::origin::Origin;
use crate::records::freshness::Freshness;
use crate::records::record_store::RecordStore;
use crate::revocations::list::{Revocations, Verdict};
use crate::revocations::question::Question;
use crate::visit::Visit;
use crate::watch::{Known, Subject, Watch, WatchedId};

/// The longest time between two looks at a watched session. A look does not always ask the store.
const LOOK: Duration = Duration::from_secs(1);
/// The shortest time between two looks.
const SOON: Duration = Duration::from_millis(10);

/// The answer to a question about a watched session.
enum Answer {
    Living,
    Over(EndReason),
    /// The store does not answer.
    Away,
}

impl SessionManager {
    /// Watches the session that came with the request, under the id that it came with. `None` if no session came, so
    /// there is nothing that could end.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::time::SystemTime;
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// use waxseal_manager::{Access, EndReason, Outcome, SessionManager};
    /// use waxseal_store::MemoryStore;
    ///
    /// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
    /// # let keyring = Keyring::new(SecretKey::generate()?);
    /// # let now = SystemTime::now();
    /// let sessions = SessionManager::store(&keyring, "__Host-session", "demo", MemoryStore::new())?;
    /// let visit = sessions.create();
    /// visit.sign_in("user-7", now)?;
    /// let Outcome::Set { token, .. } = sessions.commit(&visit, now).await? else { panic!() };
    ///
    /// let visit = sessions.open(token.as_bytes(), Access::Read, now)?.load(now).await?;
    /// let watch = sessions.watch(&visit, now).unwrap();
    /// assert_eq!(sessions.look(&watch, now).await, None);
    /// sessions.end_all("user-7", now).await?;
    /// assert_eq!(sessions.look(&watch, now + sessions.watch_window()).await, Some(EndReason::Ended));
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn watch(&self, visit: &Visit, now: SystemTime) -> Option<Arc<Watch>> {
        let now = Timestamp::from(now);
        let (content, owner) = (visit.session().content(), visit.session().owner_before());
        let home = visit.home();
        let origin = home.origin.as_ref()?;
        let id = WatchedId::of(origin)?;
        let (subject, known) = match origin {
            Origin::Cookie(token) => {
                let limits = self.lifetimes.of_session(&content);
                let end = token.times.idle_end(limits).min(token.times.absolute_end(limits));
                let end = Timestamp::from_millis(end.saturating_mul(1_000));
                let question = token.question.clone();
                (
                    Subject::Token { question },
                    Known { over: None, good_at: now, ask_at: now, life: None, token_end: Some(end) },
                )
            }
            Origin::Record(record) => {
                let sealed = Timestamp::from_millis(record.times.sealed().saturating_mul(1_000));
                let good_at = record.confirmed.map_or(sealed, |confirmed| confirmed.at.time()).min(now);
                let life = record.confirmed.map(|confirmed| confirmed.life);
                // The limits of any session, because another tab may give it a longer lifetime. The record has its own
                // end.
                let (key, limits) = (record.id.key(), self.lifetimes.widest());
                let ask_at = good_at.after(self.watch_window());
                (
                    Subject::Record { key, owner, limits },
                    Known { over: None, good_at, ask_at, life, token_end: None },
                )
            }
            Origin::Foreign(_) => return None,
        };
        Some(self.watches.watch(id, subject, known))
    }

    /// Checks whether a watched session is over, and why. What this process knows is noticed at once. The store is
    /// asked at most once in a [window](Self::watch_window), however many requests look, and by at most 64 questions at
    /// the same time.
    ///
    /// In state `cookie` without a list, only the end of the token and what this process has done are known.
    pub async fn look(&self, watch: &Watch, now: SystemTime) -> Option<EndReason> {
        let now = Timestamp::from(now);
        if let Some(reason) = watch.known().over {
            return Some(reason);
        }
        if watch.known().token_end.is_some_and(|end| now >= end) {
            return Some(watch.end(EndReason::Expired));
        }
        if matches!(watch.subject, Subject::Token { question: None }) {
            return None;
        }
        if let Some(reason) = self.remembered(watch, now) {
            return Some(watch.end(reason));
        }
        let _asking = self.claim(watch, now)?;
        match self.ask(watch, now).await {
            Answer::Living => {
                let mut known = watch.known();
                known.good_at = known.good_at.max(now);
                known.over
            }
            Answer::Over(reason) => Some(watch.end(reason)),
            Answer::Away if now.is_within(self.watch_grace(), watch.known().good_at) => None,
            Answer::Away => Some(watch.end(EndReason::StoreAway)),
        }
    }

    /// The time after which to [look](Self::look) again: at most a second.
    #[must_use]
    pub fn next_look(&self, watch: &Watch, now: SystemTime) -> Duration {
        match &watch.subject {
            Subject::Token { question: None } => LOOK,
            _ => {
                let (now, ask_at) = (Timestamp::from(now).as_millis(), watch.known().ask_at.as_millis());
                Duration::from_millis(ask_at.saturating_sub(now)).clamp(SOON, LOOK)
            }
        }
    }

    /// The shortest time between two questions to the store about the same watched session: the freshness lifetime, but
    /// at least a second.
    #[must_use]
    pub fn watch_window(&self) -> Duration {
        let lifetime = match &self.sessions {
            Sessions::Cookie | Sessions::Stored(_) => Duration::ZERO,
            Sessions::Revocable(_) => Freshness::default().lifetime,
            Sessions::Mirrored(mirrored) => mirrored.freshness().lifetime,
        };
        lifetime.max(Duration::from_secs(1))
    }

    /// How long a response may stay open while it is not known whether its session is alive.
    fn watch_grace(&self) -> Duration {
        match &self.sessions {
            Sessions::Mirrored(mirrored) => mirrored.freshness().grace,
            _ => Freshness::default().grace,
        }
    }

    /// What this process knows without asking. If another request got an answer recently, the next question is put off.
    fn remembered(&self, watch: &Watch, now: Timestamp) -> Option<EndReason> {
        match (&watch.subject, &self.sessions) {
            (Subject::Token { question: Some(question) }, Sessions::Revocable(list)) => {
                match list.remembered(question, Access::Read, now) {
                    Some(Verdict::Renewed(_)) => Some(EndReason::Renewed),
                    // Only the store knows why it was ended. A commit of this process that ended it has told the watch.
                    Some(Verdict::Ended) => Some(EndReason::Ended),
                    _ => None,
                }
            }
            (Subject::Record { key, owner, .. }, _) => {
                let records = self.records()?;
                match records.remembered(key, owner.as_deref()) {
                    Some(None) => return Some(EndReason::Ended),
                    Some(Some(at)) if at <= now => {
                        let mut known = watch.known();
                        known.good_at = known.good_at.max(at);
                        known.ask_at = known.ask_at.max(at.after(self.watch_window()));
                    }
                    // An answer from before the clock was set back says nothing about the time since.
                    Some(Some(_)) | None => {}
                }
                None
            }
            _ => None,
        }
    }

    /// Takes the right to ask the store, if it is time to.
    fn claim(&self, watch: &Watch, now: Timestamp) -> Option<crate::watch::Asking<'_>> {
        let mut known = watch.known();
        // Later times than these are from before the clock was set back.
        known.good_at = known.good_at.min(now);
        known.ask_at = known.ask_at.min(now.after(self.watch_window()));
        if now < known.ask_at {
            return None;
        }
        let asking = self.watches.asking();
        known.ask_at =
            now.after(if asking.is_some() { self.watch_window() } else { self.watches.next_try() });
        asking
    }

    async fn ask(&self, watch: &Watch, now: Timestamp) -> Answer {
        match (&watch.subject, &self.sessions) {
            (Subject::Token { question: Some(question) }, Sessions::Revocable(list)) => {
                ask_list(list, question, now).await
            }
            (Subject::Record { key, owner, limits }, _) => match self.records() {
                Some(records) => ask_records(records, watch, key, owner.as_deref(), *limits, now).await,
                None => Answer::Living,
            },
            _ => Answer::Living,
        }
    }
}

async fn ask_list(list: &Revocations, question: &Question, now: Timestamp) -> Answer {
    if list.remembered(question, Access::Read, now) == Some(Verdict::Good) {
        return Answer::Living;
    }
    match list.ask(question, Access::Read, now).await {
        Ok(Verdict::Good) => Answer::Living,
        Ok(Verdict::Renewed(_)) => Answer::Over(EndReason::Renewed),
        Ok(Verdict::Ended) => match list.was_renewed(question, now).await {
            Ok(true) => Answer::Over(EndReason::Renewed),
            Ok(false) | Err(_) => Answer::Over(EndReason::Ended),
        },
        Ok(Verdict::Unconfirmed) | Err(_) => Answer::Away,
    }
}

async fn ask_records(
    records: &RecordStore,
    watch: &Watch,
    key: &RecordKey,
    owner: Option<&str>,
    limits: Limits,
    now: Timestamp,
) -> Answer {
    let is_over = |life: Lifespan| now >= life.expires || !records.is_alive(&life, limits, now);
    let over_by_life = || watch.known().life.is_some_and(is_over);
    match records.head(key, now).await {
        Ok(Some(Found::Living(head))) if !records.is_alive(&head.life, limits, now) => {
            Answer::Over(EndReason::Expired)
        }
        Ok(Some(Found::Living(head))) if head.owner.as_deref() != owner => Answer::Over(EndReason::Ended),
        Ok(Some(Found::Living(head))) => {
            watch.known().life = Some(head.life);
            Answer::Living
        }
        Ok(Some(Found::Renewed)) => Answer::Over(EndReason::Renewed),
        Ok(None) if over_by_life() => Answer::Over(EndReason::Expired),
        Ok(None) => Answer::Over(EndReason::Ended),
        Err(_) => Answer::Away,
    }
}
