use std::fmt;

use crate::cookie::{decode, parse_timestamp};
use crate::error::Error;
use crate::limits::DEFAULT_MAX_INFLATED_BYTES;
use crate::value::Dict;

/// The parts of a cookie whose signature **has not been checked**, for a tool that displays them. Anybody may have made
/// the cookie.
///
/// `Debug` shows none of its content.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Unverified {
    /// The content.
    pub entries: Dict,
    /// The time at which it claims to be signed, in seconds since 1970.
    pub signed_at: u64,
}

impl Unverified {
    /// Parses a cookie's value, whatever its signature and its age.
    ///
    /// # Errors
    ///
    /// [`Error::Form`], [`Error::Timestamp`] or [`Error::Undecodable`].
    pub fn parse(value: &str) -> Result<Self, Error> {
        let (signed, _signature) = value.rsplit_once('.').ok_or(Error::Form)?;
        let (payload, timestamp) = signed.rsplit_once('.').ok_or(Error::Form)?;
        let signed_at = parse_timestamp(timestamp)?;
        Ok(Self { entries: decode(payload, DEFAULT_MAX_INFLATED_BYTES)?, signed_at })
    }
}

impl fmt::Debug for Unverified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified")
            .field("entries", &self.entries.len())
            .field("signed_at", &self.signed_at)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cookie::FlaskCookie;
    use crate::key::FlaskKey;
    use crate::value::Value;

    #[test]
    fn parts_are_shown_whoever_signed_them() {
        let entries = Dict::from([("secret".to_owned(), Value::Int(7))]);
        let cookie = FlaskCookie::new(FlaskKey::from_text("any").unwrap());
        let value = cookie.write(&entries, 1_700_000_000).unwrap();
        let forged = format!("{}A", &value[..value.len() - 1]);
        for value in [value, forged] {
            let parts = Unverified::parse(&value).unwrap();
            assert_eq!((&parts.entries, parts.signed_at), (&entries, 1_700_000_000));
            assert!(!format!("{parts:?}").contains("secret"));
        }
        assert_eq!(Unverified::parse("a.b"), Err(Error::Form));
        assert_eq!(Unverified::parse("e30.!.x"), Err(Error::Timestamp));
    }
}
