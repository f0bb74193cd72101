//! The device binding of a session, as its metadata holds it. The meaning of its bytes is defined by the code that
//! writes them.

use std::sync::Arc;

use crate::change::Change;
use crate::content::Content;
use crate::device_change::{DeviceChange, OfferSaved};
use crate::error::Error;
use crate::metadata::BOUND;
use crate::session::Session;
use crate::state::Phase;

/// The longest state of a device binding, in bytes. Metadata has room for it beside the rest.
pub const MAX_DEVICE_STATE_BYTES: usize = 64;

/// A state whose first byte is at least this says that the session is bound.
const BOUND_FROM: u8 = 0x80;

impl Content {
    /// The bytes that say how far the session is bound to a device; `None` if there are none. Empty if they are
    /// malformed: treat such a session as bound.
    #[must_use]
    pub fn device_state(&self) -> Option<&[u8]> {
        // MessagePack's `bin 8`: its format byte, its length, its bytes.
        match self.metadata.encoded(BOUND)? {
            [0xc4, length, bytes @ ..] if bytes.len() == usize::from(*length) => Some(bytes),
            _ => Some(&[]),
        }
    }

    /// Replaces the state of the device binding, which is at most [`MAX_DEVICE_STATE_BYTES`] long.
    pub fn put_device_state(&mut self, state: &[u8]) {
        self.metadata.put(BOUND, Some(encoded(state)));
    }
}

impl Session {
    /// Returns `true` if the session is bound to a device. Each request then has to bring a proof.
    #[must_use]
    pub fn is_device_bound(&self) -> bool {
        self.read()
            .content
            .device_state()
            .is_some_and(|state| state.first().is_none_or(|kind| *kind >= BOUND_FROM))
    }

    /// Returns `true` if this request has signed in. The call does not count as access.
    #[must_use]
    pub fn has_signed_in(&self) -> bool {
        let state = self.lock();
        state.signed_in && state.phase == Phase::Open
    }

    /// Returns `true` if this request has ended the session that it came with. The call does not count as access.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Returns `true` if this request has removed everything from the session. The call does not count as access.
    #[must_use]
    pub fn has_been_emptied(&self) -> bool {
        self.lock().is_emptied()
    }

    /// Replaces the state of the device binding with an offer. If another request has replaced it meanwhile, only the
    /// offer is left out of what is saved.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors).
    pub fn offer_device(&self, state: &[u8]) -> Result<OfferSaved, Error> {
        let offer = OfferSaved::default();
        self.change_device(state, Some(offer.clone()))?;
        Ok(offer)
    }

    /// Replaces the state of the device binding. If another request has replaced it meanwhile, nothing is saved.
    ///
    /// # Errors
    ///
    /// Those of every [write](Session#errors), and [`Error::Conflict`] when the session is saved.
    pub fn bind_device(&self, state: &[u8]) -> Result<(), Error> {
        self.change_device(state, None)
    }

    fn change_device(&self, becomes: &[u8], offer: Option<OfferSaved>) -> Result<(), Error> {
        let mut state = self.write()?;
        let was = state.content.metadata.encoded(BOUND).map(Arc::from);
        state.make_fitting(Change::Device(DeviceChange::new(was, encoded(becomes), offer)))
    }
}

fn encoded(state: &[u8]) -> Arc<[u8]> {
    assert!(state.len() <= MAX_DEVICE_STATE_BYTES, "the state of a tie is short");
    let length = u8::try_from(state.len()).expect("it was checked above");
    [&[0xc4, length][..], state].concat().into()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    const OFFERED: &[u8] = &[1, 2, 3];
    const BY_ME: &[u8] = &[0x80, 1];
    const BY_ANOTHER: &[u8] = &[0x80, 2];

    fn session(state: Option<&[u8]>) -> (Session, Content) {
        let mut content = Content::default();
        if let Some(state) = state {
            content.put_device_state(state);
        }
        let terms = crate::backend::Terms { limit: usize::MAX, strict: false, form_token_keys: None };
        (Session::restore(content.clone(), terms), content)
    }

    fn replayed(session: &Session, newer: Content) -> Result<Content, Error> {
        session.close().log.replay(newer, usize::MAX)
    }

    #[test]
    fn a_binding_conflicts_with_what_another_request_wrote_and_an_offer_gives_way() {
        let (_, offered) = session(Some(OFFERED));
        let (_, bound) = session(Some(BY_ANOTHER));
        let (binding, _) = session(Some(OFFERED));
        binding.bind_device(BY_ME).unwrap();
        let log = binding.close().log;
        assert_eq!(log.replay(offered.clone(), usize::MAX).unwrap().device_state(), Some(BY_ME));
        for newer in [bound.clone(), Content::default()] {
            assert!(matches!(log.replay(newer, usize::MAX), Err(Error::Conflict { .. })));
        }
        assert!(!log.only_shows(), "a binding that is not saved is an error");

        let (page, _) = session(Some(OFFERED));
        let offer = page.offer_device(&[2, 9]).unwrap();
        page.insert("seen", true).unwrap();
        let after = replayed(&page, bound).unwrap();
        assert_eq!((after.device_state(), after.entries.len()), (Some(BY_ANOTHER), 1));
        assert!(!offer.is_kept());
    }

    #[test]
    fn a_sign_in_drops_the_tie_also_of_a_session_that_it_meets_later_and_a_renewal_keeps_it() {
        let (_, bound) = session(Some(BY_ANOTHER));
        let (anonymous, _) = session(None);
        anonymous.sign_in("albus", SystemTime::now()).unwrap();
        let offer = anonymous.offer_device(OFFERED).unwrap();
        let closed = anonymous.close();
        assert_eq!(closed.log.replay(bound.clone(), usize::MAX).unwrap().device_state(), Some(OFFERED));
        assert!(offer.is_kept());
        let mut begun = Content::default();
        begun.adopt_owner(&closed.content);
        assert_eq!(begun.device_state(), Some(OFFERED));

        let (renewed, _) = session(Some(BY_ME));
        renewed.renew().unwrap();
        assert!(renewed.is_device_bound());
        renewed.renew_empty().unwrap();
        assert!(!renewed.is_device_bound());
    }

    #[test]
    fn what_nobody_can_read_counts_as_bound() {
        for (state, bound) in
            [(None, false), (Some(OFFERED), false), (Some(BY_ME), true), (Some(&[][..]), true)]
        {
            assert_eq!(session(state).0.is_device_bound(), bound, "{state:?}");
        }
        let mut content = Content::default();
        for value in [&[0xc0][..], &[0x01], &[0xa1, b'a']] {
            content.metadata.put(BOUND, Some(value.into()));
            assert_eq!(content.device_state(), Some(&[][..]), "{value:?}");
        }
    }
}
