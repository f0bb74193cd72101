use crate::envelope::Head;
use crate::{KeyId, Rejected, text};

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
