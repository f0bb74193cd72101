//! The envelope in which Rails writes what a message is for and when it expires.

use serde::Deserialize;

use crate::error::Undecodable;

#[derive(Deserialize)]
struct Envelope {
    #[serde(rename = "_rails")]
    letter: Option<Letter>,
}

/// A message, in base64, with its expiry and its purpose.
#[derive(Deserialize)]
pub(crate) struct Letter {
    pub(crate) message: String,
    pub(crate) exp: Option<String>,
    pub(crate) pur: Option<String>,
}

/// The letter in a decrypted text. `None` if the text is a message without an envelope.
pub(crate) fn parse(opened: &[u8]) -> Result<Option<Letter>, Undecodable> {
    let envelope: Envelope = match serde_json::from_slice(opened) {
        Ok(envelope) => envelope,
        // Without an envelope, the content may be anything.
        Err(error) if error.is_syntax() => return Ok(None),
        Err(_) => return Err(Undecodable::Envelope),
    };
    Ok(envelope.letter)
}
