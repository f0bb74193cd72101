//! The only kind of JWS that browsers send: compact, ES256, type `dbsc+jwt` (RFC 7515; DBSC, "DBSC proof").
//!
//! No JWT library is used: what they check by default, such as `exp`, `aud` and a list of algorithms, does not apply
//! here.

use serde_json::Value;

use crate::public_key::PublicKey;
use crate::reason::Reason;
use crate::text;

/// The longest header value that is parsed, in bytes.
const MAX_RESPONSE_BYTES: usize = 2_048;

/// A JWS of the right form. Nothing in it is verified yet.
pub(crate) struct Jws<'a> {
    /// The two parts that are signed, as received.
    signed: &'a [u8],
    signature: [u8; 64],
    /// The challenge that it answers.
    pub(crate) jti: String,
    jwk: Option<(Coordinate, Coordinate)>,
}

type Coordinate = [u8; 32];

impl<'a> Jws<'a> {
    /// Parses the value of `Secure-Session-Response`.
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Reason> {
        if value.len() > MAX_RESPONSE_BYTES {
            return Err(Reason::TooLong);
        }
        let text = text::bare(value).ok_or(Reason::Malformed)?;
        let (signed, signature) = text.rsplit_once('.').ok_or(Reason::Malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(Reason::Malformed)?;
        let decode = |part: &str| text::decode(part.as_bytes()).ok_or(Reason::Malformed);
        let json = |part| serde_json::from_slice(&decode(part)?).map_err(|_| Reason::Malformed);
        let (header, claims): (Value, Value) = (json(header)?, json(claims)?);
        let signature = decode(signature)?.try_into().map_err(|_| Reason::Malformed)?;
        let jti = claims["jti"].as_str().ok_or(Reason::Malformed)?.to_owned();
        // `crit` lists extensions that the recipient must understand. None is supported.
        if header["typ"] != "dbsc+jwt" || header["alg"] != "ES256" || header.get("crit").is_some() {
            return Err(Reason::Algorithm);
        }
        let jwk = header.get("jwk").map(|jwk| coordinates(jwk).ok_or(Reason::Key)).transpose()?;
        Ok(Self { signed: signed.as_bytes(), signature, jti, jwk })
    }

    /// Checks that it has no key: a refresh is signed by the key of its session.
    pub(crate) fn without_key(self) -> Result<Self, Reason> {
        if self.jwk.is_none() { Ok(self) } else { Err(Reason::Key) }
    }

    /// The key that came with it, which a registration must have. Fails unless the key is a point on the curve and has
    /// made the signature.
    pub(crate) fn verify_by_its_own_key(&self) -> Result<PublicKey, Reason> {
        let (x, y) = self.jwk.ok_or(Reason::Key)?;
        let key = PublicKey::from_coordinates(x, y).ok_or(Reason::Key)?;
        self.verify(&key)?;
        Ok(key)
    }

    /// Checks that `key` has made the signature.
    pub(crate) fn verify(&self, key: &PublicKey) -> Result<(), Reason> {
        if key.verifies(self.signed, &self.signature) { Ok(()) } else { Err(Reason::Signature) }
    }
}

fn coordinates(jwk: &Value) -> Option<(Coordinate, Coordinate)> {
    let coordinate = |name| text::decode_exact(jwk[name].as_str()?.as_bytes());
    let is_p256 = jwk["kty"] == "EC" && jwk["crv"] == "P-256";
    is_p256.then(|| Some((coordinate("x")?, coordinate("y")?)))?
}

#[cfg(test)]
mod tests {
    use crate::reason::Reason;
    use crate::registration::Registration;
    use crate::testing::{Browser, Keys, NOW, OFFER, counting, terms};
    use crate::{Purpose, Refresh, Tokens, text};

    /// Numbers from a fixed seed (xorshift64).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, end: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % end as u64) as usize
        }

        /// `value` with one to four changes: of a byte, of a stretch, of a stretch's position, or of a part's JSON.
        fn damage(&mut self, value: &[u8], other: &[u8]) -> Vec<u8> {
            let mut value = value.to_vec();
            for _ in 0..=self.below(4) {
                let from = self.below(value.len() + 1);
                let to = from + self.below((value.len() - from).min(40) + 1);
                match self.below(7) {
                    0 if from < value.len() => value[from] = self.below(256) as u8,
                    1 if from < value.len() => value[from] = b"ABCxyz019-_.=\"\\ "[self.below(16)],
                    2 => drop(value.drain(from..to)),
                    3 => value.truncate(from),
                    4 => drop(value.splice(from..from, value[from..to].to_vec())),
                    5 => drop(
                        value.splice(from..to, other[from.min(other.len())..to.min(other.len())].to_vec()),
                    ),
                    _ => self.damage_json(&mut value),
                }
            }
            value
        }

        /// Changes the content of one of the first two parts, and encodes it correctly.
        fn damage_json(&mut self, value: &mut Vec<u8>) {
            let mut parts: Vec<_> = value.split(|&byte| byte == b'.').map(<[u8]>::to_vec).collect();
            let at = self.below(parts.len().min(2));
            let Some(mut json) = text::decode(&parts[at]) else { return };
            let from = self.below(json.len() + 1);
            let to = from + self.below((json.len() - from).min(20) + 1);
            let pieces: [&[u8]; 8] = [b"", b"{", b"[[[[", b"\"", b"null", b"1e999", b"\\u0000", b"\xff\xfe"];
            json.splice(from..to, pieces[self.below(8)].to_vec());
            parts[at] = text::encode(&json).into_bytes();
            *value = parts.join(&b'.');
        }
    }

    #[test]
    fn nothing_malformed_is_accepted_or_panics() {
        let (keys, browser, mut numbers) = (Keys::new(), Browser::new(1), Numbers(0x5eed));
        // Made of fixed bytes, so that each run is the same.
        let offer = keys.sign(Purpose::Offer, &[7; 24], NOW).unwrap();
        let (good, other) = (browser.register(&offer), Browser::new(2).register(&offer));
        let mut seen = std::collections::BTreeMap::<_, usize>::new();
        for _ in 0..10_000 {
            let damaged = numbers.damage(good.as_bytes(), other.as_bytes());
            let headers = |name| (name == "secure-session-response").then_some(&damaged[..]);
            let (verified, found) = counting(|| Registration::check(headers, &keys, NOW));
            let is_same = text::bare(&damaged) == Some(&*good);
            assert_eq!(found.is_ok(), is_same, "{:?}", String::from_utf8_lossy(&damaged));
            let reason = found.err();
            assert_eq!(verified, usize::from(matches!(reason, None | Some(Reason::Signature))), "{reason:?}");
            *seen.entry(reason.map_or("good", Reason::word)).or_default() += 1;
        }
        for word in ["malformed", "algorithm", "key", "offer", "signature"] {
            assert!(seen.contains_key(word), "{word} is missing in {seen:?}");
        }
    }

    #[test]
    fn nothing_malformed_refreshes_or_panics() {
        let (keys, browser, mut numbers) = (Keys::new(), Browser::new(1), Numbers(0xfeed));
        let identifier = keys.identifier(OFFER, &browser, NOW);
        let challenge = |nonce: u8| {
            let payload = [&OFFER.as_bytes()[..], &[nonce; 8]].concat();
            browser.refresh(&keys.sign(Purpose::Challenge, &payload, NOW).unwrap())
        };
        let (good, other) = (challenge(1), challenge(2));
        let mut proven = 0;
        for round in 0..10_000 {
            let damaged = numbers.damage(good.as_bytes(), other.as_bytes());
            let damaged_id = numbers.damage(identifier.as_bytes(), good.as_bytes());
            let id = if round % 2 == 0 { identifier.as_bytes() } else { &damaged_id };
            let headers = |name| match name {
                "sec-secure-session-id" => Some(id),
                _ => Some(&damaged[..]),
            };
            let found = Refresh::check(headers, &keys, &terms(), NOW);
            let is_proven = found.is_ok_and(|it| {
                it.decide(crate::SessionSeen::Unknown) == crate::Refreshed::Proven(browser.binding(OFFER))
            });
            let is_same = text::bare(&damaged) == Some(&*good) && text::bare(id) == Some(&*identifier);
            assert_eq!(is_proven, is_same, "{:?}", String::from_utf8_lossy(&damaged));
            proven += usize::from(is_proven);
        }
        assert!(proven > 0, "some damage is none, and was to be accepted");
    }
}
