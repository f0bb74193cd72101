//! The beginning and the end of a session within one request, for session managers.

use std::sync::Arc;

use crate::change::Change;
use crate::change_log::ChangeLog;
use crate::content::Content;
use crate::form_token_keys::{FormTokenKeys, Seed};
use crate::session::Session;
use crate::state::{Phase, ReadOnly, State};

/// Settings with which a session is made.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by callers")]
pub struct Terms {
    /// The largest size of the content in bytes.
    pub limit: usize,
    /// If `true`, an `insert` that would replace what another request wrote is a conflict.
    pub strict: bool,
    /// The keys of form tokens. Without them the session gives out none.
    pub form_token_keys: Option<Arc<dyn FormTokenKeys>>,
}

/// What one request did to its session.
#[expect(clippy::exhaustive_structs, reason = "each part is saved by callers")]
pub struct Closed {
    /// The phase in which the session was closed.
    pub phase: Phase,
    /// The content at the end of the request, shared and not copied.
    pub content: Arc<Content>,
    /// The changes that led to the content.
    pub log: ChangeLog,
    /// `true` if the request read or wrote the session.
    pub accessed: bool,
    /// `true` if the session [began](Session::began_here) in this request.
    pub is_new: bool,
    /// `true` if the session gets a new id and a new absolute lifetime.
    pub renewed: bool,
    /// `true` if the owner has signed in with this request.
    pub signed_in: bool,
    /// The owner before this request, if [`signed_in`](Self::signed_in).
    pub owner_before: Option<String>,
    /// The owner whose other sessions must all end.
    pub ends_others: Option<String>,
    /// `true` if the session that came must end, and its rivals with it. The content then belongs to the new session
    /// that replaces it.
    pub ended: bool,
    /// `true` if a session, even an empty one, begins in place of one that is over.
    pub begins: bool,
}

/// What a request did to its session so far.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "read by callers")]
pub struct SoFar {
    /// `true` if the request [read or wrote](Session::is_accessed) the session.
    pub accessed: bool,
    /// `true` if the request [changed](Session::is_modified) the session.
    pub changed: bool,
    /// `true` if the session [began](Session::began_here) in this request.
    pub is_new: bool,
    /// `true` if the session is [confirmed](Session::is_confirmed).
    pub is_confirmed: bool,
}

/// What a request did to a session that was [closed at once](Session::close_at_once).
#[derive(Debug)]
#[expect(clippy::exhaustive_enums, reason = "a request reads or writes")]
pub enum AtOnce<T> {
    /// The request has at most read the session.
    Read {
        /// `true` if it has.
        accessed: bool,
    },
    /// The request has written to the session. What was made of its content.
    Written(T),
}

impl Closed {
    /// Returns `true` if the request changed the session that the content belongs to.
    #[must_use]
    pub fn changes_session(&self) -> bool {
        self.renewed || !self.log.is_empty()
    }

    /// Returns `true` if the request at most read its session: nothing of it changes, begins or ends.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        !self.changes_session()
            && !self.signed_in
            && self.ends_others.is_none()
            && !self.ended
            && !self.begins
    }
}

impl Session {
    /// Makes a new, empty session without a size limit and without keys for form tokens. It is meant for tests, and for
    /// templates that are rendered without a visitor.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "a session is asked for, and does not come by itself")]
    pub fn new() -> Self {
        Self::begin(Terms { limit: usize::MAX, strict: false, form_token_keys: None })
    }

    /// Makes the session of an anonymous visitor.
    ///
    /// This method is for session managers, as are all methods here that take or return types of
    /// [`backend`](crate::backend).
    #[must_use]
    pub fn begin(terms: Terms) -> Self {
        Self::of_state(State::new(Content::default(), true, terms))
    }

    /// Makes the session of a visitor whose token was opened.
    #[must_use]
    pub fn restore(content: Content, terms: Terms) -> Self {
        Self::of_state(State::new(content, false, terms))
    }

    /// Makes the session read-only. For a visitor whose id was replaced, form tokens are made from `seed`, because no
    /// seed can be saved for them.
    #[must_use]
    pub fn read_only(self, why: ReadOnly, seed: Option<Seed>) -> Self {
        {
            let mut state = self.lock();
            state.phase = Phase::ReadOnly(why);
            state.fallback_seed = seed.or(state.fallback_seed);
        }
        self
    }

    /// Makes form tokens from `seed` until something is written. This is for a visitor whose token must not be
    /// displaced by a page with a form.
    #[must_use]
    pub fn with_fallback_seed(self, seed: Seed) -> Self {
        self.lock().fallback_seed = Some(seed);
        self
    }

    /// Notes that valid tokens of other sessions, its rivals, came with this one's, so that a sign-out ends all of
    /// them.
    pub fn note_rivals(&self) {
        self.lock().has_rivals = true;
    }

    /// Notes that the request has read the session.
    pub fn note_access(&self) {
        self.lock().accessed = true;
    }

    /// Requests that all other sessions of this session's owner end, and that this one gets a new id.
    ///
    /// # Errors
    ///
    /// [`Error::Owner`](crate::Error::Owner) if the session has no owner, and those of every [write](Session#errors).
    pub fn end_others(&self) -> Result<(), crate::Error> {
        let owner = self.owner().ok_or(crate::Error::Owner)?;
        self.renew()?;
        self.lock().ends_others = Some(owner);
        Ok(())
    }

    /// Makes a session that begins or is renewed in this request permanent, unless
    /// [`set_permanent`](Self::set_permanent) was called. Call it just before [`close`](Self::close).
    pub fn default_to_permanent(&self) {
        self.lock().default_to_permanent().expect("a session's class can always be changed");
    }

    /// Closes the session and returns what the request did. It can still be read, but no longer written.
    #[must_use]
    pub fn close(&self) -> Closed {
        let mut state = self.lock();
        let phase = state.close();
        let log = ChangeLog::new(std::mem::take(&mut state.log));
        state.closed_log = log.without_closures();
        Closed {
            phase,
            content: state.content.clone(),
            log,
            accessed: state.accessed,
            is_new: state.is_new,
            renewed: state.renewed,
            signed_in: state.signed_in,
            owner_before: state.signed_in.then(|| state.owner_before()).flatten(),
            ends_others: state.ends_others.clone(),
            ended: state.removes,
            begins: state.begins.is_some(),
        }
    }

    /// Closes the session of a request that has done no more than read and write the session that it brought. One that was
    /// not written is closed if its token `is_kept`; one that was is passed to `save`: its content, and whether its class may
    /// have changed. Returns `None`, and closes nothing, for any other request, if the token is not kept, and if `save`
    /// returns `None`: such a session has to be [closed](Self::close) and saved.
    #[must_use]
    pub fn close_at_once<T>(
        &self,
        is_kept: impl FnOnce() -> bool,
        save: impl FnOnce(&Content, bool) -> Option<T>,
    ) -> Option<AtOnce<T>> {
        // Dropped after the lock: closures in it are the caller's code.
        let log;
        let mut state = self.lock();
        if !state.ends_as_it_is() {
            return None;
        }
        let ended = match state.log.is_empty() {
            true => is_kept().then_some(AtOnce::Read { accessed: state.accessed })?,
            false => {
                let changes_class = state.log.iter().any(Change::changes_class);
                AtOnce::Written(save(&state.content, changes_class)?)
            }
        };
        state.phase = Phase::Sent;
        log = ChangeLog::new(std::mem::take(&mut state.log));
        state.closed_log = log.without_closures();
        Some(ended)
    }

    /// Undoes all changes that could not be saved. The session can be written again. If its end was requested, that
    /// request stays.
    pub fn undo(&self) {
        self.lock().undo();
    }

    /// Withdraws the request to end the session, or notes that the browser was told of its end.
    pub fn forget_end(&self) {
        self.lock().removes = false;
    }

    /// Returns `true` if the next commit must end the session that came. The call does not count as access.
    #[must_use]
    pub fn is_to_end(&self) -> bool {
        self.lock().removes
    }

    /// Makes the session read-only from now on.
    pub fn refuse_writes(&self, why: ReadOnly) {
        self.lock().phase = Phase::ReadOnly(why);
    }

    /// Returns `true` if the session began in this request, including in place of one that was destroyed. The call does
    /// not count as access.
    #[must_use]
    pub fn began_here(&self) -> bool {
        self.lock().is_new
    }

    /// What the request did so far, under one lock. The call does not count as access.
    #[must_use]
    pub fn so_far(&self) -> SoFar {
        let state = self.lock();
        SoFar {
            accessed: state.accessed,
            changed: state.is_modified(),
            is_new: state.is_new,
            is_confirmed: state.is_confirmed(),
        }
    }

    /// The owner at the beginning of the request.
    #[must_use]
    pub fn owner_before(&self) -> Option<String> {
        self.lock().owner_before()
    }

    /// The current content. The call does not count as access.
    #[must_use]
    pub fn content(&self) -> Arc<Content> {
        self.lock().content.clone()
    }

    /// The current phase. The call does not count as access.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.lock().phase
    }
}

impl State {
    fn new(content: Content, is_new: bool, terms: Terms) -> Self {
        let Terms { limit, strict, form_token_keys } = terms;
        Self {
            content: Arc::new(content),
            before: None,
            log: Vec::new(),
            closed_log: ChangeLog::default(),
            phase: Phase::Open,
            is_new,
            has_rivals: false,
            accessed: false,
            renewed: false,
            signed_in: false,
            class_chosen: false,
            ends_others: None,
            ended: false,
            removes: false,
            begins: None,
            shown: Default::default(),
            csrf_token: None,
            form_token_keys,
            fallback_seed: None,
            strict,
            limit,
        }
    }
}
