//! Addresses with what Flask's `url_for` knows beside the path and the query.

use percent_encoding::utf8_percent_encode;

use super::url_error::UrlError;
use super::{ESCAPED, Urls};

const ANCHOR: &str = "_anchor";
pub(super) const EXTERNAL: &str = "_external";

/// An address of the app, without its root.
#[derive(Debug)]
pub(crate) struct Address {
    path: String,
    is_external: bool,
}

impl Urls {
    /// Builds the address of a route. Of `arguments`, `_anchor` comes behind it, and `_external` puts scheme and host before
    /// it, unless it is empty or `false`.
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
    /// The address below the app's root, behind the site if it was asked for.
    pub(crate) fn below(&self, root: &str, site: impl FnOnce() -> String) -> String {
        let site = if self.is_external { site() } else { String::new() };
        format!("{site}{root}{}", self.path)
    }
}
