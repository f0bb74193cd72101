use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::derive::RootPrk;
use crate::{Error, KeyId, passphrase, text};

/// What the text of a generated key begins with.
const PREFIX: &str = "waxseal1_";
const TEXT_BYTES: usize = PREFIX.len() + text::encoded_bytes(ROOT_BYTES + CHECKSUM_BYTES);
const ROOT_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// The root of every other key: 32 bytes, generated or worked from a passphrase.
///
/// Wiped on drop and never printed: `Debug` shows its [`KeyId`] alone, and the only comparison is the
/// constant-time one of [`subtle`].
///
/// ```
/// use waxseal_crypto::SecretKey;
///
/// let key = SecretKey::generate()?;
/// let same = SecretKey::parse(&key.to_text(), "wizard")?;
/// assert_eq!(same.id(), key.id());
/// # Ok::<(), waxseal_crypto::Error>(())
/// ```
///
/// Defined in `docs/format.md`, section "Keys".
pub struct SecretKey {
    root: Zeroizing<[u8; ROOT_BYTES]>,
    id: KeyId,
}

impl SecretKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if it has none.
    pub fn generate() -> Result<Self, Error> {
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        getrandom::fill(&mut *root).map_err(Error::Random)?;
        Ok(Self::from_root(root))
    }

    /// A key whose root is known; every bit of it should be random.
    pub fn from_bytes(root: [u8; ROOT_BYTES]) -> Self {
        Self::from_root(Zeroizing::new(root))
    }

    /// A key as people write it down: generated text if it begins with `waxseal1_`, else a passphrase.
    ///
    /// A passphrase costs 64 MiB and some tenths of a second; `app` keeps it apart from other apps'.
    ///
    /// # Errors
    ///
    /// Those of [`from_text`](Self::from_text) if it begins so, else of
    /// [`from_passphrase`](Self::from_passphrase).
    pub fn parse(text: &str, app: &str) -> Result<Self, Error> {
        if Self::is_generated_text(text) { Self::from_text(text) } else { Self::from_passphrase(text, app) }
    }

    /// A key from the text that [`to_text`](Self::to_text) wrote, and from nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::KeyPrefix`], [`Error::KeyLength`], [`Error::KeyAlphabet`] or [`Error::KeyChecksum`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let encoded = text.strip_prefix(PREFIX).ok_or(Error::KeyPrefix)?;
        if text.len() != TEXT_BYTES {
            return Err(Error::KeyLength(text.len()));
        }
        let mut bytes = Zeroizing::new([0; ROOT_BYTES + CHECKSUM_BYTES]);
        text::decode_exact(encoded.as_bytes(), &mut *bytes).ok_or(Error::KeyAlphabet)?;
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        root.copy_from_slice(&bytes[..ROOT_BYTES]);
        if bool::from(bytes[ROOT_BYTES..].ct_eq(&checksum(&root))) {
            Ok(Self::from_root(root))
        } else {
            Err(Error::KeyChecksum)
        }
    }

    /// A key worked from a passphrase with Argon2id: 64 MiB, three passes.
    ///
    /// The text is taken as it is, white space and all. `app`, at most 255 bytes, is part of the salt.
    ///
    /// # Errors
    ///
    /// [`Error::PassphraseEmpty`], [`Error::PassphrasePrefix`] if it begins as a generated key does,
    /// [`Error::LabelTooLong`] for the app name, [`Error::Passphrase`] if there is no memory.
    ///
    /// Parameters: RFC 9106, section 4, the second recommended choice.
    pub fn from_passphrase(text: &str, app: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::PassphraseEmpty);
        }
        if Self::is_generated_text(text) {
            return Err(Error::PassphrasePrefix);
        }
        passphrase::root(text, app).map(Self::from_root)
    }

    /// Whether `text` begins as a generated key does, and so is never taken for a passphrase.
    pub fn is_generated_text(text: &str) -> bool {
        text.starts_with(PREFIX)
    }

    /// The key as text, 57 characters that check themselves. Keep it as you would the key.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; ROOT_BYTES + CHECKSUM_BYTES]);
        bytes[..ROOT_BYTES].copy_from_slice(&*self.root);
        bytes[ROOT_BYTES..].copy_from_slice(&checksum(&self.root));
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        text.push_str(PREFIX);
        text.push_str(text::encode_exact(&*bytes, &mut *Zeroizing::new([0; TEXT_BYTES - PREFIX.len()])));
        text
    }

    /// The key's public name.
    pub fn id(&self) -> KeyId {
        self.id
    }

    pub(crate) fn prk(&self) -> RootPrk {
        RootPrk::new(&self.root)
    }

    fn from_root(root: Zeroizing<[u8; ROOT_BYTES]>) -> Self {
        let id = RootPrk::new(&root).kid();
        Self { root, id }
    }
}

impl ConstantTimeEq for SecretKey {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.root.ct_eq(&*other.root)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey({}, ..)", self.id)
    }
}

/// The first bytes of SHA-256("waxseal/secret/v1" | root), which catch a slip of the pen.
fn checksum(root: &[u8; ROOT_BYTES]) -> [u8; CHECKSUM_BYTES] {
    let hash: [u8; 32] =
        Sha256::new().chain_update(b"waxseal/secret/v1").chain_update(root).finalize().into();
    *hash.first_chunk().expect("4 of 32 bytes")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "waxseal1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-w7nHj";

    #[test]
    fn the_text_is_as_the_format_prints_it() {
        let key = SecretKey::from_bytes(std::array::from_fn(|at| at as u8));
        assert_eq!(*key.to_text(), TEXT);
        assert!(bool::from(SecretKey::parse(TEXT, "demo").unwrap().ct_eq(&key)));
    }

    #[test]
    fn text_with_the_prefix_that_does_not_check_is_refused() {
        for (case, text) in [
            ("prefix alone", PREFIX.to_owned()),
            ("cut short", TEXT[..56].to_owned()),
            ("a line end", format!("{TEXT}\n")),
            ("another character", TEXT.replace("_AA", "_AB")),
            ("another checksum", TEXT.replace("7nHj", "7nHk")),
            ("not base64url", TEXT.replace("7nHj", "7n/j")),
            ("not ASCII", TEXT.replace("nHj", "nü")),
        ] {
            for error in [SecretKey::from_text(&text), SecretKey::parse(&text, "demo")] {
                let message = error.unwrap_err().to_string();
                assert!(message.contains("waxseal gen-secret"), "{case}: {message}");
            }
            assert!(
                matches!(SecretKey::from_passphrase(&text, "demo"), Err(Error::PassphrasePrefix)),
                "{case}"
            );
        }
    }

    #[test]
    fn text_without_the_prefix_is_not_a_generated_key() {
        for text in ["", "dev", " waxseal1_", "Waxseal1_", "waxseal1"] {
            assert!(matches!(SecretKey::from_text(text), Err(Error::KeyPrefix)), "{text:?}");
            assert!(!SecretKey::is_generated_text(text), "{text:?}");
        }
    }

    #[test]
    fn an_empty_passphrase_is_refused() {
        assert!(matches!(SecretKey::parse("", "demo"), Err(Error::PassphraseEmpty)));
    }

    #[test]
    fn generated_keys_differ() {
        let [one, two] = [(); 2].map(|()| SecretKey::generate().unwrap());
        assert!(!bool::from(one.ct_eq(&two)));
    }
}
