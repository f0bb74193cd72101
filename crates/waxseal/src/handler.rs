//! Handlers of routes.

use std::any::type_name;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::{Request, Response, Result};

/// A boxed future, which hides the type of a handler's future.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function that answers requests: any `async fn(Request) -> Result<Response>`.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request) -> BoxFuture<Result<Response>>;

    /// The name of the route for `url_for`: that of the function. `None` for a closure.
    fn name(&self) -> Option<&'static str> {
        // The format of `type_name` is not guaranteed. If it changes, `url_for` fails and says that the route is unknown.
        let name = type_name::<Self>().rsplit("::").next().unwrap_or_default();
        let is_name =
            !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        is_name.then_some(name)
    }
}

impl<F, Fut> Handler for F
where
    F: Fn(Request) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn call(&self, request: Request) -> BoxFuture<Result<Response>> {
        Box::pin(self(request))
    }
}

/// Wraps a handler in a function that can run code around it or answer in its place, and keeps its name for `url_for`.
/// This is what a Python decorator with `functools.wraps` does.
///
/// # Example
///
/// ```
/// use waxseal::{App, Handler, Request, Response, Result, html, redirect, wrap};
///
/// fn login_required(view: impl Handler) -> impl Handler {
///     wrap(view, async |request: Request, view| match request.session().await?.owner() {
///         Some(_) => view.call(request).await,
///         None => Ok(redirect("/login")),
///     })
/// }
///
/// async fn orders(_: Request) -> Result<Response> {
///     Ok(html("…"))
/// }
///
/// let app = App::new("demo").get("/orders", login_required(orders)); // url_for('orders')
/// ```
pub fn wrap<H, F, Fut>(handler: H, around: F) -> impl Handler
where
    H: Handler,
    F: Fn(Request, Arc<H>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    Wrapped { handler: Arc::new(handler), around }
}

struct Wrapped<H, F> {
    handler: Arc<H>,
    around: F,
}

impl<H, F, Fut> Handler for Wrapped<H, F>
where
    H: Handler,
    F: Fn(Request, Arc<H>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Response>> + Send + 'static,
{
    fn call(&self, request: Request) -> BoxFuture<Result<Response>> {
        Box::pin((self.around)(request, Arc::clone(&self.handler)))
    }

    fn name(&self) -> Option<&'static str> {
        self.handler.name()
    }
}
