//! The policy for calls across a network: timeout, concurrency limit, queue, retries, circuit breaker.
//!
//! For authors of stores. A store takes [`NetworkOptions`] from its user, makes one [`CallPolicy`] from them, and makes
//! every call through [`CallPolicy::call`]. Its error implements [`CallError`], which tells the policy whether the
//! server was out of reach and whether the call may have been done.
//!
//! # Example
//!
//! ```
//! use waxseal_store::network::{CallError, CallPolicy, Retry};
//! use waxseal_store::{NetworkOptions, Unavailable};
//!
//! #[derive(Debug, thiserror::Error)]
//! enum Error {
//!     #[error("the connection was lost")]
//!     Lost,
//!     #[error(transparent)]
//!     Unavailable(#[from] Unavailable),
//! }
//!
//! impl CallError for Error {
//!     fn is_out_of_reach(&self) -> bool {
//!         true
//!     }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let options = NetworkOptions::new().retries(1);
//! let policy = CallPolicy::new(&options, options.limits().connections);
//! let answer: Result<u32, Error> = policy.call(Retry::Idempotent, async || Ok(7)).await;
//! assert_eq!(answer?, 7);
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod call_error;
mod call_policy;
mod circuit_breaker;
mod options;
mod unavailable;

pub use self::call_error::CallError;
pub use self::call_policy::{CallPolicy, Retry};
pub use self::circuit_breaker::{CircuitBreaker, Permit};
pub use self::options::{NetworkLimits, NetworkOptions};
pub use self::unavailable::Unavailable;
