//! The terms on which a server takes connections.

use crate::limits::Limits;
use crate::proxies::TrustedProxies;
#[cfg(feature = "tls")]
use crate::tls::Tls;

/// The terms on which a server takes connections.
#[derive(Clone, Debug, Default)]
pub(crate) struct Terms {
    pub(crate) limits: Limits,
    pub(crate) trusted: TrustedProxies,
    /// Its connections and bytes are counted nowhere.
    pub(crate) without_metrics: bool,
    /// Each connection begins with the PROXY protocol.
    pub(crate) proxy_protocol: bool,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<Tls>,
}
