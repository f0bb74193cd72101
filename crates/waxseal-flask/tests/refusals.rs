//! Cookies that are refused, and why: forged, spelled in another way, expired, signed and unreadable.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use miniz_oxide::deflate::compress_to_vec_zlib;
use proptest::prelude::*;
use sha1::Sha1;
use waxseal_flask::{Dict, Error, FlaskCookie, FlaskKey, FlaskSession, Undecodable, Value};

const NOW: u64 = 1_700_000_000;
const HOUR: u64 = 3_600;
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn cookie() -> FlaskCookie {
    FlaskCookie::new(key("dev"))
}

fn key(text: &str) -> FlaskKey {
    FlaskKey::from_text(text).expect("not empty")
}

fn user() -> Dict {
    Dict::from([("user".to_owned(), Value::Int(7))])
}

fn read(value: &str) -> Result<FlaskSession, Error> {
    cookie().read(value, NOW, HOUR)
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let mac = <Hmac<Sha1> as KeyInit>::new_from_slice(key).expect("any length").chain_update(message);
    mac.finalize().into_bytes().to_vec()
}

/// Signs any payload and timestamp with Flask's default settings and the key `dev`.
fn sign(payload: &str, timestamp: &str) -> String {
    let signed = format!("{payload}.{timestamp}");
    let signature = mac(&mac(b"dev", b"cookie-session"), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn sign_payload(payload: &str) -> String {
    sign(payload, &URL_SAFE_NO_PAD.encode((NOW as u32).to_be_bytes()))
}

fn why(value: &str) -> Undecodable {
    match read(value) {
        Err(Error::Undecodable(why)) => why.cause().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn keys_and_their_fallbacks() {
    let value = cookie().write(&user(), NOW).expect("not too deep");
    for (case, keys, outcome) in [
        ("the key", &["dev"][..], Ok(false)),
        ("the first of two fallbacks", &["new", "dev", "old"], Ok(true)),
        ("the last of two fallbacks", &["new", "old", "dev"], Ok(true)),
        ("the key, which is a fallback as well", &["dev", "dev"], Ok(false)),
        ("none", &["new", "old", "older"], Err(Error::Signature)),
        ("another case", &["Dev"], Err(Error::Signature)),
    ] {
        let first = FlaskCookie::new(key(keys[0]));
        let cookie = keys[1..].iter().fold(first, |cookie, text| cookie.fallback(key(text)));
        let read = cookie.read(&value, NOW, HOUR);
        assert_eq!(read.map(|session| session.is_fallback), outcome, "{case}");
    }
}

#[test]
fn an_empty_key_is_refused() {
    assert!(matches!(FlaskKey::from_text(""), Err(Error::KeyEmpty)));
    assert!(matches!(FlaskKey::from_bytes(b""), Err(Error::KeyEmpty)));
}

#[test]
fn expiry_to_the_second() {
    let value = cookie().write(&user(), NOW).expect("not too deep");
    for (case, now, outcome) in [
        ("at once", NOW, Ok(())),
        ("in the last second", NOW + HOUR, Ok(())),
        ("a second too late", NOW + HOUR + 1, Err(Error::Expired { age: HOUR + 1 })),
        ("for ever too late", u64::MAX, Err(Error::Expired { age: u64::MAX - NOW })),
        ("signed in a minute", NOW - 60, Ok(())),
        ("signed in a minute and a second", NOW - 61, Err(Error::Future { ahead: 61 })),
        ("signed long after", 0, Err(Error::Future { ahead: NOW })),
    ] {
        assert_eq!(cookie().read(&value, now, HOUR).map(|_session| ()), outcome, "{case}");
    }
    let last = cookie().write(&user(), u64::MAX).expect("not too deep");
    assert!(cookie().read(&last, u64::MAX, 0).is_ok());
    assert_eq!(cookie().read(&last, 0, u64::MAX), Err(Error::Future { ahead: u64::MAX }));
    let first = cookie().write(&user(), 0).expect("not too deep");
    assert_eq!(cookie().read(&first, 0, 0).map(|session| session.signed_at), Ok(0));
}

#[test]
fn other_spellings_of_a_good_cookie_are_refused() {
    let value = cookie().write(&user(), NOW).expect("not too deep");
    let (signed, signature) = value.rsplit_once('.').expect("a signature");
    let cases = [
        ("padding", format!("{value}=")),
        ("white space after", format!("{value} ")),
        ("white space before", format!(" {value}")),
        ("a line feed", format!("{value}\n")),
        ("quotes", format!("\"{value}\"")),
        ("a foreign character in the signature", format!("{signed}.!{signature}")),
        ("a letter beyond ASCII in the signature", format!("{signed}.é{signature}")),
        ("another dot", format!("{signed}..{signature}")),
        ("a dot after", format!("{value}.")),
        ("a percent escape", value.replace('.', "%2E")),
        ("a character less", value[..value.len() - 1].to_owned()),
        ("four characters more", format!("{value}AAAA")),
    ];
    for (case, spelled) in &cases {
        assert!(matches!(read(spelled), Err(Error::Form | Error::Signature)), "{case}: {:?}", read(spelled));
    }
    assert!(read(&value).is_ok());

    // A signature with `-` and `_`, which Python also reads as `+` and `/`.
    let signed_again = (0..1_000).map(|second| cookie().write(&user(), NOW - second).expect("not too deep"));
    let both = |value: &String| {
        value.rsplit_once('.').is_some_and(|(_, sig)| sig.contains('-') && sig.contains('_'))
    };
    let value = signed_again.into_iter().find(both).expect("one in a thousand signatures");
    let (signed, signature) = value.rsplit_once('.').expect("a signature");
    assert!(read(&value).is_ok());
    for (from, to) in [("-", "+"), ("_", "/")] {
        assert_eq!(
            read(&format!("{signed}.{}", signature.replace(from, to))),
            Err(Error::Form),
            "{from} as {to}"
        );
    }
}

#[test]
fn the_stray_bits_of_a_signature_are_zero() {
    let value = cookie().write(&user(), NOW).expect("not too deep");
    let (rest, last) = value.split_at(value.len() - 1);
    // 27 characters carry 162 bits, and SHA-1 has 160: Python takes any of four last characters.
    let read = ALPHABET.chars().filter(|letter| read(&format!("{rest}{letter}")).is_ok());
    assert_eq!(read.collect::<String>(), last);
}

#[test]
fn each_changed_character_is_refused() {
    let value = cookie().write(&user(), NOW).expect("not too deep");
    for index in 0..value.len() {
        for letter in ["A", "B", ".", "=", "+", "~"] {
            let mut changed = value.clone();
            changed.replace_range(index..=index, letter);
            if changed != value {
                assert!(matches!(read(&changed), Err(Error::Form | Error::Signature)), "{changed}");
            }
        }
    }
}

#[test]
fn signed_timestamps_have_one_form() {
    let payload = URL_SAFE_NO_PAD.encode("{}");
    let zero = URL_SAFE_NO_PAD.encode([0, 0x65, 0x53, 0xf1, 0]);
    let nine = URL_SAFE_NO_PAD.encode([1; 9]);
    for (case, timestamp) in [
        ("a leading zero", zero.as_str()),
        ("more than 64 bits", &nine),
        ("a foreign character", "ZVPx!A"),
        ("padding", "ZVPxAA=="),
        ("stray bits", "ZVPxAB"),
        ("a length that no bytes have", "ZVPxA"),
    ] {
        assert_eq!(read(&sign(&payload, timestamp)), Err(Error::Timestamp), "{case}");
    }
    assert!(read(&sign(&payload, "ZVPxAA")).is_ok());
    assert_eq!(read(&sign(&payload, "")), Err(Error::Expired { age: NOW }));
}

#[test]
fn signed_and_unreadable_is_a_kind_of_its_own() {
    let encoded = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let compressed = compress_to_vec_zlib(b"{}", 6);
    let mut damaged = compressed.clone();
    *damaged.last_mut().expect("a checksum") ^= 1;
    let gzip = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3];
    for (case, payload, expected) in [
        ("no base64", "!".to_owned(), Undecodable::Base64),
        ("padding", "e30=".to_owned(), Undecodable::Base64),
        ("stray bits", "e31".to_owned(), Undecodable::Base64),
        ("a second dot", format!("..{}", encoded(&compressed)), Undecodable::Base64),
        ("a dot within", "e3.0".to_owned(), Undecodable::Base64),
        ("nothing", String::new(), Undecodable::Json),
        ("nothing compressed", ".".to_owned(), Undecodable::Zlib),
        ("a wrong checksum", format!(".{}", encoded(&damaged)), Undecodable::Zlib),
        ("cut off", format!(".{}", encoded(&compressed[..compressed.len() - 1])), Undecodable::Zlib),
        ("gzip", format!(".{}", encoded(&gzip)), Undecodable::Zlib),
        ("not marked as compressed", encoded(&compressed), Undecodable::Utf8),
        ("Latin-1", encoded(b"{\"\xe9\":1}"), Undecodable::Utf8),
        ("UTF-16", encoded(b"\xff\xfe{\0}\0"), Undecodable::Utf8),
        ("no JSON", encoded(b"{'a':1}"), Undecodable::Json),
        ("a list", encoded(b"[]"), Undecodable::NotADict),
        ("a bad tag", encoded(br#"{"a":{" u":"1"}}"#), Undecodable::Tag(" u")),
    ] {
        assert_eq!(why(&sign_payload(&payload)), expected, "{case}");
    }
}

#[test]
fn inflation_and_depth_are_bounded() {
    let json = |bytes: usize| format!("{{\"a\":\"{}\"}}", "a".repeat(bytes - 8));
    let bomb = |bytes: usize| {
        let compressed = compress_to_vec_zlib(json(bytes).as_bytes(), 9);
        sign_payload(&format!(".{}", URL_SAFE_NO_PAD.encode(compressed)))
    };
    let limit = 256 * 1024;
    assert!(read(&bomb(limit)).is_ok());
    assert_eq!(why(&bomb(limit + 1)), Undecodable::TooLarge);
    assert_eq!(why(&bomb(64 * 1024 * 1024)), Undecodable::TooLarge);
    let small = cookie().max_inflated_bytes(100);
    assert!(small.read(&bomb(100), NOW, HOUR).is_ok());
    assert_eq!(small.read(&bomb(101), NOW, HOUR), Err(Error::Undecodable(Undecodable::TooLarge)));

    for open in ["[", "{\"a\":", "{\" t\":["] {
        let deep = URL_SAFE_NO_PAD.encode(format!("{{\"a\":{}", open.repeat(100_000)));
        assert_eq!(why(&sign_payload(&deep)), Undecodable::TooDeep, "{open}");
    }
}

#[test]
fn nothing_is_inflated_before_the_signature_was_good() {
    let value = sign_payload(".AAAA");
    assert_eq!(why(&value), Undecodable::Zlib);
    assert_eq!(FlaskCookie::new(key("other")).read(&value, NOW, HOUR), Err(Error::Signature));
    // Nor before the time was.
    assert_eq!(cookie().read(&value, NOW + HOUR + 1, HOUR), Err(Error::Expired { age: HOUR + 1 }));
}

#[test]
fn a_replay_id_names_one_cookie() {
    let id = |value: &str| read(value).expect("a good cookie").replay_id;
    let value = cookie().write(&user(), NOW).expect("not too deep");
    assert_eq!(id(&value), id(&value));
    assert_ne!(id(&value), id(&cookie().write(&user(), NOW - 1).expect("not too deep")));
    assert_ne!(id(&value), id(&cookie().write(&Dict::new(), NOW).expect("not too deep")));
    // By hand: SHA-256 of the label and the 20 bytes.
    let (_, signature) = value.rsplit_once('.').expect("a signature");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    let mut hash = <sha2::Sha256 as sha2::Digest>::new();
    sha2::Digest::update(&mut hash, [b"waxseal-flask replay", signature.as_slice()].concat());
    assert_eq!(id(&value).as_bytes().as_slice(), sha2::Digest::finalize(hash).as_slice());
}

#[test]
fn compression_begins_where_it_helps() {
    let mut seen = [false; 3];
    for length in 0..60 {
        let json = format!("{{\"a\":\"{}\"}}", "a".repeat(length));
        let gain = json.len() as isize - compress_to_vec_zlib(json.as_bytes(), 6).len() as isize;
        let entries = Dict::from([("a".to_owned(), Value::Str("a".repeat(length)))]);
        let value = cookie().write(&entries, NOW).expect("not too deep");
        // The dot costs a byte.
        assert_eq!(value.starts_with('.'), gain > 1, "{length}");
        if let Some(seen) = seen.get_mut(gain.unsigned_abs()).filter(|_| gain >= 0) {
            *seen = true;
        }
    }
    assert_eq!(seen, [true; 3], "the gains on both sides of the rule came up");
}

#[test]
fn messages_and_permanence_are_found() {
    let text = |text: &str| Value::Str(text.to_owned());
    let flashes = Value::List(vec![
        Value::Tuple(vec![text("message"), text("hi")]),
        Value::List(vec![text("error"), Value::Markup("<i>no</i>".to_owned())]),
        Value::Tuple(vec![text("message"), Value::Int(7)]),
        text("stray"),
    ]);
    let entries =
        Dict::from([("_flashes".to_owned(), flashes), ("_permanent".to_owned(), Value::Bool(true))]);
    let session = read(&cookie().write(&entries, NOW).expect("not too deep")).expect("just written");
    assert!(session.is_permanent());
    let flashes = session.flashes();
    let flashes: Vec<_> =
        flashes.iter().map(|flash| (flash.category, flash.message, flash.is_markup)).collect();
    assert_eq!(flashes, [("message", "hi", false), ("error", "<i>no</i>", true)]);
    let session = read(&cookie().write(&user(), NOW).expect("not too deep")).expect("just written");
    assert!(!session.is_permanent() && session.flashes().is_empty());
    let entries = Dict::from([("_permanent".to_owned(), Value::Bool(false))]);
    let session = read(&cookie().write(&entries, NOW).expect("not too deep")).expect("just written");
    assert!(!session.is_permanent());
}

#[test]
fn nothing_of_key_or_content_is_printed() {
    let entries = Dict::from([("merlin".to_owned(), Value::Str("excalibur".to_owned()))]);
    let cookie = FlaskCookie::new(key("avalon")).fallback(key("camelot"));
    let session = cookie.read(&cookie.write(&entries, NOW).expect("not too deep"), NOW, HOUR);
    let printed = format!("{cookie:?} {:?}", session.expect("just written"));
    for secret in ["avalon", "camelot", "merlin", "excalibur", "97, 118, 97"] {
        assert!(!printed.contains(secret), "{secret} in {printed}");
    }
}

proptest! {
    #[test]
    fn nothing_panics_and_nothing_foreign_is_read(value in "[!-~]{0,80}|[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,30}){0,3}|.*") {
        prop_assert!(matches!(read(&value), Err(Error::Form | Error::Signature)));
    }

    #[test]
    fn no_signed_payload_panics(bytes in proptest::collection::vec(any::<u8>(), 0..80), compressed: bool, inflated: bool) {
        let bytes = if inflated { compress_to_vec_zlib(&bytes, 1) } else { bytes };
        let dot = if compressed { "." } else { "" };
        let _outcome = read(&sign_payload(&format!("{dot}{}", URL_SAFE_NO_PAD.encode(bytes))));
    }

    #[test]
    fn what_is_written_is_read(entries in entries()) {
        let session = read(&cookie().write(&entries, NOW).expect("not too deep"));
        prop_assert_eq!(session.map(|session| session.entries), Ok(entries));
    }
}

fn entries() -> impl Strategy<Value = Dict> {
    let key = prop_oneof![
        "[a-z]{0,4}",
        Just(" t".to_owned()),
        Just(" di".to_owned()),
        " [tbmud]i?_{0,4}",
        ".{0,4}"
    ];
    let leaf = prop_oneof![
        Just(Value::None),
        any::<bool>().prop_map(Value::Bool),
        any::<i128>().prop_map(Value::Int),
        // NaN is not equal to itself.
        any::<f64>().prop_filter_map("NaN", |float| (!float.is_nan()).then_some(Value::Float(float))),
        ".*".prop_map(Value::Str),
        ".*".prop_map(Value::Markup),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        (-59_011_459_200_i64..253_402_300_800).prop_map(|unix| Value::DateTime(
            waxseal_flask::DateTime::from_unix(unix).expect("within the years")
        )),
    ];
    let keys = key.clone();
    let value = leaf.prop_recursive(4, 32, 4, move |value| {
        prop_oneof![
            proptest::collection::vec(value.clone(), 0..4).prop_map(Value::List),
            proptest::collection::vec(value.clone(), 0..4).prop_map(Value::Tuple),
            proptest::collection::btree_map(keys.clone(), value, 0..3).prop_map(Value::Dict),
        ]
    });
    proptest::collection::btree_map(key, value, 0..4)
}
