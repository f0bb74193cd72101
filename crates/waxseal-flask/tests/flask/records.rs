//! Records of real Flask-Session, made by `known_answers/make.py`, and records that are refused.

use crate::answers::{described, dev, records};
use proptest::prelude::*;
use waxseal_flask::records::{KEY_PREFIX, read, read_signed_id, store_key};
use waxseal_flask::{DateTime, Dict, Error, FlaskKey, Undecodable, Value};

#[test]
fn what_flask_session_keeps_is_read() {
    let mut read_records = 0;
    for record in records() {
        let id = read_signed_id(&record.cookie(), &dev()).map(|id| store_key(KEY_PREFIX, id).expect("drawn"));
        assert_eq!(id.as_deref(), Ok(record.0["store_key"].as_str().expect("text")), "{}", record.name());
        let entries = read(&record.record()).unwrap_or_else(|error| panic!("{}: {error:?}", record.name()));
        assert_eq!(described(&Value::Dict(entries)), record.content(), "{}", record.name());
        read_records += 1;
    }
    assert!(read_records >= 15, "{read_records} records");
}

#[test]
fn a_signed_id_has_one_spelling_and_one_key() {
    let value = records()[0].cookie();
    let other = FlaskKey::from_text("other").expect("not empty");
    assert_eq!(read_signed_id(&value, &other), Err(Error::Signature));
    assert_eq!(read_signed_id(&value[1..], &dev()), Err(Error::Signature));
    let (id, _) = value.rsplit_once('.').expect("a signature");
    for (case, value) in
        [("padding", format!("{value}=")), ("no signature", id.to_owned()), ("nothing", String::new())]
    {
        assert_eq!(read_signed_id(&value, &dev()), Err(Error::Form), "{case}");
    }
}

#[test]
fn ids_are_drawn_and_not_written_by_hand() {
    assert_eq!(store_key("app:", "aZ0-_").as_deref(), Ok("app:aZ0-_"));
    assert!(store_key("", &"a".repeat(128)).is_ok());
    for (case, id) in [
        ("nothing", ""),
        ("white space", "a b"),
        ("a line feed", "a\n"),
        ("another prefix", "other:a"),
        ("a wildcard", "*"),
        ("a letter beyond ASCII", "é"),
        ("too long", &"a".repeat(129)),
    ] {
        assert_eq!(store_key(KEY_PREFIX, id), Err(Error::Form), "{case}");
    }
}

#[test]
fn records_that_are_refused() {
    let deep_map = [&b"\x81\xa1a".repeat(200)[..], b"\xc0"].concat();
    let timestamp = |parts: &[&[u8]]| [&b"\x81\xa1a"[..], &parts.concat()].concat();
    for (case, record, why) in [
        ("nothing", b"".to_vec(), Undecodable::MessagePack),
        (
            "a pickle",
            b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.".to_vec(),
            Undecodable::MessagePack,
        ),
        ("an old pickle", b"(dp0\n.".to_vec(), Undecodable::MessagePack),
        ("a list", b"\x90".to_vec(), Undecodable::NotADict),
        ("a byte more", b"\x80\xc0".to_vec(), Undecodable::MessagePack),
        ("a key that is a number", b"\x81\x01\x01".to_vec(), Undecodable::MessagePack),
        ("a value that is missing", b"\x81\xa1a".to_vec(), Undecodable::MessagePack),
        ("a byte that means nothing", b"\x81\xa1a\xc1".to_vec(), Undecodable::MessagePack),
        ("text that is no UTF-8", b"\x81\xa1a\xa1\xff".to_vec(), Undecodable::Utf8),
        ("a length of 4 GiB", b"\x81\xa1a\xdb\xff\xff\xff\xff".to_vec(), Undecodable::MessagePack),
        ("a list of 4 G", b"\x81\xa1a\xdd\xff\xff\xff\xff".to_vec(), Undecodable::MessagePack),
        ("too deep", deep_map, Undecodable::TooDeep),
        ("too deep in JSON", b"{\"a\":".repeat(200), Undecodable::TooDeep),
        ("JSON cut off", b"{\"a\":1".to_vec(), Undecodable::Json),
        ("JSON in Latin-1", b"{\"\xe9\":1}".to_vec(), Undecodable::Utf8),
        ("another extension", timestamp(&[b"\xd6\x01", &[0; 4]]), Undecodable::MessagePack),
        ("a timestamp of 5 bytes", timestamp(&[b"\xc7\x05\xff", &[0; 5]]), Undecodable::MessagePack),
        ("a year beyond", timestamp(&[b"\xc7\x0c\xff", &[0; 4], &[0x7f; 8]]), Undecodable::MessagePack),
        ("more than a second", timestamp(&[b"\xd7\xff", &[0xff; 4], &[0; 4]]), Undecodable::MessagePack),
    ] {
        assert_eq!(undecodable(&record), why, "{case}");
    }
}

#[test]
fn depth_is_bounded_to_the_level() {
    let nested = |levels: usize| [&b"\x81\xa1a"[..], &vec![0x91; levels - 1], b"\xc0"].concat();
    assert!(read(&nested(128)).is_ok());
    assert_eq!(undecodable(&nested(129)), Undecodable::TooDeep);
    let siblings = [&b"\x81\xa1a\xdc\x03\xe8"[..], &b"\x91\xc0".repeat(1_000)].concat();
    assert!(read(&siblings).is_ok());
}

#[test]
fn timestamps_have_34_bits_of_seconds() {
    let (seconds, nanos) = (1_u64 << 33 | 1, 999_999_999);
    let record = [&b"\x81\xa1a\xd7\xff"[..], &(nanos << 34 | seconds).to_be_bytes()].concat();
    let date = DateTime::from_unix(seconds as i64).and_then(|date| date.with_micros(999_999));
    assert_eq!(read(&record), Ok(Dict::from([("a".to_owned(), Value::DateTime(date.expect("a date")))])));
    assert_eq!(date.and_then(|date| date.with_micros(1_000_000)), None);
}

#[test]
fn lengths_of_four_bytes_are_read() {
    for (marker, length, members, value) in [
        (0xdb, 70_000_u32, b"b".repeat(70_000), Value::Str("b".repeat(70_000))),
        (0xc6, 70_000, b"b".repeat(70_000), Value::Bytes(b"b".repeat(70_000))),
        (0xdd, 70_000, vec![7; 70_000], Value::List(vec![Value::Int(7); 70_000])),
        (0xdf, 1, b"\xa1b\x07".to_vec(), Value::Dict(Dict::from([("b".to_owned(), Value::Int(7))]))),
    ] {
        let record = [&b"\x81\xa1a"[..], &[marker], &length.to_be_bytes(), &members].concat();
        assert_eq!(read(&record), Ok(Dict::from([("a".to_owned(), value)])), "{marker:x}");
    }
}

proptest! {
    #[test]
    fn no_record_panics(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
        let _outcome = read(&bytes);
        let _outcome = read(&[b"\x81\xa1a", &bytes[..]].concat());
    }
}

fn undecodable(record: &[u8]) -> Undecodable {
    match read(record) {
        Err(Error::Undecodable(why)) => why.cause().clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_entry_that_cannot_be_read_is_named() {
    for record in [b"\x82\xa1a\x01\xa4cart\xc1".as_slice(), b"{\"a\":1,\"cart\":[{\"b\":x}]}"] {
        let Err(Error::Undecodable(why)) = read(record) else { panic!("{record:?}") };
        assert_eq!(why.to_string(), "session[\"cart\"]");
    }
}
