//! Device-bound sessions: registrations, refreshes, proofs.

use std::collections::HashMap;
use std::error::Error;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::{Signature, SigningKey};
use p256::elliptic_curve::ops::Reduce;
use p256::{FieldBytes, Scalar};
use sha2::{Digest, Sha256};
use waxseal_crypto::{Context, SignedTokens};
use waxseal_device::{DeviceState, Offer, Purpose, Refresh, Registration, SessionSeen, Terms, Tokens};

use super::sealed::{NOW, keyring};
use crate::target::{Target, outcome};

/// Tokens as Waxseal makes them.
struct Keys {
    short: [SignedTokens<24>; 2],
    key: SignedTokens<49>,
    proof: SignedTokens<40>,
}

impl Keys {
    fn new() -> Self {
        let context = |purpose: Purpose| {
            Context::new(purpose.name())
                .and_then(|context| context.with_audience("demo"))
                .expect("short texts")
        };
        let ring = keyring();
        Self {
            short: [Purpose::Offer, Purpose::Challenge].map(|purpose| ring.signer(&context(purpose))),
            key: ring.signer(&context(Purpose::Key)),
            proof: ring.signer(&context(Purpose::Proof)),
        }
    }
}

impl Tokens for Keys {
    fn sign(
        &self,
        purpose: Purpose,
        payload: &[u8],
        now: u64,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        Ok(match purpose {
            Purpose::Offer => self.short[0].sign(payload.try_into()?, now)?,
            Purpose::Challenge => self.short[1].sign(payload.try_into()?, now)?,
            Purpose::Key => self.key.sign(payload.try_into()?, now)?,
            Purpose::Proof => self.proof.sign(payload.try_into()?, now)?,
        })
    }

    fn open(&self, purpose: Purpose, token: &str, payload: &mut [u8]) -> Option<u64> {
        fn open<const N: usize>(tokens: &SignedTokens<N>, token: &str, payload: &mut [u8]) -> Option<u64> {
            let opened = tokens.open_at_any_time(token.as_bytes()).ok()?;
            payload.copy_from_slice(opened.payload());
            Some(opened.minted())
        }
        match purpose {
            Purpose::Offer => open(&self.short[0], token, payload),
            Purpose::Challenge => open(&self.short[1], token, payload),
            Purpose::Key => open(&self.key, token, payload),
            Purpose::Proof => open(&self.proof, token, payload),
        }
    }
}

/// A browser's key that signs all with one nonce: two signatures give it away, and none costs a point's multiplication.
pub(super) struct Browser {
    key: SigningKey,
    /// The nonce's inverse.
    inverse: Scalar,
    /// The first half of every signature.
    r: Scalar,
}

impl Browser {
    pub(super) fn new() -> Self {
        let key = SigningKey::from_slice(&[1; 32]).expect("a key");
        // The point of a nonce is that of a key.
        let nonce = SigningKey::from_slice(&[2; 32]).expect("a key");
        let x = nonce.verifying_key().to_sec1_point(false).x().copied().expect("a point that is not zero");
        let r = <Scalar as Reduce<FieldBytes>>::reduce(&x);
        Self { key, inverse: nonce.as_nonzero_scalar().invert().expect("it is not zero"), r }
    }

    /// The header of a registration, as Chromium makes it.
    pub(super) fn header(&self) -> Vec<u8> {
        let point = self.key.verifying_key().to_sec1_point(false);
        let [x, y] = [1, 33].map(|start| URL_SAFE_NO_PAD.encode(&point.as_bytes()[start..start + 32]));
        format!(
            r#"{{"alg":"ES256","jwk":{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}},"typ":"dbsc+jwt"}}"#
        )
        .into_bytes()
    }

    pub(super) fn signed(&self, header: &[u8], claims: &[u8]) -> String {
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        let text = format!("{header}.{claims}");
        let hash = <Scalar as Reduce<FieldBytes>>::reduce(&Sha256::digest(&text));
        let s = self.inverse * (hash + self.r * **self.key.as_nonzero_scalar());
        let signature = Signature::from_scalars(self.r, s).expect("neither is zero");
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// A server, and a browser with one bound session there.
struct World {
    keys: Keys,
    terms: Terms,
    browser: Browser,
    state: DeviceState,
    offer: String,
    challenge: String,
    identifier: String,
    cookie: String,
}

impl World {
    fn new() -> Self {
        Self::bind().expect("a browser that does as it should is bound")
    }

    fn bind() -> Result<Self, Box<dyn Error>> {
        let (keys, browser) = (Keys::new(), Browser::new());
        let terms = Terms::new("__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", 43_200)?;
        let offered = Offer::draw()?;
        // The offer, and bytes by which two tokens differ.
        let payload = [offered.as_bytes().as_slice(), &[3; 8]].concat();
        let token = |purpose| keys.sign(purpose, &payload, NOW).map_err(|error| error.to_string());
        let (offer, challenge) = (token(Purpose::Offer)?, token(Purpose::Challenge)?);
        let response = browser.signed(&browser.header(), claims(&offer).as_bytes());
        let registration = Registration::check(|name| registering(name, response.as_bytes()), &keys, NOW)
            .map_err(|reason| format!("{reason:?}"))?;
        let binding = registration.binding();
        let state = DeviceState::Bound { at: NOW as u32, binding };
        let json: serde_json::Value =
            serde_json::from_str(&terms.session_json(&keys, &registration, NOW)?)?;
        let identifier = json["session_identifier"].as_str().ok_or("no identifier")?.to_owned();
        let cookie = terms.device_cookie(&keys, &binding, NOW)?;
        let cookie = cookie.split([';', '=']).nth(1).ok_or("no value")?.to_owned();
        Ok(Self { keys, terms, browser, state, offer, challenge, identifier, cookie })
    }

    fn register(&self, response: &[u8]) -> String {
        let checked = Registration::check(|name| registering(name, response), &self.keys, NOW);
        let decided = checked.as_ref().ok().map(|it| it.decide(true, Some(self.state), NOW));
        outcome(&checked, "good") + &format!("{}", decided.is_some())
    }

    fn refresh(&self, identifier: &[u8], response: &[u8]) -> String {
        let header = |name| match name {
            "sec-secure-session-id" => Some(identifier),
            "secure-session-response" => Some(response),
            _ => None,
        };
        let checked = Refresh::check(header, &self.keys, &self.terms, NOW);
        let decided = checked.as_ref().map(|it| it.decide(SessionSeen::Living(Some(self.state))));
        outcome(&checked.as_ref().map(|_| ()), "good") + &outcome(&decided, "decided")
    }
}

fn registering<'a>(name: &str, response: &'a [u8]) -> Option<&'a [u8]> {
    match name {
        "sec-fetch-mode" => Some(b"no-cors"),
        "sec-fetch-site" => Some(b"same-origin"),
        "secure-session-response" => Some(response),
        _ => None,
    }
}

pub(super) fn claims(challenge: &str) -> String {
    format!(r#"{{"jti":"{challenge}"}}"#)
}

/// Header values as anybody sends them: the response, the session's identifier, a device cookie, and
/// `Secure-Session-Skipped`, in lines.
pub(crate) struct Raw {
    world: World,
    /// The outcomes of the seeds' first two lines: most changes are elsewhere, and a signature costs more to verify than
    /// all the rest.
    known: HashMap<Vec<u8>, String>,
}

impl Raw {
    pub(crate) fn new() -> Self {
        let mut raw = Self { world: World::new(), known: HashMap::new() };
        for seed in raw.seeds() {
            let (signed, _) = split(&seed);
            raw.known.insert(signed.to_vec(), raw.outcome_of(signed));
        }
        raw
    }

    /// Registers and refreshes with a response and an identifier.
    fn outcome_of(&self, signed: &[u8]) -> String {
        let mut lines = signed.splitn(2, |&byte| byte == b'\n');
        let [response, identifier] = [(); 2].map(|()| lines.next().unwrap_or_default());
        format!("{} {}", self.world.register(response), self.world.refresh(identifier, response))
    }
}

/// The first two lines, and the rest.
fn split(input: &[u8]) -> (&[u8], &[u8]) {
    let mut ends = input.iter().enumerate().filter(|&(_, &byte)| byte == b'\n');
    match ends.nth(1) {
        Some((end, _)) => (&input[..end], &input[end + 1..]),
        None => (input, &[]),
    }
}

impl Target for Raw {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let World { browser, offer, challenge, identifier, cookie, .. } = &self.world;
        let registration = browser.signed(&browser.header(), claims(offer).as_bytes());
        let refresh = browser.signed(br#"{"alg":"ES256","typ":"dbsc+jwt"}"#, claims(challenge).as_bytes());
        let skipped = format!("quota_exceeded;session_identifier=\"{identifier}\", unreachable");
        [registration.clone(), refresh, format!("\"{registration}\"")]
            .map(|response| format!("{response}\n{identifier}\n{cookie}\n{skipped}").into_bytes())
            .to_vec()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let (signed, rest) = split(input);
        let signed = self.known.get(signed).cloned().unwrap_or_else(|| self.outcome_of(signed));
        let mut lines = rest.splitn(2, |&byte| byte == b'\n');
        let [cookie, skipped] = [(); 2].map(|()| lines.next().unwrap_or_default());
        let World { keys, terms, state, .. } = &self.world;
        let proof = terms.proof(keys, state, [cookie], [skipped], NOW + 120);
        let parsed = DeviceState::parse(input)
            .map(|state| assert!(DeviceState::parse(&state.to_bytes()) == Some(state)));
        let proof = crate::target::words(&format!("{proof:?}"));
        format!("{signed} {proof} {}", parsed.is_some())
    }
}

/// Header and claims of a response, in two lines, behind a good signature.
pub(crate) struct Signed(World);

impl Signed {
    pub(crate) fn new() -> Self {
        Self(World::new())
    }
}

impl Target for Signed {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let World { browser, offer, challenge, .. } = &self.0;
        let registration = [&browser.header(), claims(offer).as_bytes()].join(&b'\n');
        let refresh = format!("{{\"alg\":\"ES256\",\"typ\":\"dbsc+jwt\"}}\n{}", claims(challenge));
        vec![registration, refresh.into_bytes()]
    }

    fn read(&mut self, input: &[u8]) -> String {
        let end = input.iter().position(|&byte| byte == b'\n').unwrap_or(0);
        let (header, claims) = (&input[..end], input.get(end + 1..).unwrap_or_default());
        let response = self.0.browser.signed(header, claims);
        let registered = self.0.register(response.as_bytes());
        format!("{registered} {}", self.0.refresh(self.0.identifier.as_bytes(), response.as_bytes()))
    }
}
