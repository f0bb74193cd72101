//! Futures that cases run beside others.

use std::pin::Pin;

/// A future to run beside others. It ends by itself and does not panic.
pub type Task = Pin<Box<dyn Future<Output = ()> + Send>>;
