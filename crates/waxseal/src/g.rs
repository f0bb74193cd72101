//! Values that belong to one request.

use std::any::Any;
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// Values that belong to one request, by name: Flask's `g`, from [`Request::g`](crate::Request::g).
///
/// For example, a [`before_request`](crate::App::before_request) hook sets a value, and the handler and templates read
/// it, as `{{ g.user.name }}`.
///
/// # Example
///
/// ```
/// use waxseal::testing::Client;
/// use waxseal::{App, Request, Response, Result, typed};
///
/// async fn count_words(request: Request) -> Result<Option<Response>> {
///     request.g().set("words", request.path().split('-').count());
///     Ok(None)
/// }
///
/// async fn words(request: Request) -> Result<Response> {
///     let words: usize = request.g().get("words").unwrap_or_default();
///     Ok(typed("text/plain", words.to_string()))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let client = Client::new(App::new("demo").before_request(count_words).get("/{title}", words))?;
/// assert_eq!(client.get("/the-half-blood-prince").await.text(), "4");
/// # Ok::<(), waxseal::StartError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct G(Mutex<Vec<(Cow<'static, str>, Entry)>>);

struct Entry {
    value: Box<dyn Any + Send + Sync>,
    shown: Option<Value>,
}

impl G {
    /// Sets a value that handlers and templates can read.
    pub fn set<T>(&self, name: impl Into<Cow<'static, str>>, value: T)
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let shown = Some(Value::from(Serde(&value)));
        self.keep(name.into(), Entry { value: Box::new(value), shown });
    }

    /// Sets a value that templates cannot read, such as a connection or a permission.
    pub fn set_hidden<T>(&self, name: impl Into<Cow<'static, str>>, value: T)
    where
        T: Clone + Send + Sync + 'static,
    {
        self.keep(name.into(), Entry { value: Box::new(value), shown: None });
    }

    /// The value of this name; `None` if it is not set or not a `T`.
    #[must_use]
    pub fn get<T: Clone + 'static>(&self, name: &str) -> Option<T> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().find(|(found, _)| found == name)?.1.value.downcast_ref().cloned()
    }

    pub(crate) fn shown(&self, name: &str) -> Option<Value> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().find(|(found, _)| found == name)?.1.shown.clone()
    }

    fn keep(&self, name: Cow<'static, str>, entry: Entry) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match values.iter_mut().find(|(found, _)| *found == name) {
            Some((_, before)) => Some(std::mem::replace(before, entry)),
            None => {
                values.push((name, entry));
                None
            }
        };
        // Dropping the old value may run the app's code, which must not happen while the lock is held.
        drop(values);
        drop(before);
    }
}

/// Shows names without values.
impl std::fmt::Debug for G {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(values.iter().map(|(name, _)| name)).finish()
    }
}
