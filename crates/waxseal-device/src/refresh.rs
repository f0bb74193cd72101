use std::fmt;

use crate::binding::Binding;
use crate::device_key::DeviceKey;
use crate::device_state::DeviceState;
use crate::jws::Jws;
use crate::offer::Offer;
use crate::reason::Reason;
use crate::terms::Terms;
use crate::text;
use crate::tokens::{self, Purpose, Tokens};

/// How long a browser has to answer a challenge, in seconds. The limit keeps malware on the device from signing for
/// later.
const CHALLENGE_SECONDS: u64 = 60;

/// A refresh by a browser whose key is known. [`decide`](Self::decide) returns the response to send.
#[derive(Clone)]
pub struct Refresh {
    identifier: String,
    key: DeviceKey,
    is_proven: bool,
}

/// What is known of the session of a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionSeen {
    /// Neither a session token nor the presence cookie came: the browser is signed out, or was closed and opened again.
    SignedOut,
    /// The presence cookie came without a session token, as in a refresh that another site's link has triggered. Or the
    /// store was needed and is unavailable.
    Unknown,
    /// The session of the token is over.
    Gone,
    /// The session is alive and has this state, or none.
    Living(Option<DeviceState>),
}

/// What to answer to a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "each outcome is answered by callers")]
pub enum Refreshed {
    /// Answer 200 with [`Terms::ENDED`], and [remove](Terms::removal) both cookies: the browser forgets its key.
    Ended,
    /// Answer 403 with [`Terms::challenge_header`].
    Challenged,
    /// Answer 200 without a body, with a new [`Terms::device_cookie`] for this binding.
    Proven(Binding),
}

impl Refresh {
    /// Checks the headers of a refresh. `header` returns the values of a header by its name in lower case.
    ///
    /// A response is not verified if its challenge is not ours, belongs to another session, or is 60 seconds old. The
    /// browser then gets a new challenge. Chromium sends its last response once more before it asks for a challenge.
    ///
    /// # Errors
    ///
    /// The reason, for a metric and the log. Answer 400 without a body: the browser then forgets its key.
    pub fn check<'h, V: IntoIterator<Item = &'h [u8]>>(
        header: impl Fn(&'static str) -> V,
        tokens: &dyn Tokens,
        terms: &Terms,
        now: u64,
    ) -> Result<Self, Reason> {
        let mut identifiers = header("sec-secure-session-id").into_iter();
        let (Some(identifier), None) = (identifiers.next(), identifiers.next()) else {
            return Err(Reason::SessionId);
        };
        let identifier = text::bare(identifier).ok_or(Reason::SessionId)?;
        let key = DeviceKey::open(tokens, identifier, terms.key_seconds, now).ok_or(Reason::SessionId)?;
        let mut responses = header("secure-session-response").into_iter();
        let is_proven = match (responses.next(), responses.next()) {
            (None, _) => false,
            (Some(response), None) => is_proof(response, &key, tokens, now)?,
            (Some(_), Some(_)) => return Err(Reason::SeveralResponses),
        };
        Ok(Self { identifier: identifier.to_owned(), key, is_proven })
    }

    /// Decides on the refresh. If the session is over or has another key, the answer is [`Ended`](Refreshed::Ended),
    /// even before the browser has to make a signature.
    pub fn decide(&self, seen: SessionSeen) -> Refreshed {
        let goes_on = match seen {
            SessionSeen::SignedOut | SessionSeen::Gone => false,
            SessionSeen::Unknown => true,
            SessionSeen::Living(Some(DeviceState::Bound { binding, .. })) => binding == self.key.binding(),
            // A slow answer may have displaced the state that is bound to this key.
            SessionSeen::Living(Some(state)) => state.series() == self.key.offer.series(),
            SessionSeen::Living(None) => false,
        };
        match (goes_on, self.is_proven) {
            (false, _) => Refreshed::Ended,
            (true, false) => Refreshed::Challenged,
            (true, true) => Refreshed::Proven(self.key.binding()),
        }
    }

    /// The offer that the browser's key was registered for.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.key.offer
    }

    /// The `session_identifier`, as received.
    pub(crate) fn identifier(&self) -> &str {
        &self.identifier
    }
}

/// Checks whether `response` answers a challenge of this session that is still valid. If so, its signature must be
/// right.
fn is_proof(response: &[u8], key: &DeviceKey, tokens: &dyn Tokens, now: u64) -> Result<bool, Reason> {
    let jws = Jws::parse(response)?.without_key()?;
    let challenge = tokens::open(tokens, Purpose::Challenge, &jws.jti);
    let is_good = challenge.is_some_and(|it| it.offer() == key.offer && it.is_alive(now, CHALLENGE_SECONDS));
    if is_good {
        jws.verify(&key.public_key)?;
    }
    Ok(is_good)
}

impl fmt::Debug for Refresh {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refresh").field("is_proven", &self.is_proven).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{
        AT, Browser, Keys, NAMESAKE, NOW, OFFER, counting, header, terms, with_other_s, with_signature,
    };

    const ID: &str = "sec-secure-session-id";
    const RESPONSE: &str = "secure-session-response";

    fn check(identifier: &str, response: Option<&str>, now: u64) -> Result<Refresh, Reason> {
        let mut headers = vec![(ID, identifier)];
        headers.extend(response.map(|response| (RESPONSE, response)));
        Refresh::check(header(&headers), &Keys::new(), &terms(), now)
    }

    /// The number of signatures that were verified, and the answer to a refresh of a living session.
    fn answer(response: Option<&str>, now: u64) -> (usize, Result<Refreshed, Reason>) {
        let identifier = Keys::new().identifier(OFFER, &Browser::new(1), NOW - 1_000);
        counting(|| check(&identifier, response, now).map(|refresh| refresh.decide(SessionSeen::Unknown)))
    }

    #[test]
    fn a_refresh_without_a_response_is_challenged() {
        assert_eq!(answer(None, NOW), (0, Ok(Refreshed::Challenged)));
    }

    #[test]
    fn a_good_response_proves_the_key_that_signed_it() {
        let browser = Browser::new(1);
        let response = browser.refresh(&Keys::new().challenge(OFFER, NOW));
        let proven = Ok(Refreshed::Proven(browser.binding(OFFER)));
        for (case, response) in [
            ("bare", response.clone()),
            ("quoted", format!("\"{response}\"")),
            ("the other s", with_other_s(&response)),
        ] {
            assert_eq!(answer(Some(&response), NOW), (1, proven), "{case}");
        }
    }

    #[test]
    fn a_browser_without_one_good_identifier_is_refused() {
        let (browser, keys) = (Browser::new(1), Keys::new());
        let good = keys.identifier(OFFER, &browser, NOW);
        for (case, identifier, expected) in [
            ("bare", good.clone(), None),
            ("quoted", format!("\"{good}\""), None),
            ("of the last second", keys.identifier(OFFER, &browser, NOW - 43_199), None),
            ("too old", keys.identifier(OFFER, &browser, NOW - 43_200), Some(Reason::SessionId)),
            ("from the future", keys.identifier(OFFER, &browser, NOW + 61), Some(Reason::SessionId)),
            ("empty", String::new(), Some(Reason::SessionId)),
            ("one quote", format!("{good}\""), Some(Reason::SessionId)),
            ("cut", good[..98].to_owned(), Some(Reason::SessionId)),
            ("an offer", keys.offer(OFFER, NOW), Some(Reason::SessionId)),
            ("a challenge", keys.challenge(OFFER, NOW), Some(Reason::SessionId)),
            ("a proof", keys.proof(browser.binding(OFFER), NOW), Some(Reason::SessionId)),
            (
                "another app's",
                Keys::of("other", "__Host-session").identifier(OFFER, &browser, NOW),
                Some(Reason::SessionId),
            ),
        ] {
            assert_eq!(check(&identifier, None, NOW).err(), expected, "{case}");
        }
        for (case, headers) in [("none", vec![]), ("two", vec![(ID, &*good), (ID, &*good)])] {
            let found = Refresh::check(header(&headers), &keys, &terms(), NOW).err();
            assert_eq!(found, Some(Reason::SessionId), "{case}");
        }
    }

    #[test]
    fn what_answers_no_good_challenge_of_this_session_is_challenged_and_not_verified() {
        let (browser, keys) = (Browser::new(1), Keys::new());
        let good = keys.challenge(OFFER, NOW);
        let forged = format!("{}{}", &good[..65], if good.ends_with('A') { 'Q' } else { 'A' });
        for (case, challenge) in [
            ("forged", forged),
            ("empty", String::new()),
            ("another session's", keys.challenge(NAMESAKE, NOW)),
            ("another app's", Keys::of("other", "__Host-session").challenge(OFFER, NOW)),
            ("an offer", keys.offer(OFFER, NOW)),
            ("a key", keys.identifier(OFFER, &browser, NOW)),
            ("a proof", keys.proof(browser.binding(OFFER), NOW)),
        ] {
            let response = browser.refresh(&challenge);
            assert_eq!(answer(Some(&response), NOW), (0, Ok(Refreshed::Challenged)), "{case}");
        }
    }

    #[test]
    fn a_challenge_is_good_for_its_minute_by_clocks_a_minute_apart() {
        let browser = Browser::new(1);
        let response = browser.refresh(&Keys::new().challenge(OFFER, NOW));
        let proven = Refreshed::Proven(browser.binding(OFFER));
        for (case, now, expected) in [
            ("too far in the future", NOW - 61, Refreshed::Challenged),
            ("by a clock that is behind", NOW - 60, proven),
            ("repeated within the minute", NOW + 59, proven),
            ("replayed after it", NOW + 60, Refreshed::Challenged),
            ("signed ahead", NOW + 121, Refreshed::Challenged),
        ] {
            let verified = usize::from(expected == proven);
            assert_eq!(answer(Some(&response), now), (verified, Ok(expected)), "{case}");
        }
    }

    #[test]
    fn a_bad_response_is_refused() {
        let (browser, thief) = (Browser::new(1), Browser::new(2));
        let challenge = Keys::new().challenge(OFFER, NOW);
        let good = browser.refresh(&challenge);
        let claims = format!(r#"{{"jti":"{challenge}"}}"#);
        let with = |header: &str| thief.sign(header, &claims);
        let foreign = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, thief.jwk());
        for (case, response, verified, expected) in [
            ("signed by another key", thief.refresh(&challenge), 1, Reason::Signature),
            ("r and s = 0", with_signature(&good, &[0; 64]), 1, Reason::Signature),
            ("a key of its own", with(&foreign), 0, Reason::Key),
            ("the session's own key", browser.register(&challenge), 0, Reason::Key),
            ("a key that is null", with(r#"{"alg":"ES256","typ":"dbsc+jwt","jwk":null}"#), 0, Reason::Key),
            ("alg none", with(r#"{"alg":"none","typ":"dbsc+jwt"}"#), 0, Reason::Algorithm),
            ("HS256", with(r#"{"alg":"HS256","typ":"dbsc+jwt"}"#), 0, Reason::Algorithm),
            ("RS256", with(r#"{"alg":"RS256","typ":"dbsc+jwt"}"#), 0, Reason::Algorithm),
            ("two parts", good.rsplit_once('.').unwrap().0.to_owned(), 0, Reason::Malformed),
            ("nothing", String::new(), 0, Reason::Malformed),
            ("2,049 bytes", format!("{good:2049}"), 0, Reason::TooLong),
        ] {
            assert_eq!(answer(Some(&response), NOW), (verified, Err(expected)), "{case}");
        }
        let identifier = Keys::new().identifier(OFFER, &browser, NOW);
        let two = [(ID, &*identifier), (RESPONSE, &*good), (RESPONSE, &*good)];
        let found = Refresh::check(header(&two), &Keys::new(), &terms(), NOW).err();
        assert_eq!(found, Some(Reason::SeveralResponses));
    }

    #[test]
    fn a_session_that_is_over_or_knows_another_key_ends_the_refreshes() {
        let (browser, keys) = (Browser::new(1), Keys::new());
        let identifier = keys.identifier(OFFER, &browser, NOW);
        let response = browser.refresh(&keys.challenge(OFFER, NOW));
        let unproven = check(&identifier, None, NOW).unwrap();
        let proven = check(&identifier, Some(&response), NOW).unwrap();
        let offered = |offer| Some(DeviceState::Offered { at: AT, offer, again: false });
        let owed = |offer: Offer| DeviceState::Owed { at: AT, series: offer.series() };
        let sibling = Offer::draw_of(OFFER.series()).unwrap();
        let bound = |binding| Some(DeviceState::Bound { at: AT, binding });
        for (case, seen, goes_on) in [
            ("no cookie at all", SessionSeen::SignedOut, false),
            ("another site's link, or an outage", SessionSeen::Unknown, true),
            ("ended", SessionSeen::Gone, false),
            ("bound to this key", SessionSeen::Living(bound(browser.binding(OFFER))), true),
            ("an answer that raced the registration", SessionSeen::Living(offered(OFFER)), true),
            ("bound to another key", SessionSeen::Living(bound(Browser::new(2).binding(OFFER))), false),
            ("bound by another offer", SessionSeen::Living(bound(browser.binding(NAMESAKE))), false),
            ("one that had another offer", SessionSeen::Living(offered(sibling)), true),
            ("one that had none", SessionSeen::Living(Some(owed(OFFER))), true),
            ("offered by another sign-in", SessionSeen::Living(offered(NAMESAKE)), false),
            ("owed by another sign-in", SessionSeen::Living(Some(owed(NAMESAKE))), false),
            ("bound to nothing", SessionSeen::Living(None), false),
        ] {
            let challenged = if goes_on { Refreshed::Challenged } else { Refreshed::Ended };
            assert_eq!(unproven.decide(seen), challenged, "{case}, unproven");
            let answered = if goes_on { Refreshed::Proven(browser.binding(OFFER)) } else { Refreshed::Ended };
            assert_eq!(proven.decide(seen), answered, "{case}, proven");
        }
    }
}
