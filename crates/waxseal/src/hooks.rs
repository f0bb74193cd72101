//! Functions that run around an app's handlers: before, after, and in place of an error's page.

use http::StatusCode;

use crate::error::{Error, Result};
use crate::handler::BoxFuture;
use crate::request::Request;
use crate::response::Response;

pub(crate) type Before = Box<dyn Fn(Request) -> BoxFuture<Result<Option<Response>>> + Send + Sync>;
pub(crate) type After = Box<dyn Fn(Request, Response) -> BoxFuture<Result<Response>> + Send + Sync>;
pub(crate) type OnError = Box<dyn Fn(Request, Error) -> BoxFuture<Result<Response>> + Send + Sync>;

/// All hooks of an app. A request of an app without hooks pays nothing for them.
#[derive(Default)]
pub(crate) struct Hooks {
    before: Vec<Before>,
    after: Vec<After>,
    errors: Vec<(StatusCode, OnError)>,
}

impl Hooks {
    pub(crate) fn add_before(&mut self, hook: Before) {
        self.before.push(hook);
    }

    /// Adds a hook that runs before those that are there, as in Flask.
    pub(crate) fn add_after(&mut self, hook: After) {
        self.after.insert(0, hook);
    }

    pub(crate) fn add_error(&mut self, status: StatusCode, handler: OnError) {
        self.errors.push((status, handler));
    }

    pub(crate) fn has_after(&self) -> bool {
        !self.after.is_empty()
    }

    pub(crate) async fn before(&self, request: &Request) -> Result<Option<Response>> {
        for hook in &self.before {
            if let Some(early) = hook(request.clone()).await? {
                return Ok(Some(early));
            }
        }
        Ok(None)
    }

    pub(crate) async fn after(&self, request: &Request, mut response: Response) -> Result<Response> {
        for hook in &self.after {
            response = hook(request.clone(), response).await?;
        }
        Ok(response)
    }

    pub(crate) fn handles(&self, status: StatusCode) -> bool {
        self.errors.iter().any(|(handled, _)| *handled == status)
    }

    /// Calls the handler for this error's status, which must exist.
    pub(crate) async fn on_error(&self, request: &Request, error: Error) -> Result<Response> {
        let status = error.status_code();
        let headers = error.headers().to_vec();
        let (_, handler) =
            self.errors.iter().rfind(|(handled, _)| *handled == status).expect("it was asked for before");
        let mut response = handler(request.clone(), error).await?;
        if response.status() == StatusCode::OK {
            *response.status_mut() = status;
        }
        for (name, value) in headers {
            response.headers_mut().entry(name).or_insert(value);
        }
        Ok(response)
    }
}
