//! Commits: saving what a request did to its session, and telling the browser.

use std::pin::Pin;
use std::time::SystemTime;

use waxseal_session::Error as SessionError;
use waxseal_session::backend::{AtOnce, Closed, Content, Phase, ReadOnly};
use waxseal_store::Timestamp;

use crate::active_keys::ActiveKeys;
use crate::adoption::claims::Reach;
use crate::due::{Due, Facts, TokenFacts, due};
use crate::end_reason::EndReason;
use crate::error::Error;
use crate::events::Deed;
use crate::manager::{SessionManager, Sessions};
use crate::origin::{CookieToken, Origin};
use crate::outcome::Outcome;
use crate::records::draft::Draft;
use crate::records::record_store::RecordStore;
use crate::visit::{Home, Visit};

/// A save of a session. Whether it has to wait is known before it begins, so that requests in state `cookie` need no
/// memory for waiting on a store.
enum Saving<'a> {
    Done(Result<Outcome, Error>),
    Waiting(Pin<Box<dyn Future<Output = Result<Outcome, Error>> + Send + 'a>>),
}

impl SessionManager {
    /// Saves the session and closes it. It can then be read, but no longer written. If saving fails, the session is as
    /// it was before the request; what is written then can be committed once more.
    ///
    /// Read `now` just before the call. If the session was changed, a token is sealed. If it was only accessed, a token
    /// is sealed in three cases: activity has to be noted (a twentieth of the idle time has passed since the last seal,
    /// and at least a minute), the token's key is no longer the first, or the browser's copy differs from what the
    /// store has.
    ///
    /// Do not drop the future before it is done: the store may still do what it was asked to.
    ///
    /// # Errors
    ///
    /// [`Error::Seal`] or [`Error::Random`] if the system has no randomness.
    ///
    /// With a store also [`Error::Unavailable`] if the store does not confirm that the session was saved. If nothing
    /// was saved: [`Error::Contended`], or [`Error::Session`] of kind [`Gone`](SessionError::Gone),
    /// [`Renewed`](SessionError::Renewed) or [`Conflict`](SessionError::Conflict). [`Error::Session`] of kind
    /// [`Value`](SessionError::Value) or [`TooLarge`](SessionError::TooLarge) if a change cannot be applied to what
    /// another request wrote meanwhile.
    pub async fn commit(&self, visit: &Visit, now: SystemTime) -> Result<Outcome, Error> {
        let now = Timestamp::from(now);
        if self.lifetimes.permanent_by_default() {
            visit.session().default_to_permanent();
        }
        let closed = visit.session().close();
        // A new visitor's page, and one that `commit_at_once` was not asked about.
        if closed.is_untouched() && due(&facts(visit, &closed, now)) == Due::Nothing {
            return Ok(Outcome::Keep);
        }
        boxed(|| self.carry_out(visit, closed, now)).await
    }

    /// Commits a request for which nobody has to wait, as most do: one that has at most read its session, and in state
    /// `cookie` one that has written to the session that it brought and done nothing else; in state `store` that, too, if
    /// the store [answers](waxseal_store::Answers) at once. Returns `None`, and does nothing, if there is more to
    /// [commit](Self::commit), if the token of a session that was only read is due to be sealed anew, and if saving fails.
    ///
    /// What is due is decided by the time at which the session was opened: a request is too short to make a difference.
    /// `now` is asked only if something is saved.
    #[must_use]
    pub fn commit_at_once(&self, visit: &Visit, now: impl FnOnce() -> SystemTime) -> Option<AtOnce<Outcome>> {
        // Before the session's lock, as everywhere.
        let mut home = visit.home();
        let is_due = || {
            let token = home.opened.map(|opened| token_facts(visit, &home, false, opened));
            home.adopted || token.is_none_or(|token| token.is_some_and(|token| token.is_due()))
        };
        let save = |content: &Content, changes_class: bool| match &self.sessions {
            _ if home.forgets_others => None,
            Sessions::Cookie => {
                self.seal_written(&visit.keys, home.cookie_token(false)?, content, now().into())
            }
            Sessions::Stored(stored) if !changes_class => {
                let (record, place) = (home.record(false)?, home.place.as_ref()?);
                stored.records.save_at_once(&visit.keys, record, place, content, now().into())
            }
            _ => None,
        };
        let ended = visit.session().close_at_once(|| !is_due(), save)?;
        if matches!(ended, AtOnce::Written(_)) {
            (home.saved, home.place) = (true, None);
            self.events.count_save();
        }
        Some(ended)
    }

    /// Commits what a request did to its session, and seals a token that is due.
    async fn carry_out(&self, visit: &Visit, closed: Closed, now: Timestamp) -> Result<Outcome, Error> {
        let is_cookie = matches!(self.sessions, Sessions::Cookie);
        let ending = {
            let mut home = visit.home();
            let ending = home.take_ending(&closed);
            // If several sessions were signed out, none of their tokens may count as the visitor's any longer.
            let own = ending.iter().filter(|origin| !matches!(origin, Origin::Foreign(_))).count();
            home.forgets_others |= closed.ended && (own > 1 || is_cookie && !ending.is_empty());
            if is_cookie {
                home.left_behind = closed.renewed && home.origin.is_some();
            }
            ending
        };
        let mut has_ended = false;
        if !ending.is_empty() {
            match boxed(|| self.end_at_commit(&visit.keys, &ending, Reach::Untaken(now), now)).await {
                Ok(any) => has_ended = any,
                Err(error) => {
                    // The session lives on under the token that the browser keeps, so no other session may begin in its
                    // place.
                    visit.session().forget_end();
                    visit.session().refuse_writes(ReadOnly::Outage);
                    return Err(error);
                }
            }
        }
        for origin in &ending {
            self.watches.tell(origin, EndReason::Ended);
        }
        let (ended, renewed) = (closed.ended, closed.renewed);
        let deed = Deed {
            begins: closed.is_new,
            changes: closed.changes_session(),
            renews: closed.renewed,
            ends: ended && has_ended,
        };
        let only_for_next_page = closed.ends_others.is_none() && closed.log.is_only_for_next_page();
        let signs_in = closed.signed_in;
        let is_owed_to_the_page = !closed.renewed && closed.log.only_shows();
        let due = due(&facts(visit, &closed, now));
        let mut saved = match self.save(due, visit, closed, now) {
            Saving::Done(saved) => saved,
            Saving::Waiting(saving) => saving.await,
        };
        if matches!(due, Due::Token | Due::Save) {
            visit.home().saved = due == Due::Save && saved.is_ok();
        }
        let is_saved = saved.is_ok();
        if is_owed_to_the_page {
            saved = not_failing_the_page(saved);
        }
        if signs_in && saved.is_ok() {
            boxed(|| self.replace_foreign(visit, now)).await;
        }
        let outcome = if ended { after_an_end(visit, saved, only_for_next_page) } else { saved };
        // What a page may fail to note is not saved, and the commit succeeds.
        let deed = Deed { changes: deed.changes && is_saved, ..deed };
        self.events.count(deed, outcome.as_ref().ok());
        match &outcome {
            Ok(_) => {
                if renewed && let Some(origin) = &visit.home().origin {
                    self.watches.tell(origin, EndReason::Renewed);
                }
            }
            Err(_) => {
                visit.home().left_behind = false;
                visit.session().undo();
            }
        }
        outcome
    }

    /// Returns `true` if [`commit`](Self::commit) would wait for a store to do something that must not be interrupted.
    /// If other calls on the store are interrupted, the next request makes up for them.
    #[must_use]
    pub fn commit_waits(&self, visit: &Visit) -> bool {
        self.needs_maintenance() && visit.session().is_modified()
    }

    /// Revalidates what this request knows about the session, before the app does something that cannot be undone. A
    /// request with [`Access::Change`](crate::Access::Change) has already been revalidated.
    ///
    /// # Errors
    ///
    /// [`Error::Session`] of kind [`Gone`](SessionError::Gone) or [`Renewed`](SessionError::Renewed) if the session is
    /// over or has another id, [`Error::Contended`] if another request has changed it, [`Error::Unavailable`] if the
    /// store does not answer.
    pub async fn revalidate(&self, visit: &Visit, now: SystemTime) -> Result<(), Error> {
        if let Some(list) = self.list_of_ended() {
            let question = visit.cookie_token().and_then(|token| token.question);
            let Some(question) = question else { return Ok(()) };
            return list.expect_good(&question, now.into()).await;
        }
        let (Some(records), Some(record)) = (self.records(), visit.record()) else { return Ok(()) };
        let owner = visit.session().owner_before();
        let limits = self.lifetimes.of_session(&visit.session().content());
        let confirmed = records.revalidate(&record, owner.as_deref(), limits, now.into()).await?;
        if let Some(Origin::Record(record)) = &mut visit.home().origin {
            record.confirmed = Some(confirmed);
        }
        Ok(())
    }

    /// Ends the session of a visit that is over because another app says so. While the store is unavailable, this
    /// process refuses the session, and the store is told later. The browser must be given another token, or be told to
    /// forget this one.
    ///
    /// Returns `false` in state `cookie` without a list, where the token stays valid for as long as the browser keeps
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable and too many ends wait for it.
    pub async fn end_visit(&self, visit: &Visit, now: SystemTime) -> Result<bool, Error> {
        let ending: Vec<_> = {
            let mut home = visit.home();
            let origin = home.origin.take();
            origin.into_iter().chain(std::mem::take(&mut home.rivals)).collect()
        };
        if self.end_at_commit(&visit.keys, &ending, Reach::Alone, now.into()).await? {
            self.events.count_end();
        }
        for origin in &ending {
            self.watches.tell(origin, EndReason::Ended);
        }
        Ok(!matches!(self.sessions, Sessions::Cookie))
    }

    /// Ends the destroyed sessions, even if the rest fails. If one cannot be ended, the browser keeps its token, so
    /// that the visitor sees an error and can try again. Returns `false` if there was nothing to end.
    async fn end_at_commit(
        &self,
        keys: &ActiveKeys,
        ending: &[Origin],
        reach: Reach,
        now: Timestamp,
    ) -> Result<bool, Error> {
        let (mut any, mut failed) = (false, None);
        for origin in ending {
            let ended = match (origin, self.records(), self.list_of_ended()) {
                (Origin::Record(record), Some(records), _) => {
                    records.end(record, reach, now).await.map_err(Error::from)
                }
                (Origin::Cookie(CookieToken { question: Some(question), .. }), _, Some(list)) => {
                    list.end(question, reach, now).await.map(|()| true)
                }
                (Origin::Foreign(foreign), Some(records), _) => {
                    records.end_foreign(keys, foreign, now).await.map(|()| true)
                }
                (Origin::Foreign(foreign), _, Some(list)) => {
                    list.end_foreign(foreign, now).await.map(|()| true)
                }
                _ => Ok(true),
            };
            match ended {
                Ok(has_ended) => any |= has_ended,
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(any), Err)
    }

    /// Ends the foreign sessions whose cookies came with a sign-in, so that none replaces the new session when that is
    /// over.
    async fn replace_foreign(&self, visit: &Visit, now: Timestamp) {
        let Some(claims) = self.claims() else { return };
        for foreign in visit.take_foreign() {
            if let Err(error) = claims.replace(&foreign, now).await {
                tracing::error!(%error, "a foreign session could not be ended at a sign-in");
            }
        }
    }

    /// Does what is due, or begins it if a store has to be asked.
    fn save<'a>(&'a self, due: Due, visit: &'a Visit, closed: Closed, now: Timestamp) -> Saving<'a> {
        Saving::Waiting(match (due, &self.sessions) {
            (Due::Nothing | Due::End, _) => return Saving::Done(Ok(Outcome::Keep)),
            (_, Sessions::Cookie) => return Saving::Done(self.seal_cookie(visit, closed, now)),
            (Due::Token, Sessions::Revocable(list)) => {
                Box::pin(self.refresh_revocable(list, visit, closed, now))
            }
            (Due::Save, Sessions::Revocable(list)) => Box::pin(self.save_revocable(list, visit, closed, now)),
            (due, Sessions::Stored(stored)) => Box::pin(save_in(&stored.records, due, visit, closed, now)),
            (due, Sessions::Mirrored(mirrored)) => {
                Box::pin(save_in(&mirrored.records, due, visit, closed, now))
            }
        })
    }
}

fn facts(visit: &Visit, closed: &Closed, now: Timestamp) -> Facts {
    let (is_new, home) = (closed.is_new, visit.home());
    Facts {
        accessed: closed.accessed,
        is_open: closed.phase == Phase::Open,
        ended: closed.ended,
        changed: closed.changes_session(),
        ends_others: closed.ends_others.is_some(),
        adopted: home.adopted && !is_new,
        is_blank: is_new && closed.content.is_blank() && !closed.begins,
        token: token_facts(visit, &home, is_new, now),
    }
}

/// The facts about the browser's token. `None` for a session that began here, and for a record that the store was not asked
/// about.
fn token_facts(visit: &Visit, home: &Home, is_new: bool, now: Timestamp) -> Option<TokenFacts> {
    if let Some(record) = home.record(is_new) {
        return Some(record.facts(record.confirmed.as_ref()?, visit.keys.kid(), now));
    }
    let is_outdated = home.forgets_others || home.is_outdated;
    home.cookie_token(is_new).map(|token| token.facts(is_outdated, now))
}

/// Makes and boxes a future that most commits do not need. Without the box it would make every request's future larger,
/// and without a function of its own also the stack of its caller.
#[inline(never)]
fn boxed<F: Future>(begin: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::pin(begin())
}

/// Does what is due, in a store.
async fn save_in(
    records: &RecordStore,
    due: Due,
    visit: &Visit,
    closed: Closed,
    now: Timestamp,
) -> Result<Outcome, Error> {
    let mut record = visit.record();
    if due == Due::Token
        && let Some(record) = &record
    {
        let is_owed = visit.is_adopted();
        return records.refresh(&visit.keys, record, &closed.content, is_owed, now).await;
    }
    if let Some(record) = &mut record {
        record.id.keep_key();
    }
    let (replaced, mut place) = {
        let mut home = visit.home();
        (home.replaced.clone(), home.place.take())
    };
    let draft = Draft { closed, record, replaced, keys: visit.keys.clone() };
    records.save(&draft, &mut place, now).await
}

/// Tells the browser to forget the token of an ended session, unless a new token follows.
fn after_an_end(
    visit: &Visit,
    saved: Result<Outcome, Error>,
    only_for_next_page: bool,
) -> Result<Outcome, Error> {
    let outcome = match saved {
        // The session has ended nevertheless. The response to the error, which replaces this one, removes the token.
        Err(error) if !only_for_next_page => return Err(error),
        Err(error) => {
            tracing::warn!(%error, "a message for after a sign-out could not be kept");
            Outcome::Remove
        }
        Ok(Outcome::Set { token, expires }) => Outcome::Set { token, expires },
        Ok(_) => Outcome::Remove,
    };
    visit.session().forget_end();
    Ok(outcome)
}

/// Ignores a failure to note that a page was shown. The page has shown its session, and the request did not act. It is
/// better to show a message again than to fail.
fn not_failing_the_page(saved: Result<Outcome, Error>) -> Result<Outcome, Error> {
    use SessionError::{Gone, Renewed};
    match saved {
        Err(Error::Unavailable(_) | Error::Contended | Error::Session(Gone | Renewed)) => {
            tracing::debug!("what a page showed of its session could not be noted");
            Ok(Outcome::Keep)
        }
        saved => saved,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use waxseal_crypto::{Keyring, SecretKey};
    use waxseal_store::MemoryStore;

    use super::*;
    use crate::access::Access;
    use crate::state::{Mirrored, State, Stored};

    #[tokio::test]
    async fn no_line_is_left_when_all_requests_are_done() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        let states: [State; 2] =
            [Stored::new(MemoryStore::new()).into(), Mirrored::new(MemoryStore::new()).into()];
        for state in states {
            let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
            let sessions = SessionManager::new(&keyring, "session", "tests", state).unwrap();
            let turns = &sessions.records().unwrap().turns;
            let first = sessions.create();
            first.insert("name", "Gandalf").unwrap();
            let Outcome::Set { token, .. } = sessions.commit(&first, now).await.unwrap() else { panic!() };
            let open = async || {
                sessions.open(token.as_bytes(), Access::Change, now).unwrap().load(now).await.unwrap()
            };
            let [saved, read, renewed, dropped, late] =
                [open().await, open().await, open().await, open().await, open().await];
            assert!(!turns.is_empty());
            saved.insert("name", "Merlin").unwrap();
            sessions.commit(&saved, now).await.unwrap();
            sessions.commit(&read, now).await.unwrap();
            renewed.renew().unwrap();
            sessions.commit(&renewed, now).await.unwrap();
            late.insert("name", "Morgana").unwrap();
            assert!(sessions.commit(&late, now).await.is_err());
            drop((read, dropped));
            assert!(turns.is_empty());
        }
    }
}
