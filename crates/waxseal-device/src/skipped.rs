use std::fmt;

use crate::text;

/// The reason that a browser did not refresh: one item of `Secure-Session-Skipped`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// The refresh endpoint could not be reached.
    Unreachable,
    /// The refresh endpoint answered with a server error.
    ServerError,
    /// The browser has made as many signatures for this site as it allows within some minutes.
    QuotaExceeded,
}

impl SkipReason {
    /// The reason's name in the header, and in metrics.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::ServerError => "server_error",
            Self::QuotaExceeded => "quota_exceeded",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The items of one `Secure-Session-Skipped`, such as `unreachable;session_identifier="..."`, as reason and session.
/// Items with another reason, or without a session, are left out.
pub(crate) fn items(value: &[u8]) -> impl Iterator<Item = (SkipReason, &str)> {
    text::split(value, b',').filter_map(item)
}

fn item(item: &[u8]) -> Option<(SkipReason, &str)> {
    let mut parts = text::split(item, b';').map(<[u8]>::trim_ascii);
    let reason = match parts.next()? {
        b"unreachable" => SkipReason::Unreachable,
        b"server_error" => SkipReason::ServerError,
        b"quota_exceeded" => SkipReason::QuotaExceeded,
        _ => return None,
    };
    let identifier = parts.find_map(|part| part.strip_prefix(b"session_identifier="))?;
    Some((reason, text::bare(identifier)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_read_with_their_sessions() {
        use SkipReason::{QuotaExceeded, ServerError, Unreachable};
        for (case, value, expected) in [
            (
                "as Chromium sends it",
                "quota_exceeded;session_identifier=\"a-_9\"",
                &[(QuotaExceeded, "a-_9")][..],
            ),
            ("bare", "server_error;session_identifier=a", &[(ServerError, "a")]),
            ("blanks", " unreachable ; session_identifier=\"a\" ", &[(Unreachable, "a")]),
            (
                "several",
                "unreachable;session_identifier=\"a\", server_error;session_identifier=\"b\"",
                &[(Unreachable, "a"), (ServerError, "b")],
            ),
            ("another parameter", "unreachable;x=\";,\";session_identifier=\"a\"", &[(Unreachable, "a")]),
            (
                "another parameter that holds its like",
                "unreachable;x=\";session_identifier=b\";session_identifier=\"a\"",
                &[(Unreachable, "a")],
            ),
            (
                "an unknown reason beside a known one",
                "tired;session_identifier=\"a\",unreachable;session_identifier=\"b\"",
                &[(Unreachable, "b")],
            ),
            ("no session", "unreachable", &[]),
            ("an empty session", "unreachable;session_identifier=\"\"", &[]),
            ("an open quote", "unreachable;session_identifier=\"a", &[]),
            ("capitals", "Unreachable;session_identifier=\"a\"", &[]),
            ("nothing", "", &[]),
            ("marks alone", ",;,;", &[]),
        ] {
            assert_eq!(items(value.as_bytes()).collect::<Vec<_>>(), expected, "{case}");
        }
        assert_eq!(items(b"unreachable;session_identifier=\"\xff\"").count(), 0);
    }
}
