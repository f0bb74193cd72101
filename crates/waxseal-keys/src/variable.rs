//! Environment variables with and without the prefix `WAXSEAL_`.

use std::ffi::OsString;

use zeroize::Zeroizing;

use crate::error::Error;

/// Text that becomes a key. It is wiped from memory on drop.
pub(crate) type Text = Zeroizing<String>;

/// Looks up a variable's value by its name, as [`std::env::var_os`] does.
pub(crate) type Lookup<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// An environment variable that is set, with its name as found: with or without the prefix.
pub(crate) struct Variable {
    pub(crate) name: &'static str,
    pub(crate) value: Text,
}

impl Variable {
    /// Finds the variable `name`. An empty one counts as unset in development, and is an error otherwise.
    pub(crate) fn find(
        name: &'static str,
        lookup: Lookup<'_>,
        development: bool,
    ) -> Result<Option<Self>, Error> {
        let prefixed = match name {
            "SECRET_KEY" => "WAXSEAL_SECRET_KEY",
            "SECRET_KEY_FALLBACKS" => "WAXSEAL_SECRET_KEY_FALLBACKS",
            _ => "WAXSEAL_SECRET_KEY_FILE",
        };
        let read = |name| match lookup(name).map(OsString::into_string) {
            None => Ok(None),
            Some(Err(_)) => Err(Error::VariableNotUtf8(name)),
            Some(Ok(value)) if !value.is_empty() => Ok(Some(Self { name, value: Zeroizing::new(value) })),
            Some(Ok(_)) if development => Ok(None),
            Some(Ok(_)) => Err(Error::Empty(name)),
        };
        match (read(prefixed)?, read(name)?) {
            (Some(one), Some(other)) if one.value != other.value => Err(Error::Differ(prefixed, name)),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// Parses the value as a JSON list of strings.
    ///
    /// A plain string is refused: Flask once split one into keys of one letter each.
    pub(crate) fn list(&self) -> Result<Vec<Text>, Error> {
        let list: Result<Vec<String>, _> = serde_json::from_str(&self.value);
        // The error of serde_json may quote the value, so it is dropped.
        list.map(|list| list.into_iter().map(Zeroizing::new).collect())
            .map_err(|_| Error::NotAList(self.name))
    }
}
