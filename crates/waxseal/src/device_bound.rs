//! The setting `device_bound`.

use clap::ValueEnum;

/// The setting `device_bound`: what becomes of requests that do not prove the device that their session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum DeviceBound {
    /// No session is bound to a device.
    #[default]
    Off,
    /// Browsers are offered a binding, and requests are counted; none is refused.
    Observe,
    /// A request of a bound session without a proof is treated as anonymous.
    Require,
    /// As require; and a session that is not bound five minutes after its sign-in is treated as anonymous, too.
    RequireAll,
}
