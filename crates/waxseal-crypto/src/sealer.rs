use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use subtle::{Choice, ConstantTimeEq};

use crate::context::Context;
use crate::derive::ContextKey;
use crate::envelope::{self, Commitment, Head, Nonce};
use crate::error::Error;
use crate::format_limits::{MAX_BINARY_BYTES, MAX_BOUND_BYTES, MAX_TEXT_BYTES};
use crate::key_id::KeyId;
use crate::opened::Opened;
use crate::rejected::{Reason, Rejected};
use crate::times::{Limits, Times};
use crate::{aead, inner, text};

/// Seals and opens values of one [`Context`], with the keys of one [`Keyring`](crate::Keyring).
///
/// It is cheap to clone and to share between threads. Every seal draws a new 192-bit nonce. Sealing adds 97 bytes, and
/// 1 to 64 bytes of padding; the text form is a third longer.
///
/// ```
/// use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};
///
/// let sealer = Keyring::new(SecretKey::generate()?).sealer(&Context::new("record")?.with_audience("wizard")?);
/// let sealed = sealer.seal(b"wand=holly", b"row 7", Times::new(1_000, 1_000, Times::NO_IDLE, 3_600))?;
///
/// assert_eq!(sealer.open(&sealed, b"row 7", 1_500, Limits::NONE)?.payload(), b"wand=holly");
/// assert!(sealer.open(&sealed, b"row 8", 1_500, Limits::NONE).is_err());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Layout: [`format`](mod@crate::format), section "Sealed bytes". Order of checks: section "Open".
#[derive(Clone)]
pub struct Sealer {
    shared: Arc<Shared>,
}

struct Shared {
    keys: Vec<(KeyId, ContextKey)>,
    name_bytes: usize,
}

impl Sealer {
    pub(crate) fn new(keys: impl Iterator<Item = (KeyId, ContextKey)>, context: &Context) -> Self {
        Self { shared: Arc::new(Shared { keys: keys.collect(), name_bytes: context.name().len() }) }
    }

    /// Seals into the binary form, bound to `bound`, at most 64 bytes. The value opens only with the same `bound`.
    ///
    /// # Errors
    ///
    /// [`Error::BinaryTooLong`] beyond [`MAX_BINARY_BYTES`], [`Error::BoundTooLong`], [`Error::TooOld`],
    /// [`Error::Random`].
    pub fn seal(&self, payload: &[u8], bound: &[u8], times: Times) -> Result<Vec<u8>, Error> {
        self.seal_binary(payload, bound, times, random_nonce)
    }

    /// Seals into the binary form with a nonce that was drawn earlier.
    ///
    /// # Errors
    ///
    /// [`Error::BinaryTooLong`] beyond [`MAX_BINARY_BYTES`], [`Error::BoundTooLong`], [`Error::TooOld`].
    pub fn seal_under(
        &self,
        nonce: FreshNonce,
        payload: &[u8],
        bound: &[u8],
        times: Times,
    ) -> Result<Vec<u8>, Error> {
        self.seal_binary(payload, bound, times, || Ok(nonce.0))
    }

    /// Seals into the text form, for the cookie that the context names. `bound` is empty.
    ///
    /// # Errors
    ///
    /// [`Error::TextTooLong`] if name and text would exceed [`MAX_TEXT_BYTES`]; it holds the largest payload that fits.
    /// [`Error::TooOld`], [`Error::Random`].
    pub fn seal_text(&self, payload: &[u8], times: Times) -> Result<String, Error> {
        self.seal_as_text(payload, times, random_nonce)
    }

    /// Seals into the text form with a nonce that was drawn earlier.
    ///
    /// # Errors
    ///
    /// [`Error::TextTooLong`], [`Error::TooOld`].
    pub fn seal_text_under(&self, nonce: FreshNonce, payload: &[u8], times: Times) -> Result<String, Error> {
        self.seal_as_text(payload, times, || Ok(nonce.0))
    }

    /// Seals into the binary form with a given nonce, to reproduce test vectors.
    ///
    /// Two messages with the same nonce and key reveal each other: never call this for real values.
    ///
    /// # Errors
    ///
    /// Those of [`seal`](Self::seal).
    #[cfg(any(feature = "hazmat", test))]
    pub fn seal_with_nonce(
        &self,
        payload: &[u8],
        bound: &[u8],
        times: Times,
        nonce: [u8; 24],
    ) -> Result<Vec<u8>, Error> {
        self.seal_binary(payload, bound, times, || Ok(nonce))
    }

    /// Seals into the text form with a given nonce, to reproduce test vectors.
    ///
    /// Two messages with the same nonce and key reveal each other: never call this for real values.
    ///
    /// # Errors
    ///
    /// Those of [`seal_text`](Self::seal_text).
    #[cfg(any(feature = "hazmat", test))]
    pub fn seal_text_with_nonce(
        &self,
        payload: &[u8],
        times: Times,
        nonce: [u8; 24],
    ) -> Result<String, Error> {
        self.seal_as_text(payload, times, || Ok(nonce))
    }

    /// Opens the binary form at the time `now`. `bound` must be the one that it was sealed with. A vector is opened in place,
    /// and a slice is copied.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open<'a>(
        &self,
        sealed: impl Into<Cow<'a, [u8]>>,
        bound: &[u8],
        now: u64,
        limits: Limits,
    ) -> Result<Opened, Rejected> {
        self.open_binary(sealed.into(), bound, now, limits)
    }

    fn open_binary(
        &self,
        sealed: Cow<'_, [u8]>,
        bound: &[u8],
        now: u64,
        limits: Limits,
    ) -> Result<Opened, Rejected> {
        // Step 1, binary form.
        if sealed.len() > MAX_BINARY_BYTES {
            return Err(Reason::TooLong.into());
        }
        if bound.len() > MAX_BOUND_BYTES {
            return Err(Reason::BoundTooLong(bound.len()).into());
        }
        // Steps 2 to 7, then 8.
        let opened = self.find_key(&sealed)?.decrypt(sealed.into_owned(), bound)?;
        opened.times().check(now, limits)?;
        Ok(opened)
    }

    /// Opens the text form at the time `now`. The text is untrusted and may be any bytes.
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open_text(&self, text: &[u8], now: u64, limits: Limits) -> Result<Opened, Rejected> {
        let opened = self.open_text_at_any_time(text)?;
        opened.times().check(now, limits)?;
        Ok(opened)
    }

    /// Opens the text form without step 8, the check of the times, to show it to an operator.
    ///
    /// Before acting on the payload, [check the times](Times::check), or call [`open_text`](Self::open_text).
    ///
    /// # Errors
    ///
    /// [`Rejected`], whose reason is for the log.
    pub fn open_text_at_any_time(&self, text: &[u8]) -> Result<Opened, Rejected> {
        // Step 1, text form; then steps 2 to 7.
        let sealed = text::decode(text, self.shared.name_bytes)?;
        Ok(self.find_key(&sealed)?.decrypt(sealed, b"")?)
    }

    /// The largest payload, in bytes, whose text form fits beside the context's name: 2923 for a name of 14 letters.
    pub fn max_text_payload(&self) -> usize {
        let sealed = text::decoded_bytes(MAX_TEXT_BYTES - self.shared.name_bytes);
        let inner = envelope::max_inner_bytes(sealed).expect("a name is at most 255 of the 4096 bytes");
        inner::max_payload(inner)
    }

    /// The largest payload, in bytes, whose binary form fits in [`MAX_BINARY_BYTES`].
    pub fn max_binary_payload(&self) -> usize {
        let inner = envelope::max_inner_bytes(MAX_BINARY_BYTES).expect("a mebibyte holds one step");
        inner::max_payload(inner)
    }

    fn seal_binary(
        &self,
        payload: &[u8],
        bound: &[u8],
        times: Times,
        nonce: impl FnOnce() -> Result<Nonce, Error>,
    ) -> Result<Vec<u8>, Error> {
        let bytes = sealed_bytes(payload);
        if bytes > MAX_BINARY_BYTES {
            return Err(Error::BinaryTooLong(bytes));
        }
        if bound.len() > MAX_BOUND_BYTES {
            return Err(Error::BoundTooLong(bound.len()));
        }
        self.seal_bytes(payload, bound, times, nonce()?)
    }

    fn seal_as_text(
        &self,
        payload: &[u8],
        times: Times,
        nonce: impl FnOnce() -> Result<Nonce, Error>,
    ) -> Result<String, Error> {
        let bytes = self.shared.name_bytes + text::encoded_bytes(sealed_bytes(payload));
        if bytes > MAX_TEXT_BYTES {
            let max_payload = self.max_text_payload();
            return Err(Error::TextTooLong { bytes, payload: payload.len(), max_payload });
        }
        Ok(text::encode(&self.seal_bytes(payload, b"", times, nonce()?)?))
    }

    /// Writes the bytes of [`format`](mod@crate::format), section "Sealed bytes", in order.
    fn seal_bytes(&self, payload: &[u8], bound: &[u8], times: Times, nonce: Nonce) -> Result<Vec<u8>, Error> {
        let (kid, key) = self.shared.keys.first().expect("a ring has at least one key");
        let mut sealed = Vec::with_capacity(sealed_bytes(payload));
        // Offsets 0 to 60: version, kid, commitment, nonce.
        Head { kid: *kid, commitment: key.commitment, nonce }.write(&mut sealed);
        // Offset 61: the inner part, encrypted in place under `bytes[0..37] | bound`. Then the tag.
        inner::write(&mut sealed, times, payload)?;
        let (associated, inner) = envelope::parts_to_seal(&mut sealed);
        let tag = associated.with(bound, |associated| aead::encrypt(&key.seal, &nonce, associated, inner));
        sealed.extend_from_slice(&tag);
        Ok(sealed)
    }

    /// Steps 2 to 5 of "Open": length, version, key id, commitment. No other key is tried after one whose commitment
    /// agrees.
    fn find_key(&self, sealed: &[u8]) -> Result<Found<'_>, Reason> {
        // Steps 2 and 3: length, version.
        let head = Head::parse(sealed)?;
        let mut reason = Reason::UnknownKey(head.kid);
        for (position, (kid, key)) in self.shared.keys.iter().enumerate() {
            // Step 4: the kid, in ring order.
            if *kid != head.kid {
                continue;
            }
            // Step 5: the commitment, in constant time.
            if is_equal(&key.commitment, &head.commitment).into() {
                return Ok(Found { head, key, position });
            }
            reason = Reason::Commitment;
        }
        Err(reason)
    }
}

/// Compares two commitments in constant time, by words: comparing bytes with `subtle` takes a dozen instructions for
/// each.
fn is_equal(one: &Commitment, other: &Commitment) -> Choice {
    let pairs = one.as_chunks().0.iter().zip(other.as_chunks().0);
    let differing = pairs.map(|(one, other)| u64::from_ne_bytes(*one) ^ u64::from_ne_bytes(*other));
    differing.fold(0, |all, bits| all | bits).ct_eq(&0)
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<KeyId> = self.shared.keys.iter().map(|(kid, _)| *kid).collect();
        f.debug_struct("Sealer").field("keys", &ids).finish_non_exhaustive()
    }
}

const NONCE_BYTES: usize = size_of::<Nonce>();

/// A nonce for one message, from the operating system. Sealing takes it by value, so it cannot be used twice.
pub struct FreshNonce(Nonce);

impl FreshNonce {
    /// Draws a nonce.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn draw() -> Result<Self, Error> {
        Self::draw_beside::<0>().map(|(nonce, _)| nonce)
    }

    /// Draws a nonce and, with the same system call, `N` random bytes for the caller, such as an id. `N` is at most 40.
    ///
    /// # Errors
    ///
    /// [`Error::Random`].
    pub fn draw_beside<const N: usize>() -> Result<(Self, [u8; N]), Error> {
        const { assert!(NONCE_BYTES + N <= 64, "at most 40 bytes are drawn beside a nonce") };
        let mut drawn = [0; 64];
        let drawn = &mut drawn[..NONCE_BYTES + N];
        getrandom::fill(drawn).map_err(Error::random)?;
        let (nonce, beside) = drawn.split_at(NONCE_BYTES);
        let length = "both are as long as was drawn for them";
        Ok((Self(nonce.try_into().expect(length)), beside.try_into().expect(length)))
    }
}

impl fmt::Debug for FreshNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FreshNonce(..)")
    }
}

/// The key that a value commits to, and the parsed head of the value.
struct Found<'a> {
    head: Head,
    key: &'a ContextKey,
    position: usize,
}

impl Found<'_> {
    fn decrypt(&self, sealed: Vec<u8>, bound: &[u8]) -> Result<Opened, Reason> {
        Opened::decrypt(sealed, bound, &self.head, self.key, self.position)
    }
}

fn sealed_bytes(payload: &[u8]) -> usize {
    envelope::sealed_bytes(inner::inner_bytes(payload.len()))
}

fn random_nonce() -> Result<Nonce, Error> {
    FreshNonce::draw().map(|fresh| fresh.0)
}
