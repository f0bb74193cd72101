use std::fmt;

/// The public name of a secret key: four bytes derived from it, shown as eight hex digits.
///
/// Every sealed value carries it, so that opening tries the right key first. Two keys may share an id by chance: about
/// one pair in four billion does. It may be logged, but never serve the id of a passphrase's key: it lets anyone check
/// guesses offline.
///
/// Defined in [`format`](mod@crate::format), section "Keys", `kid`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id of these four bytes, as records and key files hold them.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The four bytes, as a sealed value carries them.
    pub fn as_bytes(&self) -> &[u8; 4] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", u32::from_be_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_as_eight_hex_digits() {
        let id = KeyId::from_bytes([0x00, 0x0b, 0x77, 0xff]);
        assert_eq!(id.to_string(), "000b77ff");
        assert_eq!(format!("{id:?}"), "000b77ff");
    }
}
