//! The owner of a foreign session: the user whom one of its entries names.

use waxseal_flask::{Value, uuid_text};
use waxseal_session::Session;

/// The entry that should name the user does not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoOwner {
    #[error("session[{0:?}] is to name the user, and is {1} in place of text, an integer or a UUID")]
    Type(String, &'static str),
    #[error("session[{0:?}] is to name the user")]
    Name(String, #[source] waxseal_session::Error),
}

/// Sets the user in the entry `key` as the owner. There is no owner if the entry is missing or `None`.
pub(crate) fn set_owner(session: &Session, key: &str, value: Option<&Value>) -> Result<(), NoOwner> {
    let owner = owner_of(key, value)?;
    session.set_owner(owner.as_deref()).map_err(|why| NoOwner::Name(key.to_owned(), why))
}

/// The user's name. An integer is written in decimal, a UUID with hyphens.
pub(crate) fn owner_of(key: &str, value: Option<&Value>) -> Result<Option<String>, NoOwner> {
    let other = match value {
        None | Some(Value::None) => return Ok(None),
        Some(Value::Str(text)) => return Ok(Some(text.clone())),
        Some(Value::Int(number)) => return Ok(Some(number.to_string())),
        Some(Value::Uuid(bytes)) => return Ok(Some(uuid_text(bytes))),
        Some(Value::Bool(_)) => "a bool",
        Some(Value::Float(_)) => "a float",
        Some(Value::List(_) | Value::Tuple(_)) => "a list",
        Some(Value::Dict(_)) => "a dictionary",
        Some(Value::Bytes(_)) => "bytes",
        Some(Value::Markup(_)) => "HTML",
        Some(Value::DateTime(_)) => "a time",
        Some(_) => "a value of a later release of waxseal-flask",
    };
    Err(NoOwner::Type(key.to_owned(), other))
}
