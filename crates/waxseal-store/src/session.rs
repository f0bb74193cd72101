//! The dictionary that follows a visitor.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::change::{Change, Operation};
use crate::content::Content;
use crate::entries::Value;
use crate::error::Largest;
use crate::ring::Ring;
use crate::value::{self, ValueError};
use crate::{Error, sessions::Origin};

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
/// Every method that writes fails with [`Error::Sent`] once the answer's head has left, and with
/// [`Error::Ended`] after [`destroy`](Self::destroy). One that adds data fails with [`Error::TooLarge`] when
/// the session would outgrow its cookie, and leaves it as it was.
///
/// # Example
///
/// ```
/// # use std::time::SystemTime;
/// # use waxseal_crypto::{Keyring, SecretKey};
/// # let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
/// # let sessions = waxseal_store::Sessions::cookie(&keyring, "session", "demo")?;
/// let session = sessions.create();
/// session.insert("name", "Gandalf")?;
/// session.update("visits", |visits: &mut u32| *visits += 1)?;
/// assert_eq!(session.get::<String>("name")?.as_deref(), Some("Gandalf"));
/// assert_eq!(session.get::<u32>("visits")?, Some(1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Session(Arc<Mutex<State>>);

/// What a session knows; [`Sessions`](crate::Sessions) makes and seals it.
pub(crate) struct State {
    pub(crate) content: Content,
    /// Where it came from; `None` if no token was good, so that the session is new.
    pub(crate) origin: Option<Origin>,
    /// The keys that opened it and will seal it: one request, one ring.
    pub(crate) ring: Arc<Ring>,
    /// Bytes that the encoded session may take.
    pub(crate) capacity: usize,
    pub(crate) log: Vec<Change>,
    pub(crate) accessed: bool,
    /// Something beside the entries changed, which the log does not hold.
    pub(crate) touched: bool,
    pub(crate) renewed: bool,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// `destroy()` was called.
    Ended,
    /// `rollback()` was called: the request failed.
    RolledBack,
    /// Committed; the head has left.
    Sent,
}

impl Session {
    pub(crate) fn new(content: Content, origin: Option<Origin>, ring: Arc<Ring>) -> Self {
        let capacity = ring.capacity();
        Self(Arc::new(Mutex::new(State {
            content,
            origin,
            ring,
            capacity,
            log: Vec::new(),
            accessed: false,
            touched: false,
            renewed: false,
            phase: Phase::Open,
        })))
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
        self.write_key(key, &Operation::Set(value))
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
        let there = self.read().content.entries.contains(key);
        self.write_key(key, &Operation::Remove)?;
        Ok(there)
    }

    /// Takes the entry out and decodes it: Flask's `pop`. If it is no `T`, it stays.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if something else is stored there, and those that every write may have.
    pub fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, Error> {
        let value = self.get(key)?;
        self.write_key(key, &Operation::Remove)?;
        Ok(value)
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
        self.write_key(key, &Operation::Update(Arc::new(update)))
    }

    /// Adds to an integer; a missing one counts as 0. Additions of parallel requests add up.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if no integer is stored there or the sum leaves 64 bits, and those that every write may have.
    pub fn add(&self, key: &str, amount: i64) -> Result<(), Error> {
        self.write_key(key, &Operation::Add(amount))
    }

    /// Appends to a list; a missing one starts empty. Items of parallel requests are all kept.
    ///
    /// # Errors
    ///
    /// [`Error::Value`] if no list is stored there, and those that every write may have.
    pub fn append<T: Serialize>(&self, key: &str, item: T) -> Result<(), Error> {
        let item = value::encode(&item).map_err(in_key(key))?;
        self.write_key(key, &Operation::Append(item))
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
        self.insert(key, &value)?;
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

    /// Takes all entries out. The session itself goes on: to end it, [`destroy`](Self::destroy) it.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn clear(&self) -> Result<(), Error> {
        let mut state = self.write()?;
        if state.content.entries.len() > 0 {
            state.record(Change::Clear);
        }
        Ok(())
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

    /// Lets the session outlive the browser's, with lifetimes of its own, or not.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn set_permanent(&self, permanent: bool) -> Result<(), Error> {
        let mut state = self.write()?;
        state.touched |= state.content.permanent != permanent;
        state.content.permanent = permanent;
        Ok(())
    }

    /// Gives the session a new id and a new absolute lifetime, and keeps its entries. Call it at every sign-in
    /// and change of privilege, so that an id planted before is worth nothing after.
    ///
    /// # Errors
    ///
    /// Those that every write may have.
    pub fn renew(&self) -> Result<(), Error> {
        self.write()?.renewed = true;
        Ok(())
    }

    /// Gives the session a new id and keeps nothing: no entry planted before sign-in survives.
    ///
    /// # Errors
    ///
    /// [`Error::Sent`].
    pub fn renew_empty(&self) -> Result<(), Error> {
        let mut state = self.lock();
        state.accessed = true;
        if state.phase == Phase::Sent {
            return Err(Error::Sent);
        }
        state.phase = Phase::Open;
        state.content = Content::default();
        state.log.push(Change::Clear);
        state.renewed = true;
        Ok(())
    }

    /// Ends the session: its entries are gone, and the browser is told to forget it, whatever becomes of
    /// this request.
    ///
    /// # Errors
    ///
    /// [`Error::Sent`].
    pub fn destroy(&self) -> Result<(), Error> {
        let mut state = self.lock();
        state.accessed = true;
        if state.phase == Phase::Sent {
            return Err(Error::Sent);
        }
        state.content = Content::default();
        state.phase = Phase::Ended;
        Ok(())
    }

    /// Forgets what this request changed, except that it destroyed the session: for a request that failed.
    pub fn rollback(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Open {
            state.phase = Phase::RolledBack;
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

    fn read(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.accessed = true;
        state
    }

    fn write(&self) -> Result<MutexGuard<'_, State>, Error> {
        let state = self.read();
        match state.phase {
            Phase::Open | Phase::RolledBack => Ok(state),
            Phase::Ended => Err(Error::Ended),
            Phase::Sent => Err(Error::Sent),
        }
    }

    fn write_key(&self, key: &str, operation: &Operation) -> Result<(), Error> {
        loop {
            let (current, changes) = {
                let state = self.write()?;
                (state.content.entries.get(key), state.log.len())
            };
            let current = current.as_ref().map(Value::bytes);
            // Outside the lock: an update runs its caller's code.
            let next = operation.next(current).map_err(in_key(key))?;
            if next.as_deref() == current {
                return Ok(());
            }
            let mut state = self.write()?;
            if state.log.len() != changes {
                continue; // Another task wrote to this session meanwhile.
            }
            if let Some(value) = &next {
                state.check_room(key, value.len())?;
            }
            match next {
                Some(value) => state.content.entries.set(key, value),
                None => _ = state.content.entries.remove(key),
            }
            state.log.push(Change::Key(key.into(), operation.clone()));
            return Ok(());
        }
    }
}

impl State {
    pub(crate) fn is_modified(&self) -> bool {
        !self.log.is_empty() || self.touched || self.renewed || self.phase == Phase::Ended
    }

    fn record(&mut self, change: Change) {
        change.apply(&mut self.content.entries).expect("clearing cannot fail");
        self.log.push(change);
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
        let now = self.content.planned_size();
        let size = now - self.content.entries.size() + entries;
        if size <= self.capacity.max(now) {
            return Ok(());
        }
        Err(Error::TooLarge { size, limit: self.capacity, largest: largest() })
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

fn in_key(key: &str) -> impl FnOnce(ValueError) -> Error {
    move |source| Error::Value { key: key.to_owned(), source }
}
