//! A link to reset a password: sealed for an hour, and worth nothing once the password has changed.

#![expect(clippy::print_stdout, reason = "it shows what it does")]

use std::time::SystemTime;

use waxseal_crypto::{Keyring, SecretKey};

const PURPOSE: &str = "password reset";

/// The link for a user. The password's hash is in it, so that a changed password ends all links from before.
pub(crate) fn link(
    keyring: &Keyring,
    user: &str,
    password_hash: &str,
    now: u64,
) -> Result<String, waxseal_crypto::Error> {
    let token = keyring.seal_token(PURPOSE, format!("{user}\n{password_hash}").as_bytes(), 3_600, now)?;
    Ok(format!("https://shop.example/reset?token={token}"))
}

/// The user whose link this is, if it is good; `hash_of` looks up a user's present password hash.
pub(crate) fn user_of(
    keyring: &Keyring,
    token: &str,
    hash_of: impl Fn(&str) -> Option<String>,
    now: u64,
) -> Option<String> {
    let opened = keyring.open_token(PURPOSE, token, now).ok()?;
    let (user, hash) = std::str::from_utf8(opened.payload()).ok()?.split_once('\n')?;
    (hash_of(user)? == hash).then(|| user.to_owned())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keyring = Keyring::new(SecretKey::generate()?);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_secs();
    let link = link(&keyring, "albus", "$argon2id$old", now)?;
    println!("{link}");
    let token = link.split_once("token=").expect("it was just made").1;
    for (case, hash, at) in [
        ("within the hour", "$argon2id$old", now + 60),
        ("once the password has changed", "$argon2id$new", now + 60),
        ("after the hour", "$argon2id$old", now + 3_600),
    ] {
        println!("{case}: {:?}", user_of(&keyring, token, |_| Some(hash.to_owned()), at));
    }
    Ok(())
}
