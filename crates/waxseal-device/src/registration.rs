use crate::binding::Binding;
use crate::device_key::DeviceKey;
use crate::device_state::{DeviceState, seconds};
use crate::jws::Jws;
use crate::offer::Offer;
use crate::public_key::PublicKey;
use crate::reason::Reason;
use crate::tokens::{self, Purpose, Tokens};

/// How long a browser has to answer an offer, in seconds.
const OFFER_SECONDS: u64 = 300;

/// A registration whose challenge is ours and whose signature is right. Whether it may bind the session depends on the
/// session's state: call [`decide`](Self::decide).
#[derive(Debug, Clone, Copy)]
pub struct Registration {
    key: DeviceKey,
}

/// What to do with a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
#[expect(clippy::exhaustive_enums, reason = "each outcome is answered by callers")]
pub enum Registered {
    /// Bind the session: save this state, but only if the session still has the state that `decide` was given. Use
    /// compare-and-swap if other requests may write it. Then answer 200.
    Bound(DeviceState),
    /// The session is already bound by this very registration. Answer 200 once more.
    Repeated,
    /// The session is bound by the same offer with another key, so two browsers have its cookie. End it, and answer
    /// 403.
    Conflict,
    /// Answer 403, and change nothing.
    Refused(Reason),
}

impl Registration {
    /// Checks the headers of a registration. `header` returns the values of a header by its name in lower case.
    ///
    /// The signature is verified only if the challenge is an offer of ours that has not expired.
    ///
    /// # Errors
    ///
    /// The reason, for a metric and the log. Answer 403 without a body.
    pub fn check<'h, V: IntoIterator<Item = &'h [u8]>>(
        header: impl Fn(&'static str) -> V,
        tokens: &dyn Tokens,
        now: u64,
    ) -> Result<Self, Reason> {
        // A page's script cannot make such a request: in mode `no-cors` it cannot send `Secure-Session-Response`.
        let is = |name, expected: &[u8]| header(name).into_iter().all(|value| value == expected);
        if !is("sec-fetch-mode", b"no-cors") || !is("sec-fetch-site", b"same-origin") {
            return Err(Reason::FetchMetadata);
        }
        let mut responses = header("secure-session-response").into_iter();
        let response = responses.next().ok_or(Reason::NoResponse)?;
        if responses.next().is_some() {
            return Err(Reason::SeveralResponses);
        }
        let jws = Jws::parse(response)?;
        let offer = tokens::open(tokens, Purpose::Offer, &jws.jti).ok_or(Reason::Offer)?;
        if !offer.is_alive(now, OFFER_SECONDS) {
            return Err(Reason::OfferExpired);
        }
        Ok(Self { key: DeviceKey::new(offer.offer(), jws.verify_by_its_own_key()?) })
    }

    /// Decides on the registration. If there is a store, ask it for the session first. `is_signed_in` says whether an
    /// owner is signed in to the session; `state` is the session's device state.
    pub fn decide(&self, is_signed_in: bool, state: Option<DeviceState>, now: u64) -> Registered {
        let own = self.key.binding();
        match state {
            _ if !is_signed_in => Registered::Refused(Reason::NotSignedIn),
            None | Some(DeviceState::Owed { .. }) => Registered::Refused(Reason::NotOffered),
            Some(state) if state.offer() != Some(own.offer) => Registered::Refused(Reason::OtherOffer),
            Some(DeviceState::Offered { .. }) => {
                Registered::Bound(DeviceState::Bound { at: seconds(now), binding: own })
            }
            Some(DeviceState::Bound { binding, .. }) if binding == own => Registered::Repeated,
            Some(DeviceState::Bound { .. }) => Registered::Conflict,
        }
    }

    /// The offer that was taken up.
    #[must_use]
    pub fn offer(&self) -> &Offer {
        &self.key.offer
    }

    /// The browser's key.
    #[must_use]
    pub fn public_key(&self) -> &PublicKey {
        &self.key.public_key
    }

    /// The binding of a session to this browser.
    #[must_use]
    pub fn binding(&self) -> Binding {
        self.key.binding()
    }

    pub(crate) fn device_key(&self) -> &DeviceKey {
        &self.key
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::Signature;

    use super::*;
    use crate::testing::{
        AT, Browser, Keys, NAMESAKE, NOW, OFFER, counting, header, jwk, with_other_s, with_signature,
    };
    use crate::text;

    const RESPONSE: &str = "secure-session-response";
    const OFFERED: DeviceState = DeviceState::Offered { at: AT, offer: OFFER, again: false };

    fn check(response: &str, now: u64) -> Result<Registration, Reason> {
        Registration::check(header(&[(RESPONSE, response)]), &Keys::new(), now)
    }

    /// The reason of a refusal, and the number of signatures that were verified.
    fn refusal(response: &str) -> (usize, Option<Reason>) {
        counting(|| check(response, NOW).err())
    }

    #[test]
    fn a_registration_is_good_bare_or_quoted_and_with_either_s() {
        let browser = Browser::new(1);
        let response = browser.register(&Keys::new().offer(OFFER, NOW));
        for (case, response) in [
            ("bare", response.clone()),
            ("quoted", format!("\"{response}\"")),
            ("the other s", with_other_s(&response)),
            ("of 2,048 bytes", format!("{response:2048}")),
        ] {
            let registration = check(&response, NOW).unwrap();
            assert_eq!(registration.binding(), browser.binding(OFFER), "{case}");
            assert_eq!(registration.public_key(), &browser.public_key(), "{case}");
        }
        let other = check(&browser.register(&Keys::new().offer(NAMESAKE, NOW)), NOW).unwrap();
        assert_eq!(other.binding(), browser.binding(NAMESAKE));
    }

    #[test]
    fn the_same_headers_of_a_pages_script_or_another_site_are_refused() {
        let response = Browser::new(1).register(&Keys::new().offer(OFFER, NOW));
        for (mode, site, expected) in [
            (None, None, None),
            (Some("no-cors"), Some("same-origin"), None),
            (None, Some("same-origin"), None),
            (Some("cors"), Some("same-origin"), Some(Reason::FetchMetadata)),
            (Some("same-origin"), Some("same-origin"), Some(Reason::FetchMetadata)),
            (Some("navigate"), None, Some(Reason::FetchMetadata)),
            (Some("websocket"), None, Some(Reason::FetchMetadata)),
            (Some("no-cors"), Some("same-site"), Some(Reason::FetchMetadata)),
            (Some("no-cors"), Some("cross-site"), Some(Reason::FetchMetadata)),
            (Some("no-cors"), Some("none"), Some(Reason::FetchMetadata)),
            (Some(""), None, Some(Reason::FetchMetadata)),
        ] {
            let mut headers = vec![(RESPONSE, &*response)];
            headers.extend(mode.map(|mode| ("sec-fetch-mode", mode)));
            headers.extend(site.map(|site| ("sec-fetch-site", site)));
            let (verified, found) =
                counting(|| Registration::check(header(&headers), &Keys::new(), NOW).err());
            assert_eq!(found, expected, "{mode:?} {site:?}");
            assert_eq!(verified, usize::from(expected.is_none()), "{mode:?} {site:?}");
        }
        let twice = [("sec-fetch-mode", "no-cors"), ("sec-fetch-mode", "cors"), (RESPONSE, &*response)];
        let found = Registration::check(header(&twice), &Keys::new(), NOW).err();
        assert_eq!(found, Some(Reason::FetchMetadata));
    }

    #[test]
    fn exactly_one_response_is_needed() {
        let response = Browser::new(1).register(&Keys::new().offer(OFFER, NOW));
        let none = Registration::check(header(&[]), &Keys::new(), NOW).err();
        assert_eq!(none, Some(Reason::NoResponse));
        let two = [(RESPONSE, &*response), (RESPONSE, &*response)];
        let two = Registration::check(header(&two), &Keys::new(), NOW).err();
        assert_eq!(two, Some(Reason::SeveralResponses));
    }

    #[test]
    fn no_signature_is_verified_of_what_has_another_form() {
        let browser = Browser::new(1);
        let good = browser.register(&Keys::new().offer(OFFER, NOW));
        let [head, claims, signature]: [&str; 3] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
        let der = Signature::from_slice(&text::decode(signature.as_bytes()).unwrap()).unwrap().to_der();
        for (case, response, expected) in [
            ("nothing", String::new(), Reason::Malformed),
            ("dots", "..".to_owned(), Reason::Malformed),
            ("one part", head.to_owned(), Reason::Malformed),
            ("two parts", format!("{head}.{claims}"), Reason::Malformed),
            ("four parts", format!("{good}.{signature}"), Reason::Malformed),
            ("padding", format!("{good}=="), Reason::Malformed),
            ("the other alphabet", format!("{head}.{claims}.+{}", &signature[1..]), Reason::Malformed),
            ("stray bits", format!("{head}.{claims}.{}B", &signature[..85]), Reason::Malformed),
            ("one quote", format!("\"{good}"), Reason::Malformed),
            ("blanks within", format!("{head} .{claims}.{signature}"), Reason::Malformed),
            ("no signature", format!("{head}.{claims}."), Reason::Malformed),
            ("a signature of 63 bytes", with_signature(&good, &[1; 63]), Reason::Malformed),
            ("a signature of 65 bytes", with_signature(&good, &[1; 65]), Reason::Malformed),
            ("a DER signature", with_signature(&good, der.as_bytes()), Reason::Malformed),
            ("no JSON", format!("{}.{claims}.{signature}", text::encode(b"{")), Reason::Malformed),
            ("2,049 bytes", format!("{good:2049}"), Reason::TooLong),
        ] {
            assert_eq!(refusal(&response), (0, Some(expected)), "{case}");
        }
    }

    #[test]
    fn no_signature_is_verified_under_another_header() {
        let browser = Browser::new(1);
        let claims = format!(r#"{{"jti":"{}"}}"#, Keys::new().offer(OFFER, NOW));
        let (own, (x, y)) = (browser.jwk(), browser.coordinates());
        let with =
            |alg: &str, typ: &str, jwk: &str| format!(r#"{{"alg":"{alg}","typ":"{typ}","jwk":{jwk}}}"#);
        let (dbsc, long_x) = ("dbsc+jwt", [&[0][..], &x].concat());
        for (case, header, expected) in [
            ("alg none", with("none", dbsc, &own), Reason::Algorithm),
            ("HS256", with("HS256", dbsc, &own), Reason::Algorithm),
            ("RS256", with("RS256", dbsc, &own), Reason::Algorithm),
            ("ES384", with("ES384", dbsc, &own), Reason::Algorithm),
            ("small letters", with("es256", dbsc, &own), Reason::Algorithm),
            ("typ JWT", with("ES256", "JWT", &own), Reason::Algorithm),
            ("no typ", format!(r#"{{"alg":"ES256","jwk":{own}}}"#), Reason::Algorithm),
            ("no alg", format!(r#"{{"typ":"dbsc+jwt","jwk":{own}}}"#), Reason::Algorithm),
            ("a list", format!(r#"["dbsc+jwt","ES256",{own}]"#), Reason::Algorithm),
            (
                "two algs, of which the last counts",
                format!(r#"{{"alg":"ES256","alg":"none","typ":"dbsc+jwt","jwk":{own}}}"#),
                Reason::Algorithm,
            ),
            (
                "a critical extension",
                format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{own},"crit":["b64"],"b64":false}}"#),
                Reason::Algorithm,
            ),
            ("no key", r#"{"alg":"ES256","typ":"dbsc+jwt"}"#.to_owned(), Reason::Key),
            ("a key that is null", with("ES256", dbsc, "null"), Reason::Key),
            ("a key that is a text", with("ES256", dbsc, "\"key\""), Reason::Key),
            ("an RSA key", with("ES256", dbsc, r#"{"kty":"RSA","n":"AQAB","e":"AQAB"}"#), Reason::Key),
            ("another curve", with("ES256", dbsc, &own.replace("P-256", "P-384")), Reason::Key),
            ("another kind of key", with("ES256", dbsc, &own.replace("\"EC\"", "\"OKP\"")), Reason::Key),
            ("x of 31 bytes", with("ES256", dbsc, &jwk(&x[..31], &y)), Reason::Key),
            ("x of 33 bytes", with("ES256", dbsc, &jwk(&long_x, &y)), Reason::Key),
            ("y of 31 bytes", with("ES256", dbsc, &jwk(&x, &y[1..])), Reason::Key),
            ("no y", with("ES256", dbsc, &jwk(&x, &[])), Reason::Key),
            ("off the curve", with("ES256", dbsc, &jwk(&x, &x)), Reason::Key),
            ("no coordinates", with("ES256", dbsc, &jwk(&[0; 32], &[0; 32])), Reason::Key),
            ("beyond the field", with("ES256", dbsc, &jwk(&[0xff; 32], &y)), Reason::Key),
        ] {
            assert_eq!(refusal(&browser.sign(&header, &claims)), (0, Some(expected)), "{case}");
        }
        // Fields that we do not know are ignored.
        let more = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{own},"kid":"1"}}"#);
        assert_eq!(refusal(&browser.sign(&more, &claims)), (1, None));
    }

    /// The classic confusion: a MAC with the public key as its key, for servers that let the header choose the
    /// algorithm.
    #[test]
    fn a_mac_under_the_public_key_is_no_signature() {
        use waxseal_crypto::{Context, Keyring, SecretKey};
        let browser = Browser::new(1);
        let good = browser.register(&Keys::new().offer(OFFER, NOW));
        let public = SecretKey::from_bytes(browser.coordinates().0);
        let mac = Keyring::new(public).authenticator(&Context::new("jws").unwrap()).mac(good.as_bytes());
        let signature = [&mac[..], &mac[..]].concat();
        assert_eq!(refusal(&with_signature(&good, &signature)), (1, Some(Reason::Signature)));
    }

    #[test]
    fn no_signature_is_verified_of_what_answers_no_offer_of_ours() {
        let (browser, keys) = (Browser::new(1), Keys::new());
        let good = keys.offer(OFFER, NOW);
        let forged = format!("{}{}", &good[..65], if good.ends_with('A') { 'Q' } else { 'A' });
        let claims = |jti: &str| format!(r#"{{"jti":{jti}}}"#);
        let head = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, browser.jwk());
        for (case, claims, expected) in [
            ("no jti", "{}".to_owned(), Reason::Malformed),
            ("a jti that is a number", claims("7"), Reason::Malformed),
            ("claims that are a text", "\"jti\"".to_owned(), Reason::Malformed),
            ("an empty jti", claims("\"\""), Reason::Offer),
            ("a jti of its own", claims("\"hello\""), Reason::Offer),
            ("a forged offer", claims(&format!("\"{forged}\"")), Reason::Offer),
            (
                "another app's offer",
                claims(&format!("\"{}\"", Keys::of("other", "__Host-session").offer(OFFER, NOW))),
                Reason::Offer,
            ),
            ("a challenge", claims(&format!("\"{}\"", keys.challenge(OFFER, NOW))), Reason::Offer),
            ("a key", claims(&format!("\"{}\"", keys.identifier(OFFER, &browser, NOW))), Reason::Offer),
            ("a proof", claims(&format!("\"{}\"", keys.proof(browser.binding(OFFER), NOW))), Reason::Offer),
            (
                "an offer that has expired",
                claims(&format!("\"{}\"", keys.offer(OFFER, NOW - 300))),
                Reason::OfferExpired,
            ),
            (
                "an offer from the future",
                claims(&format!("\"{}\"", keys.offer(OFFER, NOW + 61))),
                Reason::OfferExpired,
            ),
        ] {
            assert_eq!(refusal(&browser.sign(&head, &claims)), (0, Some(expected)), "{case}");
        }
        for (case, minted) in [("the last second", NOW - 299), ("a server whose clock is ahead", NOW + 60)] {
            assert_eq!(refusal(&browser.register(&keys.offer(OFFER, minted))), (1, None), "{case}");
        }
    }

    #[test]
    fn a_signature_that_is_not_the_keys_is_refused() {
        let (browser, offer) = (Browser::new(1), Keys::new().offer(OFFER, NOW));
        let good = browser.register(&offer);
        let head = format!(r#"{{"alg":"ES256","typ":"dbsc+jwt","jwk":{}}}"#, browser.jwk());
        let thiefs = Browser::new(2).sign(&head, &format!(r#"{{"jti":"{offer}"}}"#));
        let signature = text::decode(good.rsplit_once('.').unwrap().1.as_bytes()).unwrap();
        let (r, s) = signature.split_at(32);
        for (case, response) in [
            ("by another key", thiefs),
            (
                "of other claims",
                with_signature(
                    &good,
                    &text::decode(
                        browser
                            .register(&Keys::new().offer(OFFER, NOW))
                            .rsplit_once('.')
                            .unwrap()
                            .1
                            .as_bytes(),
                    )
                    .unwrap(),
                ),
            ),
            ("r = 0", with_signature(&good, &[&[0; 32], s].concat())),
            ("s = 0", with_signature(&good, &[r, &[0; 32]].concat())),
            ("both 0", with_signature(&good, &[0; 64])),
            ("beyond the order", with_signature(&good, &[0xff; 64])),
            ("r and s exchanged", with_signature(&good, &[s, r].concat())),
        ] {
            assert_eq!(refusal(&response), (1, Some(Reason::Signature)), "{case}");
        }
    }

    #[test]
    fn a_session_takes_one_key_for_the_offer_that_it_made_last() {
        let (owner, thief) = (Browser::new(1), Browser::new(2));
        let registration = owner.registration(&Keys::new(), OFFER);
        let bound = |binding| Some(DeviceState::Bound { at: AT - 5, binding });
        let now_bound = DeviceState::Bound { at: AT, binding: owner.binding(OFFER) };
        let again = DeviceState::Offered { at: AT, offer: OFFER, again: true };
        let newer = DeviceState::Offered { at: AT, offer: NAMESAKE, again: true };
        for (case, is_signed_in, state, expected) in [
            ("offered", true, Some(OFFERED), Registered::Bound(now_bound)),
            ("offered for the second time", true, Some(again), Registered::Bound(now_bound)),
            ("bound by this one", true, bound(owner.binding(OFFER)), Registered::Repeated),
            ("bound by another key", true, bound(thief.binding(OFFER)), Registered::Conflict),
            (
                "bound by another offer",
                true,
                bound(owner.binding(NAMESAKE)),
                Registered::Refused(Reason::OtherOffer),
            ),
            ("offered anew", true, Some(newer), Registered::Refused(Reason::OtherOffer)),
            (
                "owed",
                true,
                Some(DeviceState::Owed { at: AT, series: OFFER.series() }),
                Registered::Refused(Reason::NotOffered),
            ),
            ("nothing offered", true, None, Registered::Refused(Reason::NotOffered)),
            ("signed out", false, None, Registered::Refused(Reason::NotSignedIn)),
            ("offered, and nobody signed in", false, Some(OFFERED), Registered::Refused(Reason::NotSignedIn)),
        ] {
            assert_eq!(registration.decide(is_signed_in, state, NOW), expected, "{case}");
        }
    }

    #[test]
    fn two_keys_for_one_offer_are_a_conflict_in_either_order() {
        let keys = Keys::new();
        for [first, second] in [[1, 2], [2, 1]].map(|seeds| seeds.map(Browser::new)) {
            let registered = first.registration(&keys, OFFER).decide(true, Some(OFFERED), NOW);
            let Registered::Bound(state) = registered else { panic!("{registered:?}") };
            let second = second.registration(&keys, OFFER).decide(true, Some(state), NOW + 1);
            assert_eq!(second, Registered::Conflict);
        }
    }

    #[test]
    fn a_replayed_registration_binds_once() {
        let keys = Keys::new();
        let response = Browser::new(1).register(&keys.offer(OFFER, NOW));
        let [first, second] = [NOW, NOW + 200].map(|now| check(&response, now).unwrap());
        let Registered::Bound(state) = first.decide(true, Some(OFFERED), NOW) else { panic!() };
        assert_eq!(second.decide(true, Some(state), NOW + 200), Registered::Repeated);
        let signed_in_anew = DeviceState::at_sign_in(None, NOW + 200).unwrap();
        let refused = second.decide(true, Some(signed_in_anew), NOW + 200);
        assert_eq!(refused, Registered::Refused(Reason::OtherOffer));
    }
}
