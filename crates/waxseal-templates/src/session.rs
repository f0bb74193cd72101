//! A session as a map that templates can read.

use std::error::Error as _;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, Value};
use waxseal_session::Session;

/// Reads the session entry by entry, on demand; nothing is copied out of it beforehand.
#[derive(Debug)]
pub(crate) struct SessionMap(pub(crate) Session);

impl Object for SessionMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        // MessagePack of any shape is a template's value. Malformed bytes come from another program with the same key.
        self.0.get::<Value>(key).unwrap_or_else(|error| Some(unreadable(&error)))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().into_iter().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

/// A value whose every use fails with an error that names the key.
fn unreadable(error: &waxseal_session::Error) -> Value {
    let why = error.source().map(|why| format!(": {why}")).unwrap_or_default();
    Error::new(ErrorKind::CannotDeserialize, format!("{error}{why}")).into()
}
