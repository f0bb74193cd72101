//! The device of a request.

use std::time::SystemTime;

/// What a request has proven of the device that its session is tied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Device {
    /// The session is tied to no device, and nothing was offered yet; or device-bound sessions are off.
    Unbound,
    /// The browser was asked to register a key, and has not done so.
    Offered,
    /// The session was bound less than a minute ago, and the request, which may have left before, brought no proof.
    Settling,
    /// The request comes from the device, which proved itself at this time.
    Proven(SystemTime),
    /// The session is bound, and the request does not prove the device. Under a policy that requires a proof, the visitor
    /// is anonymous.
    Unproven,
}
