//! Parameters of a path.

use percent_encoding::percent_decode_str;

use crate::error::Error;

/// The decoded parameters of a path, in the order of the path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    pub(crate) fn decode(params: &matchit::Params<'_, '_>) -> Result<Self, Error> {
        params
            .iter()
            .map(|(name, value)| Ok((name.to_owned(), decode(name, value)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The parameter that the route has as `{name}` or `{*name}`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(found, _)| *found == name).map(|(_, value)| value)
    }

    /// Names and values, in the order of the path.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

// The escapes were already checked for the whole path.
fn decode(name: &str, value: &str) -> Result<String, Error> {
    match percent_decode_str(value).decode_utf8() {
        Ok(text) => Ok(text.into_owned()),
        Err(_) => Err(Error::PathNotUtf8 { name: name.to_owned() }),
    }
}
