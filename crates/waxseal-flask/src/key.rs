use std::fmt;

use zeroize::Zeroizing;

use crate::error::Error;

/// A secret key of a Flask app: `SECRET_KEY`, or one of `SECRET_KEY_FALLBACKS`. It is wiped from memory on drop and
/// never printed.
///
/// A key that is a `str` in Python differs from one that is `bytes`, because Flask encodes a `str` as UTF-8 and
/// Flask-Login as Latin-1.
#[derive(Clone)]
pub struct FlaskKey {
    bytes: Zeroizing<Vec<u8>>,
    is_text: bool,
}

impl FlaskKey {
    /// The key of an app whose `SECRET_KEY` is a `str`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn from_text(text: &str) -> Result<Self, Error> {
        Ok(Self { is_text: true, ..Self::from_bytes(text.as_bytes())? })
    }

    /// The key of an app whose `SECRET_KEY` is `bytes`.
    ///
    /// # Errors
    ///
    /// [`Error::KeyEmpty`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.is_empty() {
            return Err(Error::KeyEmpty);
        }
        Ok(Self { bytes: Zeroizing::new(bytes.to_vec()), is_text: false })
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The key in Latin-1. `None` if it is text with characters that Latin-1 does not have.
    pub(crate) fn latin1(&self) -> Option<Zeroizing<Vec<u8>>> {
        if !self.is_text {
            return Some(self.bytes.clone());
        }
        let text = str::from_utf8(&self.bytes).ok()?;
        // Reserved at once, because growing would leave copies behind in memory.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        for character in text.chars() {
            bytes.push(u8::try_from(u32::from(character)).ok()?);
        }
        Some(bytes)
    }
}

impl fmt::Debug for FlaskKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlaskKey(..)")
    }
}
