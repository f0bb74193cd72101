//! Values of settings: enums and parsers for the command line.

use std::env;
#[cfg(unix)]
use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, SocketAddr};
#[cfg(unix)]
use std::str::FromStr;

use clap::builder::{PossibleValue, PossibleValuesParser, Resettable, TypedValueParser};
use clap::{Arg, ValueEnum};
use waxseal_http::SameSite;
use waxseal_manager::WhenAway;

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum LogFormat {
    /// Lines for people, in colours on a terminal.
    #[default]
    Text,
    /// One JSON object a line, for programs.
    Json,
}

/// The permissions of a file, written in octal: `660`.
#[cfg(unix)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct FileMode(pub u32);

/// Its owner and its group may read and write it.
#[cfg(unix)]
impl Default for FileMode {
    fn default() -> Self {
        Self(0o660)
    }
}

#[cfg(unix)]
impl FromStr for FileMode {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mode = text.bytes().all(|byte| byte.is_ascii_digit()).then(|| u32::from_str_radix(text, 8));
        match mode {
            Some(Ok(mode @ 0..=0o777)) => Ok(Self(mode)),
            _ => Err("write permissions in octal, such as 660"),
        }
    }
}

#[cfg(unix)]
impl fmt::Display for FileMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:o}", self.0)
    }
}

/// Parses a [`SameSite`].
pub(super) fn same_site() -> impl TypedValueParser<Value = SameSite> {
    let lax = PossibleValue::new("lax")
        .help("Links from other sites carry the cookie, their forms and scripts do not");
    let strict = PossibleValue::new("strict").help("Nothing from other sites carries it");
    let none = PossibleValue::new("none").help("Everything does; needs Secure");
    PossibleValuesParser::new([lax, strict, none]).try_map(|text| text.parse())
}

/// Parses a [`WhenAway`].
pub(super) fn when_away() -> impl TypedValueParser<Value = WhenAway> {
    let refuse = PossibleValue::new("refuse").help("503");
    let anonymous = PossibleValue::new("anonymous")
        .help("For GET, HEAD and OPTIONS the page of a visitor who is not signed in; else 503");
    PossibleValuesParser::new([refuse, anonymous]).map(|value| match &*value {
        "anonymous" => WhenAway::Anonymous,
        _ => WhenAway::Refuse,
    })
}

/// Parses an address and a port. A port alone means the loopback address, because key ids must not be public.
pub(super) fn admin_address(text: &str) -> Result<SocketAddr, AddrParseError> {
    match text.parse::<u16>() {
        Ok(port) => Ok((Ipv4Addr::LOCALHOST, port).into()),
        Err(_) => text.parse(),
    }
}

pub(super) fn without_empty_variable(argument: Arg) -> Arg {
    let value = argument.get_env().and_then(env::var_os);
    if value.is_some_and(|value| value.is_empty()) { argument.env(Resettable::Reset) } else { argument }
}

/// Parses an IP address, or `localhost`, without a DNS lookup.
pub(super) fn address(text: &str) -> Result<IpAddr, AddrParseError> {
    if text == "localhost" { Ok(Ipv4Addr::LOCALHOST.into()) } else { text.parse() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operators_port_is_of_this_machine_unless_told() {
        for (text, expected) in [
            ("9000", Some("127.0.0.1:9000")),
            ("127.0.0.2:9000", Some("127.0.0.2:9000")),
            ("[::1]:9000", Some("[::1]:9000")),
            ("0.0.0.0:9000", Some("0.0.0.0:9000")),
            ("localhost:9000", None),
            ("", None),
        ] {
            assert_eq!(
                admin_address(text).ok().map(|found| found.to_string()).as_deref(),
                expected,
                "{text}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_octal() {
        for (text, expected) in [
            ("660", Some(0o660)),
            ("0666", Some(0o666)),
            ("0", Some(0)),
            ("1777", None),
            ("8", None),
            ("+6", None),
            ("rw", None),
            ("", None),
        ] {
            assert_eq!(text.parse::<FileMode>().ok(), expected.map(FileMode), "{text}");
        }
        assert_eq!(FileMode::default().to_string(), "660");
    }
}
