//! A session as templates see it.

use std::error::Error as _;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, Rest, from_args};
use minijinja::{Error, ErrorKind, State, Value};
use waxseal_session::Session;

use crate::template_value::TemplateValue;

/// The session as a template's dictionary. Entries are read on demand, and nothing is copied beforehand.
#[derive(Debug)]
pub(crate) struct SessionMap(pub(crate) Session);

impl SessionMap {
    /// Reads an entry. Any MessagePack value is a template's value. Bytes can only be malformed if another program with
    /// the same key wrote them.
    fn entry(&self, key: &str) -> Option<Value> {
        let found = self.0.get::<TemplateValue>(key);
        found.map_or_else(|error| Some(unreadable(&error)), |value| value.map(|value| value.0))
    }

    /// `session.pop(key, default)`. As in Python, it is an error if there is neither an entry nor a default.
    fn pop(&self, arguments: &[Value]) -> Result<Value, Error> {
        let (key, default): (&str, Rest<Value>) = from_args(arguments)?;
        if default.len() > 1 {
            return Err(ErrorKind::TooManyArguments.into());
        }
        let failed = |error| {
            Error::new(ErrorKind::InvalidOperation, "session.pop could not change the session")
                .with_source(error)
        };
        match (self.0.take::<TemplateValue>(key).map_err(failed)?, default.0.into_iter().next()) {
            (Some(value), _) => Ok(value.0),
            (None, Some(default)) => Ok(default),
            (None, None) => {
                let detail = format!(
                    "the session has no {key:?}; give session.pop a default, as in pop({key:?}, none)"
                );
                Err(Error::new(ErrorKind::InvalidOperation, detail))
            }
        }
    }
}

impl Object for SessionMap {
    /// Implements `session['name']`, `'name' in session` and `session.get('name')`.
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.entry(key.as_str()?)
    }

    /// Implements `session.name`. As in Jinja, attributes of Flask's session come before entries of the same name.
    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        Some(match key {
            "permanent" => self.0.is_permanent().into(),
            "new" => self.0.is_new().into(),
            "modified" => self.0.is_modified().into(),
            "accessed" => self.0.is_accessed().into(),
            key => return self.entry(key),
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().into_iter().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        arguments: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "pop" => self.pop(arguments),
            "owner" => {
                let () = from_args(arguments)?;
                Ok(self.0.owner().into())
            }
            "clear" | "popitem" | "setdefault" | "update" => {
                let advice = format!(
                    "session.{method} is for handlers; of a template's calls, pop alone changes the session"
                );
                Err(Error::new(ErrorKind::InvalidOperation, advice))
            }
            _ => Err(ErrorKind::UnknownMethod.into()),
        }
    }
}

/// A value that fails on every use, with an error that names the key.
fn unreadable(error: &waxseal_session::Error) -> Value {
    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
    Error::new(ErrorKind::CannotDeserialize, format!("{error}{why}")).into()
}
