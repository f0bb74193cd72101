//! A browser's key for device-bound sessions, in software.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};

/// A browser's key, in software.
pub(crate) struct Key(SigningKey);

impl Key {
    /// The key of this seed.
    pub(crate) fn new(seed: u8) -> Self {
        Self(SigningKey::from_slice(&[seed; 32]).unwrap())
    }

    /// The answer to an offer.
    pub(crate) fn register(&self, challenge: &str) -> String {
        let point = self.0.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let [x, y] = [x, y].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        self.sign(&format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#), challenge)
    }

    /// The answer to a challenge.
    pub(crate) fn refresh(&self, challenge: &str) -> String {
        self.sign(r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, challenge)
    }

    fn sign(&self, header: &str, challenge: &str) -> String {
        let claims = format!(r#"{{"jti":"{challenge}"}}"#);
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature: Signature = self.0.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// What stands between the quotes after `before`.
pub(crate) fn quoted<'a>(text: &'a str, before: &str) -> &'a str {
    text.split_once(before).unwrap().1.split('"').next().unwrap()
}
