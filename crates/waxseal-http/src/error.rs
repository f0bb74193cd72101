//! Errors of requests that are refused before a session is opened.

use http::{HeaderName, StatusCode};

/// The reason why a request is refused: its `Host`, or that another site made it.
///
/// The texts are for the person who sent the request. Each quotation from it has at most 60 characters, in printable ASCII.
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
    /// The request has no `Host` field.
    #[error("the request has no Host; send one, also in HTTP/1.0")]
    MissingHost,
    /// The request has more than one `Host` field.
    #[error("the request has more than one Host; send exactly one")]
    RepeatedHost,
    /// The host is neither a DNS name nor an address, or its port is out of range.
    #[error("`{0}` is no host; send a DNS name or an address, and a port if it is not the usual one")]
    MalformedHost(String),
    /// The request's target names another host than its `Host` field.
    #[error("the request is for {named} but its Host says {sent}; send the same in both")]
    ContradictedHost {
        /// The host in the `Host` field.
        sent: String,
        /// The host in the request's target.
        named: String,
    },
    /// The host is not a name of this machine, in development mode.
    #[error(
        "this server runs in development mode and answers to localhost, not to `{0}`; open it as localhost, \
         or switch development mode off to serve other names"
    )]
    ForeignHost(String),
    /// The request has a field that a proxy added, in development mode.
    #[error(
        "this server runs in development mode and a proxy passed this request on (it has `{0}`); \
         switch development mode off to serve behind a proxy"
    )]
    Proxied(String),
    /// `Sec-Fetch-Site` is neither `same-origin` nor `none`.
    #[error("the browser calls this request `{0}`; send it from a page of this site")]
    CrossSite(String),
    /// `Origin` is not this server's.
    #[error("the request comes from `{found}` and this is {own}; {}", remedy(found, own))]
    ForeignOrigin {
        /// The request's origin.
        found: String,
        /// This server's scheme and host.
        own: String,
    },
    /// The request has an `Origin`, but no `Host` to compare it with.
    #[error(
        "the request comes from `{0}` and has no Host, so nobody can tell if that is this site; send a Host"
    )]
    UnknownOrigin(String),
    /// The request has a field more than once that browsers send only once.
    #[error("the request has more than one {0}; send at most one")]
    RepeatedField(HeaderName),
}

impl Error {
    /// The status of the response: 400 for a wrong host, 421 for a foreign one, 403 for a proxy or another site.
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

/// What to do about a foreign origin. A server whose proxy speaks HTTPS takes its own pages for foreign ones until it is told.
fn remedy(found: &str, own: &str) -> &'static str {
    match (found.strip_prefix("https://"), own.strip_prefix("http://")) {
        (Some(found), Some(own)) if found == own => {
            "if a proxy speaks HTTPS for this site, trust it, so that its X-Forwarded-Proto is read"
        }
        _ => "send it from a page of this site",
    }
}
