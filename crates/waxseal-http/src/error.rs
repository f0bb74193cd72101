//! Errors of requests that are refused before a session is opened.

use http::{HeaderName, StatusCode};

/// Describes a request that is refused: for its `Host`, or because another site made it.
///
/// Texts are for the person who sent the request. They quote at most 60 printable ASCII characters of it at a time.
///
/// # Example
///
/// ```
/// use waxseal_http::{Error, Host};
///
/// let error = "user@hogwarts.example".parse::<Host>().unwrap_err();
/// assert!(matches!(error, Error::MalformedHost(_)));
/// assert_eq!(error.status(), 400);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A request without a `Host` field.
    #[error("the request has no Host; send one, also in HTTP/1.0")]
    MissingHost,
    /// A request with more than one `Host` field.
    #[error("the request has more than one Host; send exactly one")]
    RepeatedHost,
    /// A host that is neither a DNS name nor an address, or whose port is out of range.
    #[error("`{0}` is no host; send a DNS name or an address, and a port if it is not the usual one")]
    MalformedHost(String),
    /// A target that names another host than the `Host` field.
    #[error("the request is for {named} but its Host says {sent}; send the same in both")]
    ContradictedHost {
        /// The host in the `Host` field.
        sent: String,
        /// The host in the request's target.
        named: String,
    },
    /// A host that is no name of this machine, in development mode.
    #[error(
        "this server runs in development mode and answers to localhost, not to `{0}`; open it as localhost, \
         or switch development mode off to serve other names"
    )]
    ForeignHost(String),
    /// A field that a proxy added, in development mode.
    #[error(
        "this server runs in development mode and a proxy passed this request on (it has `{0}`); \
         switch development mode off to serve behind a proxy"
    )]
    Proxied(String),
    /// A `Sec-Fetch-Site` that is neither `same-origin` nor `none`.
    #[error("the browser calls this request `{0}`; send it from a page of this site")]
    CrossSite(String),
    /// An `Origin` that is not this server's.
    #[error("the request comes from `{found}` and this is {own}; send it from a page of this site")]
    ForeignOrigin {
        /// The request's origin.
        found: String,
        /// This server's scheme and host.
        own: String,
    },
    /// An `Origin` in a request without a `Host` to compare it with.
    #[error(
        "the request comes from `{0}` and has no Host, so nobody can tell if that is this site; send a Host"
    )]
    UnknownOrigin(String),
    /// A field that browsers send once and that came more than once.
    #[error("the request has more than one {0}; send at most one")]
    RepeatedField(HeaderName),
}

impl Error {
    /// The status of the answer: 400 for a wrong host, 421 for a foreign one, 403 for a proxy and for another site.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::MissingHost
            | Self::RepeatedHost
            | Self::MalformedHost(_)
            | Self::ContradictedHost { .. } => StatusCode::BAD_REQUEST,
            Self::ForeignHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Proxied(_)
            | Self::CrossSite(_)
            | Self::ForeignOrigin { .. }
            | Self::UnknownOrigin(_)
            | Self::RepeatedField(_) => StatusCode::FORBIDDEN,
        }
    }
}
