//! The device-bound sessions of a session layer.

use waxseal_device::Terms;

use super::metrics::DeviceMetrics;
use super::policy::DevicePolicy;
use super::recent_offers::RecentOffers;

/// The terms, the policy and the counters that all requests share.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) terms: Terms,
    /// The longest lifetime of a session, in seconds.
    pub(crate) longest_seconds: u32,
    pub(crate) policy: DevicePolicy,
    pub(crate) metrics: DeviceMetrics,
    pub(crate) recent_offers: RecentOffers,
}
