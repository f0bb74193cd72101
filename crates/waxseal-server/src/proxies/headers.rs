//! Which headers are read.

use std::fmt;
use std::str::FromStr;

use crate::setup_error::SetupError;

/// Which headers of trusted proxies are read.
///
/// A proxy passes on headers that it does not overwrite. So every header that is named here must be one that every
/// trusted proxy sets, appends to, or removes.
///
/// | name | header | says |
/// |---|---|---|
/// | `for` | `X-Forwarded-For` | the client's address |
/// | `proto` | `X-Forwarded-Proto` | `http` or `https` |
/// | `host` | `X-Forwarded-Host` | the host that the client asked for |
/// | `prefix` | `X-Forwarded-Prefix` | the path below which the app is, which the proxy has removed |
/// | `forwarded` | `Forwarded` (RFC 7239) | address, scheme and host |
///
/// The default is `for,proto`.
///
/// # Example
///
/// ```
/// use waxseal_server::ForwardedHeaders;
///
/// let headers: ForwardedHeaders = "for,proto,host".parse()?;
/// assert_eq!(headers.to_string(), "for,proto,host");
/// assert_eq!(ForwardedHeaders::default().to_string(), "for,proto");
/// # Ok::<(), waxseal_server::SetupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ForwardedHeaders {
    pub(super) address: bool,
    pub(super) proto: bool,
    pub(super) host: bool,
    pub(super) prefix: bool,
    pub(super) forwarded: bool,
}

impl ForwardedHeaders {
    /// No header.
    const NONE: Self = Self { address: false, proto: false, host: false, prefix: false, forwarded: false };

    /// Returns `true` if the path below which the app is comes with each request.
    #[must_use]
    pub fn reads_prefix(&self) -> bool {
        self.prefix
    }

    fn named(&mut self, name: &str) -> Option<&mut bool> {
        Some(match name {
            "for" => &mut self.address,
            "proto" => &mut self.proto,
            "host" => &mut self.host,
            "prefix" => &mut self.prefix,
            "forwarded" => &mut self.forwarded,
            _ => return None,
        })
    }
}

impl Default for ForwardedHeaders {
    fn default() -> Self {
        Self { address: true, proto: true, ..Self::NONE }
    }
}

/// Parses a list with commas. An empty list names no header.
impl FromStr for ForwardedHeaders {
    type Err = SetupError;

    fn from_str(text: &str) -> Result<Self, SetupError> {
        let mut headers = Self::NONE;
        for name in text.split(',').map(str::trim).filter(|_| !text.trim().is_empty()) {
            *headers.named(name).ok_or_else(|| SetupError::ProxyHeader(name.to_owned()))? = true;
        }
        match headers.forwarded && (headers.address || headers.proto || headers.host) {
            true => Err(SetupError::ProxyHeaders),
            false => Ok(headers),
        }
    }
}

impl fmt::Display for ForwardedHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = ["for", "proto", "host", "prefix", "forwarded"];
        let mut copy = *self;
        let read: Vec<_> =
            names.into_iter().filter(|name| copy.named(name).is_some_and(|read| *read)).collect();
        f.write_str(&read.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_names_is_what_it_says() {
        for (text, expected) in [
            ("", Ok("")),
            ("for", Ok("for")),
            (" proto , for", Ok("for,proto")),
            ("forwarded,prefix", Ok("prefix,forwarded")),
            (
                "for,forwarded",
                Err("`forwarded` says what for, proto and host say; choose the one that the proxy sets"),
            ),
            (
                "x-forwarded-for",
                Err("`x-forwarded-for` names no header; write for, proto, host, prefix or forwarded"),
            ),
            ("for,", Err("`` names no header; write for, proto, host, prefix or forwarded")),
        ] {
            let found = text.parse::<ForwardedHeaders>().map(|headers| headers.to_string());
            let found = found.map_err(|error| error.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
    }
}
