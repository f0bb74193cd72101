//! URLs with the special arguments of Flask's `url_for`.

use percent_encoding::utf8_percent_encode;

use super::url_error::UrlError;
use super::{ESCAPED, Urls};

const ANCHOR: &str = "_anchor";
pub(super) const EXTERNAL: &str = "_external";

/// A URL of the app, without its root path.
#[derive(Debug)]
pub(crate) struct Address {
    path: String,
    is_external: bool,
}

impl Urls {
    /// Builds the URL of a route. Of `arguments`, `_anchor` is appended to it, and `_external` asks for scheme and host
    /// in front, unless its value is empty or `false`.
    pub(crate) fn address(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Address, UrlError> {
        let is_special = |(name, _): &&(&str, &str)| name.starts_with('_');
        let (special, plain): (Vec<_>, Vec<_>) = arguments.iter().partition(is_special);
        if let Some((unknown, _)) = special.iter().find(|(name, _)| ![ANCHOR, EXTERNAL].contains(name)) {
            return Err(UrlError::Special((*unknown).to_owned()));
        }
        let value = |asked| special.iter().find(|(name, _)| *name == asked).map(|(_, value)| *value);
        let mut path = self.url_for(name, &plain)?;
        if let Some(anchor) = value(ANCHOR) {
            path.push('#');
            path.extend(utf8_percent_encode(anchor, ESCAPED));
        }
        let is_external = value(EXTERNAL).is_some_and(|value| !matches!(value, "" | "false"));
        Ok(Address { path, is_external })
    }
}

impl Address {
    /// The URL with the root path in front, and before that the site, if `_external` asked for it.
    pub(crate) fn below(&self, root: &str, site: impl FnOnce() -> String) -> String {
        let site = if self.is_external { site() } else { String::new() };
        format!("{site}{root}{}", self.path)
    }
}
