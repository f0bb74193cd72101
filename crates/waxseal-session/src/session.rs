//! The dictionary of values that belongs to one visitor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::Change;
use crate::entries::Value;
use crate::error::{Error, in_key};
use crate::metadata::{self, LIFE};
use crate::operation::Operation;
use crate::state::{Phase, State};
use crate::value;

/// The dictionary that follows a visitor from request to request: Flask's `session`, with the method names of Rust's
/// maps.
///
/// Clones are cheap and share one session, and all methods take `&self`. A value can be anything that serde can write:
/// text, integers, floats, bytes, lists, maps, structs, dates, UUIDs. It is read as it was written. (Where serde itself
/// makes no difference, the simpler value is read: `Some(None)` and `()` are read as `None`.)
///
/// A read decodes only the entry that it asks for. Every read counts as access, even of the length or of a missing key,
/// or by a template; the response then varies with the visitor. Each write goes into a log of changes. If the log stays
/// empty, nothing is sent.
///
/// # Errors
///
/// Every method that writes fails with [`Error::Sent`] once the response's head has been sent. A method that adds data
/// fails with [`Error::TooLarge`] if the session would outgrow its cookie (in states `store` and `mirrored`: 1 MiB),
/// and leaves the session as it was. In these two states it also fails with [`Error::Renewed`] for a visitor who came
/// with an id that a sign-in has replaced. In every state with a store, it fails with [`Error::Unconfirmed`] if the
/// session is shown from a copy because the store is unavailable.
///
/// # Example
///
/// ```
/// let session = waxseal_session::Session::new();
/// session.insert("name", "Gandalf")?;
/// session.update("visits", |visits: &mut u32| *visits += 1)?;
/// assert_eq!(session.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// assert_eq!(session.get::<u32>("visits")?, Some(1));
/// # Ok::<(), waxseal_session::Error>(())
/// ```
#[derive(Clone)]
pub struct Session(pub(crate) Arc<Mutex<State>>);

impl Session {
    pub(crate) fn of_state(state: State) -> Self {
        Self(Arc::new(Mutex::new(state)))
    }

    /// The value under `key`, decoded as a `T`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value is of another type.
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        // Decoded outside the lock, because this runs code of `T`.
        let value = self.read().content.entries.get(key);
        value.map(|value| value.decode()).transpose().map_err(in_key(key))
    }

    /// Puts `value` under `key`. Putting a value equal to the present one changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if `value` cannot be written as MessagePack or is nested too deeply, and those of every
    /// [write](Session#errors).
    pub fn insert<T: Serialize>(&self, key: &str, value: T) -> Result<(), Error> {
        let value = value::encode(&value).map_err(in_key(key))?;
        self.change(key, &Operation::Set(value), |_| Ok(()))
    }

    /// Puts in all pairs, or none if one fails.
    ///
    /// # Errors
    ///
    /// As for [`insert`](Self::insert).
    pub fn extend<K: AsRef<str>, T: Serialize>(
        &self,
        pairs: impl IntoIterator<Item = (K, T)>,
    ) -> Result<(), Error> {
        let mut buffer = Vec::with_capacity(64);
        let pairs = pairs.into_iter();
        let mut values = Vec::with_capacity(pairs.size_hint().0);
        // Outside the lock, because this runs code of `K` and `T`.
        for (key, value) in pairs {
            match value::encode_with(&mut buffer, &value) {
                Ok(value) => values.push((Arc::from(key.as_ref()), value)),
                Err(error) => return Err(in_key(key.as_ref())(error)),
            }
        }
        self.write()?.set_all(values)
    }

    /// Removes the entry. Returns `false` if there was none.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn remove(&self, key: &str) -> Result<bool, Error> {
        self.change(key, &Operation::Remove, |there| Ok(there.is_some()))
    }

    /// Removes the entry and returns its value, decoded: Flask's `pop`. If the value is not a `T`, the entry stays.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value is of another type, and those of every [write](Session#errors).
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        self.change(key, &Operation::Take, |there| there.map(Value::decode).transpose().map_err(in_key(key)))
    }

    /// Changes the value under `key` in place. A missing value starts as `T::default()`.
    ///
    /// The closure should only change its argument, because it may run more than once: if another request changed the
    /// session meanwhile, the closure runs again on the newer value.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value is of another type, and those of every [write](Session#errors).
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

    /// Adds `amount` to an integer. A missing value counts as 0. Additions of parallel requests add up.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value is not an integer or the sum exceeds 64 bits, and those of every
    /// [write](Session#errors).
    pub fn add(&self, key: &str, amount: i64) -> Result<(), Error> {
        self.change(key, &Operation::Add(amount), |_| Ok(()))
    }

    /// Appends `item` to a list. A missing list counts as empty. Items that parallel requests append are all kept.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if the value is not a list, and those of every [write](Session#errors).
    pub fn append<T: Serialize>(&self, key: &str, item: T) -> Result<(), Error> {
        let item = value::encode(&item).map_err(in_key(key))?;
        self.change(key, &Operation::Append(item), |_| Ok(()))
    }

    /// The value under `key`. If there is none, puts `default()` there first: Flask's `setdefault`.
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

    /// Returns `true` if there is an entry under `key`.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.read().content.entries.contains(key)
    }

    /// The keys, in the order of their first insertion.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.read().content.entries.iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// Keys and their present values, in the order of their first insertion. A value is decoded only when asked to.
    #[must_use]
    pub fn iter(&self) -> std::vec::IntoIter<(String, Value)> {
        let state = self.read();
        let entries: Vec<_> =
            state.content.entries.iter().map(|(key, value)| (key.to_owned(), value)).collect();
        entries.into_iter()
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.read().content.entries.len()
    }

    /// Returns `true` if there are no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes everything. As in Flask, this is the usual way to sign out.
    ///
    /// If the visitor is signed in, was signed in at the beginning of the request, or may be signed in while the store
    /// is unavailable, this is [`destroy`](Self::destroy). For anybody else, entries, messages and form tokens are
    /// removed, and the browser is told to forget the session unless something is written to it afterwards.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors). If the visitor is signed in, those of [`destroy`](Self::destroy).
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

    /// Checks whether an owner is or was signed in to this session, or may be signed in: to another session whose token
    /// came too, or to a session that can only be read.
    fn may_be_signed_in(&self) -> bool {
        let state = self.read();
        let is_known = matches!(state.phase, Phase::Open | Phase::RolledBack | Phase::Sent);
        state.content.is_owned() || state.owner_before().is_some() || state.has_rivals || !is_known
    }

    /// Returns `true` if the session began in this request: no good token came with it, or the session that came was
    /// ended.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.read().is_new
    }

    /// Returns `true` if this request read or wrote anything of the session. The call does not count as access.
    #[must_use]
    pub fn is_accessed(&self) -> bool {
        self.lock().accessed
    }

    /// Returns `true` if this request changed anything. The call does not count as access.
    #[must_use]
    pub fn is_modified(&self) -> bool {
        self.lock().is_modified()
    }

    /// Returns `true` if the session is permanent and outlives the browser session: Flask's `session.permanent`.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.read().content.permanent
    }

    /// Makes the session permanent, or ordinary again. A permanent session outlives the browser session and has its own
    /// lifetimes.
    ///
    /// In state `cookie` with a list of revoked sessions, a change gives the session a new id, because the list
    /// remembers the end of an id only for as long as its tokens may live.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn set_permanent(&self, permanent: bool) -> Result<(), Error> {
        let mut state = self.write()?;
        state.class_chosen = true;
        if state.content.permanent != permanent || state.may_find_less() {
            state.make(Change::Permanent(permanent))?;
        }
        if state.content.own_lifetime().is_some() {
            state.make(Change::Metadata(LIFE, Operation::Remove))?;
        }
        Ok(())
    }

    /// Makes this session permanent with its own idle lifetime, in whole seconds up to 136 years: "remember me for a
    /// week" in an app whose permanent sessions last a month. It counts from the last noted activity.
    ///
    /// This can only shorten the lifetime that the app's permanent sessions have.
    /// [`set_permanent`](Self::set_permanent) removes it; a renewal keeps it.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// # let session = waxseal_session::Session::new();
    /// session.set_permanent_for(Duration::from_secs(7 * 24 * 60 * 60))?;
    /// assert!(session.is_permanent());
    /// # Ok::<(), waxseal_session::Error>(())
    /// ```
    pub fn set_permanent_for(&self, idle: Duration) -> Result<(), Error> {
        // With zero seconds the session would end with this request; `destroy` is the way to do that.
        let seconds = u32::try_from(idle.as_secs()).unwrap_or(u32::MAX - 1).max(1);
        let mut state = self.write()?;
        state.class_chosen = true;
        let logs_all = state.may_find_less();
        if !state.content.permanent || logs_all {
            state.make(Change::Permanent(true))?;
        }
        if state.content.own_lifetime() != Some(seconds) || logs_all {
            state.make(Change::Metadata(LIFE, Operation::Set(metadata::encode(&seconds))))?;
        }
        Ok(())
    }

    /// Returns `true` if the session is shown as the store has it, or had it within the freshness lifetime. Returns
    /// `false` if a recently revalidated copy is shown because the store is unavailable; it cannot be written.
    #[must_use]
    pub fn is_confirmed(&self) -> bool {
        self.lock().is_confirmed()
    }

    /// Ends the session, even if this request fails. Its entries are removed, and the browser is told to forget it.
    /// Later writes begin another session with a new id.
    ///
    /// # Errors
    ///
    /// [`Error::Sent`] once the response's head has been sent.
    pub fn destroy(&self) -> Result<(), Error> {
        let mut state = self.read();
        match state.phase {
            Phase::Open | Phase::RolledBack => {}
            Phase::Sent => return Err(late(state)),
            // The browser may forget its token even while the store cannot be told. If a sign-in has replaced this
            // session with another one, that one stays; otherwise a planted id could sign a visitor out.
            Phase::ReadOnly(_) => {}
        }
        state.begin_anew();
        Ok(())
    }

    /// Keeps the messages shown so far for the next page. For a response that failed although the session was written
    /// to after a [`rollback`](Self::rollback).
    pub fn keep_messages(&self) {
        self.lock().shown = Default::default();
    }

    /// Undoes the changes of a request that failed, but not its [`destroy`](Self::destroy). The session can be written
    /// again, for example by the error page.
    pub fn rollback(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.undo();
        }
    }

    /// Notes that nobody sees the page of this response, as for a HEAD request. Messages on the page wait for the next
    /// one, and a form on it begins no session.
    pub fn page_unseen(&self) {
        let mut state = self.lock();
        state.shown = Default::default();
        let only_forms = state.log.iter().all(|change| matches!(change, Change::CsrfSeed(_)));
        if only_forms && !state.log.is_empty() && !state.renewed {
            drop(state);
            self.rollback();
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        // No code of the caller runs under the lock, so the state is consistent even after a panic.
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

    /// Applies `operation` to the value under `key`, and returns what `look` makes of the value that was there.
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
            // Outside the lock, because updates and decoders run the caller's code.
            let answer = look(current.as_ref())?;
            let current = current.as_ref().map(Value::bytes);
            let next = operation.next(current).map_err(in_key(key))?;
            if next.as_deref() == current && (next.is_none() || !self.lock().may_find_less()) {
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
                Some(value) => state.content_mut().entries.set(&key, value),
                None => _ = state.content_mut().entries.remove(&key),
            }
            state.log.push(Change::Key(key, operation.clone()));
            return Ok(answer);
        }
    }
}

/// The error of a write that comes too late. It is also logged, because code that streams a body often drops errors.
fn late(state: MutexGuard<'_, State>) -> Error {
    // The log's writer is the app's code, so it runs outside the lock.
    drop(state);
    tracing::warn!("a session was written to after its answer's head had left; the write is lost");
    Error::Sent
}

/// Shows the session's state, never its content.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.lock();
        f.debug_struct("Session")
            .field("entries", &state.content.entries.len())
            .field("new", &state.is_new)
            .field("accessed", &state.accessed)
            .field("modified", &state.is_modified())
            .finish_non_exhaustive()
    }
}
