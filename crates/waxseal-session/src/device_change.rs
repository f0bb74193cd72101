//! Changes of a session's device binding.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::metadata::{BOUND, Metadata};
use crate::operation::Operation;

/// Whether an offer to bind a session to a device was saved: see
/// [`Session::offer_device`](crate::Session::offer_device).
#[derive(Debug, Clone, Default)]
pub struct OfferSaved {
    gave_way: Arc<AtomicBool>,
}

impl OfferSaved {
    /// Returns `false` if the offer was left out of what was saved, because another request had replaced the state that
    /// the offer was based on.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.gave_way.load(Ordering::Acquire)
    }
}

/// A change of the device binding.
#[derive(Clone)]
pub(crate) struct DeviceChange {
    /// The state that the change is based on.
    was: Option<Arc<[u8]>>,
    becomes: Arc<[u8]>,
    /// Present for an offer, which is dropped if another request has changed the state. A binding must not be dropped:
    /// the request then fails with a conflict.
    offer: Option<OfferSaved>,
}

impl DeviceChange {
    pub(crate) fn new(was: Option<Arc<[u8]>>, becomes: Arc<[u8]>, offer: Option<OfferSaved>) -> Self {
        Self { was, becomes, offer }
    }

    pub(crate) fn is_offer(&self) -> bool {
        self.offer.is_some()
    }

    /// # Errors
    ///
    /// [`Error::Conflict`] if the state is not the one that a binding is based on.
    pub(crate) fn apply(&self, metadata: &mut Metadata) -> Result<(), Error> {
        if metadata.encoded(BOUND) == self.was.as_deref() {
            metadata.apply(BOUND, &Operation::Set(self.becomes.clone())).expect("setting always works");
            return Ok(());
        }
        match &self.offer {
            Some(offer) => offer.gave_way.store(true, Ordering::Release),
            None => return Err(Error::Conflict { key: BOUND.to_owned() }),
        }
        Ok(())
    }
}
