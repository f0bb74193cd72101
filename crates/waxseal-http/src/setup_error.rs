//! Errors of cookie attributes that contradict each other.

/// Attributes that no browser would keep a cookie with.
///
/// Apart from [`Error`](crate::Error): it concerns the operator when a program starts, and no request has it for an
/// answer.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum CookieError {
    /// A name with characters that a cookie's name cannot have, or longer than 255 bytes.
    #[error("{0:?} is no cookie name; use 1 to 255 letters, digits and any of !#$%&'*+-.^_`|~")]
    Name(String),
    /// A path that would break the header, or that no request has.
    #[error(
        "{0:?} is no path of a cookie; use one that begins with / and is written as in an address, without . and .."
    )]
    Path(String),
    /// A domain that browsers would refuse.
    #[error(
        "{0:?} is no domain of a cookie; use a name of two parts or more, such as example.org, in ASCII (punycode) and \
         without a dot at its end, or none, for this host alone"
    )]
    Domain(String),
    /// A name with a prefix that demands an attribute.
    #[error("a cookie called {name:?} must {demand}; change that, or its name")]
    Prefix {
        /// The cookie's name.
        name: String,
        /// The demand of its prefix.
        demand: &'static str,
    },
    /// A text that names no value of SameSite.
    #[error("{0:?} is no value of SameSite; use lax, strict or none")]
    SameSite(String),
    /// SameSite=None or Partitioned without Secure.
    #[error("a cookie with {0} must be Secure")]
    NotSecure(&'static str),
}
