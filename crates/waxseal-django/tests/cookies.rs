//! Cookies of real Django, made by `known_answers/make.py`, and cookies that are refused.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest, Sha256};
use waxseal_django::{DjangoCookie, DjangoSession, Error, Undecodable};

const ANSWERS: &str = include_str!("known_answers/answers.json");
const NOW: u64 = 1_700_000_000;
const TWO_WEEKS: u64 = 14 * 86_400;
const SALT: &str = "django.contrib.sessions.backends.signed_cookiessigner";

fn answers() -> Vec<Value> {
    serde_json::from_str(ANSWERS).expect("JSON")
}

fn read(value: &str) -> Result<DjangoSession, Error> {
    DjangoCookie::new("dev").expect("a key").read(value, NOW, TWO_WEEKS)
}

/// A cookie that the key `dev` signed at second `NOW`.
fn signed(payload: &[u8]) -> String {
    let value = [payload, b":1r31eq"].concat();
    let key = Sha256::new().chain_update(SALT).chain_update("dev").finalize();
    let mac = <Hmac<Sha256> as KeyInit>::new_from_slice(&key).expect("any length").chain_update(&value);
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{}:{signature}", String::from_utf8(value).expect("text"))
}

fn compressed(content: &[u8]) -> String {
    format!(".{}", URL_SAFE_NO_PAD.encode(compress_to_vec_zlib(content, 6)))
}

#[test]
fn what_django_signs_is_read() {
    let answers = answers();
    assert!(answers.len() >= 16, "{}", answers.len());
    for answer in &answers {
        let text = |key: &str| answer[key].as_str();
        let cookie = DjangoCookie::new("today's").unwrap().fallback(text("key").unwrap()).unwrap();
        let read = cookie.read(text("cookie").unwrap(), NOW + 60, TWO_WEEKS);
        let name = text("name").unwrap();
        match text("refused") {
            Some("TooLarge") => assert_eq!(read, Err(Undecodable::TooLarge.into()), "{name}"),
            Some(other) => unreachable!("{other}"),
            None => {
                let read = read.unwrap();
                assert_eq!((Some(read.json.as_str()), read.signed_at), (text("json"), NOW), "{name}");
            }
        }
    }
}

#[test]
fn the_hash_of_a_password_is_known_by_the_key() {
    let answers = answers();
    let signed_in = answers.iter().find(|answer| answer["name"] == "signed in").unwrap();
    let session: Value =
        serde_json::from_str(&read(signed_in["cookie"].as_str().unwrap()).unwrap().json).unwrap();
    let hash = session["_auth_user_hash"].as_str().unwrap();
    let password = "pbkdf2_sha256$1$salt$hash=";
    let is =
        |key: &str, hash: &str, password: &str| DjangoCookie::new(key).unwrap().is_auth_hash(hash, password);
    assert!(is("dev", hash, password));
    assert!(DjangoCookie::new("new").unwrap().fallback("dev").unwrap().is_auth_hash(hash, password));
    for (case, key, hash, password) in [
        ("another password", "dev", hash, "pbkdf2_sha256$1$salt$other="),
        ("another key", "new", hash, password),
        ("cut", "dev", &hash[..62], password),
        ("an odd digit", "dev", &hash[..63], password),
        ("upper case", "dev", &hash.to_uppercase(), password),
        ("none", "dev", "", password),
        ("no digits", "dev", "é", password),
    ] {
        assert!(!is(key, hash, password), "{case}");
    }
}

#[test]
fn a_cookie_has_its_time() {
    let cookie = DjangoCookie::new("dev").unwrap();
    let value = signed(b"e30");
    let read = |now, age| cookie.read(&value, now, age).map(|read| read.json);
    assert_eq!(read(NOW + 10, 10), Ok("{}".to_owned()));
    assert_eq!(read(NOW + 11, 10), Err(Error::Expired { age: 11 }));
    assert_eq!(read(NOW - 61, 10), Err(Error::Future { ahead: 61 }));
}

#[test]
fn other_spellings_and_forgeries_are_refused() {
    let good = signed(b"e30");
    assert!(read(&good).is_ok());
    let (signed_part, signature) = good.rsplit_once(':').unwrap();
    for (case, value, error) in [
        ("empty", String::new(), Error::Form),
        ("one part", "e30".to_owned(), Error::Form),
        ("two parts", "e30:1r31eq".to_owned(), Error::Form),
        ("padding", format!("{good}="), Error::Form),
        ("the other alphabet", format!("{signed_part}:+{}", &signature[1..]), Error::Form),
        ("a space", format!("{good} "), Error::Form),
        ("quotes", format!("\"{good}\""), Error::Form),
        ("another key", good.replace(signature, &signature[1..]), Error::Form),
        ("another payload", format!("e31{}", &good[3..]), Error::Signature),
        ("another time", good.replace("1r31eq", "1r31er"), Error::Signature),
        ("no signature", format!("{signed_part}:"), Error::Signature),
        ("a shorter one", format!("{signed_part}:{}", &signature[..40]), Error::Signature),
    ] {
        assert_eq!(read(&value).map(|_| ()), Err(error), "{case}");
    }
    assert_eq!(DjangoCookie::new("other").unwrap().read(&good, NOW, 10), Err(Error::Signature));
    assert_eq!(DjangoCookie::new("").map(|_| ()), Err(Error::KeyEmpty));
}

#[test]
fn signed_content_that_cannot_be_read_says_so() {
    for (case, payload, error) in [
        ("padding", "e30=".to_owned(), Undecodable::Base64),
        ("stray bits", "e31".to_owned(), Undecodable::Base64),
        ("no zlib", ".e30".to_owned(), Undecodable::Zlib),
        ("cut zlib", compressed(b"{}")[..8].to_owned(), Undecodable::Zlib),
        ("a bomb", compressed(&[b' '; 256 * 1024 + 1]), Undecodable::TooLarge),
        ("a pickle", URL_SAFE_NO_PAD.encode(b"\x80\x04}\x94."), Undecodable::Utf8),
    ] {
        assert_eq!(read(&signed(payload.as_bytes())).map(|_| ()), Err(error.into()), "{case}");
    }
    assert!(read(&signed(compressed(&[b' '; 256 * 1024]).as_bytes())).is_ok(), "just below the limit");
}

#[test]
fn nothing_of_it_is_shown() {
    let cookie = DjangoCookie::new("dev secret").unwrap();
    let session = read(&signed(b"eyJhIjoiYiJ9")).unwrap();
    assert_eq!(format!("{cookie:?}"), "DjangoCookie { secrets: 1 }");
    assert_eq!(format!("{session:?}"), "DjangoSession { signed_at: 1700000000, .. }");
}

proptest! {
    #[test]
    fn nothing_panics(value in ".*", payload in "[.A-Za-z0-9_-]{0,40}") {
        let _outcome = read(&value);
        let _outcome = read(&signed(payload.as_bytes()));
    }

    #[test]
    fn any_changed_character_is_refused(at in any::<prop::sample::Index>(), other in "[ -~]") {
        let good = signed(b"eyJhIjoiYiJ9");
        let at = at.index(good.len());
        let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
        prop_assert_eq!(read(&changed).is_ok(), changed == good);
    }
}
