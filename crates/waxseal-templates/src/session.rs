//! A session as a map that templates can read.

use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use waxseal_store::Session;

/// Looks into the session when asked, entry by entry; nothing is copied out of it beforehand.
#[derive(Debug)]
pub(crate) struct SessionMap(pub(crate) Session);

impl Object for SessionMap {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        // MessagePack of any shape is a template's value; bytes that are none came from no `insert`.
        self.0.get::<Value>(key).ok().flatten()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().into_iter().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}
