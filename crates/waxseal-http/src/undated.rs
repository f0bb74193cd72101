//! Foreign sessions whose cookies do not say when they were made.

use std::error::Error;
use std::time::{Duration, SystemTime};

use waxseal_manager::{Adoption, Foreign};

use crate::foreign_sessions::NotYet;

/// The rule for such cookies: they are read only from the switch on, when the old app makes no more, and all count as
/// made just before it. So a sign-out here refuses all cookies of that owner.
#[derive(Debug)]
pub(crate) struct Undated {
    switched: SystemTime,
}

/// A time longer than any lifetime, so that only the lifetime of the terms limits the session.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 86_400);

impl Undated {
    pub(crate) fn new(terms: &Adoption) -> Self {
        Self { switched: terms.switched() }
    }

    /// The session of the cookie with this name, which can be read until `expires`.
    pub(crate) fn foreign(
        &self,
        name: [u8; Foreign::REPLAY_ID_BYTES],
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<Foreign, Box<dyn Error + Send + Sync>> {
        if now < self.switched {
            return Err(NotYet.into());
        }
        let began = self.switched.checked_sub(Duration::from_secs(1)).ok_or("a switch before all time")?;
        let ends = expires.or_else(|| began.checked_add(FOR_EVER)).ok_or("its lifetime has no end")?;
        Ok(Foreign::new(name, began, ends))
    }
}
