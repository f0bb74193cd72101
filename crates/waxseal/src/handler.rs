//! Handlers of routes.

use std::future::Future;
use std::pin::Pin;

use crate::{Request, Response, Result};

/// A boxed future. A route does not know the type of its handler's future.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function that answers requests: any `async fn(Request) -> Result<Response>`.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request) -> BoxFuture<Result<Response>>;
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
