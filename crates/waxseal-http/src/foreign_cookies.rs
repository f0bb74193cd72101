//! The foreign cookies of one request.

use std::time::SystemTime;

use http::HeaderValue;
use waxseal_manager::{Error, Foreign, ForeignRefusal, SessionManager};

use crate::cookie_mark::mark;
use crate::cookies;
use crate::error_chain::chain;
use crate::foreign_sessions::{ForeignSessions, LoadedForeign, NotYet};

/// The most values that are tried of a cookie that only names its session. A page of a sibling host may plant any number.
const MAX_ASKED: usize = 4;
/// The most values that are tried of a cookie that holds its session. Most of them cost only the check of a signature.
const MAX_READ: usize = 64;

/// The readers of a migration.
#[derive(Debug)]
pub(crate) struct Readers(Vec<Box<dyn ForeignSessions>>);

/// A valid foreign session.
pub(crate) struct Good {
    pub(crate) foreign: Foreign,
    /// The cookie's value if its reader shares a sign-in, else empty.
    pub(crate) value: Box<[u8]>,
    /// `true` if its cookie only says who signed in, and holds no session.
    is_remembered: bool,
}

/// The valid foreign sessions of one request.
#[derive(Default)]
pub(crate) struct ForeignCookies {
    good: Vec<Good>,
    /// The `Set-Cookie` lines that delete the valid cookies, one for each reader that found one. `true` if the browser
    /// keeps that cookie until a sign-out.
    removals: Vec<(HeaderValue, bool)>,
    /// The `Set-Cookie` lines for a sign-out, whether the cookies are valid or not: with these the old app would sign
    /// the visitor in again.
    removals_at_sign_out: Vec<HeaderValue>,
    /// `true` if the cookie of the app that runs beside this one may be among values that were not tried.
    is_cut: bool,
    /// `true` if the request brought a cookie of the old app that cannot be read.
    has_unreadable: bool,
}

/// The distinct values among the first few of a reader's cookie.
struct Candidates<'a> {
    values: Vec<&'a [u8]>,
    has_more: bool,
}

impl Readers {
    pub(crate) fn new(mut readers: Vec<Box<dyn ForeignSessions>>) -> Self {
        readers.sort_by_key(|reader| reader.remembers());
        Self(readers)
    }

    /// The reader of the app that runs beside this one and shares its sign-in.
    pub(crate) fn sharing(&self) -> Option<&dyn ForeignSessions> {
        self.0.iter().find(|reader| reader.shares().is_some()).map(|reader| &**reader)
    }

    /// Returns `true` if one of these fields has the cookie of a foreign session in a store, which has to be asked.
    pub(crate) fn waits<'a>(&'a self, fields: impl Iterator<Item = &'a HeaderValue> + Clone) -> bool {
        let mut stored = self.0.iter().filter(|reader| reader.has_store());
        stored.any(|reader| !Candidates::of(&**reader, fields.clone()).values.is_empty())
    }

    /// Reads the foreign cookies in these `Cookie` fields, except those whose sessions are in a store.
    pub(crate) fn read<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a HeaderValue> + Clone,
        sessions: &SessionManager,
        now: SystemTime,
    ) -> ForeignCookies {
        let mut found = ForeignCookies::default();
        for reader in self.0.iter().filter(|reader| !reader.has_store()) {
            for value in found.candidates(&**reader, fields.clone()) {
                match reader.read(value, now) {
                    Ok(foreign) => found.add(foreign, value, &**reader),
                    Err(error) => found.refuse(&*error, value, &**reader, sessions, now),
                }
            }
        }
        found.counted(sessions)
    }

    /// Reads the foreign cookies in these `Cookie` fields: all of them, or if `stored` only those whose sessions are in
    /// a store.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if a store does not answer.
    pub(crate) async fn load<'a>(
        &'a self,
        fields: impl Iterator<Item = &'a HeaderValue> + Clone,
        sessions: &SessionManager,
        now: SystemTime,
        stored: bool,
    ) -> Result<ForeignCookies, Error> {
        let mut found = ForeignCookies::default();
        for reader in self.0.iter().filter(|reader| reader.has_store() || !stored) {
            for value in found.candidates(&**reader, fields.clone()) {
                match reader.load(value, now).await {
                    LoadedForeign::Found(foreign) => found.add(foreign, value, &**reader),
                    LoadedForeign::Refused(error) => found.refuse(&*error, value, &**reader, sessions, now),
                    LoadedForeign::Away(error) => return Err(Error::unavailable(OldStore(error))),
                }
            }
        }
        Ok(found.counted(sessions))
    }
}

/// The old app's store does not answer.
#[derive(Debug, thiserror::Error)]
#[error("the store of the old app's sessions does not answer")]
struct OldStore(#[source] Box<dyn std::error::Error + Send + Sync>);

impl<'a> Candidates<'a> {
    fn of(reader: &'a dyn ForeignSessions, fields: impl Iterator<Item = &'a HeaderValue>) -> Self {
        let name = reader.cookie().name();
        let most = if reader.has_store() { MAX_ASKED } else { MAX_READ };
        let mut all = fields.flat_map(|field| cookies::values_in(field.as_bytes(), name));
        let mut values = Vec::new();
        for value in all.by_ref().take(most) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        Self { values, has_more: all.next().is_some() }
    }
}

/// Marks a session as one that the old app goes on serving. A session made from it is in step with its cookie.
fn living_on(foreign: Foreign) -> Foreign {
    let mark = mark(foreign.replay_id(), foreign.began());
    foreign.session().set_beside(mark).expect("a foreign session can be written, and has room");
    foreign.living_on()
}

impl ForeignCookies {
    /// The foreign session to use. If there are several, none is used; one that cannot be read counts, too.
    pub(crate) fn only(&self) -> Option<&Foreign> {
        match self.good.as_slice() {
            [only] if !self.has_unreadable => Some(&only.foreign),
            _ => None,
        }
    }

    /// Returns `true` if the request brought several that the old app accepts.
    pub(crate) fn has_several(&self) -> bool {
        self.good.len() + usize::from(self.has_unreadable) > 1
    }

    pub(crate) fn good(&self) -> impl Iterator<Item = &Foreign> {
        self.good.iter().map(|good| &good.foreign)
    }

    /// The first session of this owner. One without an owner only if there are no others.
    pub(crate) fn of(&self, owner: Option<&str>) -> Option<&Good> {
        let is_of = |good: &&Good| good.foreign.session().content().owner().as_deref() == owner;
        self.good.iter().find(is_of).filter(|_| owner.is_some() || !self.has_several())
    }

    /// Returns `true` if the request may have brought the cookie of the app that runs beside this one with unknown
    /// content: it was not tried, or cannot be read.
    pub(crate) fn is_unclear(&self) -> bool {
        self.is_cut || self.has_unreadable
    }

    /// The `Set-Cookie` lines that delete the foreign cookies, except those that the browser keeps until a sign-out.
    /// None if there are several sessions, since the one that would be left could be a planted one.
    pub(crate) fn removals(&self, signed_out: bool) -> impl Iterator<Item = &HeaderValue> {
        let counts = self.only().is_some();
        self.removals
            .iter()
            .filter(move |(_, is_kept)| counts && (signed_out || !is_kept))
            .map(|(line, _)| line)
    }

    /// The `Set-Cookie` lines that delete all foreign cookies of which the request brought a valid one.
    pub(crate) fn all_removals(&self) -> impl Iterator<Item = &HeaderValue> {
        self.removals.iter().map(|(line, _)| line)
    }

    /// Further lines for a sign-out, for cookies that need not be valid.
    pub(crate) fn removals_at_sign_out(&self) -> impl Iterator<Item = &HeaderValue> {
        self.removals_at_sign_out.iter()
    }

    fn candidates<'a>(
        &mut self,
        reader: &'a dyn ForeignSessions,
        fields: impl Iterator<Item = &'a HeaderValue>,
    ) -> Vec<&'a [u8]> {
        let Candidates { values, has_more } = Candidates::of(reader, fields);
        self.is_cut |= has_more && reader.shares().is_some();
        if reader.remembers() && !values.is_empty() {
            self.removals_at_sign_out.push(reader.cookie().remove());
        }
        values
    }

    /// Counts and logs it if there are several.
    fn counted(self, sessions: &SessionManager) -> Self {
        if self.has_several() {
            tracing::warn!("several foreign cookies are good, and one may be planted; none counts");
            sessions.refuse_foreign(ForeignRefusal::Several);
        }
        self
    }

    fn refuse(
        &mut self,
        error: &(dyn std::error::Error + Send + Sync + 'static),
        value: &[u8],
        reader: &dyn ForeignSessions,
        sessions: &SessionManager,
        now: SystemTime,
    ) {
        if error.is::<NotYet>() {
            return;
        }
        tracing::info!(error = chain(error), "a foreign cookie cannot be read");
        sessions.refuse_foreign(ForeignRefusal::Unreadable);
        if !self.has_unreadable && reader.is_unreadable(value, now) {
            self.has_unreadable = true;
            self.removals_at_sign_out.push(reader.cookie().remove());
        }
    }

    fn add(&mut self, foreign: Foreign, value: &[u8], reader: &dyn ForeignSessions) {
        let (shares, is_remembered) = (reader.shares().is_some(), reader.remembers());
        if is_remembered && self.good.iter().any(|good| !good.is_remembered) {
            let owner = foreign.session().owner();
            let is_theirs = |good: &&Good| owner.is_some() && good.foreign.session().owner() == owner;
            let Some(same) = self.good.iter().find(is_theirs) else { return };
            same.foreign.session().set_permanent(true).expect("a foreign session can be written");
        } else {
            let foreign = if shares { living_on(foreign) } else { foreign };
            let value = if shares { value.into() } else { Box::default() };
            self.good.push(Good { foreign, value, is_remembered });
        }
        let removal = (reader.cookie().remove(), reader.keeps_cookie());
        if !self.removals.contains(&removal) {
            self.removals.push(removal);
        }
    }
}
