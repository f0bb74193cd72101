//! Ids of requests.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header by which an answer carries its request's id, unless the settings name another.
static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Longer ids of others are replaced: each line of the log carries one.
const MAX_FOREIGN_BYTES: usize = 128;

/// The headers that carry ids of requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestIdHeader(
    /// The header that brings ids, and takes them back. Without one, ids are made here.
    pub(crate) Option<HeaderName>,
);

/// The id of a request, in the log and in its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RequestId {
    /// Hexadecimal digits.
    Made([u8; 16]),
    /// By the configured header.
    Brought(HeaderValue),
}

impl RequestIdHeader {
    /// The id of the request with these headers.
    pub(crate) fn of(&self, headers: &HeaderMap) -> RequestId {
        self.0.as_ref().map_or_else(RequestId::new, |name| RequestId::of(headers, name))
    }

    /// The header that an answer carries the id in.
    pub(crate) fn answered(&self) -> &HeaderName {
        self.0.as_ref().unwrap_or(&X_REQUEST_ID)
    }
}

impl RequestId {
    /// An id that no other request of any process has, but by a chance of 1 in 2⁶⁴. It is no secret and can be guessed.
    fn new() -> Self {
        static PROCESS: LazyLock<u64> = LazyLock::new(|| {
            use std::hash::{BuildHasher, RandomState};
            RandomState::new().hash_one(std::process::id())
        });
        static REQUESTS: AtomicU64 = AtomicU64::new(0);
        // An odd factor makes it a permutation: the ids of a process differ, and neighbours do not look alike.
        let mut number =
            REQUESTS.fetch_add(1, Ordering::Relaxed).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ *PROCESS;
        let mut digits = [0; 16];
        for digit in digits.iter_mut().rev() {
            *digit = b"0123456789abcdef"[number as usize & 15];
            number >>= 4;
        }
        Self::Made(digits)
    }

    /// The id that the header of this name brought, if it is one of at most 128 letters, digits and `-_.:=+/`. Otherwise a
    /// new one.
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
