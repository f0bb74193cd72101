//! The SameSite attribute.

use std::str::FromStr;

use crate::setup_error::SetupError;

/// Which requests from other sites carry a cookie (RFC 6265bis §4.1.2.7).
///
/// # Example
///
/// ```
/// use waxseal_http::SameSite;
///
/// assert_eq!("Strict".parse::<SameSite>()?, SameSite::Strict);
/// # Ok::<(), waxseal_http::SetupError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::exhaustive_enums, reason = "there are three")]
pub enum SameSite {
    /// Requests by links on other sites carry the cookie, those of their forms and scripts do not.
    #[default]
    Lax,
    /// No request from another site carries it.
    Strict,
    /// All requests carry it. Requires Secure.
    None,
}

impl FromStr for SameSite {
    type Err = SetupError;

    /// Parses `lax`, `strict` or `none`, ignoring case.
    fn from_str(text: &str) -> Result<Self, SetupError> {
        match text.to_ascii_lowercase().as_str() {
            "lax" => Ok(Self::Lax),
            "strict" => Ok(Self::Strict),
            "none" => Ok(Self::None),
            _ => Err(SetupError::SameSite(text.to_owned())),
        }
    }
}
