//! The outcome of a commit, for the browser.

use std::time::SystemTime;

/// An instruction to the browser about its token; from [`SessionManager::commit`](crate::SessionManager::commit).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Keep the token.
    Keep,
    /// Replace the token with this one.
    Set {
        /// The sealed session, base64url text.
        token: String,
        /// The time at which the token expires. `None` if it ends with the browser session.
        expires: Option<SystemTime>,
    },
    /// Forget the token, because the session was destroyed.
    Remove,
}

/// Hides the token, because whoever has it can act as the visitor.
impl std::fmt::Debug for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep => f.write_str("Keep"),
            Self::Set { token, expires } => {
                write!(f, "Set({} bytes, expires: {expires:?})", token.len())
            }
            Self::Remove => f.write_str("Remove"),
        }
    }
}
