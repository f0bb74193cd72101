//! Errors of the settings for proxies.

/// Says what is wrong with the text of a setting for proxies.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxySettingsError {
    /// Neither an address, nor a network, nor `unix`.
    #[error("`{0}` is no address; write 192.0.2.1, 10.0.0.0/8, 2001:db8::/32 or unix")]
    Address(String),
    /// A network with bits set behind its prefix: a mistake in one of the two.
    #[error("`{found}` has bits behind its prefix; write {meant}")]
    HostBits {
        /// The text.
        found: String,
        /// The network that the address is in.
        meant: String,
    },
    /// The name of no header that is read.
    #[error("`{0}` names no header; write for, proto, host, prefix or forwarded")]
    Header(String),
    /// Two headers that say the same thing.
    #[error("`forwarded` says what for, proto and host say; choose the one that the proxy sets")]
    Both,
    /// A path that a browser or a proxy could read in another way.
    #[error("`{0}` is no plain path; write /app, in letters, digits, `-`, `.`, `_` and `~`")]
    RootPath(String),
}
