//! A browser with a key in software registers for a session, proves the key, and refreshes:
//! `cargo run -p waxseal-device --example registration_and_refresh`.

#![expect(clippy::print_stdout, reason = "it shows the conversation")]

use std::error::Error;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use p256::ecdsa::{Signature, SigningKey, signature::Signer};
use waxseal_crypto::{Context, Keyring, SecretKey};
use waxseal_device::{
    DeviceState, Proof, Purpose, Refresh, Refreshed, Registered, Registration, SessionSeen, Terms, Tokens,
};

/// Tokens of any kind will do, here those of `waxseal-crypto`: one MAC key for each purpose.
struct Keys(Keyring);

impl Tokens for Keys {
    fn sign(
        &self,
        purpose: Purpose,
        payload: &[u8],
        now: u64,
    ) -> Result<String, Box<dyn Error + Send + Sync>> {
        let context = Context::new(purpose.name())?.with_audience("demo")?;
        Ok(match purpose {
            Purpose::Offer | Purpose::Challenge => {
                self.0.signer::<24>(&context).sign(payload.try_into()?, now)?
            }
            Purpose::Key => self.0.signer::<49>(&context).sign(payload.try_into()?, now)?,
            Purpose::Proof => self.0.signer::<40>(&context).sign(payload.try_into()?, now)?,
        })
    }

    fn open(&self, purpose: Purpose, token: &str, payload: &mut [u8]) -> Option<u64> {
        let context = Context::new(purpose.name()).ok()?.with_audience("demo").ok()?;
        fn read<const N: usize>(
            keys: &Keyring,
            context: &Context,
            token: &str,
            payload: &mut [u8],
        ) -> Option<u64> {
            let opened = keys.signer::<N>(context).open_at_any_time(token.as_bytes()).ok()?;
            payload.copy_from_slice(opened.payload());
            Some(opened.minted())
        }
        match purpose {
            Purpose::Offer | Purpose::Challenge => read::<24>(&self.0, &context, token, payload),
            Purpose::Key => read::<49>(&self.0, &context, token, payload),
            Purpose::Proof => read::<40>(&self.0, &context, token, payload),
        }
    }
}

/// A response of the browser: `jwk` is part of a registration alone.
fn respond(key: &SigningKey, jwk: &str, challenge: &str) -> String {
    let header = BASE64URL.encode(format!(r#"{{"alg":"ES256",{jwk}"typ":"dbsc+jwt"}}"#));
    let signed = format!("{header}.{}", BASE64URL.encode(format!(r#"{{"jti":"{challenge}"}}"#)));
    let signature: Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", BASE64URL.encode(signature.to_bytes()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let (keys, now) = (Keys(Keyring::new(SecretKey::generate()?)), 1_790_000_000);
    let terms = Terms::new("__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", 43_200)?;

    // The answer to a sign-in makes an offer, and the session keeps it.
    let offered = DeviceState::at_sign_in(Some(b"same-origin"), now)?;
    let offer = offered.offer().ok_or("nothing offered")?;
    let header = terms.registration_header(&keys, &offer, now)?;
    println!("POST /login             -> {}: {header}", Terms::REGISTRATION);

    // The browser makes a key and registers it.
    let key = SigningKey::from_slice(&[7; 32])?;
    let point = key.verifying_key().to_sec1_point(false);
    let [x, y] = [1..33, 33..65].map(|half| BASE64URL.encode(&point.as_bytes()[half]));
    let jwk = format!(r#""jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}},"#);
    let response = respond(&key, &jwk, header.split('"').nth(3).ok_or("no challenge")?);
    let headers = |name| (name == "secure-session-response").then_some(response.as_bytes());
    let registration = Registration::check(headers, &keys, now + 2)?;
    let Registered::Bound(bound) = registration.decide(true, Some(offered), now + 2) else {
        return Err("not bound".into());
    };
    let json = terms.session_json(&keys, &registration, now + 2)?;
    println!("POST /_device/register  -> {json}");

    // Ten minutes later the device cookie is gone. The browser asks for a challenge, and answers it.
    let now = now + 700;
    assert_eq!(terms.proof(&keys, &bound, [], [], now), Proof::Unproven);
    let id = json.split('"').nth(3).ok_or("no identifier")?;
    let asked = Refresh::check(
        |name| (name == "sec-secure-session-id").then_some(id.as_bytes()),
        &keys,
        &terms,
        now,
    )?;
    let challenge = terms.challenge_header(&keys, &asked, now)?;
    println!("POST /_device/refresh   -> 403, {}: {challenge}", Terms::CHALLENGE);
    let response = respond(&key, "", challenge.split('"').nth(1).ok_or("no challenge")?);
    let headers =
        |name| Some(if name == "sec-secure-session-id" { id.as_bytes() } else { response.as_bytes() });
    let refresh = Refresh::check(headers, &keys, &terms, now)?;
    let Refreshed::Proven(binding) = refresh.decide(SessionSeen::Living(Some(bound))) else {
        return Err("not proven".into());
    };
    let cookie = terms.device_cookie(&keys, &binding, now)?;
    println!("POST /_device/refresh   -> 200, Set-Cookie: {cookie}");

    // The next request brings the new cookie.
    let value = cookie.split(['=', ';']).nth(1).ok_or("no value")?;
    assert!(matches!(terms.proof(&keys, &bound, [value.as_bytes()], [], now + 5), Proof::Proven { .. }));
    println!("GET  /                  -> proven");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_conversation_goes_as_it_says() {
        super::main().unwrap();
    }
}
