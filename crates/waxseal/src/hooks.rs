//! Functions that run around handlers: before, after, instead of an error page, and at the end of a request.

use std::sync::Arc;

use http::StatusCode;

use crate::error::{Error, Result};
use crate::handler::BoxFuture;
use crate::request::Request;
use crate::response::Response;

pub(crate) type Before = Box<dyn Fn(Request) -> BoxFuture<Result<Option<Response>>> + Send + Sync>;
pub(crate) type After = Box<dyn Fn(Request, Response) -> BoxFuture<Result<Response>> + Send + Sync>;
pub(crate) type OnError = Box<dyn Fn(Request, Error) -> BoxFuture<Result<Response>> + Send + Sync>;
pub(crate) type Teardown = Box<dyn Fn(Request, StatusCode) -> BoxFuture<Result<()>> + Send + Sync>;

/// The hooks of an app, or of a group of its routes.
#[derive(Default)]
pub(crate) struct Hooks {
    before: Vec<Before>,
    after: Vec<After>,
    errors: Vec<(StatusCode, OnError)>,
    teardown: Vec<Teardown>,
}

/// The hooks that a request runs through: those of the app, then those of each group around its route, the innermost
/// last. Without hooks the chain is empty and costs a request nothing.
#[derive(Clone, Default)]
pub(crate) struct HookChain(Vec<Arc<Hooks>>);

impl Hooks {
    pub(crate) fn add_before(&mut self, hook: Before) {
        self.before.push(hook);
    }

    /// Adds a hook that runs before those added earlier, as in Flask.
    pub(crate) fn add_after(&mut self, hook: After) {
        self.after.insert(0, hook);
    }

    pub(crate) fn add_error(&mut self, status: StatusCode, handler: OnError) {
        self.errors.push((status, handler));
    }

    /// Adds a hook that runs before those added earlier, as in Flask.
    pub(crate) fn add_teardown(&mut self, hook: Teardown) {
        self.teardown.insert(0, hook);
    }

    /// The handler for a status: the one that was added last.
    fn handler(&self, status: StatusCode) -> Option<&OnError> {
        self.errors.iter().rfind(|(handled, _)| *handled == status).map(|(_, handler)| handler)
    }
}

impl HookChain {
    /// The chain with one more group inside.
    pub(crate) fn with(&self, inner: Hooks) -> Self {
        Self(self.0.iter().cloned().chain([Arc::new(inner)]).collect())
    }

    pub(crate) fn has_before(&self) -> bool {
        self.0.iter().any(|hooks| !hooks.before.is_empty())
    }

    pub(crate) fn has_after(&self) -> bool {
        self.0.iter().any(|hooks| !hooks.after.is_empty())
    }

    pub(crate) fn has_teardown(&self) -> bool {
        self.0.iter().any(|hooks| !hooks.teardown.is_empty())
    }

    pub(crate) async fn before(&self, request: &Request) -> Result<Option<Response>> {
        for hook in self.0.iter().flat_map(|hooks| &hooks.before) {
            if let Some(early) = hook(request.clone()).await? {
                return Ok(Some(early));
            }
        }
        Ok(None)
    }

    pub(crate) async fn after(&self, request: &Request, mut response: Response) -> Result<Response> {
        for hook in self.0.iter().rev().flat_map(|hooks| &hooks.after) {
            response = hook(request.clone(), response).await?;
        }
        Ok(response)
    }

    pub(crate) fn teardown(&self) -> impl Iterator<Item = &Teardown> {
        self.0.iter().rev().flat_map(|hooks| &hooks.teardown)
    }

    pub(crate) fn handles(&self, status: StatusCode) -> bool {
        self.handler(status).is_some()
    }

    /// Calls the innermost handler for this error's status, which must exist.
    pub(crate) async fn on_error(&self, request: &Request, error: Error) -> Result<Response> {
        let status = error.status_code();
        let headers = error.headers().to_vec();
        let handler = self.handler(status).expect("it was asked for before");
        let mut response = handler(request.clone(), error).await?;
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        }
        for (name, value) in headers {
            response.headers_mut().entry(name).or_insert(value);
        }
        Ok(response)
    }

    fn handler(&self, status: StatusCode) -> Option<&OnError> {
        self.0.iter().rev().find_map(|hooks| hooks.handler(status))
    }
}
