//! Runs `tests/known_answers.json`. It was made by another implementation of `format.md`: `tests/known_answers.py`, in
//! Python over libsodium.

use serde_json::Value;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::{Context, Keyring, Limits, MAX_TEXT_BYTES, Opened, Rejected, Sealer, SecretKey, Times, text};

/// The cases of one section. Their number is checked, so that a missing one is noticed.
pub(crate) fn cases(section: &str, number: usize) -> Vec<Value> {
    let mut file: Value = serde_json::from_str(include_str!("../tests/known_answers.json")).unwrap();
    let cases = file[section].take();
    let Value::Array(cases) = cases else { panic!("no section {section}") };
    assert_eq!(cases.len(), number, "{section}");
    cases
}

pub(crate) fn str(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("not a string: {value}"))
}

pub(crate) fn hex(value: &Value) -> Vec<u8> {
    let digits = str(value);
    assert!(digits.is_ascii() && digits.len().is_multiple_of(2), "{digits}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn array<const N: usize>(value: &Value) -> [u8; N] {
    hex(value).try_into().unwrap()
}

pub(crate) fn context(value: &Value) -> Context {
    let context = Context::new(str(&value["purpose"])).unwrap();
    context.with_name(str(&value["name"])).unwrap().with_audience(str(&value["audience"])).unwrap()
}

fn number(value: &Value) -> u64 {
    value.as_u64().unwrap_or_else(|| panic!("not a number: {value}"))
}

fn seconds(value: &Value) -> u32 {
    number(value).try_into().unwrap()
}

fn key(value: &Value) -> SecretKey {
    SecretKey::from_bytes(array(value))
}

pub(crate) fn ring(case: &Value) -> Keyring {
    let mut keys = case["ring"].as_array().unwrap().iter().map(key);
    let ring = Keyring::new(keys.next().unwrap());
    keys.try_fold(ring, Keyring::with_fallback).unwrap()
}

fn sealer(case: &Value) -> Sealer {
    ring(case).sealer(&context(&case["context"]))
}

fn limits(case: &Value) -> Limits {
    Limits { idle: seconds(&case["limits"]["idle"]), absolute: seconds(&case["limits"]["absolute"]) }
}

/// Bytes in hex, or `count` bytes that repeat 0 to 250.
fn payload(value: &Value) -> Vec<u8> {
    match value["count"].as_u64() {
        Some(count) => (0..count).map(|at| (at % 251) as u8).collect(),
        None => hex(value),
    }
}

fn open(case: &Value) -> Result<Opened, Rejected> {
    let (sealer, now, limits) = (sealer(case), number(&case["at"]), limits(case));
    match str(&case["form"]) {
        "text" if hex(&case["bound"]).is_empty() => {
            sealer.open_text(str(&case["sealed"]).as_bytes(), now, limits)
        }
        "binary" => sealer.open(hex(&case["sealed"]), &hex(&case["bound"]), now, limits),
        form => panic!("form {form} with bound {}", case["bound"]),
    }
}

#[test]
fn keys_have_their_ids_and_texts() {
    for case in cases("keys", 6) {
        let key = key(&case["root"]);
        assert_eq!(key.id().to_string(), str(&case["kid"]));
        assert_eq!(*key.to_text(), str(&case["text"]));
        let parsed = SecretKey::from_text(str(&case["text"])).unwrap();
        assert!(bool::from(parsed.ct_eq(&key)), "{}", key.id());
    }
}

#[test]
fn wrong_key_texts_are_refused() {
    for text in cases("refused_key_texts", 10) {
        assert!(SecretKey::parse(str(&text), "demo").is_err(), "{text}");
    }
}

#[test]
fn passphrases_give_their_roots() {
    for case in cases("passphrases", 5) {
        let found = SecretKey::parse(str(&case["text"]), str(&case["app"])).unwrap();
        assert_eq!(found.id().to_string(), str(&case["kid"]), "{case}");
        assert!(bool::from(found.ct_eq(&key(&case["root"]))), "{case}");
    }
}

#[test]
fn messages_have_their_macs() {
    for case in cases("macs", 12) {
        let context = context(&case["context"]);
        let (message, tag) = (hex(&case["message"]), hex(&case["tag"]));
        let ring = Keyring::new(key(&case["root"]));
        assert_eq!(ring.authenticator(&context).mac(&message), *tag, "{case}");

        let rotated = Keyring::new(SecretKey::from_bytes([9; 32])).with_fallback(key(&case["root"])).unwrap();
        assert!(rotated.authenticator(&context).verify(&message, &tag), "{case}");
        assert_ne!(rotated.authenticator(&context).mac(&message), *tag, "{case}");
    }
}

#[test]
fn payloads_are_sealed_to_the_same_bytes_and_opened() {
    for case in cases("sealed", 54) {
        let name = str(&case["case"]);
        let (sealer, payload, bound) = (sealer(&case), payload(&case["payload"]), hex(&case["bound"]));
        let [created, now] = ["created", "now"].map(|at| number(&case["times"][at]));
        let [idle, absolute] = ["idle", "absolute"].map(|at| seconds(&case["times"][at]));
        let times = Times::new(created, now, idle, absolute);
        let (nonce, at) = (array(&case["nonce"]), number(&case["at"]));

        let opened = if str(&case["form"]) == "text" {
            assert!(bound.is_empty(), "{name}: nothing is bound to a text");
            let sealed = sealer.seal_text_with_nonce(&payload, times, nonce).unwrap();
            assert_eq!(sealed, str(&case["sealed"]), "{name}");
            sealer.open_text(sealed.as_bytes(), at, Limits::NONE)
        } else {
            let sealed = sealer.seal_with_nonce(&payload, &bound, times, nonce).unwrap();
            match &case["sealed"] {
                Value::String(_) => assert_eq!(sealed, hex(&case["sealed"]), "{name}"),
                large => assert_eq!(*Sha256::digest(&sealed), *hex(&large["sha256"]), "{name}"),
            }
            sealer.open(&sealed, &bound, at, Limits::NONE)
        };
        let opened = opened.unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(opened.payload(), payload, "{name}");
        assert_eq!(opened.times(), times, "{name}");
        assert!(!opened.needs_reseal(), "{name}");
        if name.starts_with("largest text") {
            assert_eq!(sealer.max_text_payload(), payload.len(), "{name}");
        }
    }
}

#[test]
fn values_of_any_key_and_at_any_lawful_moment_are_opened() {
    for case in cases("opened", 13) {
        let name = str(&case["case"]);
        let opened = open(&case).unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(opened.payload(), hex(&case["payload"]), "{name}");
        assert_eq!(opened.key().to_string(), str(&case["key"]), "{name}");
        assert_eq!(opened.needs_reseal(), case["needs_reseal"].as_bool().unwrap(), "{name}");
    }
}

#[test]
fn values_are_refused_for_the_first_reason_there_is() {
    for case in cases("refused", 73) {
        let name = str(&case["case"]);
        let rejected = open(&case).err().unwrap_or_else(|| panic!("{name}: was opened"));
        assert_eq!(format!("{:?}", rejected.reason()), str(&case["reason"]), "{name}");
    }
}

#[test]
fn a_longer_payload_than_fits_says_by_how_much() {
    let sealer = sealer(&cases("sealed", 54)[0]);
    assert_eq!(sealer.max_text_payload(), 2923);
    let times = Times::new(1_000, 1_000, 60, 60);
    assert!(sealer.seal_text(&[0; 2923], times).unwrap().len() + 14 <= MAX_TEXT_BYTES);
    let error = sealer.seal_text(&[0; 2924], times).unwrap_err();
    assert_eq!(
        error.to_string(),
        "name and text would be 4128 bytes together, 32 over the 4096 allowed: \
         the payload has 2924 bytes and may have 2923"
    );
    assert_eq!(text::encoded_bytes(77 + 47 * 64) + 14, 4128);
    let error = sealer.seal(&[0; (1 << 20) - 148], b"", times).unwrap_err();
    assert_eq!(error.to_string(), "sealed value would be 1048589 bytes, 13 over the 1048576 allowed");
    let error = sealer.seal(b"", &[0; 65], times).unwrap_err();
    assert_eq!(error.to_string(), "bound value of 65 bytes; the most is 64");
}

#[test]
fn bytes_beyond_the_binary_limit_are_refused_unread() {
    let sealer = sealer(&cases("sealed", 54)[0]);
    let reason = |bytes| sealer.open(vec![0; bytes], b"", 0, Limits::NONE).unwrap_err().reason();
    assert_eq!(reason((1 << 20) + 1), crate::Reason::TooLong);
    assert_eq!(reason(1 << 20), crate::Reason::Length);
}
