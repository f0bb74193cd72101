//! The layer around routes for visitors who are signed in.

use std::borrow::Cow;
use std::future::Future;
use std::mem::replace;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;

use crate::error::Error;
use crate::signed_in::Owner;

/// A layer for routes that only visitors who are signed in may see. Others are answered 401, or sent to a page.
///
/// For `Router::route_layer`, inside the session layer. It loads nobody: a user who was deleted is still let through,
/// where [`SignedIn`](crate::SignedIn) is not.
///
/// # Example
///
/// ```
/// use axum::{Router, routing::get};
/// use waxseal_axum::{RequireSignIn, Waxseal};
///
/// let members = Router::new().route("/account", get(|| async { "yours" }));
/// let app: Router = members
///     .route_layer(RequireSignIn::at("/sign-in"))
///     .route("/sign-in", get(|| async { "name and password, please" }))
///     .layer(Waxseal::ephemeral().layer()?);
/// # Ok::<(), waxseal_axum::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct RequireSignIn {
    page: Option<Cow<'static, str>>,
}

impl RequireSignIn {
    /// A route layer that answers 401 to requests of nobody who is signed in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Redirects to the page to sign in, with `next`, the path that the visitor came for, in its query.
    ///
    /// Not for what a script or HTMX asks for: it follows the redirect, and has the page to sign in for its answer. There
    /// [`new`](Self::new) answers 401.
    #[must_use]
    pub fn at(page: impl Into<Cow<'static, str>>) -> Self {
        Self { page: Some(page.into()) }
    }
}

impl<S> Layer<S> for RequireSignIn {
    type Service = RequireSignInService<S>;

    fn layer(&self, inner: S) -> RequireSignInService<S> {
        RequireSignInService { inner, page: self.page.clone() }
    }
}

/// A service for visitors who are signed in; made by [`RequireSignIn`].
#[derive(Debug, Clone)]
pub struct RequireSignInService<S> {
    inner: S,
    page: Option<Cow<'static, str>>,
}

impl<S> Service<Request> for RequireSignInService<S>
where
    S: Service<Request, Response = Response> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        // The one that is ready.
        let clone = self.inner.clone();
        let (mut inner, page) = (replace(&mut self.inner, clone), self.page.clone());
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            match Owner::of(&parts).await {
                Ok(Some(_)) => inner.call(Request::from_parts(parts, body)).await,
                Ok(None) => Ok(Error::signed_out(page.as_deref(), &parts).into_response()),
                Err(error) => Ok(error.into_response()),
            }
        })
    }
}
