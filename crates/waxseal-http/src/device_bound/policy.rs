//! What becomes of requests that do not prove their device.

/// What becomes of a request that does not prove the device that its session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum DevicePolicy {
    /// Browsers are offered a binding, and all is counted; no request is refused. For a trial before the next one.
    Observe,
    /// It is an anonymous visitor's. Sessions of browsers that cannot be bound stay as they are.
    #[default]
    Require,
    /// As [`Require`](Self::Require); and a session that is not bound five minutes after its sign-in is an anonymous visitor's too.
    /// Browsers without the protocol, which are all but Chromium's, cannot stay signed in.
    RequireAll,
}
