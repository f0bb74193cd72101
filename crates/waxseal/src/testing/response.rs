//! A response, as a test reads it.

use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, StatusCode};
use serde::de::DeserializeOwned;

use crate::request::Request;

/// A response with its complete body.
#[derive(Debug)]
pub struct TestResponse {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) path: String,
    pub(super) request: Request,
}

impl TestResponse {
    /// The status.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The value of a header, if it is present and text.
    #[must_use]
    pub fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The value of `Location`: the target of a redirect.
    #[must_use]
    pub fn location(&self) -> Option<&str> {
        self.header(&LOCATION)
    }

    /// The path and query of the request, or of the last one if redirects were followed.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The request that this response answers, with what hooks and the handler left in it: [`g`](Request::g), the
    /// session as it was saved, the endpoint, the app's state. If redirects were followed, it is the last request.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, html};
    ///
    /// let app = App::new("demo").get("/", async |request: Request| {
    ///     request.g().set("user", "Merlin");
    ///     Ok(html("…"))
    /// });
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let answer = Client::new(app)?.get("/").await;
    /// assert_eq!(answer.request().g().get::<&str>("user"), Some("Merlin"));
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Deserializes the body from JSON.
    ///
    /// # Panics
    ///
    /// If it is not JSON, or not a `T`.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("the body is not the JSON expected, {error}: {}", self.text()))
    }

    /// The body.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.body
    }

    /// The body as text; bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
