use std::fmt;

/// The reason that a registration or a refresh was refused. For a metric's label and the log, never for the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// `Sec-Fetch-Mode` or `Sec-Fetch-Site` says that the request comes from a page's script or from another site.
    FetchMetadata,
    /// There is no `Secure-Session-Response`.
    NoResponse,
    /// There are several `Secure-Session-Response` headers.
    SeveralResponses,
    /// `Secure-Session-Response` is longer than 2,048 bytes.
    TooLong,
    /// The response is not three parts of strict base64url, or a part is not the expected JSON.
    Malformed,
    /// `typ` is not `dbsc+jwt`, `alg` is not `ES256`, or there is a critical extension.
    Algorithm,
    /// A registration has no P-256 key on the curve with two coordinates of 32 bytes, or a refresh has a key.
    Key,
    /// A registration's challenge is not an offer that this server has signed.
    Offer,
    /// A registration's challenge has expired.
    OfferExpired,
    /// The signature is not that of the key.
    Signature,
    /// A refresh does not have exactly one valid `Sec-Secure-Session-Id`.
    SessionId,
    /// Nobody is signed in to the session.
    NotSignedIn,
    /// The session has no offer.
    NotOffered,
    /// The session has another, newer offer, or is bound by another one.
    OtherOffer,
    /// The session is bound by the same offer with another key: [`Registered::Conflict`](crate::Registered::Conflict).
    OtherKey,
}

impl Reason {
    /// All reasons, in the order of their checks.
    pub const ALL: [Self; 15] = [
        Self::FetchMetadata,
        Self::NoResponse,
        Self::SeveralResponses,
        Self::TooLong,
        Self::Malformed,
        Self::Algorithm,
        Self::Key,
        Self::Offer,
        Self::OfferExpired,
        Self::Signature,
        Self::SessionId,
        Self::NotSignedIn,
        Self::NotOffered,
        Self::OtherOffer,
        Self::OtherKey,
    ];

    /// The name of the reason in metrics, which never changes.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::FetchMetadata => "fetch_metadata",
            Self::NoResponse => "no_response",
            Self::SeveralResponses => "several_responses",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::Key => "key",
            Self::Offer => "offer",
            Self::OfferExpired => "offer_expired",
            Self::Signature => "signature",
            Self::SessionId => "session_id",
            Self::NotSignedIn => "not_signed_in",
            Self::NotOffered => "not_offered",
            Self::OtherOffer => "other_offer",
            Self::OtherKey => "other_key",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl std::error::Error for Reason {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_word_of_its_own() {
        let words = std::collections::BTreeSet::from(Reason::ALL.map(Reason::word));
        assert_eq!(words.len(), Reason::ALL.len());
        assert!(words.iter().all(|word| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')));
    }
}
