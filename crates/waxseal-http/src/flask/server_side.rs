//! Sessions of Flask-Session, read from the app's store.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use waxseal_flask::{FlaskKey, records};
use waxseal_manager::Foreign;

use super::{Flask, fill};
use crate::foreign_sessions::{ForeignSessions, LoadedForeign, LoadingForeign};
use crate::session_cookie::SessionCookie;

type Cause = Box<dyn Error + Send + Sync>;
type Fetching = Pin<Box<dyn Future<Output = Result<Option<FlaskRecord>, Cause>> + Send>>;

/// The sessions of an app with Flask-Session: from [`Flask::server_side`].
pub struct FlaskServerSide {
    flask: Flask,
    fetch: Box<dyn Fn(String) -> Fetching + Send + Sync>,
    prefix: String,
    signer: Option<FlaskKey>,
}

/// A record of Flask-Session in the app's store.
#[derive(Clone)]
pub struct FlaskRecord {
    /// The record.
    pub bytes: Vec<u8>,
    /// The time after which the store drops it: Redis' `TTL`. Zero if it has none.
    pub lives: Duration,
}

impl FlaskServerSide {
    pub(super) fn new<F, Fut>(flask: Flask, fetch: F) -> Self
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<FlaskRecord>, Cause>> + Send + 'static,
    {
        let fetch = Box::new(move |key| -> Fetching { Box::pin(fetch(key)) });
        Self { flask, fetch, prefix: records::KEY_PREFIX.to_owned(), signer: None }
    }

    /// Sets the app's `SESSION_KEY_PREFIX`; `session:` unless set.
    #[must_use]
    pub fn prefix(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Says that ids are signed with this `SECRET_KEY`, as with `SESSION_USE_SIGNER`.
    #[must_use]
    pub fn signed_by(self, key: FlaskKey) -> Self {
        Self { signer: Some(key), ..self }
    }

    fn id<'a>(&self, value: &'a [u8]) -> Result<&'a str, Cause> {
        let value = str::from_utf8(value)?;
        Ok(match &self.signer {
            Some(key) => records::read_signed_id(value, key)?,
            None => value,
        })
    }

    fn foreign(&self, id: &str, record: &FlaskRecord, now: SystemTime) -> Result<Foreign, Cause> {
        let entries = records::read(&record.bytes)?;
        let lifetime = self.flask.lifetime;
        let lives = if record.lives.is_zero() { lifetime } else { record.lives.min(lifetime) };
        let saved = now.checked_sub(lifetime - lives).ok_or("saved in no time")?;
        let ends = now.checked_add(lives).ok_or("its lifetime has no end")?;
        let name = Sha256::new().chain_update(b"waxseal Flask-Session\0").chain_update(id).finalize().into();
        let foreign = Foreign::new(name, saved, ends);
        foreign.session().set_owner(self.flask.owner(&entries).as_deref())?;
        fill(foreign.session(), &entries)?;
        Ok(foreign)
    }
}

impl ForeignSessions for FlaskServerSide {
    fn cookie(&self) -> &SessionCookie {
        &self.flask.cookie
    }

    fn read(&self, _value: &[u8], _now: SystemTime) -> Result<Foreign, Cause> {
        Err("the session is in the app's store".into())
    }

    fn has_store(&self) -> bool {
        true
    }

    fn load<'a>(&'a self, value: &'a [u8], now: SystemTime) -> LoadingForeign<'a> {
        Box::pin(async move {
            let id = self.id(value).and_then(|id| Ok((id, records::store_key(&self.prefix, id)?)));
            let (id, key) = match id {
                Ok(id) => id,
                Err(error) => return LoadedForeign::Refused(error),
            };
            match (self.fetch)(key).await {
                Ok(Some(record)) => {
                    self.foreign(id, &record, now).map_or_else(LoadedForeign::Refused, LoadedForeign::Found)
                }
                Ok(None) => LoadedForeign::Refused("the app's store has no record of this id".into()),
                Err(error) => LoadedForeign::Away(error),
            }
        })
    }

    fn keeps_cookie(&self) -> bool {
        self.flask.keeps_cookie
    }
}

impl fmt::Debug for FlaskServerSide {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskServerSide").field("flask", &self.flask).finish_non_exhaustive()
    }
}

impl fmt::Debug for FlaskRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskRecord").field("bytes", &self.bytes.len()).field("lives", &self.lives).finish()
    }
}
