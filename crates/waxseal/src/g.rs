//! Values that belong to one request.

use std::any::Any;
use std::borrow::Cow;
use std::sync::{Mutex, PoisonError};

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// Values that belong to one request, by name: put there by a [`before_request`](crate::App::before_request) hook, say,
/// and read by the handler and by templates, as `{{ g.user.name }}`. Flask's `g`; from [`Request::g`](crate::Request::g).
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
pub struct G(Mutex<Vec<(Cow<'static, str>, Kept)>>);

struct Kept {
    value: Box<dyn Any + Send + Sync>,
    shown: Option<Value>,
}

impl G {
    /// Keeps a value for this request, for handlers and templates.
    pub fn set<T>(&self, name: impl Into<Cow<'static, str>>, value: T)
    where
        T: Serialize + Clone + Send + Sync + 'static,
    {
        let shown = Some(Value::from(Serde(&value)));
        self.keep(name.into(), Kept { value: Box::new(value), shown });
    }

    /// Keeps a value for this request that templates do not see: a connection, a permission.
    pub fn set_hidden<T>(&self, name: impl Into<Cow<'static, str>>, value: T)
    where
        T: Clone + Send + Sync + 'static,
    {
        self.keep(name.into(), Kept { value: Box::new(value), shown: None });
    }

    /// The value of this name, if it is a `T`.
    #[must_use]
    pub fn get<T: Clone + 'static>(&self, name: &str) -> Option<T> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().find(|(found, _)| found == name)?.1.value.downcast_ref().cloned()
    }

    pub(crate) fn shown(&self, name: &str) -> Option<Value> {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        values.iter().find(|(found, _)| found == name)?.1.shown.clone()
    }

    fn keep(&self, name: Cow<'static, str>, kept: Kept) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = match values.iter_mut().find(|(found, _)| *found == name) {
            Some((_, before)) => Some(std::mem::replace(before, kept)),
            None => {
                values.push((name, kept));
                None
            }
        };
        // Whatever dropping it does, it does without the lock.
        drop(values);
        drop(before);
    }
}

/// Names alone.
impl std::fmt::Debug for G {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_set().entries(values.iter().map(|(name, _)| name)).finish()
    }
}
