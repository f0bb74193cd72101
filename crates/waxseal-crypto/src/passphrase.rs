//! The root key of a passphrase: `format.md`, section "Passphrase".

use argon2::{Algorithm, Argon2, Params, Version};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::context::{label, len16};
use crate::error::Error;

// RFC 9106, section 4, the second recommended choice.
const MEMORY_KIB: u32 = 64 * 1024;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const ROOT_BYTES: usize = 32;

/// `root = Argon2id(…)`; the caller has checked that the text is a passphrase.
pub(crate) fn root(passphrase: &str, app: &str) -> Result<Zeroizing<[u8; ROOT_BYTES]>, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, Some(ROOT_BYTES)).expect("the RFC's own parameters");
    let mut root = Zeroizing::new([0; ROOT_BYTES]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), &salt(app)?, &mut *root)
        .map_err(Error::passphrase)?;
    Ok(root)
}

/// `salt = first 16 bytes of SHA-256("waxseal/passphrase/v1" | len16(app name))`
// The same for all processes of an app, because they share nothing but the passphrase.
fn salt(app: &str) -> Result<[u8; 16], Error> {
    let app = label("app name", app)?;
    let hash: [u8; 32] = Sha256::new()
        .chain_update(b"waxseal/passphrase/v1")
        .chain_update(len16(&app))
        .chain_update(app.as_bytes())
        .finalize()
        .into();
    Ok(*hash.first_chunk().expect("16 of 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_app_name_is_at_most_255_bytes() {
        assert!(salt(&"a".repeat(255)).is_ok());
        let error = salt(&"a".repeat(256)).unwrap_err();
        assert_eq!(error.to_string(), "app name of 256 bytes; the most is 255");
    }
}
