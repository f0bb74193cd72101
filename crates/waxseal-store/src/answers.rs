//! Which calls on a store are answered at once.

/// Which calls on a store are answered at once, so that their futures are ready when they are first polled.
///
/// Such calls are made where they stand, with no task or memory for waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Answers {
    /// None: each waits for somebody, such as a server.
    #[default]
    Later,
    /// [`load`](crate::SessionStore::load), mostly, as from a file of this machine. If its future is not ready, it is dropped, and
    /// the store is asked once more.
    LoadsAtOnce,
    /// All, as in memory, and a call that fails was not done. They are counted, but not timed: a look at the clock would take
    /// as long as the call.
    AtOnce,
}
