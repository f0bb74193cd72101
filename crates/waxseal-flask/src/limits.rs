//! The limits of what is read and written.

/// Flask's `PERMANENT_SESSION_LIFETIME` unless an app sets it, in seconds: 31 days, for every cookie.
pub const LIFETIME_SECONDS: u64 = 31 * 86_400;

/// The most bytes of name and value of a cookie, together, that browsers keep (RFC 6265bis §5.6).
pub const MAX_COOKIE_BYTES: usize = 4_096;

/// The most arrays and objects within each other.
pub(crate) const MAX_DEPTH: usize = 128;

/// The lead of Flask's clock that is put up with, in seconds. Flask itself puts up with none.
pub(crate) const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// The size to which a payload may inflate, in bytes, unless the caller says otherwise.
pub(crate) const DEFAULT_MAX_INFLATED_BYTES: usize = 256 * 1024;

/// The longest id of a record. Flask-Session draws 43 characters unless told otherwise.
pub(crate) const MAX_ID_BYTES: usize = 128;
