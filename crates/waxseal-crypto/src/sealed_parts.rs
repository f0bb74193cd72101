use crate::envelope::Head;
use crate::{KeyId, Reason, Rejected, signed, text};

/// The parts of a sealed value that anyone who holds it can tell apart, as it stands; nothing is opened or checked. For
/// pages that show a developer what a browser holds.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SealedParts, SecretKey, Times};
///
/// let keyring = Keyring::new(SecretKey::generate()?);
/// let text = keyring.sealer(&Context::new("session")?).seal_text(b"owl", Times::new(0, 0, 60, 60))?;
/// let parts = SealedParts::of_text(text.as_bytes())?;
/// assert_eq!(Some(parts.key), keyring.ids().next());
/// assert_eq!(parts.ciphertext_bytes, 64);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Defined in `docs/format.md`, section "Sealed bytes".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SealedParts {
    /// The format's version.
    pub version: u8,
    /// The key that it names.
    pub key: KeyId,
    /// Says which key and context it is, in a way that no other can: the same in all values of both.
    pub commitment: [u8; 32],
    /// Random for every seal.
    pub nonce: [u8; 24],
    /// How long the encrypted part is: a multiple of 64.
    pub ciphertext_bytes: usize,
    /// Says that nothing was changed.
    pub tag: [u8; 16],
}

impl SealedParts {
    /// Those of a value in text form.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open": the text is none that this version seals.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        let mut bytes = text::decode(text, 0)?;
        let Head { kid, commitment, nonce } = Head::parse(&bytes)?;
        let version = bytes[0];
        let parts = crate::envelope::parts(&mut bytes);
        let (ciphertext_bytes, tag) = (parts.inner.len(), parts.tag);
        Ok(Self { version, key: kid, commitment, nonce, ciphertext_bytes, tag })
    }
}

/// The parts of a signed token that anyone who holds it can tell apart; nothing is checked. For pages that show a developer
/// what a browser holds.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, SecretKey, SignedParts};
///
/// let tokens = Keyring::new(SecretKey::generate()?).signer::<32>(&Context::new("session/store")?);
/// let parts = SignedParts::of_text(tokens.sign(&[7; 32], 1_790_000_000)?.as_bytes())?;
/// assert_eq!((parts.minted, parts.payload_bytes), (1_790_000_000, 32));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Defined in `docs/format.md`, section "Signed tokens".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SignedParts {
    /// The format's version.
    pub version: u8,
    /// The key that it names.
    pub key: KeyId,
    /// When it was made, in seconds since 1970.
    pub minted: u32,
    /// How long what it carries is.
    pub payload_bytes: usize,
    /// Says that nothing was changed.
    pub mac: [u8; 16],
}

impl SignedParts {
    /// Those of a token.
    ///
    /// # Errors
    ///
    /// [`Rejected`] at steps 1 to 3 of "Open": the text is none that this version signs.
    pub fn of_text(text: &[u8]) -> Result<Self, Rejected> {
        let bytes = text::decode(text, 0)?;
        let (head, rest) = bytes.split_first_chunk::<{ signed::HEAD_BYTES }>().ok_or(Reason::Length)?;
        let (payload, mac) = rest.split_last_chunk().ok_or(Reason::Length)?;
        let [version, a, b, c, d, minted @ ..] = *head;
        if version != signed::VERSION {
            return Err(Reason::Version(version).into());
        }
        let (key, minted) = (KeyId::from_bytes([a, b, c, d]), u32::from_be_bytes(minted));
        Ok(Self { version, key, minted, payload_bytes: payload.len(), mac: *mac })
    }
}
