//! The SameSite attribute.

use std::str::FromStr;

use crate::setup_error::SetupError;

/// The requests from other sites that carry a cookie (RFC 6265bis §4.1.2.7).
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
    /// Links from other sites carry the cookie, their forms and scripts do not.
    #[default]
    Lax,
    /// Nothing from other sites carries it.
    Strict,
    /// Everything does; needs Secure.
    None,
}

impl FromStr for SameSite {
    type Err = SetupError;

    /// Reads `lax`, `strict` or `none`, in letters of either case.
    fn from_str(text: &str) -> Result<Self, SetupError> {
        match text.to_ascii_lowercase().as_str() {
            "lax" => Ok(Self::Lax),
            "strict" => Ok(Self::Strict),
            "none" => Ok(Self::None),
            _ => Err(SetupError::SameSite(text.to_owned())),
        }
    }
}
