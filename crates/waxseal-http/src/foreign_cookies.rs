//! The foreign cookies of one request.

use std::time::SystemTime;

use http::HeaderValue;
use waxseal_manager::{Foreign, ForeignRefusal, SessionManager};

use crate::cookies;
use crate::foreign_sessions::ForeignSessions;

/// Values that are tried of each reader's cookie; a page of a sibling host may plant any number.
const MAX_CANDIDATES: usize = 4;

/// The readers of a migration.
#[derive(Debug)]
pub(crate) struct Readers(Vec<Box<dyn ForeignSessions>>);

/// The good foreign sessions of one request.
#[derive(Debug, Default)]
pub(crate) struct ForeignCookies {
    good: Vec<Foreign>,
    /// The line that makes the browser forget the one good cookie.
    removal: Option<HeaderValue>,
    is_kept: bool,
}

impl Readers {
    pub(crate) fn new(readers: Vec<Box<dyn ForeignSessions>>) -> Self {
        Self(readers)
    }

    /// Reads the foreign cookies among these fields of `Cookie`.
    pub(crate) fn read<'a>(
        &self,
        fields: impl Iterator<Item = &'a HeaderValue> + Clone,
        sessions: &SessionManager,
        now: SystemTime,
    ) -> ForeignCookies {
        let mut found = ForeignCookies::default();
        for reader in &self.0 {
            let name = reader.cookie().name();
            let values = fields.clone().flat_map(|field| cookies::values_in(field.as_bytes(), name));
            let mut tried: Vec<&[u8]> = Vec::new();
            for value in values.take(MAX_CANDIDATES) {
                if tried.contains(&value) {
                    continue;
                }
                tried.push(value);
                match reader.read(value, now) {
                    Ok(foreign) => found.add(foreign, &**reader),
                    Err(error) => {
                        tracing::info!(%error, "a foreign cookie cannot be read");
                        sessions.refuse_foreign(ForeignRefusal::Unreadable);
                    }
                }
            }
        }
        if found.good.len() > 1 {
            tracing::warn!("several foreign cookies are good, and one may be planted; none counts");
            sessions.refuse_foreign(ForeignRefusal::Several);
        }
        found
    }
}

impl ForeignCookies {
    /// The foreign session that counts. Of several none does.
    pub(crate) fn only(&self) -> Option<&Foreign> {
        match self.good.as_slice() {
            [only] => Some(only),
            _ => None,
        }
    }

    pub(crate) fn good(&self) -> &[Foreign] {
        &self.good
    }

    /// The line that makes the browser forget the foreign cookie, which it keeps until a sign-out if the reader says so.
    /// `None` if there are several: the one that is left could be the planted one.
    pub(crate) fn removal(&self, signed_out: bool) -> Option<&HeaderValue> {
        self.only()?;
        self.removal.as_ref().filter(|_| signed_out || !self.is_kept)
    }

    fn add(&mut self, foreign: Foreign, reader: &dyn ForeignSessions) {
        self.good.push(foreign);
        self.removal = Some(reader.cookie().remove());
        self.is_kept = reader.keeps_cookie();
    }
}
