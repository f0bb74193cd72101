//! Sessions of a Rails app, read from its cookies.

use std::error::Error;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};
use waxseal_flask::{Dict, Value, read_json};
use waxseal_manager::{Adoption, Foreign};
use waxseal_rails::{RailsCookie, RailsKey};
use waxseal_session::Session;

use crate::foreign_owner::{owner_of, set_owner};
use crate::foreign_sessions::ForeignSessions;
use crate::foreign_value::fill_with;
use crate::session_cookie::SessionCookie;
use crate::session_cookie_builder::SessionCookieBuilder;
use crate::setup_error::SetupError;
use crate::undated::Undated;

/// A Rails app whose sessions are taken over: those of `:cookie_store`, encrypted by AES-256-GCM and written as JSON.
///
/// The owner is the value under [`owner_key`](Self::owner_key), or Devise's user with [`devise`](Self::devise). Entries and
/// messages of `flash` are taken over. Rails' own keys (`session_id`, `_csrf_token`, `flash`) do not become entries.
///
/// **A Rails cookie does not say when it was made.** So none is read before the switch, when Rails has stopped, and all
/// count as made just before it: a sign-out here refuses every Rails cookie of that owner. A cookie without
/// `expire_after` is accepted for the [lifetime](Adoption::lifetime) of the terms, counted from the switch.
///
/// # Example
///
/// ```
/// use waxseal_http::{Rails, RailsDigest, RailsKey};
/// use waxseal_manager::Adoption;
///
/// let terms = Adoption::between("2027-02-01", "2027-03-01")?;
/// let key = RailsKey::new("secret_key_base", RailsDigest::Sha256)?;
/// let rails = Rails::new("_shop_session", key, &terms)?.owner_key("user_id");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Rails {
    reader: RailsCookie,
    cookie: SessionCookie,
    undated: Undated,
    owner: OwnerEntry,
    keeps_cookie: bool,
}

/// The entry in which the app keeps its user.
#[derive(Debug)]
enum OwnerEntry {
    None,
    Key(String),
    /// The key of Warden's entry. Its value is a list of two: a list with the id, and a part of the password's hash.
    Warden(String),
}

const SESSION_ID: &str = "session_id";
const FLASH: &str = "flash";
/// Rails' own keys, which do not become entries.
const RAILS: [&str; 3] = [SESSION_ID, "_csrf_token", FLASH];

impl Rails {
    /// Creates a reader for the app whose session cookie is named `name`, with the path `/` and without `Domain`. The
    /// app stops at the switch of these terms.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for a name that cookies cannot have.
    pub fn new(name: &str, key: RailsKey, terms: &Adoption) -> Result<Self, SetupError> {
        Ok(Self {
            reader: RailsCookie::new(name, key),
            cookie: SessionCookie::builder().name(name).secure(false).build()?,
            undated: Undated::new(terms),
            owner: OwnerEntry::None,
            keeps_cookie: false,
        })
    }

    /// Adds a key of the app's `cookies_rotations`, or one from its earlier settings.
    #[must_use]
    pub fn fallback(self, key: RailsKey) -> Self {
        Self { reader: self.reader.fallback(key), ..self }
    }

    /// Reads cookies of an app with `use_cookies_with_metadata = false`, too: see
    /// [`RailsCookie::without_metadata`].
    #[must_use]
    pub fn without_metadata(self) -> Self {
        Self { reader: self.reader.without_metadata(), ..self }
    }

    /// Sets the key under which the app keeps its user, as in `session[:user_id]`. The value is a string or an integer,
    /// and also stays an entry. Without an owner, a sign-out cannot refuse the other cookies of the same user.
    #[must_use]
    pub fn owner_key(self, key: &str) -> Self {
        Self { owner: OwnerEntry::Key(key.to_owned()), ..self }
    }

    /// Takes Devise's user of this scope, such as `user`, as the owner. Devise's entry, `warden.user.user.key`, stays.
    /// It also has the first 29 characters of the password's hash, which Devise compares for each request, so that a
    /// changed password ends other sessions. An app that wants the same for a session that was taken over has to
    /// compare them.
    #[must_use]
    pub fn devise(self, scope: &str) -> Self {
        Self { owner: OwnerEntry::Warden(format!("warden.user.{scope}.key")), ..self }
    }

    /// Sets the attributes of the old app's cookie, except its name: `domain`, `path`, `secure`.
    ///
    /// # Errors
    ///
    /// [`SetupError`] for attributes that contradict each other.
    pub fn cookie(self, cookie: SessionCookieBuilder) -> Result<Self, SetupError> {
        let cookie = cookie.name(self.cookie.name()).build()?;
        Ok(Self { cookie, ..self })
    }

    /// Leaves the old cookie in the browser until a sign-out, so that you can go back to the old app.
    #[must_use]
    pub fn keep_cookie(self) -> Self {
        Self { keeps_cookie: true, ..self }
    }

    /// The key of the entry with the user, and the user.
    fn owner<'a>(&'a self, entries: &'a Dict) -> (&'a str, Option<&'a Value>) {
        match &self.owner {
            OwnerEntry::None => ("", None),
            OwnerEntry::Key(key) => (key, entries.get(key)),
            OwnerEntry::Warden(key) => (key, entries.get(key).and_then(first).and_then(first)),
        }
    }
}

fn first(value: &Value) -> Option<&Value> {
    match value {
        Value::List(items) => items.first(),
        _ => None,
    }
}

impl ForeignSessions for Rails {
    fn cookie(&self) -> &SessionCookie {
        &self.cookie
    }

    fn read(&self, value: &[u8], now: SystemTime) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let read = self.reader.read(str::from_utf8(value)?, seconds)?;
        let entries = read_json(&read.json)?;
        let expires = read.expires.and_then(|seconds| UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        let (key, user) = self.owner(&entries);
        let owner = owner_of(key, user)?;
        let name = name_of(&entries, owner.as_deref(), &read.json);
        let foreign = self.undated.foreign(name, expires, now)?;
        let session = foreign.session();
        set_owner(session, key, user)?;
        session.set_permanent(read.expires.is_some())?;
        flash(session, &entries)?;
        fill_with(session, &entries, |key| !RAILS.contains(&key))?;
        Ok(foreign)
    }

    fn keeps_cookie(&self) -> bool {
        self.keeps_cookie
    }
}

/// The replay id, by which the session is taken over only once. Rails encrypts a session again with each response, but
/// its id stays. It stays at a sign-in, too, unless the app calls `reset_session`, so that an older cookie may have the
/// same id and another owner, or none.
fn name_of(entries: &Dict, owner: Option<&str>, json: &str) -> [u8; Foreign::REPLAY_ID_BYTES] {
    let id = match entries.get(SESSION_ID) {
        Some(Value::Str(id)) => id,
        _ => json,
    };
    let owner = owner.unwrap_or_default();
    let length = (owner.len() as u64).to_be_bytes();
    let hash = Sha256::new().chain_update(b"waxseal Rails session\0").chain_update(length);
    hash.chain_update(owner).chain_update(id).finalize().into()
}

/// Takes over the messages that no page has shown yet.
fn flash(session: &Session, entries: &Dict) -> Result<(), waxseal_session::Error> {
    let Some(Value::Dict(flash)) = entries.get(FLASH) else { return Ok(()) };
    let Some(Value::Dict(messages)) = flash.get("flashes") else { return Ok(()) };
    let is_shown = |category: &str| match flash.get("discard") {
        Some(Value::List(shown)) => {
            shown.iter().any(|shown| matches!(shown, Value::Str(text) if text == category))
        }
        _ => false,
    };
    for (category, message) in messages.iter().filter(|(category, _)| !is_shown(category)) {
        if let Value::Str(message) = message {
            session.flash(category, message)?;
        }
    }
    Ok(())
}
