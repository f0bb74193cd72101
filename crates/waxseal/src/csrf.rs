//! The check of CSRF tokens: see [`App::csrf_tokens`](crate::App::csrf_tokens).

use http::HeaderName;
use http::header::CONTENT_TYPE;
use waxseal_server::{Limits, encoding, forms, multipart};

use crate::csrf_error::CsrfError;
use crate::error::Result;
use crate::request::Request;

const HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const FIELD: &str = "csrf_token";

/// Checks that a request has a token of its session. The body can still be read afterwards.
pub(crate) async fn check(request: &Request) -> Result<()> {
    let token = given(request).await?;
    match request.session().await?.is_csrf_token(&token) {
        true => Ok(()),
        false => Err(CsrfError::Invalid.into()),
    }
}

/// The token that a request brings, from its header or its form.
async fn given(request: &Request) -> Result<Vec<u8>> {
    let mut headers = request.headers().get_all(HEADER).iter();
    match (headers.next(), headers.next()) {
        (Some(token), None) => return Ok(token.as_bytes().to_owned()),
        (Some(_), Some(_)) => return Err(CsrfError::Repeated.into()),
        (None, _) => {}
    }
    let content_type = request.headers().get(CONTENT_TYPE);
    let Limits { body_idle: idle, body: limit, form_parts, .. } = *request.limits();
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
    let fields: Vec<(String, String)> = forms::parse_within(content_type, &body, form_parts)?;
    request.put_back(body.into());
    let mut tokens =
        fields.into_iter().filter(|(name, _)| name == FIELD).map(|(_, token)| token.into_bytes());
    match (tokens.next(), tokens.next()) {
        (Some(token), None) => Ok(token),
        (Some(_), Some(_)) => Err(CsrfError::Repeated.into()),
        (None, _) => Err(CsrfError::Missing.into()),
    }
}
