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

/// A layer for routes that only visitors who are signed in may use. Others get a 401 or a redirect to a page.
///
/// Add it with `Router::route_layer`, inside the session layer. It does not load the user: one who was deleted
/// meanwhile is still let through, unlike with [`SignedIn`](crate::SignedIn).
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
    /// Creates a layer that answers 401 if the visitor is not signed in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Creates a layer that redirects to the sign-in page, with the requested path as `next` in its query.
    ///
    /// Do not use it for requests of scripts or HTMX, which would follow the redirect and get the sign-in page as the
    /// response. For those, [`new`](Self::new) answers 401.
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

/// A service that only visitors who are signed in may use; made by [`RequireSignIn`].
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
        // Call the service that was polled ready, and keep the clone.
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
