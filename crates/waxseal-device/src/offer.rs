use std::fmt;

use crate::error::Error;
use crate::series::Series;
use crate::text;

/// The 16 bytes of one request to a browser to register a key. Each request has its own, and all of one sign-in have the
/// same [series](Self::series).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Offer([u8; Self::BYTES]);

impl Offer {
    /// The length of an offer.
    pub const BYTES: usize = 16;
    /// How many bytes no other offer of the same sign-in has. They come first, as names of cookies are made of them.
    pub(crate) const OWN_BYTES: usize = Self::BYTES - Series::BYTES;
    /// How many bytes of an offer are in the names of its cookies, as 8 characters.
    const TAG_BYTES: usize = 6;

    /// Draws the first offer of a sign-in.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn draw() -> Result<Self, Error> {
        let mut bytes = [0; Self::BYTES];
        getrandom::fill(&mut bytes).map_err(Error::random)?;
        Ok(Self(bytes))
    }

    /// Draws another offer of the same sign-in.
    pub(crate) fn draw_of(series: Series) -> Result<Self, Error> {
        let Self(mut bytes) = Self::draw()?;
        bytes[Self::OWN_BYTES..].copy_from_slice(series.as_bytes());
        Ok(Self(bytes))
    }

    /// What this offer has in common with the others of its sign-in.
    #[must_use]
    pub fn series(&self) -> Series {
        Series::from_bytes(*self.0.last_chunk().expect("an offer is longer than a series"))
    }

    /// The offer with these bytes, which were drawn earlier.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The offer as bytes, to keep in a session.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The first 8 characters of the offer, with which the names of its cookies end.
    pub(crate) fn tag(&self) -> String {
        text::encode(&self.0[..Self::TAG_BYTES])
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Offer(..)")
    }
}
