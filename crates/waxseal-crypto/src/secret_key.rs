use std::fmt;

use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};
use zeroize::Zeroizing;

use crate::derive::RootPrk;
use crate::error::Error;
use crate::key_id::KeyId;
use crate::{passphrase, text};

/// The prefix of a generated key in text form.
const PREFIX: &str = "waxseal1_";
/// The prefix, and the forms in which it is found in text that was changed on its way: escaped for Markdown, in base64
/// (a key that was encoded twice, a common mistake with Kubernetes' secrets), and in hexadecimal digits.
const NAMES: [&str; 4] = [PREFIX, "waxseal1\\_", "d2F4c2VhbDFf", "7761787365616c315f"];
const TEXT_BYTES: usize = PREFIX.len() + ENCODED_BYTES;
const ENCODED_BYTES: usize = text::encoded_bytes(ROOT_BYTES + CHECKSUM_BYTES);
const ROOT_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// The root of every other key: 32 bytes, generated or derived from a passphrase.
///
/// Wiped from memory on drop and never printed: `Debug` shows only its [`KeyId`], and the only comparison is the
/// constant-time one of [`subtle`]. A clone is a copy of the bytes, which is wiped when it is dropped itself; clones of
/// a [`Keyring`](crate::Keyring) share one copy.
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
/// Defined in [`format`](mod@crate::format), section "Keys".
#[derive(Clone)]
pub struct SecretKey {
    root: Zeroizing<[u8; ROOT_BYTES]>,
    id: KeyId,
}

impl SecretKey {
    /// Generates a key from the operating system's random source.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn generate() -> Result<Self, Error> {
        let mut root = Zeroizing::new([0; ROOT_BYTES]);
        getrandom::fill(&mut *root).map_err(Error::random)?;
        Ok(Self::from_root(root))
    }

    /// The key with this root, which should be 32 random bytes.
    pub fn from_bytes(root: [u8; ROOT_BYTES]) -> Self {
        Self::from_root(Zeroizing::new(root))
    }

    /// Parses the text of a key: a generated key's text, or else a passphrase.
    ///
    /// A passphrase costs 64 MiB and some tenths of a second. `app` is part of its salt, so another app with the same
    /// passphrase has another key.
    ///
    /// # Errors
    ///
    /// Those of [`from_text`](Self::from_text) if the text [contains a generated key](Self::is_generated_text),
    /// otherwise those of [`from_passphrase`](Self::from_passphrase).
    pub fn parse(text: &str, app: &str) -> Result<Self, Error> {
        if Self::is_generated_text(text) { Self::from_text(text) } else { Self::from_passphrase(text, app) }
    }

    /// Parses the text that [`to_text`](Self::to_text) wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`Error::KeyAmidText`], [`Error::KeyPrefix`], [`Error::KeyLength`], [`Error::KeyAlphabet`] or
    /// [`Error::KeyChecksum`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        let encoded = match text.strip_prefix(PREFIX) {
            Some(encoded) if encoded.len() == ENCODED_BYTES || !holds_key(encoded) => encoded,
            None if !Self::is_generated_text(text) => return Err(Error::KeyPrefix),
            _ => return Err(Error::KeyAmidText),
        };
        if text.len() != TEXT_BYTES {
            return Err(Error::KeyLength(text.len()));
        }
        let root = decode(encoded.as_bytes()).ok_or(Error::KeyAlphabet)?;
        root.map(Self::from_root).ok_or(Error::KeyChecksum)
    }

    /// Derives a key from a passphrase with Argon2id: 64 MiB, three passes.
    ///
    /// The text is taken as it is, including white space. `app`, at most 255 bytes, is part of the salt.
    ///
    /// # Errors
    ///
    /// [`Error::PassphraseEmpty`]; [`Error::PassphrasePrefix`] if the text [contains a generated
    /// key](Self::is_generated_text); [`Error::LabelTooLong`] for the app name; [`Error::Passphrase`] if the memory
    /// cannot be allocated.
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

    /// Returns true if `text` contains a generated key, or most of one. Such a text is never taken for a passphrase.
    ///
    /// It contains `waxseal1_` in any case, in base64 or in hexadecimal digits, or the 48 characters that follow the
    /// prefix in a generated key.
    // Otherwise a key in quotes, with a newline, or beside a second key would become a passphrase with another id, and
    // everybody would be signed out.
    pub fn is_generated_text(text: &str) -> bool {
        let holds = |name: &str| {
            let mut windows = text.as_bytes().windows(name.len());
            windows.any(|window| window.eq_ignore_ascii_case(name.as_bytes()))
        };
        NAMES.into_iter().any(holds) || holds_key(text)
    }

    /// The key as text of 57 characters, checksum included. Keep the text as secret as the key.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; ROOT_BYTES + CHECKSUM_BYTES]);
        bytes[..ROOT_BYTES].copy_from_slice(&*self.root);
        bytes[ROOT_BYTES..].copy_from_slice(&checksum(&self.root));
        let mut text = Zeroizing::new(String::with_capacity(TEXT_BYTES));
        text.push_str(PREFIX);
        text.push_str(text::encode_exact(&*bytes, &mut *Zeroizing::new([0; TEXT_BYTES - PREFIX.len()])));
        text
    }

    /// The public id of the key.
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

/// Returns true if the characters of a generated key after its prefix are anywhere in `text`.
fn holds_key(text: &str) -> bool {
    text.as_bytes().windows(ENCODED_BYTES).any(|window| matches!(decode(window), Some(Some(_))))
}

/// The root in the characters after the prefix. The outer `None` means that they are not base64url, the inner one that
/// the checksum is wrong.
fn decode(encoded: &[u8]) -> Option<Option<Zeroizing<[u8; ROOT_BYTES]>>> {
    let mut bytes = Zeroizing::new([0; ROOT_BYTES + CHECKSUM_BYTES]);
    text::decode_exact(encoded, &mut *bytes)?;
    let mut root = Zeroizing::new([0; ROOT_BYTES]);
    root.copy_from_slice(&bytes[..ROOT_BYTES]);
    Some(bool::from(bytes[ROOT_BYTES..].ct_eq(&checksum(&root))).then_some(root))
}

/// `first 4 bytes of SHA-256("waxseal/secret/v1" | root)`, which detect a mistyped character.
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
                let error = error.unwrap_err();
                let message = error.to_string();
                assert!(
                    error.is_about_key_text() && message.contains("generate a new one"),
                    "{case}: {message}"
                );
            }
            assert!(
                matches!(SecretKey::from_passphrase(&text, "demo"), Err(Error::PassphrasePrefix)),
                "{case}"
            );
        }
    }

    #[test]
    fn text_without_the_prefix_is_not_a_generated_key() {
        for text in ["", "dev", "waxseal_1", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-w7nHk"] {
            assert!(matches!(SecretKey::from_text(text), Err(Error::KeyPrefix)), "{text:?}");
            assert!(!SecretKey::is_generated_text(text), "{text:?}");
        }
    }

    #[test]
    fn text_that_holds_or_resembles_a_generated_key_is_no_passphrase() {
        let other = SecretKey::from_bytes([7; 32]).to_text();
        for (case, text) in [
            ("double quotes", format!("\"{TEXT}\"")),
            ("single quotes", format!("'{TEXT}'")),
            ("backticks", format!("`{TEXT}`")),
            ("a space before", format!(" {TEXT}")),
            ("a space behind", format!("{TEXT} ")),
            ("a newline", format!("{TEXT}\n")),
            ("a carriage return", format!("{TEXT}\r")),
            ("the variable's name", format!("SECRET_KEY={TEXT}")),
            ("a byte-order mark", format!("\u{feff}{TEXT}")),
            ("two keys", format!("{TEXT},{}", *other)),
            ("two keys without a comma", format!("{TEXT}{}", *other)),
            ("a JSON list", format!("[\"{TEXT}\"]")),
            ("upper case", TEXT.to_uppercase()),
            ("a prefix in upper case", TEXT.replace("waxseal1_", "WAXSEAL1_")),
            ("a prefix that was escaped", TEXT.replace("waxseal1_", "waxseal1\\_")),
            ("no prefix", TEXT["waxseal1_".len()..].to_owned()),
            ("half a prefix, in quotes", format!("'{}'", &TEXT[4..])),
            ("quoted and cut short", format!("\"{}\"", &TEXT[..40])),
            ("quoted, with a wrong checksum", format!("'{}'", TEXT.replace("7nHj", "7nHk"))),
            ("a prefix alone", " waxseal1_".to_owned()),
            ("base64", text::encode(TEXT.as_bytes())),
            ("hexadecimal digits", TEXT.bytes().map(|byte| format!("{byte:02x}")).collect()),
        ] {
            assert!(SecretKey::is_generated_text(&text), "{case}");
            let [error, parsed] = [SecretKey::from_text(&text), SecretKey::parse(&text, "demo")];
            assert!(matches!(error, Err(Error::KeyAmidText)), "{case}: {error:?}");
            assert!(matches!(parsed, Err(Error::KeyAmidText)), "{case}: {parsed:?}");
            assert!(
                matches!(SecretKey::from_passphrase(&text, "demo"), Err(Error::PassphrasePrefix)),
                "{case}"
            );
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
