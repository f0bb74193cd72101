//! What a browser is told of its token.

use std::time::SystemTime;

/// What the browser should do with its token; from [`SessionManager::commit`](crate::SessionManager::commit).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing: it has what it needs.
    Keep,
    /// Carry this one from now on.
    Set {
        /// The sealed session, base64url text.
        token: String,
        /// Until when; `None`: until the browser is closed.
        expires: Option<SystemTime>,
    },
    /// Forget it: the session was destroyed.
    Remove,
}

/// Whoever holds a token is the visitor, so it is not printed.
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
