use std::{fmt, io};

/// The version of a record: a counter, and 8 random bytes drawn with every commit.
///
/// The counter alone is not enough: after a failover or a restored backup, two different versions may have the same
/// counter. Two copies are equal, and a compare-and-swap succeeds, only if all 16 bytes are equal.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Revision([u8; Self::BYTES]);

impl Revision {
    /// Length of a revision in bytes: the counter, big-endian, then the random bytes.
    pub const BYTES: usize = 16;
    /// Length of the random bytes.
    pub const TAG_BYTES: usize = 8;
    const COUNTER_BYTES: usize = Self::BYTES - Self::TAG_BYTES;

    /// The revision of an unknown record: 16 zero bytes.
    pub const UNKNOWN: Self = Self([0; Self::BYTES]);

    /// Draws the revision of a new record.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn first() -> io::Result<Self> {
        Ok(Self::first_tagged(draw()?))
    }

    /// The revision of a new record, with random bytes that were drawn for it.
    #[must_use]
    pub fn first_tagged(tag: [u8; Self::TAG_BYTES]) -> Self {
        Self::of(1, tag)
    }

    /// Draws the revision after this one.
    ///
    /// # Errors
    ///
    /// If the system has no randomness.
    pub fn next(&self) -> io::Result<Self> {
        Ok(self.next_tagged(draw()?))
    }

    /// The revision after this one, with random bytes that were drawn for it.
    #[must_use]
    pub fn next_tagged(&self, tag: [u8; Self::TAG_BYTES]) -> Self {
        Self::of(self.counter().saturating_add(1), tag)
    }

    /// Restores a revision from its saved bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The 16 bytes to save and to compare.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The number of commits of the record, including the first.
    #[must_use]
    pub fn counter(&self) -> u64 {
        let counter = self.0.first_chunk().expect("a revision is longer than its counter");
        u64::from_be_bytes(*counter)
    }

    fn of(counter: u64, tag: [u8; Self::TAG_BYTES]) -> Self {
        let mut bytes = [0; Self::BYTES];
        let (number, random) = bytes.split_at_mut(Self::COUNTER_BYTES);
        number.copy_from_slice(&counter.to_be_bytes());
        random.copy_from_slice(&tag);
        Self(bytes)
    }
}

fn draw() -> io::Result<[u8; Revision::TAG_BYTES]> {
    let mut tag = [0; Revision::TAG_BYTES];
    getrandom::fill(&mut tag)?;
    Ok(tag)
}

/// Shows the counter and the random bytes: `7:00112233445566ff`.
impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.counter())?;
        self.0[Self::COUNTER_BYTES..].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_counter_counts_and_the_tag_is_drawn_anew() {
        let first = Revision::first().unwrap();
        let (left, right) = (first.next().unwrap(), first.next().unwrap());
        assert_eq!((first.counter(), left.counter(), right.counter()), (1, 2, 2));
        assert_ne!(left, right);
        assert_eq!(Revision::from_bytes(*left.as_bytes()), left);
    }

    #[test]
    fn the_counter_stands_first_and_does_not_wrap() {
        let bytes = [0, 0, 0, 0, 0, 0, 0, 7, 0, 1, 2, 3, 4, 5, 6, 255];
        let revision = Revision::from_bytes(bytes);
        assert_eq!(revision.counter(), 7);
        assert_eq!(format!("{revision:?}"), "7:00010203040506ff");
        assert_eq!(Revision::from_bytes([255; 16]).next().unwrap().counter(), u64::MAX);
    }
}
