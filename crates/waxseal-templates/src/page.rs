//! What a template sees.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::Object;
use waxseal_store::Session;

use crate::Context;
use crate::session::SessionMap;

/// The names a template can look up: what the handler passed, and `session`.
pub(crate) struct Page<S> {
    context: Context,
    session: S,
}

impl<S> Page<S> {
    pub(crate) fn new(context: Context, session: S) -> Self {
        Self { context, session }
    }
}

impl<S: Fn() -> Session + Send + Sync + 'static> Object for Page<S> {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let session = || (key == "session").then(|| Value::from_object(SessionMap((self.session)())));
        self.context.get(key).or_else(session)
    }
}

/// minijinja may print its context into an error's debug form; nothing of it is shown.
impl<S> fmt::Debug for Page<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(..)")
    }
}
