//! The example `reset_link`.

#[path = "../examples/reset_link.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod reset_link;

use reset_link::{link, user_of};
use waxseal_crypto::{Keyring, SecretKey};

#[test]
fn a_link_is_good_for_an_hour_until_the_password_changes_and_for_its_user_alone() {
    const NOW: u64 = 1_790_000_000;
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    let link = link(&keyring, "albus", "old hash", NOW).unwrap();
    let (page, token) = link.split_once("?token=").unwrap();
    assert_eq!(page, "https://shop.example/reset");
    assert!(!token.contains("albus"), "{token}");
    let of = |keyring: &Keyring, token: &str, hash: &str, at: u64| {
        user_of(keyring, token, |user| (user == "albus").then(|| hash.to_owned()), at)
    };
    assert_eq!(of(&keyring, token, "old hash", NOW + 3_599).as_deref(), Some("albus"));
    assert_eq!(of(&keyring, token, "old hash", NOW + 3_600), None, "late");
    assert_eq!(of(&keyring, token, "new hash", NOW), None, "the password has changed");
    assert_eq!(of(&keyring, &token[1..], "old hash", NOW), None, "damaged");
    let other = Keyring::new(SecretKey::from_bytes([2; 32]));
    assert_eq!(of(&other, token, "old hash", NOW), None, "another secret");
}
