//! The error of a URL that cannot be built.

/// The reason why a URL cannot be built. Its text shows names and no values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum UrlError {
    /// No route has this name.
    #[error("no route is called `{name}`; there are: {known}")]
    Unknown { name: String, known: String },
    /// Several routes are named after handlers of this name.
    #[error("several routes are called `{name}` after their handlers: {paths}; name them with Route::name")]
    Ambiguous { name: String, paths: String },
    /// A parameter of the path is missing.
    #[error("url_for(`{name}`) needs `{part}`, for {path}")]
    Missing { name: String, part: String, path: String },
    /// A parameter is empty, or a segment of the path would be `.` or `..`.
    #[error("url_for(`{name}`) cannot put an empty text or dots alone into `{part}`")]
    Unfit { name: String, part: String },
    /// A parameter within one segment has a slash.
    #[error(
        "url_for(`{name}`) cannot put a text with `/` into `{part}`, for {path}; \
         `{{*{part}}}` at the end of a route takes it"
    )]
    Slash { name: String, part: String, path: String },
    /// An argument begins with an underscore and is not one that `url_for` knows.
    #[error("url_for has no `{0}`; it knows _anchor and _external")]
    Special(String),
    /// The URL depends on the request, but the template uses the name `request` for another value.
    #[error(
        "url_for(`{0}`) needs the request here, and the template has another value of the name `request`"
    )]
    WithoutRequest(String),
}
