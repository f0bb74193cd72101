//! The state of one request's session.

use std::sync::Arc;

use crate::change::Change;
use crate::change_log::ChangeLog;
use crate::content::Content;
use crate::entries::entry_size;
use crate::error::{Error, Largest};
use crate::form_token_keys::{FormTokenKeys, Seed};
use crate::messages::Shown;
use crate::operation::Operation;

/// The state behind a [`Session`](crate::Session)'s lock.
pub(crate) struct State {
    /// Shared with the session manager, and copied only if it changes while shared.
    pub(crate) content: Arc<Content>,
    /// The content before the first change, for [`Session::rollback`](crate::Session::rollback).
    pub(crate) before: Option<Arc<Content>>,
    pub(crate) log: Vec<Change>,
    /// The changes that the session was closed with, without closures, which may hold the session themselves.
    pub(crate) closed_log: ChangeLog,
    pub(crate) phase: Phase,
    /// No good token came, or the session that came was ended.
    pub(crate) is_new: bool,
    /// Tokens of other sessions came too: the session's rivals.
    pub(crate) has_rivals: bool,
    pub(crate) accessed: bool,
    /// `renew()` was called.
    pub(crate) renewed: bool,
    /// `sign_in()` was called.
    pub(crate) signed_in: bool,
    /// `set_permanent()` was called.
    pub(crate) class_chosen: bool,
    /// The owner whose other sessions end at commit, even if this session is changed again before that.
    pub(crate) ends_others: Option<String>,
    /// `destroy()` was called: the session that came ends.
    pub(crate) ended: bool,
    /// The browser has to be told to forget its token, unless a new one is sent.
    pub(crate) removes: bool,
    /// Why the session that came could only be read, if another session begins in its place.
    pub(crate) begins: Option<ReadOnly>,
    pub(crate) shown: Shown,
    /// The form token of this response, once a token was requested.
    pub(crate) csrf_token: Option<String>,
    pub(crate) form_token_keys: Option<Arc<dyn FormTokenKeys>>,
    /// The seed of form tokens for a visitor whose session cannot be written.
    pub(crate) fallback_seed: Option<Seed>,
    /// Strict: a concurrent change of a value that an `insert` replaces is a conflict.
    pub(crate) strict: bool,
    /// The largest size of the content in bytes.
    pub(crate) limit: usize,
}

/// A stage in a session's life within one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// The session can be written.
    Open,
    /// `rollback()` was called because the request failed, and nothing was written since.
    RolledBack,
    /// The session was committed, and the response's head has been sent.
    Sent,
    /// The session can only be read. Whatever happens to this request, the browser keeps its token.
    ReadOnly(ReadOnly),
}

/// The reason that a session can only be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadOnly {
    /// The visitor came with an id that a renewal has replaced. A slow response must not displace the new cookie.
    Renewed,
    /// The session with this id was signed out, but the store could not be told yet.
    Ended,
    /// The store is unavailable.
    Outage,
    /// The browser cannot prove its device at the moment, so its session is not shown. Its token must stay.
    Unproven,
}

impl From<ReadOnly> for Error {
    fn from(why: ReadOnly) -> Self {
        match why {
            ReadOnly::Renewed => Self::Renewed,
            ReadOnly::Ended => Self::Gone,
            ReadOnly::Outage => Self::Unconfirmed,
            ReadOnly::Unproven => Self::Unproven,
        }
    }
}

impl State {
    /// Closes the session for writes, and returns the phase that it was in. Removes messages that were shown, and ends
    /// a session that was cleared and is still empty.
    pub(crate) fn close(&mut self) -> Phase {
        let phase = std::mem::replace(&mut self.phase, Phase::Sent);
        if phase == Phase::Open {
            // A form was shown, and later something was written too: its seed has to be saved.
            if let Some(seed) =
                self.fallback_seed().filter(|_| self.csrf_token.is_some() && !self.log.is_empty())
                && crate::seeds::all(&self.content.metadata).is_empty()
            {
                self.make(Change::CsrfSeed(seed)).expect("a seed conflicts with nothing");
            }
            if self.shown.is_some() {
                self.begin_change();
                self.forget_shown_messages();
            }
            let cleared = !self.renewed && self.is_emptied();
            if cleared && !self.is_new && self.content.is_blank() {
                self.begin_anew();
            }
            self.phase = Phase::Sent;
        }
        phase
    }

    /// Returns `true` if the request brought its session and has at most read and written it, and closing would change nothing
    /// of it.
    pub(crate) fn ends_as_it_is(&self) -> bool {
        self.phase == Phase::Open
            && (self.accessed || self.log.is_empty())
            && !self.is_new
            && !self.renewed
            && !self.signed_in
            && !self.removes
            && self.ends_others.is_none()
            && !self.shown.is_some()
            && !self.is_emptied()
    }

    /// Returns `true` if this request has removed everything from the session.
    pub(crate) fn is_emptied(&self) -> bool {
        self.log.iter().any(|change| matches!(change, Change::Reset))
    }

    /// Returns `true` if a replay of this request may find less than the request did, because its sign-in then empties a
    /// session that is another owner's by then. What is written after the sign-in is logged even if it is there already.
    pub(crate) fn may_find_less(&self) -> bool {
        self.log.iter().any(|change| matches!(change, Change::SignIn(_)))
    }

    /// Drops the session that came, which ends at commit, and begins an empty one.
    pub(crate) fn begin_anew(&mut self) {
        (self.is_new, self.has_rivals) = (true, false);
        (self.ended, self.removes) = (true, true);
        (self.fallback_seed, self.begins) = (None, None);
        self.content = Arc::default();
        self.before = None;
        (self.log, self.closed_log) = (Vec::new(), ChangeLog::default());
        (self.renewed, self.signed_in, self.class_chosen) = (false, false, false);
        self.shown = Shown::default();
        self.csrf_token = None;
        self.phase = Phase::Open;
    }

    /// Restores the session as it was before this request changed it.
    pub(crate) fn undo(&mut self) {
        self.phase = self.begins.take().map_or(Phase::RolledBack, Phase::ReadOnly);
        if let Some(before) = self.before.take() {
            self.content = before;
        }
        (self.log, self.closed_log) = (Vec::new(), ChangeLog::default());
        (self.renewed, self.signed_in, self.ends_others) = (false, false, None);
        self.class_chosen = false;
        self.shown = Shown::default();
        self.csrf_token = None;
    }

    /// Prepares a change of the content.
    pub(crate) fn begin_change(&mut self) {
        self.phase = Phase::Open;
        if self.before.is_none() {
            self.before = Some(self.content.clone());
        }
    }

    /// Makes a session permanent if it began or was renewed here, unless the handler chose. A session that only holds
    /// what the forms of its page need stays as it is.
    pub(crate) fn default_to_permanent(&mut self) -> Result<(), Error> {
        let begins = self.is_new || self.renewed || self.is_emptied();
        let for_the_page = |change: &Change| matches!(change, Change::CsrfSeed(_) | Change::FlashesShown(_));
        let is_used = !self.content.is_blank() && !self.log.iter().all(for_the_page);
        if self.phase != Phase::Open || self.class_chosen || self.content.permanent || !begins || !is_used {
            return Ok(());
        }
        self.make(Change::Permanent(true))
    }

    /// The content, to be changed.
    pub(crate) fn content_mut(&mut self) -> &mut Content {
        Arc::make_mut(&mut self.content)
    }

    /// Why the visitor's session is over, if the store says that it is and no other session was begun. A session whose
    /// browser cannot prove its device counts as over.
    pub(crate) fn is_over(&self) -> Option<ReadOnly> {
        match self.phase {
            Phase::ReadOnly(why @ (ReadOnly::Renewed | ReadOnly::Ended | ReadOnly::Unproven)) => Some(why),
            _ => None,
        }
    }

    /// The owner at the beginning of the request.
    pub(crate) fn owner_before(&self) -> Option<String> {
        self.before.as_deref().unwrap_or(&self.content).owner()
    }

    /// Returns `true` if form tokens come from the fallback seed although the session can be written. That is so for a
    /// visitor whose device is not proven, until something else is written.
    pub(crate) fn fallback_is_enough(&self) -> bool {
        self.fallback_seed().is_some() && self.log.is_empty()
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.phase != Phase::ReadOnly(ReadOnly::Outage)
    }

    pub(crate) fn is_modified(&self) -> bool {
        !self.closed_log.is_empty()
            || !self.log.is_empty()
            || self.renewed
            || self.removes
            || self.shown.is_some()
    }

    /// The seed of form tokens while the session can only be read because a sign-in has replaced its id or because its
    /// browser cannot prove its device, and while a visitor whose device is not proven has written nothing.
    pub(crate) fn fallback_seed(&self) -> Option<Seed> {
        self.fallback_seed.filter(|_| match self.phase {
            Phase::ReadOnly(ReadOnly::Renewed | ReadOnly::Unproven) => true,
            Phase::Open | Phase::RolledBack => self.is_new && !self.renewed,
            _ => false,
        })
    }

    /// Makes a change that may enlarge the session, if the result fits.
    pub(crate) fn make_fitting(&mut self, change: Change) -> Result<(), Error> {
        let mut after = Content::clone(&self.content);
        change.apply(&mut after)?;
        self.replace_fitting(after)?;
        self.log.push(change);
        Ok(())
    }

    fn replace_fitting(&mut self, after: Content) -> Result<(), Error> {
        let (now, size, limit) = (self.content.planned_size(), after.planned_size(), self.limit);
        if size > limit.max(now) {
            return Err(Error::TooLarge { size, limit, largest: Largest::of(after.entries.sizes()) });
        }
        self.content = Arc::new(after);
        Ok(())
    }

    pub(crate) fn make(&mut self, change: Change) -> Result<(), Error> {
        change.apply(self.content_mut())?;
        self.log.push(change);
        Ok(())
    }

    /// Puts all values under their keys, if the result fits.
    pub(crate) fn set_all(&mut self, values: Vec<(Arc<str>, Arc<[u8]>)>) -> Result<(), Error> {
        let mut after = Content::clone(&self.content);
        let changes = self.log.len();
        let logs_all = self.may_find_less();
        for (key, value) in values {
            if logs_all || !after.entries.has(&key, &value) {
                after.entries.set(&key, value.clone());
                self.log.push(Change::Key(key, Operation::Set(value)));
            }
        }
        self.replace_fitting(after).inspect_err(|_| self.log.truncate(changes))
    }

    /// Checks that the session fits with a value of `value_bytes` under `key`. A session that is already over the limit
    /// may shrink, but not grow.
    pub(crate) fn check_room(&self, key: &str, value_bytes: usize) -> Result<(), Error> {
        let entries = &self.content.entries;
        let (now, limit) = (self.content.planned_size(), self.limit);
        let size = now - entries.size() + entries.size_with(key, value_bytes);
        if size <= limit.max(now) {
            return Ok(());
        }
        let others = entries.sizes().filter(|(other, _)| *other != key);
        let largest = Largest::of(others.chain([(key, entry_size(key.len(), value_bytes))]));
        Err(Error::TooLarge { size, limit, largest })
    }

    fn forget_shown_messages(&mut self) {
        let shown = self.shown.take_ids();
        if crate::messages::remove(&mut self.content_mut().metadata, &shown) {
            self.log.push(Change::FlashesShown(shown.into()));
        }
    }
}
