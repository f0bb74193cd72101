//! Changes of the tie between a session and a device.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;
use crate::metadata::{BOUND, Metadata};
use crate::operation::Operation;

/// The fate of an offer to tie a session to a device: see [`Session::offer_device`](crate::Session::offer_device).
#[derive(Debug, Clone, Default)]
pub struct OfferSaved {
    gave_way: Arc<AtomicBool>,
}

impl OfferSaved {
    /// Returns `false` if another request's state was found in the place of the one that the offer was made over, so that
    /// the offer was left out of what was saved.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        !self.gave_way.load(Ordering::Acquire)
    }
}

/// A change of the tie.
#[derive(Clone)]
pub(crate) struct DeviceChange {
    /// The state that the change was decided on.
    was: Option<Arc<[u8]>>,
    becomes: Arc<[u8]>,
    /// Present for an offer, which gives way to what another request wrote. A binding must not: it is decided anew.
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
    /// [`Error::Conflict`] if the state is not the one that a binding was decided on.
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
