//! The two cookies of a bound session, and their `Set-Cookie` lines.

use crate::binding::Binding;
use crate::error::Error;
use crate::offer::Offer;
use crate::terms::Terms;
use crate::text;
use crate::tokens::{self, Purpose, Tokens};

/// How many characters of the offer are in a cookie's name.
const TAG_CHARACTERS: usize = 8;
const PREFIXES: [&str; 2] = ["__Host-", "__Secure-"];

impl Terms {
    /// The name of the short-lived cookie that proves the device. It is the session cookie's name and the first 8
    /// characters of the offer, so that an old session's refresh cannot overwrite a newer session's cookie.
    #[must_use]
    pub fn device_cookie_name(&self, offer: &Offer) -> String {
        self.device_name(&offer.tag())
    }

    /// Returns `true` if `name` is that of the device cookie of some offer.
    #[must_use]
    pub fn is_device_cookie_name(&self, name: &str) -> bool {
        tag_after(&self.cookie, name).is_some()
    }

    /// The name of the cookie that tells refreshes that the browser still has a session.
    #[must_use]
    pub fn presence_cookie_name(&self, offer: &Offer) -> String {
        self.presence_name(&offer.tag())
    }

    /// The `Set-Cookie` line of a new device cookie for `binding`.
    ///
    /// # Errors
    ///
    /// [`Error::Sign`], [`Error::TokenText`], [`Error::Random`].
    pub fn device_cookie(&self, tokens: &dyn Tokens, binding: &Binding, now: u64) -> Result<String, Error> {
        let proof = tokens::sign(tokens, Purpose::Proof, &binding.to_bytes(), now)?;
        let (name, seconds) = (self.device_cookie_name(&binding.offer), self.proof_seconds);
        Ok(format!("{name}={proof}; {}; Max-Age={seconds}", self.attributes))
    }

    /// The `Set-Cookie` line of the presence cookie, for the response to a registration. The cookie lives for
    /// `seconds`, as the session cookie does, or until the browser is closed.
    ///
    /// It is neither a secret nor a proof. A refresh that was triggered by a link from another site comes without the
    /// session cookie. Without this cookie it could not be distinguished from a refresh by a browser that is signed
    /// out.
    #[must_use]
    pub fn presence_cookie(&self, offer: &Offer, seconds: Option<u64>) -> String {
        let age = seconds.map_or_else(String::new, |seconds| format!("; Max-Age={seconds}"));
        self.presence_line(&offer.tag(), "1", &age)
    }

    /// The `Set-Cookie` lines that make a browser forget the device cookie and the presence cookie of `offer`.
    #[must_use]
    pub fn removal(&self, offer: &Offer) -> [String; 2] {
        self.removal_of_tag(&offer.tag())
    }

    /// The [`removal`](Self::removal) lines for a cookie that came with a request, whatever its offer. `None` if it is not
    /// of this protocol: the app may have cookies with names that only look so, and those have no proof in them. The
    /// response to a sign-out, or to a sign-in over a bound session, should contain the lines for each such cookie of
    /// the request, because a browser refreshes old sessions until it is told that they are over.
    #[must_use]
    pub fn removal_of(&self, tokens: &dyn Tokens, name: &str, value: &[u8]) -> Option<[String; 2]> {
        if let Some(tag) = tag_after(&self.cookie, name) {
            // Of any time, because only its maker counts.
            tokens::open(tokens, Purpose::Proof, str::from_utf8(value).ok()?)?;
            return Some(self.removal_of_tag(tag));
        }
        let presence = name.strip_prefix("__Secure-").and_then(|name| name.strip_suffix("-on"))?;
        tag_after(without_prefix(&self.cookie), presence).map(|tag| self.removal_of_tag(tag))
    }

    fn device_name(&self, tag: &str) -> String {
        format!("{}-{tag}", self.cookie)
    }

    fn presence_name(&self, tag: &str) -> String {
        format!("__Secure-{}-{tag}-on", without_prefix(&self.cookie))
    }

    fn presence_line(&self, tag: &str, value: &str, age: &str) -> String {
        let (name, path) = (self.presence_name(tag), &self.refresh_path);
        format!("{name}={value}; Path={path}; Secure; HttpOnly; SameSite=None{age}")
    }

    fn removal_of_tag(&self, tag: &str) -> [String; 2] {
        let device = format!("{}=; {}; Max-Age=0", self.device_name(tag), self.attributes);
        [device, self.presence_line(tag, "", "; Max-Age=0")]
    }
}

/// The part of an offer with which a cookie's name ends.
fn tag_after<'n>(prefix: &str, name: &'n str) -> Option<&'n str> {
    let tag = name.strip_prefix(prefix)?.strip_prefix('-')?;
    (tag.len() == TAG_CHARACTERS && text::decode(tag.as_bytes()).is_some()).then_some(tag)
}

fn without_prefix(name: &str) -> &str {
    PREFIXES.iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Browser, Keys, NOW, OFFER};

    fn terms(cookie: &str) -> Terms {
        Terms::new(cookie, "Path=/; Secure; HttpOnly; SameSite=Lax", 43_200).unwrap()
    }

    #[test]
    fn names_come_from_the_session_cookie_and_the_offer() {
        for (cookie, device, presence) in [
            ("__Host-session", "__Host-session-AAECAwQF", "__Secure-session-AAECAwQF-on"),
            ("__Secure-s", "__Secure-s-AAECAwQF", "__Secure-s-AAECAwQF-on"),
            ("sid", "sid-AAECAwQF", "__Secure-sid-AAECAwQF-on"),
        ] {
            let terms = terms(cookie);
            assert_eq!(terms.device_cookie_name(&OFFER), device);
            assert_eq!(terms.presence_cookie_name(&OFFER), presence);
            let keys = Keys::of("demo", cookie);
            let proof = keys.proof(Browser::new(1).binding(OFFER), NOW);
            for (name, value) in [(device, &*proof), (presence, "1")] {
                let removal = terms.removal_of(&keys, name, value.as_bytes());
                assert_eq!(removal, Some(terms.removal(&OFFER)), "{name}");
            }
            for (case, value) in [("an app's own", "de"), ("another", &keys.offer(OFFER, NOW)), ("none", "")]
            {
                assert_eq!(terms.removal_of(&keys, device, value.as_bytes()), None, "{case}");
            }
        }
    }

    #[test]
    fn the_presence_cookie_goes_to_refreshes_alone_and_both_are_removed_where_they_lie() {
        let terms = terms("__Host-session").folder("/app/_device").unwrap();
        let presence =
            "__Secure-session-AAECAwQF-on=1; Path=/app/_device/refresh; Secure; HttpOnly; SameSite=None";
        assert_eq!(terms.presence_cookie(&OFFER, None), presence);
        assert_eq!(terms.presence_cookie(&OFFER, Some(60)), format!("{presence}; Max-Age=60"));
        assert_eq!(
            terms.removal(&OFFER),
            [
                "__Host-session-AAECAwQF=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0",
                "__Secure-session-AAECAwQF-on=; Path=/app/_device/refresh; Secure; HttpOnly; SameSite=None; \
                 Max-Age=0",
            ]
        );
    }

    #[test]
    fn other_cookies_are_not_ours_to_remove() {
        let terms = terms("__Host-session");
        let keys = Keys::new();
        let proof = keys.proof(Browser::new(1).binding(OFFER), NOW);
        for name in [
            "__Host-session",
            "__Host-session-",
            "__Host-session-AAECAwQ",
            "__Host-session-AAECAwQFA",
            "__Host-session-AAECAwQ=",
            "__Host-session-AA\u{e4}CAwQ",
            "__Host-sessionAAECAwQF",
            "session-AAECAwQF",
            "__Secure-session-AAECAwQF",
            "__Secure-session-AAECAwQF-off",
            "__Secure-other-AAECAwQF-on",
        ] {
            assert_eq!(terms.removal_of(&keys, name, proof.as_bytes()), None, "{name}");
        }
    }
}
