//! Writing Flask's cookie, for a Flask app that runs beside this one.

use std::time::{SystemTime, UNIX_EPOCH};

use waxseal_flask::login::{FRESH, IDENTIFIER, REMEMBER, REMEMBER_SECONDS, USER_ID};
use waxseal_flask::{Dict, MAX_COOKIE_BYTES, PERMANENT, Value};
use waxseal_session::{Error, Session, ValueError};

use super::value::{Crossed, is_same};
use super::{Flask, OwnerType};
use crate::foreign_owner::owner_of;
use crate::foreign_sessions::{ForeignSessions, WrittenCookie};

impl Flask {
    /// Flask's cookie after a request, which replaces the one that the request brought. `None` if it would be empty.
    pub(super) fn written(
        &self,
        came: Option<&[u8]>,
        session: &Session,
        now: SystemTime,
    ) -> Result<Option<WrittenCookie>, Error> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut dict = self.entries(came);
        for key in self.shared.iter().flatten() {
            share(&mut dict, key, session)?;
        }
        self.put_owner(&mut dict, session);
        dict.remove(PERMANENT);
        if dict.is_empty() {
            return Ok(None);
        }
        let is_permanent = session.is_permanent();
        if is_permanent {
            dict.insert(PERMANENT.to_owned(), Value::Bool(true));
        }
        let refused = |why| self.refused(session, why);
        let value = self.reader.write(&dict, seconds).map_err(|_| refused("a value nested so deeply"))?;
        if self.cookie().name().len() + value.len() > MAX_COOKIE_BYTES {
            return Err(refused("a value of this size, with which its cookie has more than 4096 bytes"));
        }
        let written = self.reader.read(&value, seconds, u64::MAX);
        let replay_id = *written.expect("it was written just now").replay_id.as_bytes();
        Ok(Some(WrittenCookie { value, replay_id, lasts: is_permanent.then_some(self.lifetime) }))
    }

    /// The entries of the cookie that the request brought, which was valid when the request began.
    fn entries(&self, came: Option<&[u8]>) -> Dict {
        let value = came.and_then(|value| str::from_utf8(value).ok());
        let read = value.and_then(|value| self.reader.read(value, u64::MAX, u64::MAX).ok());
        read.map(|read| read.entries).unwrap_or_default()
    }

    fn put_owner(&self, dict: &mut Dict, session: &Session) {
        let owner = session.owner();
        // The cookie has been read, so its entry names a user or nobody.
        if owner_of(self.user_key(), dict.get(self.user_key())).ok().flatten() != owner {
            for key in [USER_ID, FRESH, IDENTIFIER, REMEMBER, REMEMBER_SECONDS] {
                dict.remove(key);
            }
            if let Some(key) = &self.owner_key {
                dict.remove(key);
            }
            if let Some(owner) = owner {
                dict.insert(self.user_key().to_owned(), self.owner_value(owner));
            }
        }
        if self.owner_key.is_none() && session.has_signed_in() {
            dict.insert(FRESH.to_owned(), Value::Bool(true));
        }
    }

    /// The owner in the type that the app uses. Flask-Login uses only strings.
    fn owner_value(&self, owner: String) -> Value {
        let value = match self.owner_type {
            _ if self.owner_key.is_none() => None,
            OwnerType::Text => None,
            OwnerType::Integer => owner.parse().ok().map(Value::Int),
            OwnerType::Uuid => u128::from_str_radix(&owner.replace('-', ""), 16)
                .ok()
                .map(|number| Value::Uuid(number.to_be_bytes())),
        };
        let is_same = |value: &Value| {
            owner_of(self.user_key(), Some(value)).is_ok_and(|read| read.as_ref() == Some(&owner))
        };
        value.filter(is_same).unwrap_or(Value::Str(owner))
    }

    /// The error that names the largest of the shared entries.
    fn refused(&self, session: &Session, what: &'static str) -> Error {
        let content = session.content();
        let size = |key: &&String| content.entries.get(key).map_or(0, |value| value.bytes().len());
        let largest = self.shared.iter().flatten().max_by_key(size).cloned().unwrap_or_default();
        Error::Value { key: largest, source: ValueError::NotShared(what) }
    }
}

/// Puts the session's entry under `key` into `dict`. If the entry came unchanged from the value there, that value stays.
fn share(dict: &mut Dict, key: &str, session: &Session) -> Result<(), Error> {
    match session.get::<Crossed>(key)? {
        None => _ = dict.remove(key),
        Some(Crossed(Err(what))) => {
            return Err(Error::Value { key: key.to_owned(), source: ValueError::NotShared(what) });
        }
        Some(Crossed(Ok(ours))) if dict.get(key).is_some_and(|theirs| is_same(theirs, &ours)) => {}
        Some(Crossed(Ok(ours))) => _ = dict.insert(key.to_owned(), ours),
    }
    Ok(())
}
