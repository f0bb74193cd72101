//! The gate that decides, for every session that a request opens, whether the request has proven its device.

use crate::device_tokens::DeviceTokens;

/// Decides whether a request may see its session, by the device that it has proven. It is implemented above this crate,
/// where the request is known.
pub trait DeviceGate: Send + Sync {
    /// Judges the session of one good token, before one session is chosen among several.
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict;
}

/// What a [`DeviceGate`] has to know about a session that a request opened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DeviceQuestion<'a> {
    /// Signed tokens with the keys that the session was opened with.
    pub tokens: &'a DeviceTokens,
    /// The state of the device binding. Empty if it is malformed.
    pub state: Option<&'a [u8]>,
    /// `true` if the session has an owner.
    pub is_owned: bool,
    /// The time of the owner's last sign-in, in seconds since 1970.
    pub signed_in: Option<u64>,
}

/// The decision of a [`DeviceGate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceVerdict {
    /// The request sees its session.
    AsItIs,
    /// The request sees its session, unless a list of ended sessions says that an offer of this series was taken up at
    /// least a minute ago. In that case the token is a copy from before, and the visitor is anonymous.
    UnlessTakenUp([u8; 12]),
    /// The request sees its session, and its token is sealed anew with this state of the device binding. Only a token
    /// that holds the whole session can have lost its state; for any other token this is the same as
    /// [`AsItIs`](Self::AsItIs).
    Heal(Vec<u8>),
    /// The visitor is anonymous. The request can end the session, replace it with a sign-in, or begin another one.
    Anonymous,
    /// The visitor is anonymous and begins no session, so that the token stays. The request can end the session or sign
    /// in.
    Kept,
    /// The request is answered as if the store were unavailable.
    Away,
}
