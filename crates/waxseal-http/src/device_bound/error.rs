//! Settings that device-bound sessions cannot work with.

/// Settings that device-bound sessions cannot work with.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeviceBindingError {
    /// The session cookie is sent over plain HTTP too, where browsers bind nothing.
    #[error("device-bound sessions need a session cookie that is Secure; serve over TLS, or leave them off")]
    NotSecure,
    /// Scripts can read the session cookie.
    #[error("device-bound sessions need a session cookie that is HttpOnly")]
    NotHttpOnly,
    /// The session cookie is partitioned.
    #[error("device-bound sessions and a Partitioned session cookie exclude each other; choose one")]
    Partitioned,
    /// The time of a proof is out of range.
    #[error("a device's proof lasts between 5 and 3600 seconds, and {0} was asked for")]
    ProofTime(u64),
    /// The manager was made without keys for device tokens.
    #[error(
        "these sessions have no keys for device tokens; make them with `SessionManager::with_device_tokens`"
    )]
    NoTokens,
    /// The cookie's name, its attributes or a path cannot stand in the protocol's headers.
    #[error("device-bound sessions cannot be set up")]
    Terms(#[from] waxseal_device::Error),
}
