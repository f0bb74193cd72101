use std::fmt;

use crate::offer::Offer;

/// The first 16 bytes of SHA-256("waxseal/device" | compressed point) of a browser's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; Self::BYTES]);

impl Fingerprint {
    /// The length of a fingerprint.
    pub const BYTES: usize = 16;

    /// The fingerprint with these bytes, which were computed earlier.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The fingerprint as bytes, to keep in a session.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Fingerprint(..)")
    }
}

/// What binds a session to a browser: the offer that was taken up, and the fingerprint of the key that was registered
/// for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Binding {
    /// The offer.
    pub offer: Offer,
    /// The key's fingerprint.
    pub fingerprint: Fingerprint,
}

impl Binding {
    /// The length of a binding.
    pub const BYTES: usize = Offer::BYTES + Fingerprint::BYTES;
    /// The length of a [mark](Self::mark).
    pub const MARK_BYTES: usize = 16;

    /// The binding of `offer` and `fingerprint`.
    #[must_use]
    pub const fn new(offer: Offer, fingerprint: Fingerprint) -> Self {
        Self { offer, fingerprint }
    }

    /// What a list of bindings notes of this one under its [series](Offer::series): what distinguishes the offer from
    /// others of the series, and the first 12 bytes of the fingerprint.
    #[must_use]
    pub fn mark(&self) -> [u8; Self::MARK_BYTES] {
        let mut mark = [0; Self::MARK_BYTES];
        let (own, of_key) = mark.split_at_mut(Offer::OWN_BYTES);
        own.copy_from_slice(&self.offer.as_bytes()[..Offer::OWN_BYTES]);
        of_key.copy_from_slice(&self.fingerprint.as_bytes()[..Self::MARK_BYTES - Offer::OWN_BYTES]);
        mark
    }

    /// Returns `true` if `mark`, of a binding of the same series, is of the same offer.
    #[must_use]
    pub fn has_offer_of(&self, mark: &[u8; Self::MARK_BYTES]) -> bool {
        self.mark()[..Offer::OWN_BYTES] == mark[..Offer::OWN_BYTES]
    }

    /// The offer and the fingerprint, one after the other.
    #[must_use]
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..Offer::BYTES].copy_from_slice(self.offer.as_bytes());
        bytes[Offer::BYTES..].copy_from_slice(self.fingerprint.as_bytes());
        bytes
    }

    /// The binding in these bytes, which [`to_bytes`](Self::to_bytes) returned earlier.
    #[must_use]
    pub fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let (offer, fingerprint) = bytes.split_first_chunk().expect("an offer comes first");
        let fingerprint = fingerprint.try_into().expect("a fingerprint is the rest");
        Self { offer: Offer::from_bytes(*offer), fingerprint: Fingerprint::from_bytes(fingerprint) }
    }
}
