//! What a template sees.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, Value};
use waxseal_store::Session;

use crate::Context;
use crate::session::SessionMap;

/// The names a template can look up: what the handler passed, `session`, and what else the caller knows.
pub(crate) struct Page<S, N> {
    context: Context,
    session: S,
    names: N,
    /// The template asked for the session, and it was not there.
    wanted: Arc<AtomicBool>,
}

impl<S, N> Page<S, N> {
    pub(crate) fn new(context: Context, session: S, names: N, wanted: Arc<AtomicBool>) -> Self {
        Self { context, session, names, wanted }
    }
}

impl<S: Fn() -> Option<Session>, N> Page<S, N> {
    fn session(&self) -> Value {
        match (self.session)() {
            Some(session) => Value::from_object(SessionMap(session)),
            None => {
                self.wanted.store(true, Ordering::Relaxed);
                // Whatever is done with it fails, so that rendering stops here.
                Value::from(Error::new(ErrorKind::InvalidOperation, "the session is not loaded"))
            }
        }
    }
}

impl<S, N> Object for Page<S, N>
where
    S: Fn() -> Option<Session> + Send + Sync + 'static,
    N: Fn(&str) -> Option<Value> + Send + Sync + 'static,
{
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let session = || (key == "session").then(|| self.session());
        self.context.get(key).or_else(session).or_else(|| (self.names)(key))
    }
}

/// minijinja may print its context into an error's debug form; nothing of it is shown.
impl<S, N> fmt::Debug for Page<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(..)")
    }
}
