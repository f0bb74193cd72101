use std::fmt;

use crate::envelope::Head;
use crate::{Rejected, signed, text};

/// The public name of a secret key: four bytes derived from it, shown as eight hex digits.
///
/// It stands in every sealed value, so that opening tries the right key at once. Two keys may share one, by
/// chance about once in four billion pairs. Log it, but never serve the id of a passphrase's key: it lets
/// anyone check guesses offline.
///
/// Defined in `docs/format.md`, section "Keys".
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyId([u8; 4]);

impl KeyId {
    /// The id that a value or a record names, wherever that kept it.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(bytes)
    }

    /// The key that a sealed value in text form or a signed token names, as whoever made it says: nothing is opened or
    /// checked.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open": the text is neither.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        match signed::kid_of_text(text) {
            Some(kid) => Ok(kid),
            None => Ok(Head::parse(&text::decode(text, 0)?)?.kid),
        }
    }

    /// The four bytes as they stand in a sealed value.
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
    use crate::{Context, Keyring, SecretKey, Times};

    #[test]
    fn an_id_reads_as_eight_hex_digits() {
        let id = KeyId::from_bytes([0x00, 0x0b, 0x77, 0xff]);
        assert_eq!(id.to_string(), "000b77ff");
        assert_eq!(format!("{id:?}"), "000b77ff");
    }

    #[test]
    fn a_sealed_text_names_its_key() {
        let key = SecretKey::from_bytes([1; 32]);
        let id = key.id();
        let sealer = Keyring::new(key).sealer(&Context::new("session").unwrap());
        let text = sealer.seal_text(b"", Times::new(0, 0, 1, 1)).unwrap();
        assert_eq!(KeyId::of_text(text.as_bytes()), Ok(id));
        assert!(KeyId::of_text(&text.as_bytes()[1..]).is_err());
    }
}
