//! The cookies in the input of `waxseal inspect`.

use std::io::{IsTerminal, Read};

use waxseal::SessionState;
use waxseal_crypto::SignedTokens;
use waxseal_store::SessionId;

use crate::failure::Failure;

/// The most bytes that are read from standard input: enough for a header with many cookies.
const MAX_INPUT_BYTES: u64 = 64 * 1024;
/// The default names of session cookies, in production and in development.
const NAMES: [&str; 2] = ["__Host-session", "waxseal-dev-session"];

/// Reads the input of the command from standard input.
pub(crate) fn read_input() -> Result<String, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("paste the cookie, then press Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text);
    match read.map_err(|error| anyhow::anyhow!("standard input cannot be read: {}", error.kind()))? as u64 {
        0..=MAX_INPUT_BYTES => Ok(text),
        _ => Err(Failure::Usage(
            "standard input holds more than 64 KiB, which is too large for a cookie".to_owned(),
        )),
    }
}

/// A value and the cookie name for which it may have been sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Candidate {
    /// `false` if the value's length rules out this state. Tokens of state `store` have one length; a damaged token of
    /// another state would be refused for its length alone.
    pub(crate) fn can_be_of(&self, state: SessionState) -> bool {
        const SIGNED: usize = SignedTokens::<{ SessionId::BYTES }>::CHARACTERS;
        state != SessionState::Store || self.value.len() == SIGNED
    }
}

/// Parses the input: a bare value, `name=value`, a `Cookie` or a `Set-Cookie` header.
pub(crate) fn candidates(input: &str, named: Option<&str>) -> Result<Vec<Candidate>, String> {
    let (header, text) = header(input.trim());
    // Sealed values contain no `=`. A bare value may be for any of our names.
    if !text.contains('=') {
        let names: Vec<&str> = named.map_or(NAMES.to_vec(), |name| vec![name]);
        return Ok(names
            .into_iter()
            .map(|name| Candidate { name: name.to_owned(), value: text.to_owned() })
            .collect());
    }
    // The pairs after the first of a Set-Cookie are its attributes.
    let attributes = header == Header::SetCookie || text.to_ascii_lowercase().contains("; path=");
    let pairs = text.split(';').take(if attributes { 1 } else { usize::MAX });
    let pairs: Vec<_> = pairs.filter_map(|pair| pair.trim().split_once('=')).collect();
    let ours = |name: &str| match named {
        Some(named) => name == named,
        None => NAMES.contains(&name) || pairs.len() == 1,
    };
    let found: Vec<_> = pairs
        .iter()
        .filter(|(name, _)| ours(name))
        .map(|&(name, value)| Candidate { name: name.to_owned(), value: value.to_owned() })
        .collect();
    if found.is_empty() {
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "the input has no cookie of that name; give --cookie-name. It has: {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

#[derive(PartialEq, Eq)]
enum Header {
    None,
    Cookie,
    SetCookie,
}

fn header(text: &str) -> (Header, &str) {
    match text.split_once(':') {
        Some((name, rest)) if name.trim().eq_ignore_ascii_case("cookie") => (Header::Cookie, rest.trim()),
        Some((name, rest)) if name.trim().eq_ignore_ascii_case("set-cookie") => {
            (Header::SetCookie, rest.trim())
        }
        _ => (Header::None, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(input: &str, named: Option<&str>) -> Vec<(String, String)> {
        let found = candidates(input, named).unwrap_or_default();
        found.into_iter().map(|candidate| (candidate.name, candidate.value)).collect()
    }

    #[test]
    fn a_cookie_is_found_however_it_was_copied() {
        let host = ("__Host-session".to_owned(), "AU57".to_owned());
        let development = ("waxseal-dev-session".to_owned(), "AU57".to_owned());
        let shop = ("shop".to_owned(), "AU57".to_owned());
        for (input, named, expected) in [
            (" AU57\n", None, vec![host.clone(), development.clone()]),
            ("AU57", Some("shop"), vec![shop.clone()]),
            ("__Host-session=AU57", None, vec![host.clone()]),
            ("shop=AU57", None, vec![shop.clone()]),
            ("shop=AU57", Some("other"), vec![]),
            ("Cookie: theme=dark; __Host-session=AU57; x=y", None, vec![host.clone()]),
            ("cookie: theme=dark; shop=AU57", Some("shop"), vec![shop.clone()]),
            ("theme=dark; shop=AU57", None, vec![]),
            ("Set-Cookie: shop=AU57; HttpOnly; SameSite=Lax; Path=/", None, vec![shop]),
            ("set-cookie:__Host-session=AU57; Secure", None, vec![host.clone()]),
            ("__Host-session=AU57; HttpOnly; SameSite=Lax; Secure; Path=/", None, vec![host]),
        ] {
            assert_eq!(found(input, named), expected, "{input}");
        }
    }
}
