//! Sessions of Flask-Session, read from the old app's store.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};
use waxseal_flask::{FlaskKey, records};
use waxseal_manager::Foreign;

use super::{Flask, fill};
use crate::foreign_owner::set_owner;
use crate::foreign_sessions::{ForeignSessions, LoadedForeign, LoadingForeign};
use crate::session_cookie::SessionCookie;

type Cause = Box<dyn Error + Send + Sync>;
type Fetching = Pin<Box<dyn Future<Output = Result<Option<FlaskRecord>, Cause>> + Send>>;

/// A reader of the sessions of an app with Flask-Session; from [`Flask::server_side`].
pub struct FlaskServerSide {
    flask: Flask,
    fetch: Box<dyn Fn(String) -> Fetching + Send + Sync>,
    prefix: String,
    signer: Option<FlaskKey>,
}

/// A record of Flask-Session in the old app's store.
#[derive(Clone)]
#[expect(clippy::exhaustive_structs, reason = "made by callers")]
pub struct FlaskRecord {
    /// The record's content.
    pub bytes: Vec<u8>,
    /// The time until the store deletes the record: Redis' `TTL`. A record without one is refused, because this time
    /// shows when the app saved the record.
    pub lives: Duration,
}

impl Flask {
    /// Reads the sessions of an app with Flask-Session 0.7 or 0.8, whose cookie holds only an id, from the app's store.
    /// `fetch` gets the key of a record: the prefix, such as `session:`, and the id.
    ///
    /// The record's time to live shows when the app last saved it, which counts as its creation. The record is left in
    /// the store. Records in MessagePack and JSON are read; pickles, from versions before 0.7, are not. Each session is
    /// taken over once, so [`side_by_side`](Self::side_by_side) has no effect with this.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    /// use waxseal_http::{Flask, FlaskKey, FlaskRecord};
    ///
    /// # async fn redis(_: &str, _: &str) -> Result<(Option<Vec<u8>>, i64), std::io::Error> { Ok((None, -2)) }
    /// let flask = Flask::new(FlaskKey::from_text("SECRET_KEY")?).server_side(|key: String| async move {
    ///     let (bytes, _) = redis("GET", &key).await?;
    ///     let (_, seconds) = redis("TTL", &key).await?;
    ///     let lives = Duration::from_secs(seconds.try_into().unwrap_or(0));
    ///     Ok(bytes.map(|bytes| FlaskRecord { bytes, lives }))
    /// });
    /// # let flask: waxseal_http::FlaskServerSide = flask;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn server_side<F, Fut>(self, fetch: F) -> FlaskServerSide
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<FlaskRecord>, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        FlaskServerSide::new(self, fetch)
    }
}

impl FlaskServerSide {
    fn new<F, Fut>(flask: Flask, fetch: F) -> Self
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

    /// Declares that ids are signed with this `SECRET_KEY`, as with `SESSION_USE_SIGNER`.
    #[must_use]
    pub fn signer(self, key: FlaskKey) -> Self {
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
        let lives = record.lives;
        if lives.is_zero() {
            return Err(
                "the record has expired, or has no time to live, so nothing tells when it was saved".into()
            );
        }
        if lives > lifetime {
            return Err(format!(
                "the record lives for {lives:?}, longer than {lifetime:?}; set `Flask::lifetime` to the app's \
                 PERMANENT_SESSION_LIFETIME"
            )
            .into());
        }
        let saved = now.checked_sub(lifetime - lives).ok_or("saved in no time")?;
        let ends = now.checked_add(lives).ok_or("its lifetime has no end")?;
        let name = Sha256::new().chain_update(b"waxseal Flask-Session\0").chain_update(id).finalize().into();
        let foreign = Foreign::new(name, saved, ends).unique();
        let key = self.flask.user_key();
        set_owner(foreign.session(), key, entries.get(key))?;
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
