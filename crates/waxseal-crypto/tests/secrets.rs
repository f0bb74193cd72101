//! No secret shows in anything this crate prints: a canary is looked for in all of it.

use std::error::Error as StdError;
use std::fmt::Debug;

use waxseal_crypto::{Context, Error, Keyring, Limits, SecretKey, Times};

/// A root and payload that read the same whatever way bytes are printed.
const CANARY: &[u8; 32] = b"canary-canary-canary-canary-cana";

/// How the canary would look as text, as numbers, in hex and in base64url at any of three offsets.
fn traces() -> Vec<String> {
    let hex: String = CANARY[..6].iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal: Vec<String> = CANARY[..6].iter().map(u8::to_string).collect();
    let mut traces =
        vec!["canary".into(), decimal.join(", "), decimal.join(",\n    "), hex.clone(), hex.to_uppercase()];
    traces.extend(["Y2FuYXJ5", "NhbmFyeS", "jYW5hcnkt"].map(String::from));
    traces
}

fn assert_silent(what: &str, shown: &str) {
    for trace in traces() {
        assert!(!shown.contains(&trace), "{what} shows {trace:?}: {shown}");
    }
}

fn assert_debug_silent(what: &str, value: &dyn Debug) {
    assert_silent(what, &format!("{value:?}"));
    assert_silent(what, &format!("{value:#?}"));
}

fn assert_error_silent(what: &str, error: &dyn StdError) {
    assert_debug_silent(what, &error);
    let mut next = Some(error);
    while let Some(error) = next {
        assert_silent(what, &error.to_string());
        next = error.source();
    }
}

#[test]
fn the_traces_are_those_of_the_canary() {
    let debug = format!("{CANARY:?} {:#?}", &CANARY[..]);
    let found = traces().iter().filter(|trace| debug.contains(*trace)).count();
    assert_eq!(found, 2, "both forms of Debug");
    let text = SecretKey::from_bytes(*CANARY).to_text();
    assert!(traces().iter().any(|trace| text.contains(trace)));
}

#[test]
fn no_type_shows_a_secret() {
    let key = || SecretKey::from_bytes(*CANARY);
    let ring = Keyring::new(key()).with_fallback(SecretKey::from_bytes([1; 32])).unwrap();
    let context = Context::new("session").unwrap();
    let (sealer, times) = (ring.sealer(&context), Times::new(1_000, 1_000, 60, 60));
    let opened =
        sealer.open(sealer.seal(CANARY, CANARY, times).unwrap(), CANARY, 1_000, Limits::NONE).unwrap();
    assert_eq!(opened.payload(), CANARY);

    assert_debug_silent("SecretKey", &key());
    assert_silent("KeyId", &format!("{} {:?}", key().id(), key().id()));
    assert_debug_silent("Keyring", &ring);
    assert_debug_silent("Sealer", &sealer);
    assert_debug_silent("Authenticator", &ring.authenticator(&context));
    assert_debug_silent("Opened", &opened);
}

#[test]
fn no_error_shows_a_secret() {
    let good = SecretKey::from_bytes(*CANARY).to_text().to_string();
    for text in [
        "canary".to_owned(),
        "waxseal1_canary".to_owned(),
        "waxseal1_canary-canary-canary-canary-canary-canary-canary".to_owned(),
        "waxseal1_canary+canary-canary-canary-canary-canary-canary".to_owned(),
        good.replace("waxseal1_", ""),
        good.replace('e', "f"),
        good[..56].to_owned(),
    ] {
        assert_error_silent(&text, &SecretKey::from_text(&text).unwrap_err());
        if SecretKey::is_generated_text(&text) {
            assert_error_silent(&text, &SecretKey::parse(&text, "demo").unwrap_err());
            assert_error_silent(&text, &SecretKey::from_passphrase(&text, "demo").unwrap_err());
        }
    }

    let ring = Keyring::new(SecretKey::from_bytes(*CANARY));
    assert_error_silent(
        "duplicate",
        &ring.clone().with_fallback(SecretKey::from_bytes(*CANARY)).unwrap_err(),
    );
    assert_error_silent("label", &Context::new(&"canary".repeat(50)).unwrap_err());

    let sealer = ring.sealer(&Context::new("session").unwrap());
    let times = Times::new(1_000, 1_000, 60, 60);
    assert_error_silent("payload", &sealer.seal_text(&CANARY.repeat(100), times).unwrap_err());
    assert_error_silent("bound", &sealer.seal(b"", &CANARY.repeat(3), times).unwrap_err());
    let text = sealer.seal_text(CANARY, times).unwrap();
    for (case, text, now) in
        [("alphabet", "canary!", 1_000), ("length", "canary", 1_000), ("time", &*text, 9_999)]
    {
        let rejected = sealer.open_text(text.as_bytes(), now, Limits::NONE).unwrap_err();
        assert_error_silent(case, &rejected);
        assert_error_silent(case, &rejected.reason());
    }
}

#[test]
fn errors_can_cross_threads() {
    fn check<T: Send + Sync + 'static>() {}
    check::<Error>();
    check::<waxseal_crypto::Rejected>();
    check::<waxseal_crypto::Sealer>();
    check::<Keyring>();
}
