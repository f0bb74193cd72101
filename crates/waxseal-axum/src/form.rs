//! CSRF tokens, and forms whose token is checked.

use std::fmt;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::session::LazySession;

const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const FIELD: &str = "csrf_token";

/// A CSRF token, which proves that a form came from a page of the same session. An extractor for the handler of the page.
///
/// [`CheckedForm`] and [`CheckedToken`] require it. For an anonymous visitor, the first token begins a session.
///
/// # Errors
///
/// Extraction fails with the errors of [`Session`](crate::Session) and of
/// [`Session::csrf_token`](waxseal_session::Session::csrf_token).
///
/// # Example
///
/// ```
/// use axum::response::Html;
/// use serde::Deserialize;
/// use waxseal_axum::{CheckedForm, FormToken};
///
/// async fn page(token: FormToken) -> Html<String> {
///     Html(format!("<form method=post>{} <input name=name></form>", token.field()))
/// }
///
/// #[derive(Deserialize)]
/// struct Wizard {
///     name: String,
/// }
///
/// async fn create(CheckedForm(wizard): CheckedForm<Wizard>) -> String {
///     wizard.name
/// }
/// ```
#[derive(Clone)]
pub struct FormToken(String);

impl FormToken {
    /// The token: letters, digits, `-` and `_`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The token as a hidden field of a form, in HTML.
    #[must_use]
    pub fn field(&self) -> String {
        format!(r#"<input type="hidden" name="{FIELD}" value="{}">"#, self.0)
    }
}

/// A form whose CSRF token was checked. An extractor. The token is the field `csrf_token` or the header `X-CSRF-Token`.
/// If the header is there, it alone counts.
///
/// A `T` may have lists, which get one entry for each field of the name. The token's field is not passed to `T`. Forms with
/// files (`multipart/form-data`) are not read; a script can send them with the header, which [`CheckedToken`] checks.
///
/// # Errors
///
/// Extraction fails with 403 for a token that is missing, repeated or wrong; 415 for a body that is not a form; 413 for
/// one that is longer than axum's `DefaultBodyLimit`; 422 for one that does not deserialize into `T`; and with the
/// errors of [`Session`](crate::Session).
#[derive(Debug, Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct CheckedForm<T>(pub T);

/// Proof that the request's header `X-CSRF-Token` has a token of the session. An extractor for requests of scripts
/// without a form, such as JSON. Put it before the extractor of the body.
///
/// # Errors
///
/// Extraction fails with 403 for a token that is missing, repeated or wrong; and with the errors of
/// [`Session`](crate::Session).
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct CheckedToken;

impl<S: Sync> FromRequestParts<S> for FormToken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(LazySession::of(parts)?.load().await?.csrf_token()?))
    }
}

impl<S: Sync> FromRequestParts<S> for CheckedToken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        let token = in_header(&parts.headers)?.ok_or(Error::NoFormToken)?;
        check(&LazySession::of(parts)?, token).await?;
        Ok(Self)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for CheckedForm<T> {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self> {
        let (parts, body) = request.into_parts();
        let session = LazySession::of(&parts)?;
        if !is_form(&parts.headers) {
            return Err(Error::NotAForm);
        }
        let in_header = in_header(&parts.headers)?.map(<[u8]>::to_owned);
        let body = Bytes::from_request(Request::from_parts(parts, body), state).await?;
        let (tokens, fields): (Vec<_>, Vec<_>) =
            form_urlencoded::parse(&body).partition(|(name, _)| name == FIELD);
        match (&in_header, &tokens[..]) {
            (Some(token), _) => check(&session, token).await?,
            (None, [(_, token)]) => check(&session, token.as_bytes()).await?,
            (None, []) => return Err(Error::NoFormToken),
            _ => return Err(Error::RepeatedFormToken),
        }
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        serde_html_form::from_str(&form).map(Self).map_err(|error| Error::UnfitForm(error.to_string()))
    }
}

async fn check(session: &LazySession, token: &[u8]) -> Result<()> {
    match session.load().await?.is_csrf_token(token) {
        true => Ok(()),
        false => Err(Error::WrongFormToken),
    }
}

fn in_header(headers: &HeaderMap) -> Result<Option<&[u8]>> {
    let mut tokens = headers.get_all(HEADER).iter().map(|token| token.as_bytes());
    match (tokens.next(), tokens.next()) {
        (_, Some(_)) => Err(Error::RepeatedFormToken),
        (token, None) => Ok(token),
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded")
}

impl fmt::Display for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FormToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FormToken(..)")
    }
}
