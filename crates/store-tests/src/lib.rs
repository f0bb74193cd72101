//! Servers of the system, a proxy that makes trouble, records and filled stores, for the tests of the stores.
//!
//! Servers are started from the system's programs, each on a free port of the loopback address and in a temporary
//! folder, and end with the test, however that ends.

#![expect(clippy::exhaustive_enums, clippy::exhaustive_structs, reason = "never published")]

pub mod filled;
#[cfg(unix)]
pub mod flask;
#[cfg(unix)]
pub mod front;
#[cfg(unix)]
pub mod postgres;
#[cfg(unix)]
mod process;
#[cfg(unix)]
pub mod prometheus;
pub mod proxy;
pub mod records;
#[cfg(unix)]
pub mod redis;
#[cfg(unix)]
pub mod sentinel;

#[cfg(unix)]
pub use process::free_port;

use std::io::Write as _;
use std::time::Duration;

use waxseal_store::NetworkOptions;

/// Says that a test does nothing on this system, also where the output of tests that pass is not shown.
pub fn skip(why: &str) {
    _ = writeln!(std::io::stderr(), "skipped: {why}");
}

/// Options with which nothing fails for being slow.
pub fn patient() -> NetworkOptions {
    let long = Duration::from_secs(30);
    NetworkOptions::new().connect_timeout(long).command_timeout(long)
}

/// Runs a test on several threads.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}
