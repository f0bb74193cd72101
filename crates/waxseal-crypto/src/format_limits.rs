//! The table of `format.md`, section "Limits".

/// The largest sum of the lengths of a name and the text form of a value, in bytes: the most that browsers store for
/// one cookie (RFC 6265bis, section 5.6).
pub const MAX_TEXT_BYTES: usize = 4096;

/// The largest binary form of a value, in bytes: 1 MiB.
pub const MAX_BINARY_BYTES: usize = 1 << 20;

/// The longest purpose, name, audience or app name, in bytes of UTF-8.
pub const MAX_LABEL_BYTES: usize = 255;

/// The longest `bound` value of a message, in bytes: two hashes.
pub const MAX_BOUND_BYTES: usize = 64;

/// The most keys in a ring. It limits how many keys are tried if several share a key id.
pub(crate) const MAX_KEYS: usize = 16;

/// How far the clock of the sealing server may be ahead of that of the opening server, in seconds.
pub const MAX_CLOCK_SKEW_SECONDS: u64 = 60;
