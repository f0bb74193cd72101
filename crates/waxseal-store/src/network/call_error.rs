//! A store's error, as the call policy sees it.

use super::unavailable::Unavailable;

/// The two facts about a store's error that [`CallPolicy`](super::CallPolicy) decides by.
///
/// The policy's own refusals become such an error through `From<Unavailable>`.
pub trait CallError: From<Unavailable> {
    /// Tells whether the server was out of reach or could serve no call.
    ///
    /// The circuit breaker counts these errors, and a retry may mend them. A full server and a wrong question are
    /// neither.
    fn is_out_of_reach(&self) -> bool;

    /// Tells whether the call was surely not done, so that even a creation may be sent again.
    ///
    /// True if no connection was made, for example, or if the server sent the caller to another one. False unless
    /// overridden.
    fn is_surely_undone(&self) -> bool {
        false
    }
}
