use crate::error::Error;
use crate::format_limits::MAX_LABEL_BYTES;

/// The purpose of a value, the name of the cookie that carries it, and the audience that it belongs to.
///
/// All three are part of the key derivation, so a value sealed in one context does not open in another: a sealed link
/// does not open as a session, and a value from staging does not open in production. They are compared byte for byte.
///
/// A purpose either seals ([`Keyring::sealer`](crate::Keyring::sealer)) or authenticates
/// ([`Keyring::authenticator`](crate::Keyring::authenticator), [`Keyring::signer`](crate::Keyring::signer)), never both.
///
/// ```
/// use waxseal_crypto::Context;
///
/// let context = Context::new("session")?.with_name("__Host-session")?.with_audience("wizard")?;
/// # Ok::<(), waxseal_crypto::Error>(())
/// ```
///
/// Defined in [`format`](mod@crate::format), section "Keys".
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Context {
    purpose: Box<str>,
    name: Box<str>,
    audience: Box<str>,
}

impl Context {
    /// A context with this purpose, and neither name nor audience.
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] beyond [`MAX_LABEL_BYTES`].
    pub fn new(purpose: &str) -> Result<Self, Error> {
        Ok(Self { purpose: label("purpose", purpose)?, name: "".into(), audience: "".into() })
    }

    /// The same name and audience, with another purpose.
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] beyond [`MAX_LABEL_BYTES`].
    pub fn with_purpose(self, purpose: &str) -> Result<Self, Error> {
        Ok(Self { purpose: label("purpose", purpose)?, ..self })
    }

    /// Sets the full name of the cookie that carries the value, such as `__Host-session`.
    ///
    /// The length of the name counts towards [`MAX_TEXT_BYTES`](crate::MAX_TEXT_BYTES).
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] beyond [`MAX_LABEL_BYTES`].
    pub fn with_name(self, name: &str) -> Result<Self, Error> {
        Ok(Self { name: label("name", name)?, ..self })
    }

    /// Sets the app or tenant that the value belongs to.
    ///
    /// # Errors
    ///
    /// [`Error::LabelTooLong`] beyond [`MAX_LABEL_BYTES`].
    pub fn with_audience(self, audience: &str) -> Result<Self, Error> {
        Ok(Self { audience: label("audience", audience)?, ..self })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// `kind | len16(purpose) | len16(name) | len16(audience)`, the info of a seal key, commitment or MAC key.
    pub(crate) fn info(&self, kind: &str) -> Vec<u8> {
        let mut info = kind.as_bytes().to_vec();
        for label in [&self.purpose, &self.name, &self.audience] {
            info.extend_from_slice(&len16(label));
            info.extend_from_slice(label.as_bytes());
        }
        info
    }
}

/// The first part of `len16` of a checked label: its length as two bytes, big-endian.
pub(crate) fn len16(label: &str) -> [u8; 2] {
    u16::try_from(label.len()).expect("a label is at most 255 bytes").to_be_bytes()
}

/// Checks the length of `text`; `what` names it in the error.
pub(crate) fn label(what: &'static str, text: &str) -> Result<Box<str>, Error> {
    match text.len() {
        0..=MAX_LABEL_BYTES => Ok(text.into()),
        found => Err(Error::LabelTooLong { what, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_info_gives_every_part_its_length() {
        let context = Context::new("ab").unwrap().with_audience("ü").unwrap();
        assert_eq!(context.info("seal"), b"seal\x00\x02ab\x00\x00\x00\x02\xc3\xbc");
    }

    #[test]
    fn parts_do_not_run_into_each_other() {
        let one = Context::new("ab").unwrap().with_name("c").unwrap();
        let two = Context::new("a").unwrap().with_name("bc").unwrap();
        assert_ne!(one.info("seal"), two.info("seal"));
    }

    #[test]
    fn each_part_is_at_most_255_bytes() {
        let (longest, longer) = ("x".repeat(255), "x".repeat(256));
        let context = || Context::new(&longest).unwrap();
        assert!(context().with_name(&longest).unwrap().with_audience(&longest).is_ok());
        assert!(Context::new(&longer).is_err());
        assert!(context().with_name(&longer).is_err());
        assert!(context().with_audience(&longer).is_err());
        let error = Context::new(&"ü".repeat(128)).unwrap_err();
        assert_eq!(error.to_string(), "purpose of 256 bytes; the most is 255");
    }
}
