use crate::binding::Binding;
use crate::device_key::DeviceKey;
use crate::device_state::DeviceState;
use crate::skipped::{self, SkipReason};
use crate::terms::Terms;
use crate::tokens::{self, CLOCK_SKEW_SECONDS, Purpose, Tokens};

/// The most cookies of one name that are tried. A page of a sibling host may plant any number of them, but no valid
/// one.
const MAX_COOKIES: usize = 4;
/// The most items of `Secure-Session-Skipped` that are tried: older sessions may be named before this one.
const MAX_SKIPPED: usize = 16;
/// How long after a registration requests may arrive that were sent before it, in seconds.
const SETTLING_SECONDS: u64 = 60;

/// Whether a request has proven that it comes from the device that its session is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "each case is treated by callers")]
pub enum Proof {
    /// The session is bound to no device.
    Unbound,
    /// The request has a device cookie that is valid for its session.
    Proven {
        /// The binding that was proven. It is the session's own or, if the session's state is not `Bound`, the one that
        /// resulted from an offer of the same sign-in.
        binding: Binding,
        /// The time of the proof, in seconds since 1970.
        since: u64,
        /// The second from which on the proof no longer counts.
        until: u64,
    },
    /// The session was bound less than a minute ago. The request may have been sent before that, so it counts as
    /// unbound.
    Settling {
        /// The second from which on a proof is needed.
        until: u64,
    },
    /// The request has not proven anything, and the browser says that it could not do so at the moment. Never allow it
    /// more than [`Unproven`](Self::Unproven).
    Skipped(SkipReason),
    /// The request has not proven anything: treat it as an anonymous visitor's.
    Unproven,
}

impl Terms {
    /// Checks a request of a session with `state`. `cookies` are the values of the cookie with the [name for the
    /// offer](Self::device_cookie_name) of a state that is `Bound`, and of all [device
    /// cookies](Self::is_device_cookie_name) for any other state. `skipped` the values of the header `Secure-Session-Skipped`. `skipped`
    /// is read only if no cookie is valid.
    ///
    /// If the state is not `Bound` and the request is proven nevertheless, a response that was slower than the
    /// registration has overwritten the bound state. This can happen to a state that is kept in the browser. Write the
    /// bound state again.
    pub fn proof<'h>(
        &self,
        tokens: &dyn Tokens,
        state: &DeviceState,
        cookies: impl IntoIterator<Item = &'h [u8]>,
        skipped: impl IntoIterator<Item = &'h [u8]>,
        now: u64,
    ) -> Proof {
        let proven = cookies.into_iter().take(MAX_COOKIES).find_map(|it| self.proven(tokens, state, it, now));
        if let Some(proven) = proven {
            return proven;
        }
        let DeviceState::Bound { at, binding } = state else { return Proof::Unbound };
        let until = u64::from(*at) + SETTLING_SECONDS;
        if now < until {
            return Proof::Settling { until };
        }
        let mut skipped = skipped.into_iter().flat_map(skipped::items).take(MAX_SKIPPED);
        let is_own = |identifier: &str| {
            DeviceKey::open(tokens, identifier, self.key_seconds, now)
                .is_some_and(|key| key.offer == binding.offer)
        };
        match skipped.find(|(_, identifier)| is_own(identifier)) {
            Some((reason, _)) => Proof::Skipped(reason),
            None => Proof::Unproven,
        }
    }

    fn proven(&self, tokens: &dyn Tokens, state: &DeviceState, cookie: &[u8], now: u64) -> Option<Proof> {
        let opened = tokens::open(tokens, Purpose::Proof, str::from_utf8(cookie).ok()?)?;
        let lifetime = u64::from(self.proof_seconds) + CLOCK_SKEW_SECONDS;
        let binding = opened.binding();
        let is_own = match state {
            DeviceState::Owed { .. } | DeviceState::Offered { .. } => {
                binding.offer.series() == state.series()
            }
            DeviceState::Bound { binding: bound, .. } => binding == *bound,
        };
        let (since, until) = (opened.minted, opened.minted.saturating_add(lifetime));
        (is_own && opened.is_alive(now, lifetime)).then_some(Proof::Proven { binding, since, until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offer::Offer;
    use crate::testing::{AT, Browser, Keys, NAMESAKE, NOW, OFFER, terms};

    /// The time of most tests: the session has settled.
    const LATER: u64 = NOW + 60;

    fn bound() -> DeviceState {
        DeviceState::Bound { at: AT, binding: Browser::new(1).binding(OFFER) }
    }

    fn ask(state: DeviceState, cookies: &[&str], skipped: &str, now: u64) -> Proof {
        let cookies = cookies.iter().map(|cookie| cookie.as_bytes());
        terms().proof(&Keys::new(), &state, cookies, [skipped.as_bytes()], now)
    }

    fn skipped(reason: &str, identifier: &str) -> String {
        format!("{reason};session_identifier=\"{identifier}\"")
    }

    #[test]
    fn a_request_is_proven_by_a_good_cookie_for_its_sessions_binding() {
        let (keys, browser) = (Keys::new(), Browser::new(1));
        let binding = browser.binding(OFFER);
        let good = keys.proof(binding, LATER);
        let forged = format!("{}{}", &good[..86], if good.ends_with('A') { 'E' } else { 'A' });
        let proven = |since| Proof::Proven { binding, since, until: since + 660 };
        for (case, cookie, expected) in [
            ("good", good, proven(LATER)),
            ("at the last second", keys.proof(binding, LATER - 659), proven(LATER - 659)),
            ("from a server whose clock is ahead", keys.proof(binding, LATER + 60), proven(LATER + 60)),
            ("too old by a second", keys.proof(binding, LATER - 660), Proof::Unproven),
            ("from the future", keys.proof(binding, LATER + 61), Proof::Unproven),
            ("for another key", keys.proof(Browser::new(2).binding(OFFER), LATER), Proof::Unproven),
            ("for another session", keys.proof(browser.binding(NAMESAKE), LATER), Proof::Unproven),
            ("of another app", Keys::of("other", "__Host-session").proof(binding, LATER), Proof::Unproven),
            (
                "for another session cookie",
                Keys::of("demo", "__Host-admin").proof(binding, LATER),
                Proof::Unproven,
            ),
            ("forged", forged, Proof::Unproven),
            ("empty", String::new(), Proof::Unproven),
            ("an offer", keys.offer(OFFER, LATER), Proof::Unproven),
            ("a challenge", keys.challenge(OFFER, LATER), Proof::Unproven),
            ("a key", keys.identifier(OFFER, &browser, LATER), Proof::Unproven),
        ] {
            assert_eq!(ask(bound(), &[&cookie], "", LATER), expected, "{case}");
        }
        assert_eq!(ask(bound(), &[], "", LATER), Proof::Unproven, "no cookie");
        let not_utf8 = terms().proof(&keys, &bound(), [&b"\xff"[..]], [], LATER);
        assert_eq!(not_utf8, Proof::Unproven, "not UTF-8");
    }

    #[test]
    fn one_good_cookie_among_the_first_four_is_enough() {
        let good = Keys::new().proof(Browser::new(1).binding(OFFER), LATER);
        for (at, is_proven) in [(0, true), (3, true), (4, false)] {
            let mut cookies = vec!["planted"; 5];
            cookies[at] = &good;
            let proof = ask(bound(), &cookies, "", LATER);
            assert_eq!(matches!(proof, Proof::Proven { .. }), is_proven, "{at}");
        }
    }

    #[test]
    fn the_time_of_a_proof_is_a_term() {
        let cookie = Keys::new().proof(Browser::new(1).binding(OFFER), NOW);
        let terms = terms().proof_seconds(120);
        for (now, is_proven) in [(NOW + 179, true), (NOW + 180, false)] {
            let proof = terms.proof(&Keys::new(), &bound(), [cookie.as_bytes()], [], now);
            assert_eq!(matches!(proof, Proof::Proven { .. }), is_proven, "{now}");
        }
    }

    #[test]
    fn requests_in_flight_count_as_unbound_for_a_minute() {
        let settling = Proof::Settling { until: NOW + 60 };
        let skips = skipped("unreachable", &Keys::new().identifier(OFFER, &Browser::new(1), NOW));
        for (now, expected) in [
            (NOW - 30, settling),
            (NOW, settling),
            (NOW + 59, settling),
            (NOW + 60, Proof::Unproven),
            (NOW + 61, Proof::Unproven),
        ] {
            assert_eq!(ask(bound(), &[], "", now), expected, "{now}");
        }
        assert_eq!(ask(bound(), &[], &skips, NOW + 59), settling);
    }

    #[test]
    fn a_skip_counts_if_it_names_this_sessions_key() {
        let (keys, browser) = (Keys::new(), Browser::new(1));
        let own = keys.identifier(OFFER, &browser, NOW);
        let old = keys.identifier(NAMESAKE, &browser, NOW);
        let other_app = Keys::of("other", "__Host-session").identifier(OFFER, &browser, NOW);
        let named = |reason| Proof::Skipped(reason);
        let after = |others| {
            let others = vec![skipped("quota_exceeded", &old); others];
            [&others[..], &[skipped("unreachable", &own)]].concat().join(", ")
        };
        for (case, header, expected) in [
            ("unreachable", skipped("unreachable", &own), named(SkipReason::Unreachable)),
            ("server error", skipped("server_error", &own), named(SkipReason::ServerError)),
            ("quota exceeded", skipped("quota_exceeded", &own), named(SkipReason::QuotaExceeded)),
            (
                "an older session's beside it",
                format!("{}, {}", skipped("quota_exceeded", &old), skipped("unreachable", &own)),
                named(SkipReason::Unreachable),
            ),
            ("an older session's alone", skipped("unreachable", &old), Proof::Unproven),
            ("another app's", skipped("unreachable", &other_app), Proof::Unproven),
            ("made up", skipped("unreachable", "abc"), Proof::Unproven),
            ("an offer", skipped("unreachable", &keys.offer(OFFER, NOW)), Proof::Unproven),
            ("nobody's", "unreachable".to_owned(), Proof::Unproven),
            ("an unknown reason", skipped("tired", &own), Proof::Unproven),
            ("the sixteenth", after(15), named(SkipReason::Unreachable)),
            ("the seventeenth", after(16), Proof::Unproven),
        ] {
            assert_eq!(ask(bound(), &[], &header, LATER), expected, "{case}");
        }
        let expired = keys.identifier(OFFER, &browser, LATER - 43_200);
        assert_eq!(ask(bound(), &[], &skipped("unreachable", &expired), LATER), Proof::Unproven);
    }

    #[test]
    fn a_skip_beside_a_good_cookie_takes_nothing_away() {
        let (keys, browser) = (Keys::new(), Browser::new(1));
        let cookie = keys.proof(browser.binding(OFFER), LATER);
        let skips = skipped("quota_exceeded", &keys.identifier(OFFER, &browser, NOW));
        assert!(matches!(ask(bound(), &[&cookie], &skips, LATER), Proof::Proven { .. }));
    }

    #[test]
    fn an_unbound_state_is_proven_by_a_key_that_took_up_an_offer_of_its_series() {
        let (keys, binding) = (Keys::new(), Browser::new(1).binding(OFFER));
        let cookie = keys.proof(binding, LATER);
        let offered = |offer| DeviceState::Offered { at: AT, offer, again: false };
        let of = |offer| DeviceState::Bound { at: AT, binding: Browser::new(1).binding(offer) };
        let owed = |offer: Offer| DeviceState::Owed { at: AT, series: offer.series() };
        let sibling = Offer::draw_of(OFFER.series()).unwrap();
        let proven = Proof::Proven { binding, since: LATER, until: LATER + 660 };
        for (case, state, cookies, expected) in [
            ("its own offer", offered(OFFER), &[&*cookie][..], proven),
            ("another offer of the sign-in", offered(sibling), &[&*cookie], proven),
            ("another sign-in's offer", offered(NAMESAKE), &[&*cookie], Proof::Unbound),
            ("no cookie", offered(OFFER), &[], Proof::Unbound),
            ("owed", owed(OFFER), &[&*cookie], proven),
            ("owed by another sign-in", owed(NAMESAKE), &[&*cookie], Proof::Unbound),
            ("bound by another offer of the sign-in", of(sibling), &[&*cookie], Proof::Unproven),
        ] {
            assert_eq!(ask(state, cookies, "", LATER), expected, "{case}");
        }
    }
}
