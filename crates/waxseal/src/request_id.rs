//! Request ids.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The response header with the request's id, unless the settings name another.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids from outside are replaced, because each line of the log carries the id.
const MAX_FOREIGN_BYTES: usize = 128;

/// The header that carries request ids.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestIdHeader(
    /// The header that brings an id with the request and returns it with the response. If `None`, ids are generated.
    pub(crate) Option<HeaderName>,
);

/// The id of a request, in the log and in its response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// Generated here, as hexadecimal digits.
    Made([u8; 16]),
    /// Brought by the configured header.
    Brought(HeaderValue),
}

impl RequestIdHeader {
    /// The id of the request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        self.0.as_ref().map_or_else(RequestId::new, |name| RequestId::of(headers, name))
    }

    /// The response header that carries the id.
    pub(crate) fn answered(&self) -> &HeaderName {
        self.0.as_ref().unwrap_or(&X_REQUEST_ID)
    }
}

impl RequestId {
    /// Generates an id. It is unique within the process; two processes' ids collide with a chance of about 1 in 2⁶⁴. It
    /// is not a secret and can be guessed.
    fn new() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| {
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one(std::process::id())
        });
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        // Multiplying by an odd factor is a permutation, so the ids of a process differ, and ids of successive requests
        // do not look alike.
        let mut number =
            REQUESTS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ *PROCESS;
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[number as usize & 15];
            number >>= 4;
        }
        Self::Made(digits)
    }

    /// Returns the id in the header of this name, if the header occurs once and its value is 1 to 128 characters long,
    /// all of them ASCII letters, digits or `-_.:=+/`. Otherwise generates a new one.
    fn of(headers: &HeaderMap, name: &HeaderName) -> Self {
        let mut found = headers.get_all(name).into_iter();
        match (found.next(), found.next()) {
            (Some(id), None) if is_well_formed(id.as_bytes()) => Self::Brought(id.clone()),
            _ => Self::new(),
        }
    }

    pub(crate) fn as_str(&self) -> &str {
        match self {
            Self::Made(digits) => str::from_utf8(digits).expect("digits are ASCII"),
            Self::Brought(id) => id.to_str().expect("it holds visible ASCII alone"),
        }
    }

    pub(crate) fn header_value(&self) -> HeaderValue {
        match self {
            Self::Made(digits) => HeaderValue::from_bytes(digits).expect("digits fit into a header field"),
            Self::Brought(id) => id.clone(),
        }
    }
}

fn is_well_formed(id: &[u8]) -> bool {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:=+/".contains(byte);
    (1..=MAX_FOREIGN_BYTES).contains(&id.len()) && id.iter().all(allowed)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_differ_and_have_sixteen_digits() {
        let ids: HashSet<_> = (0..1_000).map(|_| RequestId::new().as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.bytes().all(|digit| digit.is_ascii_hexdigit())));
    }

    #[test]
    fn an_id_of_a_proxy_is_taken_if_it_can_stand_in_a_log() {
        for (brought, is_taken) in [
            (&["7c9e6679-7425-40de-944b-e07fc1f90ae7"][..], true),
            (&["Root=1-67891233-abcdef012345678912345678"], true),
            (&[&"x".repeat(128)], true),
            (&[&"x".repeat(129)], false),
            (&[""], false),
            (&["two words"], false),
            (&["<script>"], false),
            (&["a\"b"], false),
            (&["one", "two"], false),
            (&[], false),
        ] {
            let mut headers = HeaderMap::new();
            for id in brought {
                headers.append(X_REQUEST_ID.clone(), id.parse().unwrap());
            }
            let id = RequestId::of(&headers, &X_REQUEST_ID);
            assert_eq!(brought.contains(&id.as_str()), is_taken, "{brought:?}");
            assert!(is_taken || id.as_str().len() == 16);
        }
    }
}
