//! The settings with which a server takes connections.

use crate::limits::Limits;
use crate::proxies::TrustedProxies;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// The settings with which a server takes connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) trusted: TrustedProxies,
    /// `true` if connections and bytes are not counted.
    pub(crate) without_metrics: bool,
    /// `true` if each connection begins with the PROXY protocol.
    pub(crate) proxy_protocol: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}
