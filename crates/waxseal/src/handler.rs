//! What answers a route.

use std::future::Future;
use std::pin::Pin;

use crate::{Request, Response, Result};

/// A future on the heap, as every handler's is: a route does not know the type of its handler.
pub type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// What answers a route: any `async fn(Request) -> Result<Response>`.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request.
    fn call(&self, request: Request) -> BoxFuture<Result<Response>>;
}

impl<F, Answer> Handler for F
where
    F: Fn(Request) -> Answer + Send + Sync + 'static,
    Answer: Future<Output = Result<Response>> + Send + 'static,
{
    fn call(&self, request: Request) -> BoxFuture<Result<Response>> {
        Box::pin(self(request))
    }
}
