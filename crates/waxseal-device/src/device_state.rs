use crate::binding::Binding;
use crate::error::Error;
use crate::offer::Offer;
use crate::series::Series;

/// How far the binding of a signed-in session to a device has come: the part of the session that says so, at most 37
/// bytes.
///
/// A session without it is not bound, and its browser gets no offer.
///
/// ```text
/// 00    | at u32 | series 12     owed
/// 01/02 | at u32 | offer 16      offered, for the first or the second time
/// 80    | at u32 | binding 32    bound
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeviceState {
    /// No offer was made yet. Another site caused the sign-in, so a registration would come without our session cookie.
    Owed {
        /// The time of the sign-in, in seconds since 1970.
        at: u32,
        /// The series of the offers that will be made.
        series: Series,
    },
    /// The browser was asked to register.
    Offered {
        /// The time of the offer, in seconds since 1970.
        at: u32,
        /// The offer.
        offer: Offer,
        /// The offer is the second and last one.
        again: bool,
    },
    /// The browser has registered.
    Bound {
        /// The time of the registration, in seconds since 1970.
        at: u32,
        /// The offer and the key.
        binding: Binding,
    },
}

/// How long after a sign-in a browser is asked, in seconds.
const OFFERING_SECONDS: u64 = 600;
/// How long a browser has to take up an offer before it is asked once more, in seconds.
const AGAIN_AFTER_SECONDS: u64 = 60;

const OWED: u8 = 0;
const OFFERED: u8 = 1;
const OFFERED_AGAIN: u8 = 2;
const BOUND: u8 = 0x80;

impl DeviceState {
    /// The state of a session after a sign-in by a request with this `Sec-Fetch-Site`. If the state has an offer, the
    /// response must [carry](crate::Terms::registration_header) it.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn at_sign_in(sec_fetch_site: Option<&[u8]>, now: u64) -> Result<Self, Error> {
        match sec_fetch_site {
            None | Some(b"same-origin" | b"none") => Ok(Self::offered(Offer::draw()?, false, now)),
            Some(_) => Ok(Self::Owed { at: seconds(now), series: Offer::draw()?.series() }),
        }
    }

    /// The state with the offer that the response to a later request must carry, if one is due: the first offer if it
    /// is owed, a second one if the first was not taken up within a minute. An offer is due only within 10 minutes of
    /// the sign-in, and only in response to requests from our own pages. Save the state before sending the offer.
    ///
    /// # Errors
    ///
    /// [`Error::Random`] if the system has no randomness.
    pub fn next_offer(
        &self,
        sec_fetch_site: Option<&[u8]>,
        signed_in: u64,
        now: u64,
    ) -> Result<Option<Self>, Error> {
        let (series, again) = match self {
            Self::Owed { series, .. } => (*series, false),
            Self::Offered { at, offer, again: false } if now >= u64::from(*at) + AGAIN_AFTER_SECONDS => {
                (offer.series(), true)
            }
            _ => return Ok(None),
        };
        let is_due =
            sec_fetch_site == Some(b"same-origin") && now < signed_in.saturating_add(OFFERING_SECONDS);
        Ok(if is_due { Some(Self::offered(Offer::draw_of(series)?, again, now)) } else { None })
    }

    /// The offer that was made last, or that was taken up.
    #[must_use]
    pub fn offer(&self) -> Option<Offer> {
        match self {
            Self::Owed { .. } => None,
            Self::Offered { offer, .. } => Some(*offer),
            Self::Bound { binding, .. } => Some(binding.offer),
        }
    }

    /// The series of the sign-in's offers. A state of one series is never that of another sign-in.
    #[must_use]
    pub fn series(&self) -> Series {
        match self {
            Self::Owed { series, .. } => *series,
            Self::Offered { offer, .. } => offer.series(),
            Self::Bound { binding, .. } => binding.offer.series(),
        }
    }

    /// Encodes the state in the layout above.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (kind, at, rest) = match self {
            Self::Owed { at, series } => (OWED, at, series.as_bytes().to_vec()),
            Self::Offered { at, offer, again: false } => (OFFERED, at, offer.as_bytes().to_vec()),
            Self::Offered { at, offer, again: true } => (OFFERED_AGAIN, at, offer.as_bytes().to_vec()),
            Self::Bound { at, binding } => (BOUND, at, binding.to_bytes().to_vec()),
        };
        [&[kind][..], &at.to_be_bytes(), &rest].concat()
    }

    /// The state in these bytes. `None` unless they are exactly one state. Only another release can have written other
    /// bytes; treat a session with them as one that is bound and not proven.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        let (at, rest) = rest.split_first_chunk()?;
        let at = u32::from_be_bytes(*at);
        Some(match *kind {
            OWED => Self::Owed { at, series: Series::from_bytes(rest.try_into().ok()?) },
            OFFERED | OFFERED_AGAIN => Self::Offered {
                at,
                offer: Offer::from_bytes(rest.try_into().ok()?),
                again: *kind == OFFERED_AGAIN,
            },
            BOUND => Self::Bound { at, binding: Binding::from_bytes(rest.try_into().ok()?) },
            _ => return None,
        })
    }

    fn offered(offer: Offer, again: bool, now: u64) -> Self {
        Self::Offered { at: seconds(now), offer, again }
    }
}

/// The time as stored in the state. It can be no later than a second in the year 2106, when tokens end, too.
pub(crate) fn seconds(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::binding::Fingerprint;

    const NOW: u64 = 1_790_000_000;
    const AT: u32 = 1_790_000_000;
    const OFFER: Offer = Offer::from_bytes([7; 16]);
    const OWED: DeviceState = DeviceState::Owed { at: AT, series: Series::from_bytes([7; 12]) };
    const FIRST: DeviceState = DeviceState::Offered { at: AT, offer: OFFER, again: false };
    const SECOND: DeviceState = DeviceState::Offered { at: AT, offer: OFFER, again: true };

    fn bound() -> DeviceState {
        let binding = Binding::new(OFFER, Fingerprint::from_bytes([9; 16]));
        DeviceState::Bound { at: AT, binding }
    }

    #[test]
    fn a_state_is_its_bytes_and_no_others() {
        let at = AT.to_be_bytes();
        for (case, state, bytes) in [
            ("owed", OWED, [&[0][..], &at, &[7; 12]].concat()),
            ("offered", FIRST, [&[1][..], &at, &[7; 16]].concat()),
            ("offered again", SECOND, [&[2][..], &at, &[7; 16]].concat()),
            ("bound", bound(), [&[0x80][..], &at, &[7; 16], &[9; 16]].concat()),
        ] {
            assert_eq!(state.to_bytes(), bytes, "{case}");
            assert_eq!(DeviceState::parse(&bytes), Some(state), "{case}");
            for length in 0..bytes.len() {
                assert_eq!(DeviceState::parse(&bytes[..length]), None, "{case}, cut to {length}");
            }
            assert_eq!(DeviceState::parse(&[&bytes[..], &[0]].concat()), None, "{case}, longer");
            for kind in [3, 0x7f, 0x81, 0xff] {
                assert_eq!(
                    DeviceState::parse(&[&[kind][..], &bytes[1..]].concat()),
                    None,
                    "{case}, kind {kind}"
                );
            }
        }
    }

    #[test]
    fn a_sign_in_offers_unless_another_site_caused_it() {
        for (site, offers) in [
            (None, true),
            (Some(&b"same-origin"[..]), true),
            (Some(b"none"), true),
            (Some(b"same-site"), false),
            (Some(b"cross-site"), false),
            (Some(b"anything"), false),
        ] {
            let state = DeviceState::at_sign_in(site, NOW).unwrap();
            assert_eq!(state.offer().is_some(), offers, "{site:?}");
            assert_eq!(matches!(state, DeviceState::Owed { at: AT, .. }), !offers, "{site:?}");
        }
    }

    #[test]
    fn an_offer_is_made_later_or_once_more_and_never_a_third_time() {
        let own = Some(&b"same-origin"[..]);
        for (case, state, site, after, expected) in [
            ("owed", OWED, own, 0, Some(false)),
            ("owed, at the last second", OWED, own, 599, Some(false)),
            ("owed, too late", OWED, own, 600, None),
            ("owed, from another site", OWED, Some(b"cross-site"), 5, None),
            ("owed, by a typed address", OWED, Some(b"none"), 5, None),
            ("owed, without the header", OWED, None, 5, None),
            ("offered, a second too early", FIRST, own, 59, None),
            ("offered", FIRST, own, 60, Some(true)),
            ("offered, too late", FIRST, own, 600, None),
            ("offered, from another site", FIRST, Some(b"cross-site"), 60, None),
            ("offered twice", SECOND, own, 120, None),
            ("bound", bound(), own, 60, None),
        ] {
            let next = state.next_offer(site, NOW, NOW + after).unwrap();
            let found = next.map(|next| match next {
                DeviceState::Offered { at, again, .. } => {
                    assert_eq!(u64::from(at), NOW + after, "{case}");
                    assert_eq!(next.series(), state.series(), "{case}");
                    again
                }
                other => panic!("{case}: {other:?}"),
            });
            assert_eq!(found, expected, "{case}");
        }
    }

    #[test]
    fn no_two_offers_are_the_same() {
        let first = DeviceState::at_sign_in(None, NOW).unwrap();
        let second = first.next_offer(Some(b"same-origin"), NOW, NOW + 60).unwrap().unwrap();
        assert_ne!(first.offer(), second.offer());
        for site in [None, Some(&b"cross-site"[..])] {
            let other = DeviceState::at_sign_in(site, NOW).unwrap();
            assert_ne!(other.series(), first.series(), "of another sign-in");
        }
    }
}
