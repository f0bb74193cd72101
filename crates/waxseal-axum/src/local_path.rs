//! The page to go to after a sign-in.

use std::ops::Deref;

use axum::extract::OriginalUri;
use http::Method;
use http::request::Parts;
use serde::{Deserialize, Deserializer, Serialize};
use waxseal_http::local_path;

/// A path of this site, made from text that a visitor sent, such as a form's `next`. It is `/` if the text is missing
/// or would lead to another site.
///
/// Use it for `Redirect::to(&form.next)`. In a struct for forms and queries, add `#[serde(default)]` to the field.
///
/// # Example
///
/// ```
/// use waxseal_axum::LocalPath;
///
/// assert_eq!(&*LocalPath::new("/account?tab=2"), "/account?tab=2");
/// assert_eq!(&*LocalPath::new("//evil.example"), "/");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct LocalPath(String);

impl LocalPath {
    /// Converts untrusted text into a path.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self(local_path(text).unwrap_or_else(|| "/".to_owned()))
    }

    /// The URL of `page` with this path as `next` in its query, for a sign-in that has to be repeated.
    #[must_use]
    pub fn after(&self, page: &str) -> String {
        with_next(page, &self.0)
    }
}

impl Default for LocalPath {
    fn default() -> Self {
        Self::new("/")
    }
}

impl Deref for LocalPath {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for LocalPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::new(&String::deserialize(deserializer)?))
    }
}

/// The sign-in page, with the requested path as `next` in its query. A request that is neither GET nor HEAD cannot be
/// repeated and adds none.
pub(crate) fn with_way_back(page: &str, parts: &Parts) -> String {
    if parts.method != Method::GET && parts.method != Method::HEAD {
        return page.to_owned();
    }
    // Nested routers see only the rest of the path.
    let uri = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |uri| &uri.0);
    let back = uri.path_and_query().map_or("/", |back| back.as_str());
    with_next(page, back)
}

fn with_next(page: &str, back: &str) -> String {
    let joint = if page.contains('?') { '&' } else { '?' };
    let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
    format!("{page}{joint}next={back}")
}
