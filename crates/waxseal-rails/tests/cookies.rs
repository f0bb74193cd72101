//! Cookies of real Rails, made by `known_answers/make.rb`, and cookies that are refused.

use aes_gcm::aead::{Aead, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pbkdf2::pbkdf2_hmac;
use proptest::prelude::*;
use serde_json::Value;
use sha2::Sha256;
use waxseal_rails::{Error, RailsCookie, RailsDigest, RailsKey, RailsSession, Undecodable};

const ANSWERS: &str = include_str!("known_answers/answers.json");
const NAME: &str = "_shop_session";
const NOW: u64 = 1_700_000_000;

fn key() -> RailsKey {
    RailsKey::new("dev", RailsDigest::Sha256).expect("a key")
}

fn read(value: &str) -> Result<RailsSession, Error> {
    RailsCookie::new(NAME, key()).read(value, NOW)
}

/// A cookie that the key of `dev` encrypted, as browsers send it.
fn encrypted(plain: &[u8]) -> String {
    let mut key = [0; 32];
    pbkdf2_hmac::<Sha256>(b"dev", b"authenticated encrypted cookie", 1_000, &mut key);
    let cipher = <Aes256Gcm as KeyInit>::new(&key.into());
    let sealed = cipher.encrypt(&Nonce::from([7; 12]), plain).expect("short");
    let (sealed, tag) = sealed.split_at(sealed.len() - 16);
    let parts = [sealed, &[7; 12], tag].map(|part| STANDARD.encode(part));
    parts.join("--").replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")
}

/// The same, in an envelope for the session.
fn sent(message: &[u8], exp: &str) -> String {
    let message = STANDARD.encode(message);
    encrypted(
        format!(r#"{{"_rails":{{"message":"{message}","exp":{exp},"pur":"cookie.{NAME}"}}}}"#).as_bytes(),
    )
}

#[test]
fn what_rails_encrypts_is_read() {
    let answers: Vec<Value> = serde_json::from_str(ANSWERS).expect("JSON");
    assert!(answers.len() >= 16, "{}", answers.len());
    for answer in &answers {
        let text = |key: &str| answer[key].as_str();
        let digest = match text("digest") {
            Some("sha1") => RailsDigest::Sha1,
            _ => RailsDigest::Sha256,
        };
        let iterations = answer["iterations"].as_u64().unwrap().try_into().unwrap();
        let theirs =
            RailsKey::derive(text("base").unwrap(), digest, text("salt").unwrap(), iterations).unwrap();
        let cookie = RailsCookie::new(NAME, key()).fallback(theirs);
        let cookie = if answer["metadata"] == true { cookie } else { cookie.without_metadata() };
        let read = cookie.read(text("cookie").unwrap(), NOW);
        let name = text("name").unwrap();
        let error = match text("refused") {
            Some("Purpose") => Error::Purpose,
            Some("Expired") => Error::Expired,
            Some("Marshal") => Undecodable::Marshal.into(),
            Some(other) => unreachable!("{other}"),
            None => {
                let read = read.unwrap();
                assert_eq!(
                    (Some(read.json.as_str()), read.expires),
                    (text("json"), answer["expires"].as_u64()),
                    "{name}"
                );
                continue;
            }
        };
        assert_eq!(read, Err(error), "{name}");
    }
}

#[test]
fn the_defaults_are_those_of_rails() {
    let answers: Vec<Value> = serde_json::from_str(ANSWERS).expect("JSON");
    for (name, digest) in [("user", RailsDigest::Sha256), ("sha1", RailsDigest::Sha1)] {
        let answer = answers.iter().find(|answer| answer["name"] == name).unwrap();
        let key = RailsKey::new(answer["base"].as_str().unwrap(), digest).unwrap();
        assert!(RailsCookie::new(NAME, key).read(answer["cookie"].as_str().unwrap(), NOW).is_ok(), "{name}");
    }
}

#[test]
fn other_spellings_and_forgeries_are_refused() {
    let good = sent(b"{}", "null");
    assert!(read(&good).is_ok());
    assert!(good.contains("%3D"));
    let changed = |from: usize| {
        let other = if good.as_bytes()[from] == b'A' { "B" } else { "A" };
        format!("{}{other}{}", &good[..from], &good[from + 1..])
    };
    for (case, value, error) in [
        ("empty", String::new(), Error::Form),
        ("two parts", good.rsplit_once("--").unwrap().0.to_owned(), Error::Form),
        ("four parts", format!("{good}--AAAA"), Error::Form),
        ("not escaped", good.replace("%3D", "="), Error::Form),
        ("escaped otherwise", good.replace("%3D", "%3d"), Error::Form),
        ("escaped twice", good.replace('%', "%25"), Error::Form),
        ("without padding", good.replace("%3D", ""), Error::Form),
        ("a letter escaped", format!("%41{}", &good[1..]), Error::Form),
        ("a short tag", format!("{}--AAAA", good.rsplit_once("--").unwrap().0), Error::Form),
        ("a space", format!("{good} "), Error::Form),
        ("one bit", changed(0), Error::Key),
        ("of AES-256-CBC", format!("{}--{}", "QUFB", "ab".repeat(20)), Error::Form),
    ] {
        assert_eq!(read(&value), Err(error), "{case}");
    }
    let other = RailsKey::new("dev", RailsDigest::Sha1).unwrap();
    assert_eq!(RailsCookie::new(NAME, other).read(&good, NOW), Err(Error::Key));
    assert_eq!(RailsCookie::new("_other", key()).read(&good, NOW), Err(Error::Purpose));
    assert_eq!(RailsKey::new("", RailsDigest::Sha256).map(|_| ()), Err(Error::KeyEmpty));
}

#[test]
fn an_encrypted_message_without_its_purpose_is_refused_unless_the_app_says_so() {
    let bare = encrypted(b"{\"a\":1}");
    let without_purpose = encrypted(br#"{"_rails":{"message":"e30=","exp":null}}"#);
    assert_eq!(read(&bare), Err(Error::Purpose));
    let lenient = RailsCookie::new(NAME, key()).without_metadata();
    assert_eq!(lenient.read(&bare, NOW).unwrap().json, "{\"a\":1}");
    assert_eq!(read(&without_purpose), Err(Error::Purpose));
    assert_eq!(lenient.read(&without_purpose, NOW).unwrap().json, "{}");
    let others = encrypted(br#"{"_rails":{"message":"e30=","exp":null,"pur":"cookie.remember"}}"#);
    assert_eq!(lenient.read(&others, NOW), Err(Error::Purpose));
}

#[test]
fn a_message_ends_with_its_expiry() {
    for (now, is_read) in [(NOW - 1, true), (NOW, false), (NOW + 1, false)] {
        let read = RailsCookie::new(NAME, key()).read(&sent(b"{}", "\"2023-11-14T22:13:20.000Z\""), now);
        assert_eq!(read.is_ok(), is_read, "{now}");
    }
    assert_eq!(read(&sent(b"{}", "\"tomorrow\"")), Err(Undecodable::Expiry.into()));
}

#[test]
fn opened_content_that_cannot_be_read_says_so() {
    for (case, value, error) in [
        ("an envelope of another kind", encrypted(br#"{"_rails":7}"#), Undecodable::Envelope),
        ("a number", encrypted(b"7"), Undecodable::Envelope),
        ("nothing", encrypted(b""), Undecodable::Envelope),
        (
            "a message that is no base64",
            encrypted(format!(r#"{{"_rails":{{"message":"?","pur":"cookie.{NAME}"}}}}"#).as_bytes()),
            Undecodable::Envelope,
        ),
        ("an expiry that is a number", sent(b"{}", "7"), Undecodable::Envelope),
        ("an object of Ruby", sent(b"\x04\x08{\x00", "null"), Undecodable::Marshal),
        ("not UTF-8", sent(b"\xff", "null"), Undecodable::Utf8),
    ] {
        assert_eq!(read(&value), Err(error.into()), "{case}");
    }
    let deep = "[".repeat(3_000);
    assert!(read(&encrypted(format!(r#"{{"a":{deep}"#).as_bytes())).is_err());
}

#[test]
fn nothing_of_it_is_shown() {
    let session = read(&sent(b"{\"a\":\"b\"}", "null")).unwrap();
    assert_eq!(format!("{:?}", key()), "RailsKey(..)");
    assert_eq!(format!("{session:?}"), "RailsSession { expires: None, .. }");
}

proptest! {
    #[test]
    fn nothing_panics(value in ".*", plain in prop::collection::vec(any::<u8>(), 0..60)) {
        let _outcome = read(&value);
        let lenient = RailsCookie::new(NAME, key()).without_metadata();
        let _outcome = lenient.read(&encrypted(&plain), NOW);
    }
}
