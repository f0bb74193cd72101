//! Messages for the visitor's next page, as extractors.

use axum::extract::FromRequestParts;
use http::request::Parts;
use waxseal_session::Flash as Message;

use crate::error::{Error, Result};
use crate::session::{LazySession, Session};

/// Leaves messages for the visitor's next page: that of this response, or the one that it redirects to. An extractor.
///
/// # Errors
///
/// Extraction fails with the errors of [`Session`]. Its methods have those of
/// [`Session::flash`](waxseal_session::Session::flash).
///
/// # Example
///
/// ```
/// use axum::response::Redirect;
/// use waxseal_axum::{Flash, Messages, Result};
///
/// async fn send(flash: Flash) -> Result<Redirect> {
///     flash.success("The letter is on its way.")?;
///     Ok(Redirect::to("/"))
/// }
///
/// async fn home(messages: Messages) -> String {
///     messages.into_iter().map(|message| format!("{}: {}\n", message.category, message.message)).collect()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Flash(Session);

#[allow(missing_docs, reason = "their names say it")]
impl Flash {
    pub fn success(&self, text: impl AsRef<str>) -> Result<()> {
        self.message("success", text)
    }

    pub fn info(&self, text: impl AsRef<str>) -> Result<()> {
        self.message("info", text)
    }

    pub fn warning(&self, text: impl AsRef<str>) -> Result<()> {
        self.message("warning", text)
    }

    pub fn error(&self, text: impl AsRef<str>) -> Result<()> {
        self.message("error", text)
    }

    /// Leaves a message in any category.
    pub fn message(&self, category: &str, text: impl AsRef<str>) -> Result<()> {
        Ok(self.0.flash(category, text)?)
    }
}

/// The messages that earlier requests have left, the oldest first. An extractor. Extracted messages count as shown:
/// they are removed once the response was sent, unless its status is 500 or more.
///
/// # Errors
///
/// Extraction fails with the errors of [`Session`].
#[derive(Debug, Clone)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper")]
pub struct Messages(pub Vec<Message>);

impl<S: Sync> FromRequestParts<S> for Flash {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(LazySession::of(parts)?.load().await?))
    }
}

impl<S: Sync> FromRequestParts<S> for Messages {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self> {
        Ok(Self(LazySession::of(parts)?.load().await?.flashed_messages(&[])))
    }
}

impl IntoIterator for Messages {
    type Item = Message;
    type IntoIter = std::vec::IntoIter<Message>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
