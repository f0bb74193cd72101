//! The question, asked of every session that a request opens, of the device that the session is tied to.

use crate::device_tokens::DeviceTokens;

/// Decides by the device that a request proves whether it may see its session: what lies above this crate knows the
/// request.
pub trait DeviceGate: Send + Sync {
    /// Judges the session of one good token, before the visitor's is chosen among several.
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict;
}

/// A session that a request opened, as far as a [`DeviceGate`] has to know it.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct DeviceQuestion<'a> {
    /// Tokens of the keys that the session was opened with.
    pub tokens: &'a DeviceTokens,
    /// The state of the tie; empty if it is malformed.
    pub state: Option<&'a [u8]>,
    /// The session has an owner.
    pub is_owned: bool,
    /// The owner's last sign-in, in seconds since 1970.
    pub signed_in: Option<u64>,
}

/// The judgement of a [`DeviceGate`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceVerdict {
    /// The request sees its session.
    AsItIs,
    /// The request sees its session, unless a list of ended sessions knows that this offer was taken up a minute ago or
    /// before, so that the token is a copy from before; then it is an anonymous visitor's.
    UnlessTakenUp([u8; 16]),
    /// The request sees its session, whose token is sealed anew with this state of the tie. Only a token that is the whole
    /// session can have lost its state; for any other this is [`AsItIs`](Self::AsItIs).
    Heal(Vec<u8>),
    /// The request is an anonymous visitor's. It can end the session, sign in in its place, or begin another, and nothing else.
    Anonymous,
    /// The request is an anonymous visitor's who begins nothing, so that the token stays; it can end the session or sign in.
    Kept,
    /// The request is answered as if the store were away.
    Away,
}
