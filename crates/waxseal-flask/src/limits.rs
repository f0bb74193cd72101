//! Limits of what is read and written.

/// The default of Flask's `PERMANENT_SESSION_LIFETIME`, in seconds: 31 days. It applies to every cookie.
pub const LIFETIME_SECONDS: u64 = 31 * 86_400;

/// The longest name and value of a cookie, together, that browsers store, in bytes (RFC 6265bis §5.6).
pub const MAX_COOKIE_BYTES: usize = 4_096;

/// The deepest nesting of arrays and objects.
pub(crate) const MAX_DEPTH: usize = 128;

/// How far Flask's clock may be ahead, in seconds. Flask itself allows nothing.
pub(crate) const MAX_CLOCK_SKEW_SECONDS: u64 = 60;

/// The largest size to which a payload may inflate by default, in bytes.
pub(crate) const DEFAULT_MAX_INFLATED_BYTES: usize = 256 * 1024;

/// The longest id of a record, in characters. By default Flask-Session uses 43.
pub(crate) const MAX_ID_BYTES: usize = 128;
