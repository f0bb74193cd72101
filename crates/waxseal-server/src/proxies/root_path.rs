//! The path below which an app is.

use std::fmt;
use std::str::FromStr;

use crate::setup_error::SetupError;

/// The longest path, in bytes.
const MAX_BYTES: usize = 256;

/// The path below which an app is, such as `/app`. The default is `/`: the app has the whole host.
///
/// Segments consist of letters, digits, `-`, `.`, `_` and `~`, so that browsers and proxies cannot interpret them
/// differently.
///
/// # Example
///
/// ```
/// use waxseal_server::RootPath;
///
/// let root: RootPath = "/app/".parse()?;
/// assert_eq!(root.as_str(), "/app");
/// assert_eq!(root.below("/app/wizard"), "/wizard");
/// # Ok::<(), waxseal_server::SetupError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RootPath(String);

impl RootPath {
    /// The path without a slash at its end. Empty if the app has the whole host.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part of `path` below this path, beginning with a slash. A `path` that does not begin with this path is
    /// returned unchanged.
    #[must_use]
    pub fn below<'p>(&self, path: &'p str) -> &'p str {
        // Not compared: an empty text lies nowhere in memory, and some processors take 100 ns to find that out.
        if self.0.is_empty() {
            return path;
        }
        match path.strip_prefix(&self.0) {
            Some("") => "/",
            Some(rest) if rest.starts_with('/') => rest,
            _ => path,
        }
    }

    /// Returns `true` if `url`, a path that may have a query or a fragment, begins with this path.
    #[must_use]
    pub fn contains(&self, url: &str) -> bool {
        url.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', '?', '#']))
    }
}

impl FromStr for RootPath {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_segment = |part: &str| !matches!(part, "" | "." | "..") && part.bytes().all(is_plain);
        let malformed = || SetupError::RootPath(text.to_owned());
        let segments = text.strip_prefix('/').ok_or_else(malformed)?;
        if segments.is_empty() {
            return Ok(Self::default());
        }
        let segments = segments.strip_suffix('/').unwrap_or(segments);
        match text.len() <= MAX_BYTES && segments.split('/').all(is_segment) {
            true => Ok(Self(format!("/{segments}"))),
            false => Err(malformed()),
        }
    }
}

/// Writes the path; `/` if the app has the whole host.
impl fmt::Display for RootPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "/" } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_path_is_plain() {
        for (text, expected) in [
            ("/", Some("/")),
            ("/app", Some("/app")),
            ("/app/", Some("/app")),
            ("/a/b-c_d.e~f", Some("/a/b-c_d.e~f")),
            ("", None),
            ("app", None),
            ("//app", None),
            ("//", None),
            ("/app//", None),
            ("/a/../b", None),
            ("/.", None),
            ("/a%2Fb", None),
            ("/a, /b", None),
            ("/a;b", None),
            ("/a?b", None),
            ("/a\\b", None),
            (" /a", None),
            ("https://evil.example/a", None),
        ] {
            let found = text.parse::<RootPath>().ok().map(|root| root.to_string());
            assert_eq!(found.as_deref(), expected, "{text:?}");
        }
        assert!(format!("/{}", "a".repeat(MAX_BYTES)).parse::<RootPath>().is_err());
    }

    #[test]
    fn only_whole_segments_are_taken_off() {
        for (root, path, below, contains) in [
            ("/", "/a", "/a", true),
            ("/", "", "", true),
            ("/app", "/app", "/", true),
            ("/app", "/app/", "/", true),
            ("/app", "/app/a/b", "/a/b", true),
            ("/app", "/apple", "/apple", false),
            ("/app", "/a", "/a", false),
            ("/app", "*", "*", false),
            ("/app", "/app?q", "/app?q", true),
        ] {
            let root: RootPath = root.parse().unwrap();
            assert_eq!((root.below(path), root.contains(path)), (below, contains), "{path} below {root}");
        }
    }
}
