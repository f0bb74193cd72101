//! Responses to errors: those of the app's error handlers, and error pages.

use std::pin::Pin;

use http::StatusCode;
use waxseal_http::RequestSession;
use waxseal_server::catching_panics_of;
use waxseal_templates::context;

use super::Shared;
use crate::error::{Error, Result};
use crate::error_page;
use crate::redirects;
use crate::request::Request;
use crate::response::{Response, html};

impl Shared {
    /// The [response](Self::unfinished) to send if the session could not be committed; `None` if it was committed.
    // Takes the whole result: borrowed, it would take space in every request's future while this response is made.
    pub(super) fn instead_of<'a>(
        &'a self,
        finished: Result<Result<(), waxseal_manager::Error>, waxseal_server::Error>,
        request: &'a Request,
        session: &'a RequestSession,
    ) -> Option<Pin<Box<impl Future<Output = Response>>>> {
        let error = match finished {
            Ok(committed) => committed.err()?.into(),
            Err(panicked) => panicked.into(),
        };
        Some(Box::pin(self.unfinished(error, request, session)))
    }

    /// The response to send when the session could not be committed. First undoes the request's changes to the session.
    pub(super) async fn unfinished(
        &self,
        error: Error,
        request: &Request,
        session: &RequestSession,
    ) -> Response {
        session.rollback();
        let mut response = self.answer_to(error, request).await;
        let finished = catching_panics_of(self.context.sessions.finish(session, &mut response)).await;
        if let Err(error) = finished.map_err(Error::from).and_then(|committed| Ok(committed?)) {
            // The changes of the app's error handler could not be saved either.
            self.log_failure(&error, request);
            response = self.error_page(&error, request).await;
            // There is nothing left to save, but a page that read the session needs `Vary` and `Cache-Control`.
            let finished = catching_panics_of(self.context.sessions.finish(session, &mut response)).await;
            if !matches!(finished, Ok(Ok(()))) {
                session.close();
            }
        }
        response
    }

    /// The response to any error: that of the app's handler for its status, or else an error page.
    ///
    /// An error of that handler always becomes an error page, so that no error is handled twice.
    pub(super) async fn answer_to(&self, error: Error, request: &Request) -> Response {
        match self.handled(error, request).await {
            Ok(response) => response,
            Err(error) => self.error_page(&error, request).await,
        }
    }

    /// The response of the app's handler for this error's status. Fails with `error` itself if there is no handler,
    /// or in development if it is a 5xx; fails with the handler's own error if the handler fails.
    async fn handled(&self, error: Error, request: &Request) -> Result<Response> {
        self.log_failure(&error, request);
        request.drop_changes_of(error.status_code());
        let hooks = self.hooks_of(request);
        if self.shows_source(error.status_code()) || !hooks.handles(error.status_code()) {
            return Err(error);
        }
        let answer =
            self.in_time_left(request, hooks.on_error(request, error)).await.and_then(redirects::checked);
        answer.inspect_err(|failed| {
            self.log_failure(failed, request);
            request.drop_changes_of(failed.status_code());
        })
    }

    /// `true` if the page for an error with this status is the developer's page.
    fn shows_source(&self, status: StatusCode) -> bool {
        self.development && status.is_server_error()
    }

    /// The page for an error: the app's `error.html`, or a plain page.
    ///
    /// In development the page for a 5xx error shows its causes and its place in the code.
    async fn error_page(&self, error: &Error, request: &Request) -> Response {
        let status = error.status_code();
        let mut response = match self.shows_source(status) {
            true => error_page::development(error, request),
            false => {
                let page = self.public_page(error, request).await;
                html(page.unwrap_or_else(|| error_page::plain(error)))
            }
        };
        *response.status_mut() = status;
        for (name, value) in error.headers() {
            response.headers_mut().append(name, value.clone());
        }
        response
    }

    async fn public_page(&self, error: &Error, request: &Request) -> Option<String> {
        if !self.context.pages.has("error.html") {
            return None;
        }
        let status = error.status_code();
        let context = context! {
            status => status.as_u16(),
            reason => error_page::reason(status),
            message => error.public_message(),
        };
        // The call stands inside, so that a panic in what the page uses is caught.
        let page =
            self.in_time_left(request, async { request.render_text("error.html", context).await }).await;
        page.inspect_err(|error| tracing::error!("the error page itself failed: {error}")).ok()
    }

    /// Logs an error, and prints it in a test.
    pub(super) fn log_failure(&self, error: &Error, request: &Request) {
        log(error, request);
        if self.prints_failures && error.status_code().is_server_error() {
            print(error, request);
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that fails shows what was printed, and another hides it")]
fn print(error: &Error, request: &Request) {
    eprintln!("{} {}: {error}, at {}", request.method(), request.path(), error.place());
}

fn log(error: &Error, request: &Request) {
    let place = format_args!("{} {}", request.method(), request.path()).to_string();
    match error.status_code() {
        status if status.is_server_error() => tracing::error!(request = place, "{error}"),
        // These point to a form on another site or to a proxy that changes the Host, which the operator should know.
        StatusCode::FORBIDDEN | StatusCode::MISDIRECTED_REQUEST => tracing::info!(request = place, "{error}"),
        _ => tracing::debug!(request = place, "{error}"),
    }
}
