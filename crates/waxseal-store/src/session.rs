//! The dictionary that follows a visitor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::active_keys::ActiveKeys;
use crate::change::{Change, Operation, in_key};
use crate::content::Content;
use crate::csrf;
use crate::entries::Value;
use crate::error::Largest;
use crate::flash;
use crate::metadata::{self, DEVICE, OWNER, SIGNED_IN};
use crate::origin::Origin;
use crate::timestamp::{system_time, unix_seconds};
use crate::value;
use crate::{Error, PublicId, Record, SessionId};

/// The dictionary that follows a visitor: Flask's `session`, under Rust's map names.
///
/// A cheap handle: clones share one session, and all methods take `&self`. Values are anything serde can
/// write, and come back the same: text, integers, floats, bytes, lists, maps, structs, dates, UUIDs. (What
/// serde itself cannot tell apart comes back as the simpler one: `Some(None)` as `None`, a `()` as `None`.)
///
/// A read decodes the one entry it asks for. Every read counts as access, also of a length, of a missing
/// key, or by a template: the answer then varies with the visitor. What this request changed goes into a log;
/// if that stays empty, nothing is sent.
///
/// # Errors
///
/// Every method that writes fails with [`Error::Sent`] once the answer's head has left. One that adds data fails with
/// [`Error::TooLarge`] when the session would outgrow its cookie (in states `store` and `mirrored`: a mebibyte), and
/// leaves it as it was.
/// In those two states also with [`Error::Renewed`] for a visitor who came with an id that a sign-in has
/// replaced. With [`Error::Unconfirmed`], wherever a store is asked, for one who is served from a copy while it is away.
///
/// # Example
///
/// ```
/// # use std::time::SystemTime;
/// # use waxseal_crypto::{Keyring, SecretKey};
/// # let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
/// # let sessions = waxseal_store::SessionManager::cookie(&keyring, "session", "demo")?;
/// let session = sessions.create();
/// session.insert("name", "Gandalf")?;
/// session.update("visits", |visits: &mut u32| *visits += 1)?;
/// assert_eq!(session.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// assert_eq!(session.get::<u32>("visits")?, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Session(Arc<Mutex<State>>);

/// What a session knows; [`SessionManager`](crate::SessionManager) makes and seals it.
pub(crate) struct State {
    pub(crate) content: Content,
    /// Where it came from; `None` if no token was good, so that the session is new.
    pub(crate) origin: Option<Origin>,
    /// The keys that opened it and will seal it: one request, one ring.
    pub(crate) ring: Arc<ActiveKeys>,
    /// Whether an `insert` answers for the value that it replaces.
    pub(crate) strict: bool,
    /// The content before the first change, for [`Session::rollback`]; `None` while there is none.
    before: Option<Box<Content>>,
    pub(crate) log: Vec<Change>,
    pub(crate) accessed: bool,
    pub(crate) renewed: bool,
    /// `sign_in()` was called: whoever it is has just proved it.
    pub(crate) signed_in: bool,
    /// At commit, the other sessions of this owner end, whatever becomes of this one after that was asked for.
    pub(crate) ends_others: Option<String>,
    /// The id that the visitor came with, if a sign-in has replaced it: perhaps the visitor's own, whose answer was lost.
    pub(crate) replaced: Option<SessionId>,
    /// A session begins in place of one that can only be read, for this reason.
    pub(crate) begins: Option<ReadOnly>,
    /// Sessions to end at commit, whatever becomes of the request: `destroy()` was called.
    pub(crate) ending: Vec<Origin>,
    /// The browser is to forget all tokens but this session's.
    pub(crate) others: bool,
    /// The token that came is good still although its session goes on under another id.
    pub(crate) left_behind: bool,
    /// Other sessions that good tokens came of: a sign-out ends them too.
    pub(crate) rivals: Vec<Origin>,
    /// `destroy()` was called.
    pub(crate) ended: bool,
    /// The browser is to forget its token unless another follows: `destroy()` was called.
    pub(crate) removes: bool,
    /// Messages that were shown.
    pub(crate) flashes: flash::Seen,
    /// The token for forms of this request's answer, once one was asked for.
    pub(crate) csrf_token: Option<String>,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// `rollback()` was called, and nothing was written since: the request failed.
    RolledBack,
    /// Committed; the head has left.
    Sent,
    /// It can be read, and whatever becomes of this request, the browser keeps what it has.
    ReadOnly(ReadOnly),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnly {
    /// It came with an id that a renewal has replaced: a slow answer must not displace the new cookie.
    Renewed,
    /// Somebody signed out with this id, and the store is still to be told.
    Ended,
    /// The store is away.
    Outage,
}

impl Session {
    pub(crate) fn new(content: Content, origin: Option<Origin>, ring: Arc<ActiveKeys>, strict: bool) -> Self {
        let (log, phase) = (Vec::new(), Phase::Open);
        Self(Arc::new(Mutex::new(State {
            content,
            origin,
            ring,
            strict,
            before: None,
            log,
            accessed: false,
            renewed: false,
            signed_in: false,
            ends_others: None,
            replaced: None,
            begins: None,
            ending: Vec::new(),
            others: false,
            left_behind: false,
            rivals: Vec::new(),
            ended: false,
            removes: false,
            flashes: flash::Seen::default(),
            csrf_token: None,
            phase,
        })))
    }

    pub(crate) fn read_only(self, why: ReadOnly) -> Self {
        self.lock().phase = Phase::ReadOnly(why);
        self
    }

    /// As a visitor has it who came with this id, which a sign-in has replaced.
    pub(crate) fn replaced(self, id: SessionId) -> Self {
        self.lock().replaced = Some(id);
        self.read_only(ReadOnly::Renewed)
    }

    /// The value under `key`, decoded as a `T`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if something else is stored there.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        // Decoded outside the lock: T's own code runs.
        let value = self.read().content.entries.get(key);
        value.map(|value| value.decode()).transpose().map_err(in_key(key))
    }

    /// Puts `value` under `key`. The value that is already there is no change.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if `value` cannot be written as MessagePack or is nested too deep, and those that every
    /// write may have.
    pub fn insert<T: Serialize>(&self, key: &str, value: T) -> Result<(), Error> {
        let value = value::encode(&value).map_err(in_key(key))?;
        self.change(key, &Operation::Set(value), |_| Ok(()))
    }

    /// Puts every pair in, or on an error none.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn extend<K: AsRef<str>, T: Serialize>(
        &self,
        pairs: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), Error> {
        let mut values = Vec::new();
        for (key, value) in pairs {
            let value = value::encode(&value).map_err(in_key(key.as_ref()))?;
            values.push((key, value));
        }
        let mut state = self.write()?;
        let mut entries = state.content.entries.clone();
        let mut changes = Vec::new();
        for (key, value) in values {
            let key = key.as_ref();
            if entries.get(key).is_none_or(|there| there.bytes() != &*value) {
                entries.set(key, value.clone());
                changes.push(Change::Key(key.into(), Operation::Set(value)));
            }
        }
        state.check_size(entries.size(), || Largest::of(entries.sizes()))?;
        state.content.entries = entries;
        state.log.append(&mut changes);
        Ok(())
    }

    /// Takes the entry out; `false` if there was none.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn remove(&self, key: &str) -> Result<bool, Error> {
        self.change(key, &Operation::Remove, |there| Ok(there.is_some()))
    }

    /// Takes the entry out and decodes it: Flask's `pop`. If it is no `T`, it stays.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if something else is stored there, and those that every write may have.
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.change(key, &Operation::Take, |there| there.map(Value::decode).transpose().map_err(in_key(key)))
    }

    /// Changes the value under `key` in place; a missing one starts as `T::default()`.
    ///
    /// The closure may run more than once: when another request changed the session meanwhile, it runs again on
    /// the newer value. It should do nothing but change its argument.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if something else is stored there, and those that every write may have.
    pub fn update<T, F>(&self, key: &str, change: F) -> Result<(), Error>
    where
        T: Serialize + DeserializeOwned + Default,
        F: Fn(&mut T) + Send + Sync + 'static,
    {
        let update = move |current: Option<&[u8]>| {
            let mut value = current.map_or_else(|| Ok(T::default()), value::decode)?;
            change(&mut value);
            value::encode(&value)
        };
        self.change(key, &Operation::Update(Arc::new(update)), |_| Ok(()))
    }

    /// Adds to an integer; a missing one counts as 0. Additions of parallel requests add up.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if no integer is stored there or the sum leaves 64 bits, and those that every write may have.
    pub fn add(&self, key: &str, amount: i64) -> Result<(), Error> {
        self.change(key, &Operation::Add(amount), |_| Ok(()))
    }

    /// Appends to a list; a missing one starts empty. Items of parallel requests are all kept.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if no list is stored there, and those that every write may have.
    pub fn append<T: Serialize>(&self, key: &str, item: T) -> Result<(), Error> {
        let item = value::encode(&item).map_err(in_key(key))?;
        self.change(key, &Operation::Append(item), |_| Ok(()))
    }

    /// The value under `key`; if there is none, `default()` is put there first: Flask's `setdefault`.
    ///
    /// # Errors
    ///
    /// As for [`get`](Self::get) and [`insert`](Self::insert).
    pub fn get_or_insert_with<T, F>(&self, key: &str, default: F) -> Result<T, Error>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> T,
    {
        if let Some(value) = self.get(key)? {
            return Ok(value);
        }
        let value = default();
        let encoded = value::encode(&value).map_err(in_key(key))?;
        self.change(key, &Operation::SetDefault(encoded), |_| Ok(()))?;
        Ok(value)
    }

    /// Whether there is an entry under `key`.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.read().content.entries.contains(key)
    }

    /// The keys, in the order of their first insertion.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.read().content.entries.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// Keys and values, in the order of their first insertion, as they are now; each value is decoded when asked.
    #[must_use]
    pub fn iter(&self) -> std::vec::IntoIter<(String, Value)> {
        let state = self.read();
        let entries: Vec<_> =
            state.content.entries.iter().map(|(key, value)| (key.to_owned(), value)).collect();
        entries.into_iter()
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().content.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes everything out, as in Flask the usual way to sign out.
    ///
    /// For a visitor who is signed in, or came so, or may be while the store is away, this is [`destroy`](Self::destroy). For anybody else entries, messages and tokens
    /// for forms go, and the browser is told to forget the session if nothing is put into it after.
    ///
    /// # Errors
    ///
    /// Those that every write may have; for a visitor who is signed in, those of [`destroy`](Self::destroy).
    pub fn clear(&self) -> Result<(), Error> {
        if self.may_be_signed_in() {
            return self.destroy();
        }
        let mut state = self.write()?;
        if !state.content.is_blank() {
            state.make(Change::Reset)?;
            state.csrf_token = None;
        }
        Ok(())
    }

    /// Whether somebody is signed in, or came so, by this session or by another whose token came with its own, or nobody can
    /// tell.
    fn may_be_signed_in(&self) -> bool {
        let state = self.read();
        let is_known = matches!(state.phase, Phase::Open | Phase::RolledBack | Phase::Sent);
        state.content.metadata.encoded(OWNER).is_some()
            || state.owner_before().is_some()
            || !state.rivals.is_empty()
            || !is_known
    }

    /// Whether the session started with this request: no token came with it, or none that was good.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.read().origin.is_none()
    }

    /// Whether this request read or wrote anything of the session. Asking this is no access.
    #[must_use]
    pub fn is_accessed(&self) -> bool {
        self.lock().accessed
    }

    /// Whether the browser should forget every token but this session's, once it was committed: other good ones came with
    /// it, or, in state `cookie`, the one that came is good still after a sign-out; or after a sign-in, which matters under a
    /// name that `can_be_planted`: under another the later sign-in counts. Asking this is no access.
    #[must_use]
    pub fn forgets_others(&self, can_be_planted: bool) -> bool {
        let state = self.lock();
        state.others || state.left_behind && can_be_planted
    }

    /// Whether this request changed anything. Asking this is no access.
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.lock().is_modified()
    }

    /// Whether the session outlives the browser's: Flask's `session.permanent`.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.read().content.permanent
    }

    /// Lets the session outlive the browser's, with lifetimes of its own, or not. In state `cookie` with a list, a change
    /// gives it a new id: the end of one is remembered for as long as its tokens may live.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn set_permanent(&self, permanent: bool) -> Result<(), Error> {
        let mut state = self.write()?;
        if state.content.permanent != permanent {
            state.make(Change::Permanent(permanent))?;
        }
        Ok(())
    }

    /// Whose session it is, once somebody [signed in](Self::sign_in).
    #[must_use]
    pub fn owner(&self) -> Option<String> {
        self.read().content.metadata.get(OWNER)
    }

    /// Says whose session it is: the app's own name for a user, such as a number. The owner's sessions can then be
    /// listed and ended. `None` makes it nobody's.
    ///
    /// At a sign-in, call [`sign_in`](Self::sign_in), which does this and more.
    ///
    /// # Errors
    ///
    /// [`Error::Owner`] if the name is empty, longer than 255 bytes, or has control characters, and those that every
    /// write may have.
    pub fn set_owner(&self, owner: Option<&str>) -> Result<(), Error> {
        let operation = match owner {
            None => Operation::Remove,
            Some(owner) if is_name(owner) => Operation::Set(metadata::encode(owner)),
            Some(_) => return Err(Error::Owner),
        };
        self.set_metadata(OWNER, operation)
    }

    /// Signs `owner` in at the moment `now`: a [new id](Self::renew), so that one planted before is worth nothing, the
    /// [owner](Self::set_owner), and the [time](Self::signed_in_at). The entries stay; to keep none, call
    /// [`renew_empty`](Self::renew_empty) before.
    ///
    /// On the server, an answer may be lost on its way, and the visitor come again with the id from before. If the same
    /// owner signs in, what the lost answer left is renewed once more, with its entries, and its id ends. If it is another
    /// owner, or the session has ended, an empty one begins.
    ///
    /// # Errors
    ///
    /// Those of [`set_owner`](Self::set_owner), but [`Error::Renewed`].
    pub fn sign_in(&self, owner: &str, now: SystemTime) -> Result<(), Error> {
        if !is_name(owner) {
            return Err(Error::Owner);
        }
        self.begin_if_over();
        self.set_owner(Some(owner))?;
        self.set_metadata(SIGNED_IN, Operation::Set(metadata::encode(&unix_seconds(now))))?;
        self.renew()?;
        self.lock().signed_in = true;
        Ok(())
    }

    /// When the owner last proved who they are.
    #[must_use]
    pub fn signed_in_at(&self) -> Option<SystemTime> {
        self.read().content.metadata.get(SIGNED_IN).map(system_time)
    }

    /// Whether somebody signed in at most `span` before `now`: to be asked before a password is changed or money
    /// sent. A time in the future does not count.
    #[must_use]
    pub fn signed_in_within(&self, span: Duration, now: SystemTime) -> bool {
        let age = self.signed_in_at().and_then(|at| now.duration_since(at).ok());
        self.owner().is_some() && age.is_some_and(|age| age <= span)
    }

    /// What to call the visitor's device in lists, such as "Firefox on Linux"; cut to 128 bytes.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn set_device(&self, device: &str) -> Result<(), Error> {
        let fits = |end: &usize| device.is_char_boundary(*end);
        let end = (0..=Record::MAX_DEVICE_BYTES.min(device.len())).rev().find(fits).unwrap_or(0);
        self.set_metadata(DEVICE, Operation::Set(metadata::encode(&device[..end])))
    }

    /// The public name of this session in its owner's list; `None` if it is new, or lives in a cookie alone.
    #[must_use]
    pub fn public_id(&self) -> Option<PublicId> {
        self.read().origin.as_ref().and_then(Origin::public_id)
    }

    /// Whether what is shown is the truth, or was within the last seconds. False only while the store is away and a
    /// recently confirmed copy is shown in its place; nothing can be written then.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.lock().phase != Phase::ReadOnly(ReadOnly::Outage)
    }

    /// Gives the session a new id and a new absolute lifetime, and keeps its entries. Call it at every sign-in
    /// and change of privilege, so that an id planted before is worth nothing after. Nor is a
    /// [token for forms](Self::csrf_token).
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn renew(&self) -> Result<(), Error> {
        let mut state = self.write()?;
        state.make(Change::NewCsrfSeed(csrf::draw()?))?;
        state.csrf_token = None;
        state.renewed = true;
        Ok(())
    }

    /// Gives the session a new id and keeps nothing: no entry planted before sign-in survives.
    ///
    /// # Errors
    ///
    /// Those that every write may have, but [`Error::Renewed`]: for a visitor who came with an id that a sign-in has
    /// replaced, a session begins.
    pub fn renew_empty(&self) -> Result<(), Error> {
        self.begin_if_over();
        let mut state = self.write()?;
        state.make(Change::Reset)?;
        state.csrf_token = None;
        state.renewed = true;
        Ok(())
    }

    /// Ends the session: its entries are gone, and the browser is told to forget it, whatever becomes of
    /// this request. What is written after begins another, with an id of its own.
    ///
    /// # Errors
    ///
    /// [`Error::Sent`].
    pub fn destroy(&self) -> Result<(), Error> {
        let mut state = self.read();
        match state.phase {
            Phase::Open | Phase::RolledBack => {}
            Phase::Sent => return Err(late(state)),
            // The browser may forget its token, also while nobody can be told. What a sign-in made of it stays, or a
            // planted id could sign a visitor out.
            Phase::ReadOnly(_) => {}
        }
        state.begin_anew();
        Ok(())
    }

    /// Messages that were shown so far wait for the next page: for an answer that failed although it was
    /// [written to](Self::rollback) after.
    pub fn keep_messages(&self) {
        self.lock().flashes = flash::Seen::default();
    }

    /// Forgets what this request changed, except that it destroyed the session: for a request that failed. It can be
    /// written again, as for the page that says so.
    pub fn rollback(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.undo();
        }
    }

    /// For an answer whose page nobody sees, as that to a HEAD request: messages that were on it wait for the next page,
    /// and a form on it begins no session.
    pub fn page_unseen(&self) {
        let mut state = self.lock();
        state.flashes = flash::Seen::default();
        let only_forms = state.log.iter().all(|change| matches!(change, Change::CsrfSeed(_)));
        if only_forms && !state.log.is_empty() && !state.renewed {
            drop(state);
            self.rollback();
        }
    }

    /// From here on it can be read and no longer written.
    pub(crate) fn close(&self) {
        self.lock().phase = Phase::Sent;
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of others runs under the lock, so a poisoned one still holds a whole state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn read(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.accessed = true;
        state
    }

    pub(crate) fn write(&self) -> Result<MutexGuard<'_, State>, Error> {
        let mut state = self.read();
        match state.phase {
            Phase::Open | Phase::RolledBack => {}
            Phase::Sent => return Err(late(state)),
            Phase::ReadOnly(why) => return Err(why.into()),
        }
        state.begin_change();
        Ok(state)
    }

    /// Who proves who they are, or gives up all there was, begins a session in place of one that is over.
    fn begin_if_over(&self) {
        let mut state = self.read();
        if let Some(why) = state.is_over() {
            state.phase = Phase::Open;
            state.begins = Some(why);
        }
    }

    fn set_metadata(&self, name: &'static str, operation: Operation) -> Result<(), Error> {
        let mut state = self.write()?;
        if let Operation::Set(value) = &operation
            && state.content.metadata.encoded(name) == Some(value)
        {
            return Ok(());
        }
        state.make_fitting(Change::Metadata(name, operation))
    }

    /// Does `operation` to the value under `key`, and answers what `look` says of the value that was there.
    fn change<T>(
        &self,
        key: &str,
        operation: &Operation,
        look: impl Fn(Option<&Value>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        loop {
            let (current, changes) = {
                let state = self.write()?;
                (state.content.entries.get(key), state.log.len())
            };
            // Outside the lock: an update and a decoder run their caller's code.
            let answer = look(current.as_ref())?;
            let current = current.as_ref().map(Value::bytes);
            let next = operation.next(current).map_err(in_key(key))?;
            if next.as_deref() == current {
                return Ok(answer);
            }
            let mut state = self.write()?;
            if state.log.len() != changes {
                continue; // Another task wrote to this session meanwhile.
            }
            if let Some(value) = &next {
                state.check_room(key, value.len())?;
            }
            let key: Arc<str> = key.into();
            let seen = operation.shows(current, state.strict);
            state.log.extend(seen.map(|sight| Change::Seen(key.clone(), sight)));
            match next {
                Some(value) => state.content.entries.set(&key, value),
                None => _ = state.content.entries.remove(&key),
            }
            state.log.push(Change::Key(key, operation.clone()));
            return Ok(answer);
        }
    }
}

/// The error of a write that comes too late, and a line in the log: where a body is streamed, the error is often dropped.
fn late(state: MutexGuard<'_, State>) -> Error {
    // The log's writer is code of others.
    drop(state);
    tracing::warn!("a session was written to after its answer's head had left; the write is lost");
    Error::Sent
}

impl From<ReadOnly> for Error {
    fn from(why: ReadOnly) -> Self {
        match why {
            ReadOnly::Renewed => Self::Renewed,
            ReadOnly::Ended => Self::Gone,
            ReadOnly::Outage => Self::Unconfirmed,
        }
    }
}

/// Whether an app can name an owner so.
pub(crate) fn is_name(owner: &str) -> bool {
    (1..=Record::MAX_OWNER_BYTES).contains(&owner.len()) && !owner.contains(char::is_control)
}

impl State {
    /// Ends what a request may write; which phase it was in. What was shown of messages goes now, and so does a session
    /// that was cleared and is still empty.
    pub(crate) fn close(&mut self) -> Phase {
        let phase = std::mem::replace(&mut self.phase, Phase::Sent);
        if phase == Phase::Open {
            if self.flashes.is_some() {
                self.begin_change();
                self.phase = Phase::Sent;
                self.forget_shown_flashes();
            }
            let cleared = !self.renewed && self.log.iter().any(|change| matches!(change, Change::Reset));
            if cleared && self.origin.is_some() && self.content.is_blank() {
                self.begin_anew();
                self.phase = Phase::Sent;
            }
        }
        phase
    }

    /// Lets go of the session that the token is of, to be ended at commit, and begins an empty one without an id.
    fn begin_anew(&mut self) {
        self.ending.extend(self.origin.take());
        self.ending.append(&mut self.rivals);
        (self.ended, self.removes) = (true, true);
        (self.replaced, self.begins) = (None, None);
        self.content = Content::default();
        self.before = None;
        self.log.clear();
        (self.renewed, self.signed_in) = (false, false);
        self.flashes = flash::Seen::default();
        self.csrf_token = None;
        self.phase = Phase::Open;
    }

    /// What the session was before this request changed it.
    pub(crate) fn undo(&mut self) {
        self.phase = self.begins.take().map_or(Phase::RolledBack, Phase::ReadOnly);
        if let Some(before) = self.before.take() {
            self.content = *before;
        }
        self.log.clear();
        (self.renewed, self.signed_in, self.ends_others) = (false, false, None);
        self.flashes = flash::Seen::default();
        self.csrf_token = None;
    }

    /// Before the content is changed.
    pub(crate) fn begin_change(&mut self) {
        self.phase = Phase::Open;
        if self.before.is_none() {
            self.before = Some(Box::new(self.content.clone()));
        }
    }

    /// Why the session is over that the visitor came with, if the store knows and no other was begun.
    fn is_over(&self) -> Option<ReadOnly> {
        match self.phase {
            Phase::ReadOnly(why @ (ReadOnly::Renewed | ReadOnly::Ended)) => Some(why),
            _ => None,
        }
    }

    /// Whose session it was when it was opened.
    pub(crate) fn owner_before(&self) -> Option<String> {
        self.before.as_deref().unwrap_or(&self.content).metadata.get(OWNER)
    }

    pub(crate) fn is_modified(&self) -> bool {
        !self.log.is_empty() || self.renewed || self.removes || self.flashes.is_some()
    }

    /// Makes a change of which the session may grow, if it still fits.
    pub(crate) fn make_fitting(&mut self, change: Change) -> Result<(), Error> {
        let mut after = self.content.clone();
        change.apply(&mut after)?;
        let (now, size, limit) = (self.content.planned_size(), after.planned_size(), self.ring.capacity());
        if size > limit.max(now) {
            return Err(Error::TooLarge { size, limit, largest: Largest::of(after.entries.sizes()) });
        }
        self.content = after;
        self.log.push(change);
        Ok(())
    }

    pub(crate) fn make(&mut self, change: Change) -> Result<(), Error> {
        change.apply(&mut self.content)?;
        self.log.push(change);
        Ok(())
    }

    fn check_room(&self, key: &str, value_bytes: usize) -> Result<(), Error> {
        let entries = &self.content.entries;
        self.check_size(entries.size_with(key, value_bytes), || {
            let others = entries.sizes().filter(|(other, _)| *other != key);
            Largest::of(others.chain([(key, crate::entries::entry_size(key.len(), value_bytes))]))
        })
    }

    /// Whether the session still fits with entries of so many bytes; one that was over the limit already may
    /// always shrink.
    fn check_size(&self, entries: usize, largest: impl FnOnce() -> Largest) -> Result<(), Error> {
        let (now, limit) = (self.content.planned_size(), self.ring.capacity());
        let size = now - self.content.entries.size() + entries;
        if size <= limit.max(now) {
            return Ok(());
        }
        Err(Error::TooLarge { size, limit, largest: largest() })
    }
}

/// Says what state the session is in, never what it holds.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Session")
            .field("entries", &state.content.entries.len())
            .field("new", &state.origin.is_none())
            .field("accessed", &state.accessed)
            .field("modified", &state.is_modified())
            .finish_non_exhaustive()
    }
}
