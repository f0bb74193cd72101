//! Tokens in forms, for an app that wants them: [`App::csrf_tokens`].

use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};
use waxseal_server::{encoding, forms, multipart};

use crate::{App, Request, Result, Route};

const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const FIELD: &str = "csrf_token";

impl App {
    /// Asks every unsafe request (all but GET, HEAD and OPTIONS) for a token of the visitor's own session, before hooks
    /// and handlers run. Beside the check of `Sec-Fetch-Site` and `Origin`, which is always on: for visitors whose
    /// browsers send neither, and for sites whose own pages are not all trusted alike.
    ///
    /// In templates, `{{ csrf_field() }}` is a hidden field, to be put *first* into each form, and `{{ csrf_token() }}` the
    /// token itself. It is taken from
    ///
    /// | body | place |
    /// |---|---|
    /// | `application/x-www-form-urlencoded` | the field `csrf_token`, anywhere, once |
    /// | `multipart/form-data` | the field `csrf_token`, before all others and within 32 KiB: files behind it are not read for this |
    /// | any, JSON too | the header `X-CSRF-Token`, once; if it is there, fields do not count |
    ///
    /// What a handler reads of the body is the same as without. A token that is missing, repeated or wrong is answered 403
    /// by the app's page for errors. Tokens are worth nothing after the [sign-in](Request::sign_in) or
    /// [renewal](crate::Session::renew) of their session: a form that was open in another tab is answered 403 once, and good
    /// again when its page is reloaded.
    ///
    /// A visitor gets a session with the first form that is shown, and none before.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Method, Request, Response, Result, Route, redirect};
    ///
    /// async fn order(_: Request) -> Result<Response> {
    ///     Ok(redirect("/"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let app = App::new("demo")
    ///     .csrf_tokens()
    ///     .post("/order", order)
    ///     .route(Route::post("/api/order", order).without_csrf_token());
    /// let client = Client::new(app)?;
    /// assert_eq!(client.post_form("/order", &[]).await.status(), 403);
    /// let token = client.csrf_token().await;
    /// assert_eq!(client.post_form("/order", &[("csrf_token", &token)]).await.status(), 303);
    /// assert_eq!(client.post_form("/api/order", &[]).await.status(), 303);
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn csrf_tokens(mut self) -> Self {
        self.csrf_tokens = true;
        self
    }
}

impl Route {
    /// Asks for no token, in an app that [asks for them](App::csrf_tokens): for programs that have none. Pages of other
    /// sites stay refused, unless [`allow_cross_site`](Self::allow_cross_site) lets them in, which asks for no token either.
    pub fn without_csrf_token(mut self) -> Self {
        self.answer.csrf_exempt = true;
        self
    }
}

/// Lets a request through if it brings a token of its session. The body can be read as before.
pub(crate) async fn check(request: &Request) -> Result<()> {
    let token = given(request).await?;
    match request.session().await?.is_csrf_token(&token) {
        true => Ok(()),
        false => Err(CsrfError::Invalid.into()),
    }
}

/// The token that a request brings, whatever it is.
async fn given(request: &Request) -> Result<Vec<u8>> {
    let mut headers = request.headers().get_all(HEADER).iter();
    match (headers.next(), headers.next()) {
        (Some(token), None) => return Ok(token.as_bytes().to_owned()),
        (Some(_), Some(_)) => return Err(CsrfError::Repeated.into()),
        (None, _) => {}
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    let (idle, limit) = (request.app().limits.body_idle, request.app().limits.body);
    let kind = content_type.map_or(&b""[..], |value| value.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    if kind.eq_ignore_ascii_case(b"multipart/form-data") {
        encoding::check(request.headers())?;
        let (first, body) = multipart::first_field(content_type, request.take_body()?, idle).await?;
        request.put_back(body);
        return match first {
            Some((name, token)) if name == FIELD => Ok(token.into_bytes()),
            _ => Err(CsrfError::NotFirst.into()),
        };
    }
    if !kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded") {
        return Err(CsrfError::Missing.into());
    }
    encoding::check(request.headers())?;
    let body = request.take_body()?.collect(limit, idle).await?;
    let fields: Vec<(String, String)> = forms::parse(content_type, &body)?;
    request.put_back(body.into());
    let mut tokens =
        fields.into_iter().filter(|(name, _)| name == FIELD).map(|(_, token)| token.into_bytes());
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(CsrfError::Repeated.into()),
        (None, _) => Err(CsrfError::Missing.into()),
    }
}

/// Why a request is not taken for one of a page of its session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CsrfError {
    /// No token came.
    #[error(
        "the request has no CSRF token; put {{{{ csrf_field() }}}} into the form, or send the header X-CSRF-Token"
    )]
    Missing,
    /// The first part of a form with files is no token.
    #[error(
        "the form with files has no CSRF token in its first field; put {{{{ csrf_field() }}}} before all others, or send the \
         header X-CSRF-Token"
    )]
    NotFirst,
    /// More than one came.
    #[error("the request has more than one CSRF token; send one")]
    Repeated,
    /// It is none of this session's.
    #[error(
        "this form belongs to another session, or to the time before a sign-in; go back, reload the page and send it again"
    )]
    Invalid,
}

impl CsrfError {
    /// Always 403.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::FORBIDDEN
    }
}
