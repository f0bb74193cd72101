//! The names that a template can look up.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::value::Object;
use minijinja::{Error, ErrorKind, Value};
use waxseal_session::Session;

use crate::session::SessionMap;
use crate::{Context, functions};

/// The names that a template can look up: values that the handler passed, `session`, further names from the caller, and
/// functions of the session.
pub(crate) struct Page<S, N> {
    context: Context,
    session: S,
    names: N,
    /// Set when the template asks for a session that was not loaded.
    wanted: Arc<AtomicBool>,
}

impl<S, N> Page<S, N> {
    pub(crate) fn new(context: Context, session: S, names: N, wanted: Arc<AtomicBool>) -> Self {
        Self { context, session, names, wanted }
    }
}

impl<S: Fn() -> Option<Session>, N> Page<S, N> {
    fn session(&self) -> Result<Session, Error> {
        (self.session)().ok_or_else(|| {
            self.wanted.store(true, Ordering::Relaxed);
            Error::new(ErrorKind::InvalidOperation, "the session is not loaded")
        })
    }

    fn session_map(&self) -> Value {
        // Every use of an error value fails, so rendering stops there.
        self.session().map_or_else(Value::from, |session| Value::from_object(SessionMap(session)))
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
        let session = || (key == "session").then(|| self.session_map());
        let function = || {
            let page = self.clone();
            functions::look_up(key, move || page.session())
        };
        self.context.get(key).or_else(session).or_else(|| (self.names)(key)).or_else(function)
    }
}

/// Shows nothing, since minijinja may print its context into the debug form of an error.
impl<S, N> fmt::Debug for Page<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Page(..)")
    }
}
