//! Instructions to browsers: two headers and two pieces of JSON.

use serde::Serialize;

use crate::error::Error;
use crate::offer::Offer;
use crate::refresh::Refresh;
use crate::registration::Registration;
use crate::terms::Terms;
use crate::tokens::{self, Purpose, Tokens};

#[derive(Serialize)]
struct Instructions<'a> {
    session_identifier: String,
    refresh_url: &'a str,
    scope: Scope<'a>,
    credentials: [Credential<'a>; 1],
    allowed_refresh_initiators: [&'static str; 1],
}

#[derive(Serialize)]
struct Scope<'a> {
    include_site: bool,
    scope_specification: Vec<Rule<'a>>,
}

#[derive(Serialize)]
struct Rule<'a> {
    r#type: &'static str,
    path: &'a str,
}

#[derive(Serialize)]
struct Credential<'a> {
    r#type: &'static str,
    name: String,
    attributes: &'a str,
}

impl Terms {
    /// The name of the response header that makes an offer.
    pub const REGISTRATION: &'static str = "Secure-Session-Registration";
    /// The name of the response header that challenges a refresh.
    pub const CHALLENGE: &'static str = "Secure-Session-Challenge";
    /// The JSON body that makes a browser forget its key; its type is `application/json`.
    pub const ENDED: &'static str = r#"{"continue":false}"#;

    /// The value of `Secure-Session-Registration` for a response that makes `offer`. The response must have
    /// `Cache-Control: private, no-store`.
    ///
    /// # Errors
    ///
    /// [`Error::Sign`], [`Error::TokenText`], [`Error::Random`].
    pub fn registration_header(&self, tokens: &dyn Tokens, offer: &Offer, now: u64) -> Result<String, Error> {
        let challenge = tokens::sign(tokens, Purpose::Offer, offer.as_bytes(), now)?;
        Ok(format!(r#"(ES256);path="{}";challenge="{challenge}""#, self.register_path))
    }

    /// The body that answers a registration; its type is `application/json`.
    ///
    /// It names no origin, so that nothing from `Host` is echoed; the browser uses the origin of the request. Any site
    /// may trigger a refresh. Otherwise a visitor who follows a link from another site would be shown a sign-in page.
    /// The session cookie's own `SameSite` still limits what the other site can send.
    ///
    /// # Errors
    ///
    /// [`Error::Sign`], [`Error::TokenText`], [`Error::Random`].
    pub fn session_json(
        &self,
        tokens: &dyn Tokens,
        registration: &Registration,
        now: u64,
    ) -> Result<String, Error> {
        let rule = |path| Rule { r#type: "exclude", path };
        let instructions = Instructions {
            session_identifier: registration.device_key().sign(tokens, now)?,
            refresh_url: &self.refresh_path,
            scope: Scope {
                include_site: false,
                scope_specification: self.excluded.iter().map(String::as_str).map(rule).collect(),
            },
            credentials: [Credential {
                r#type: "cookie",
                name: self.device_cookie_name(registration.offer()),
                attributes: &self.attributes,
            }],
            allowed_refresh_initiators: ["*"],
        };
        Ok(serde_json::to_string(&instructions).expect("texts and lists are JSON"))
    }

    /// The value of `Secure-Session-Challenge` for a refresh without a proof.
    ///
    /// # Errors
    ///
    /// [`Error::Sign`], [`Error::TokenText`], [`Error::Random`].
    pub fn challenge_header(
        &self,
        tokens: &dyn Tokens,
        refresh: &Refresh,
        now: u64,
    ) -> Result<String, Error> {
        let challenge = tokens::sign(tokens, Purpose::Challenge, refresh.offer().as_bytes(), now)?;
        Ok(format!(r#""{challenge}";id="{}""#, refresh.identifier()))
    }
}

#[cfg(test)]
mod tests {
    use crate::refresh::{Refresh, Refreshed, SessionSeen};
    use crate::testing::{Browser, Keys, NOW, OFFER, header, terms};
    use crate::{Proof, text};

    /// The text between `before` and the next quote.
    fn quoted_after<'a>(value: &'a str, before: &str) -> &'a str {
        value.split_once(before).and_then(|(_, rest)| rest.split_once('"')).unwrap().0
    }

    #[test]
    fn an_offer_is_answered_by_its_registration() {
        let (keys, terms) = (Keys::new(), terms().folder("/app/_device").unwrap());
        let value = terms.registration_header(&keys, &OFFER, NOW).unwrap();
        let challenge = quoted_after(&value, "challenge=\"");
        assert_eq!(value, format!(r#"(ES256);path="/app/_device/register";challenge="{challenge}""#));
        let response = Browser::new(1).register(challenge);
        let headers = header(&[("secure-session-response", &*response)]);
        let registration = crate::Registration::check(headers, &keys, NOW).unwrap();
        assert_eq!(*registration.offer(), OFFER);
    }

    #[test]
    fn a_registration_is_answered_as_browsers_expect() {
        let (keys, browser) = (Keys::new(), Browser::new(1));
        let terms = terms().except("/static").unwrap().except("/public").unwrap();
        let json = terms.session_json(&keys, &browser.registration(&keys, OFFER), NOW).unwrap();
        let identifier = quoted_after(&json, "\"session_identifier\":\"");
        assert_eq!(
            json,
            format!(r#"{{"session_identifier":"{identifier}","refresh_url":"/_device/refresh","#)
                + r#""scope":{"include_site":false,"scope_specification":"#
                + r#"[{"type":"exclude","path":"/static"},{"type":"exclude","path":"/public"}]},"#
                + r#""credentials":[{"type":"cookie","name":"__Host-session-AAECAwQF","#
                + r#""attributes":"Path=/; Secure; HttpOnly; SameSite=Lax"}],"#
                + r#""allowed_refresh_initiators":["*"]}"#
        );
        let refresh =
            Refresh::check(header(&[("sec-secure-session-id", identifier)]), &keys, &terms, NOW).unwrap();
        assert_eq!(*refresh.offer(), OFFER);
    }

    #[test]
    fn a_challenge_names_the_session_as_it_came_and_is_answered_by_a_cookie_that_proves() {
        let (keys, browser, terms) = (Keys::new(), Browser::new(1), terms());
        let identifier = keys.identifier(OFFER, &browser, NOW);
        let quoted = format!("\"{identifier}\"");
        let id = ("sec-secure-session-id", &*quoted);
        let refresh = Refresh::check(header(&[id]), &keys, &terms, NOW).unwrap();
        let value = terms.challenge_header(&keys, &refresh, NOW).unwrap();
        let challenge = quoted_after(&value, "\"");
        assert_eq!(value, format!(r#""{challenge}";id="{identifier}""#));

        let response = browser.refresh(challenge);
        let headers = header(&[id, ("secure-session-response", &response)]);
        let refreshed = Refresh::check(headers, &keys, &terms, NOW + 1).unwrap().decide(SessionSeen::Unknown);
        let Refreshed::Proven(binding) = refreshed else { panic!("{refreshed:?}") };
        let line = terms.device_cookie(&keys, &binding, NOW + 1).unwrap();
        let (name, rest) = line.split_once('=').unwrap();
        assert_eq!(name, terms.device_cookie_name(&OFFER));
        let (cookie, attributes) = rest.split_once("; ").unwrap();
        assert_eq!(attributes, "Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=600");
        let state = crate::DeviceState::Bound { at: 1_790_000_000, binding };
        let proof = terms.proof(&keys, &state, [cookie.as_bytes()], [], NOW + 100);
        assert_eq!(proof, Proof::Proven { binding, since: NOW + 1, until: NOW + 661 });
    }

    #[test]
    fn nothing_of_a_token_or_key_is_in_debug_output() {
        let (keys, browser) = (Keys::new(), Browser::new(1));
        let identifier = keys.identifier(OFFER, &browser, NOW);
        let refresh =
            Refresh::check(header(&[("sec-secure-session-id", &identifier)]), &keys, &terms(), NOW).unwrap();
        let registration = browser.registration(&keys, OFFER);
        let refreshed = refresh.decide(SessionSeen::Unknown);
        let state = crate::DeviceState::Offered { at: 7, offer: OFFER, again: false };
        let registered = registration.decide(true, Some(state), NOW);
        let all = format!("{refresh:?} {registration:?} {refreshed:?} {registered:?} {state:?}");
        for secret in [text::encode(OFFER.as_bytes()), identifier, "0, 1, 2, 3".to_owned()] {
            assert!(!all.contains(&secret), "{all}");
        }
        let fingerprint = browser.public_key().fingerprint();
        assert!(!all.contains(&format!("{:?}", fingerprint.as_bytes())), "{all}");
        assert!(
            all.contains("Offer(..)") && all.contains("PublicKey(..)") && all.contains("Fingerprint(..)"),
            "{all}"
        );
    }
}
