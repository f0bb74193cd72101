//! How requests are treated that do not prove their device.

/// How a request is treated that does not prove the device that its session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DevicePolicy {
    /// Browsers are offered a binding and results are counted, but no request is refused. For a trial before
    /// [`Require`](Self::Require).
    Observe,
    /// The visitor is anonymous. Sessions in browsers that cannot bind them work as before.
    #[default]
    Require,
    /// As [`Require`](Self::Require), and if a session is not bound five minutes after its sign-in, the visitor is
    /// anonymous, too. Visitors cannot stay signed in with browsers that lack the protocol, which are all but Chromium's.
    RequireAll,
}
