//! Errors of settings with which sessions over HTTP cannot work.

/// Settings with which sessions over HTTP cannot work: browsers would not keep the cookie, a text is not an origin, the
/// cookie cannot be bound to a device, or the old app's sessions cannot be taken over.
///
/// It is separate from [`Error`](crate::Error) because it concerns the operator when a program starts, and is never the
/// response to a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The name has characters that a cookie's name cannot have, or is empty or longer than 255 bytes.
    #[error("{0:?} is no cookie name; use 1 to 255 letters, digits and any of !#$%&'*+-.^_`|~")]
    CookieName(String),
    /// The path would break the header, or matches no request.
    #[error(
        "{0:?} is no path of a cookie; use one that begins with / and is written as in an address, without . and .."
    )]
    CookiePath(String),
    /// Browsers would refuse the domain.
    #[error(
        "{0:?} is no domain of a cookie; use a name of two parts or more, such as example.org, in ASCII (punycode) and \
         without a dot at its end, or none, for this host alone"
    )]
    CookieDomain(String),
    /// The name's prefix requires an attribute that the cookie does not have.
    #[error("a cookie called {name:?} must {demand}; change that, or its name")]
    CookiePrefix {
        /// The cookie's name.
        name: String,
        /// The demand of its prefix.
        demand: &'static str,
    },
    /// The text is not a value of SameSite.
    #[error("{0:?} is no value of SameSite; use lax, strict or none")]
    SameSite(String),
    /// SameSite=None or Partitioned is set without Secure.
    #[error("a cookie with {0} must be Secure")]
    CookieNotSecure(&'static str),
    /// The text is not an origin as browsers write it.
    #[error(
        "{0:?} is no origin; use scheme://host or scheme://host:port, without a path, such as https://app.example"
    )]
    Origin(String),

    #[cfg(feature = "device")]
    /// The session cookie is not Secure. Browsers do not bind sessions over plain HTTP.
    #[error("device-bound sessions need a session cookie that is Secure; serve over TLS, or leave them off")]
    DeviceNotSecure,
    #[cfg(feature = "device")]
    /// Scripts can read the session cookie.
    #[error("device-bound sessions need a session cookie that is HttpOnly")]
    DeviceNotHttpOnly,
    #[cfg(feature = "device")]
    /// The session cookie is partitioned.
    #[error("device-bound sessions and a Partitioned session cookie exclude each other; choose one")]
    DevicePartitioned,
    #[cfg(feature = "device")]
    /// The session cookie goes to several hosts, and a proof is made for one.
    #[error(
        "device-bound sessions need a session cookie of one host, and this one has the domain {0:?}; leave the domain \
         away, or leave them off"
    )]
    DeviceDomain(String),
    #[cfg(feature = "device")]
    /// Browsers would not send the session cookie with a registration.
    #[error(
        "browsers send a session cookie of the path {cookie:?} to no endpoint below {folder:?}; move the endpoints for \
         device-bound sessions below the cookie's path, or give the cookie the path /"
    )]
    DevicePath {
        /// The session cookie's path.
        cookie: String,
        /// The folder of the endpoints.
        folder: String,
    },
    #[cfg(feature = "device")]
    /// The time of a proof is out of range.
    #[error("a device's proof lasts between 5 and 3600 seconds, and {0} was asked for")]
    DeviceProofTime(u64),
    #[cfg(feature = "device")]
    /// The manager has no keys for device tokens.
    #[error(
        "these sessions have no keys for device tokens; make them with `SessionManager::with_device_tokens`"
    )]
    DeviceTokens,
    #[cfg(feature = "device")]
    /// The cookie's name, its attributes or a path cannot be written in the protocol's headers.
    #[error("device-bound sessions cannot be set up")]
    DeviceTerms(#[from] waxseal_device::Error),
    /// The session manager has no terms of a migration.
    #[error("the session manager takes no foreign sessions over; give it the terms with `adopting`")]
    NotAdopting,
    /// The foreign cookie and this app's have the same name, so each app would overwrite the other's.
    #[error("the old app's cookie and this app's are both called `{0}`; give this app's another name")]
    SameCookie(String),
}
