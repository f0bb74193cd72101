//! Errors of settings that sessions over HTTP cannot work with.

/// Settings that sessions over HTTP cannot work with: a cookie that no browser would keep, a text that is no origin, a
/// cookie that cannot be bound to a device, or an old app whose sessions cannot be taken over.
///
/// Apart from [`Error`](crate::Error): it concerns the operator when a program starts, and no request has it for an
/// answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// A name with characters that a cookie's name cannot have, or longer than 255 bytes.
    #[error("{0:?} is no cookie name; use 1 to 255 letters, digits and any of !#$%&'*+-.^_`|~")]
    CookieName(String),
    /// A path that would break the header, or that no request has.
    #[error(
        "{0:?} is no path of a cookie; use one that begins with / and is written as in an address, without . and .."
    )]
    CookiePath(String),
    /// A domain that browsers would refuse.
    #[error(
        "{0:?} is no domain of a cookie; use a name of two parts or more, such as example.org, in ASCII (punycode) and \
         without a dot at its end, or none, for this host alone"
    )]
    CookieDomain(String),
    /// A name with a prefix that demands an attribute.
    #[error("a cookie called {name:?} must {demand}; change that, or its name")]
    CookiePrefix {
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
    CookieNotSecure(&'static str),
    /// A text that is no origin as browsers write it.
    #[error(
        "{0:?} is no origin; use scheme://host or scheme://host:port, without a path, such as https://app.example"
    )]
    Origin(String),

    #[cfg(feature = "device")]
    /// The session cookie is sent over plain HTTP too, where browsers bind nothing.
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
    /// The time of a proof is out of range.
    #[error("a device's proof lasts between 5 and 3600 seconds, and {0} was asked for")]
    DeviceProofTime(u64),
    #[cfg(feature = "device")]
    /// The manager was made without keys for device tokens.
    #[error(
        "these sessions have no keys for device tokens; make them with `SessionManager::with_device_tokens`"
    )]
    DeviceTokens,
    #[cfg(feature = "device")]
    /// The cookie's name, its attributes or a path cannot stand in the protocol's headers.
    #[error("device-bound sessions cannot be set up")]
    DeviceTerms(#[from] waxseal_device::Error),
    /// The session manager has no terms of a migration.
    #[error("the session manager takes no foreign sessions over; give it the terms with `adopting`")]
    NotAdopting,
    /// The foreign cookie and ours have one name, so each app would overwrite the other's.
    #[error("the old app's cookie and this app's are both called `{0}`; give this app's another name")]
    SameCookie(String),
}
