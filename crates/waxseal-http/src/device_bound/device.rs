//! The device of a request.

use std::time::SystemTime;

/// What a request has proven about the device that its session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The session is not bound to a device and no binding was offered yet, or device-bound sessions are off.
    Unbound,
    /// The browser was asked to register a key, but has not done so.
    Offered,
    /// The session was bound less than a minute ago, and the request brought no proof; it may have been sent before.
    Settling,
    /// The request comes from the device, which was proven at this time.
    Proven(SystemTime),
    /// The session is bound, but the request does not prove the device. If the policy requires a proof, the visitor is
    /// anonymous.
    Unproven,
}
