use std::fmt;

/// What all offers of one sign-in have in common: the last 12 of their bytes.
///
/// A copy of a session's state may have another offer than the one that was taken up, or none. By the series it is
/// known as one of the same sign-in.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Series([u8; Self::BYTES]);

impl Series {
    /// The length of a series.
    pub const BYTES: usize = 12;

    /// The series with these bytes, which were drawn earlier.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The series as bytes, to keep in a session or in a list of bindings.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

impl fmt::Debug for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Series(..)")
    }
}
