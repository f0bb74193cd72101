//! Futures that cases run concurrently.

use std::pin::Pin;

/// A future to run concurrently. It ends by itself and does not panic.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
