//! The time at which a certificate ends.

use std::time::SystemTime;

use x509_cert::Certificate;
use x509_cert::der::Decode;

/// The end of a certificate's validity: its `notAfter`, RFC 5280 §4.1. `None` if it cannot be read.
pub(crate) fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    let certificate = Certificate::from_der(certificate).ok()?;
    Some(certificate.tbs_certificate().validity().not_after.to_system_time())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn a_certificate_says_when_it_ends_and_a_part_of_one_says_nothing() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/first.crt");
        let certificate = CertificateDer::from_pem_file(file).unwrap();
        // As `openssl x509 -noout -enddate` says: Nov 3 19:07:20 2126 GMT.
        let expected = SystemTime::UNIX_EPOCH + Duration::from_secs(4_949_406_440);
        assert_eq!(not_after(&certificate), Some(expected));
        for length in 0..certificate.len() {
            assert_eq!(not_after(&certificate[..length]), None, "{length}");
        }
    }
}
