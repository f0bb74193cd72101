//! A store's error, as the call policy sees it.

use super::unavailable::Unavailable;

/// The two facts about a store's error by which [`CallPolicy`](super::CallPolicy) decides.
///
/// The policy's own refusals become such an error through `From<Unavailable>`.
pub trait CallError: From<Unavailable> {
    /// Returns `true` if the server was out of reach or could not serve any call.
    ///
    /// The circuit breaker counts these errors, and a retry may help. A full server or a wrong call is not such an
    /// error.
    fn is_out_of_reach(&self) -> bool;

    /// Returns `true` if the call was certainly not done, so that even a creation may be sent again.
    ///
    /// For example, no connection was made, or the server redirected the caller to another one. `false` unless
    /// overridden.
    fn is_surely_undone(&self) -> bool {
        false
    }
}
