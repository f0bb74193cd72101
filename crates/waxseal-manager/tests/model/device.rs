//! Devices: what a browser or a thief holds of one, and the gate that a request passes with it.
//!
//! The protocol is `waxseal-device`'s and has its own tests. Here its outcomes are bytes of the same layout, and a proof is
//! a pair that nobody can forge.

use waxseal_manager::{DeviceGate, DeviceQuestion, DeviceVerdict};
use waxseal_store::Timestamp;

/// The time for which an unproven request counts as before the binding, in seconds.
pub(crate) const SETTLING: u64 = 60;
/// The time for which a proof is good, in seconds, and by how much clocks may be apart.
const PROOF: u64 = 660;
const APART: u64 = 60;
/// The key of a thief. Browsers have those of their numbers.
pub(crate) const THIEF: u8 = 0xff;

const OFFERED: u8 = 1;
const BOUND: u8 = 0x80;
const OFFER_BYTES: usize = 16;

/// The tie of one session to one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) offer: [u8; OFFER_BYTES],
    pub(crate) key: u8,
}

/// A device cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proof {
    pub(crate) binding: Binding,
    /// In seconds since 1970.
    pub(crate) minted: u64,
}

/// The state of a session's tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tie {
    Offered([u8; OFFER_BYTES]),
    Bound { at: u64, binding: Binding },
}

/// A request at the gate of a process.
pub(crate) struct Gate {
    pub(crate) proof: Option<Proof>,
    /// The time of the process's clock when the request came, in seconds.
    pub(crate) now: u64,
    /// Longer than it should be, where a rule is broken on purpose.
    pub(crate) settling: u64,
}

/// Seconds of a process's clock.
pub(crate) fn seconds(at: Timestamp) -> u64 {
    at.as_millis() / 1_000
}

/// The offer that the request with this number makes.
pub(crate) fn offer(number: usize) -> [u8; OFFER_BYTES] {
    let mut offer = [0; OFFER_BYTES];
    offer[..8].copy_from_slice(&(number as u64).to_be_bytes());
    offer
}

impl Tie {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Offered(offer) => [&[OFFERED][..], &[0; 4], &offer].concat(),
            Self::Bound { at, binding: Binding { offer, key } } => {
                let at = u32::try_from(at).expect("a time of this century").to_be_bytes();
                [&[BOUND][..], &at, &offer, &[key]].concat()
            }
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> Self {
        let (head, rest) = bytes.split_first_chunk::<5>().expect("it was written here");
        let offer = *rest.first_chunk().expect("it was written here");
        match head[0] {
            OFFERED => Self::Offered(offer),
            _ => {
                let at = u32::from_be_bytes([head[1], head[2], head[3], head[4]]).into();
                Self::Bound { at, binding: Binding { offer, key: rest[OFFER_BYTES] } }
            }
        }
    }
}

impl Proof {
    /// Whether it proves `binding` to a process whose clock shows `now`.
    pub(crate) fn proves(&self, binding: &Binding, now: u64) -> bool {
        self.binding == *binding && self.minted <= now + APART && now < self.minted + PROOF
    }
}

impl DeviceGate for Gate {
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict {
        let Some(Tie::Bound { at, binding }) = session.state.map(Tie::parse) else {
            return DeviceVerdict::AsItIs;
        };
        let is_proven = self.proof.is_some_and(|proof| proof.proves(&binding, self.now));
        match is_proven || self.now < at + self.settling {
            true => DeviceVerdict::AsItIs,
            false => DeviceVerdict::Anonymous,
        }
    }
}
