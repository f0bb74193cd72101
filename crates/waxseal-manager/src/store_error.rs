//! One error type for every store.

use std::fmt;
use std::sync::Arc;

use waxseal_store::Fault;

/// The error of a store of any type.
#[derive(Clone)]
pub struct StoreError {
    fault: Fault,
    error: Arc<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    pub(crate) fn new(fault: Fault, error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { fault, error: Arc::new(error) }
    }

    /// The kind of failure, which says whether it is an outage or a defect.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.fault
    }
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl fmt::Debug for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreError({:?}, {})", self.fault, self.error)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}
