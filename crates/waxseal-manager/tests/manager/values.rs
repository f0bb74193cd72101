//! What goes in comes out: serde's types through MessagePack and back.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager, Visit};

fn sessions() -> SessionManager {
    SessionManager::cookie(&Keyring::new(SecretKey::from_bytes([1; 32])), "session", "demo").unwrap()
}

/// Through the whole way: encoded, sealed, opened, decoded; and sealed again without having been read.
fn round_trip<T: Serialize + DeserializeOwned>(value: &T) -> T {
    let sessions = sessions();
    let now = std::time::SystemTime::now();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let through = |session: &Visit| match runtime.block_on(sessions.commit(session, now)).unwrap() {
        Outcome::Set { token, .. } => {
            sessions.open(token.as_bytes(), Access::Read, now).unwrap().ready().unwrap()
        }
        other => panic!("{other:?}"),
    };
    let session = sessions.create();
    session.insert("value", value).unwrap();
    let session = through(&session);
    session.insert("other", 1).unwrap();
    through(&session).get("value").unwrap().unwrap()
}

fn returns<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) -> Result<(), TestCaseError> {
    prop_assert_eq!(&round_trip(value), value);
    Ok(())
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wizard {
    name: String,
    born: Option<i32>,
    #[serde(with = "serde_bytes")]
    seal: Vec<u8>,
    marker: (),
    unit: Unit,
    wrapped: Wrapped,
    pair: Pair,
    #[serde(flatten)]
    staff: Staff,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Staff {
    wood: String,
    length: f64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Unit;
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Wrapped(u64);
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Pair(String, char);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Wrapped(i64),
    Pair(String, bool),
    Named { a: u8, b: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Internal {
    Unit,
    Named { a: u8, b: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "with")]
enum Adjacent {
    Unit,
    Wrapped(i64),
    Pair(String, bool),
    Named { a: u8, b: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Named { a: u8, b: Vec<i32> },
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn integers(a: i8, b: u16, c: i32, d: u64, e: i64, f: i128, g: u128) {
        returns(&a)?; returns(&b)?; returns(&c)?; returns(&d)?; returns(&e)?; returns(&f)?; returns(&g)?;
        returns(&vec![f])?;
        returns(&BTreeMap::from([(d, e)]))?;
        returns(&HashMap::from([(e, a)]))?;
        returns(&BTreeMap::from([(c, BTreeMap::from([(a, b)]))]))?;
    }

    #[test]
    fn floats(a in any::<u32>().prop_map(f32::from_bits), b in any::<u64>().prop_map(f64::from_bits)) {
        prop_assert_eq!(round_trip(&a).to_bits(), a.to_bits());
        prop_assert_eq!(round_trip(&b).to_bits(), b.to_bits());
    }

    #[test]
    fn text_and_bytes(a: String, b: char, c: bool, d: Vec<u8>, e: Option<String>, f: [u8; 16]) {
        returns(&a)?; returns(&b)?; returns(&c)?; returns(&d)?; returns(&e)?; returns(&f)?;
        returns(&serde_bytes::ByteBuf::from(d))?;
    }

    #[test]
    fn lists_and_tuples(a: Vec<Option<i32>>, b: (u8, String, Option<bool>), c: [i16; 5]) {
        returns(&a)?; returns(&b)?; returns(&c)?; returns(&(a, b, c))?;
    }

    #[test]
    fn structs(
        name: String, born: Option<i32>, seal: Vec<u8>, wrapped: u64, text: String, letter: char, length in -1e9..1e9,
        rest in proptest::collection::btree_map("[x-z]{1,3}", any::<i64>(), 0..4),
    ) {
        let pair = Pair(text.clone(), letter);
        let staff = Staff { wood: text, length };
        returns(&Wizard { name, born, seal, marker: (), unit: Unit, wrapped: Wrapped(wrapped), pair, staff, rest })?;
    }

    #[test]
    fn enums(a: u8, b: Option<String>, n: i64, t: String, c: bool, list: Vec<i32>) {
        for value in [External::Unit, External::Wrapped(n), External::Pair(t.clone(), c), External::Named { a, b: b.clone() }] {
            returns(&value)?;
        }
        for value in [Internal::Unit, Internal::Named { a, b: b.clone() }] {
            returns(&value)?;
        }
        for value in [Adjacent::Unit, Adjacent::Wrapped(n), Adjacent::Pair(t.clone(), c), Adjacent::Named { a, b }] {
            returns(&value)?;
        }
        for value in [Untagged::Number(n), Untagged::Text(t), Untagged::Named { a, b: list }] {
            returns(&value)?;
        }
    }

    #[test]
    fn dates_and_uuids(seconds in -1_000_000_000..4_000_000_000_i64, nanos in 0..1_000_000_000, id: u128) {
        let instant = jiff::Timestamp::new(seconds, nanos).unwrap();
        returns(&instant)?;
        returns(&jiff::tz::offset(-7).to_datetime(instant))?;
        returns(&jiff::tz::offset(0).to_datetime(instant).date())?;
        returns(&uuid::Uuid::from_u128(id))?;
        returns(&std::time::Duration::new(seconds.unsigned_abs(), nanos.unsigned_abs()))?;
    }
}

#[test]
fn extremes() {
    let now = std::time::SystemTime::now();
    assert_eq!(round_trip(&now), now);
    assert_eq!(
        round_trip(&(i64::MIN, u64::MAX, i128::MIN, u128::MAX)),
        (i64::MIN, u64::MAX, i128::MIN, u128::MAX)
    );
    assert_eq!(round_trip(&String::new()), "");
    assert_eq!(round_trip(&Vec::<u8>::new()), []);
    assert!(round_trip(&f64::NAN).is_nan());
}

#[test]
fn integers_of_128_bits_come_back_from_everywhere() {
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Wide {
        one: u128,
        maybe: Option<i128>,
        list: Vec<u128>,
        keys: BTreeMap<i128, u128>,
        wrapped: Inside,
        choice: Choice,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Inside(u128);
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    enum Choice {
        Newtype(i128),
        Tuple(u128, i128),
        Struct { wide: u128 },
    }
    for choice in [Choice::Newtype(i128::MIN), Choice::Tuple(u128::MAX, -1), Choice::Struct { wide: 1 << 64 }]
    {
        let value = Wide {
            one: u128::MAX,
            maybe: Some(i128::MIN),
            list: vec![0, u128::from(u64::MAX), u128::from(u64::MAX) + 1],
            keys: BTreeMap::from([(i128::MIN, 1), (-1, 2), (i128::MAX, u128::MAX)]),
            wrapped: Inside(1 << 127),
            choice,
            bytes: u128::MAX.to_be_bytes().to_vec(),
        };
        assert_eq!(round_trip(&value), value);
    }
}

#[test]
fn an_integer_is_read_as_any_type_that_it_fits_and_no_other() {
    let session = sessions().create();
    let fits = |key: &str| {
        (
            session.get::<i8>(key).is_ok(),
            session.get::<u64>(key).is_ok(),
            session.get::<i128>(key).is_ok(),
            session.get::<u128>(key).is_ok(),
        )
    };
    session.insert("small", 7_u128).unwrap();
    assert_eq!(fits("small"), (true, true, true, true));
    session.insert("small", 7_u8).unwrap();
    assert_eq!(session.get::<u128>("small").unwrap(), Some(7));
    session.insert("negative", -1).unwrap();
    assert_eq!(fits("negative"), (true, false, true, false));
    session.insert("wide", u128::from(u64::MAX) + 1).unwrap();
    assert_eq!(fits("wide"), (false, false, true, true));
    session.insert("wider", u128::MAX).unwrap();
    assert_eq!(fits("wider"), (false, false, false, true));
    session.insert("lowest", i128::MIN).unwrap();
    assert_eq!(fits("lowest"), (false, false, true, false));
    session.insert("bytes", serde_bytes::ByteBuf::from(vec![7; 16])).unwrap();
    assert_eq!(fits("bytes"), (false, false, false, false));
    assert_eq!(session.get::<serde_bytes::ByteBuf>("bytes").unwrap().unwrap(), vec![7; 16]);
    assert!(session.add("wide", 1).is_err() && session.add("small", 1).is_ok());
}

#[test]
fn a_uuid_and_a_date_are_text_for_others() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("id", uuid::Uuid::from_u128(7)).unwrap();
    session.insert("at", jiff::Timestamp::UNIX_EPOCH).unwrap();
    assert_eq!(session.get::<String>("id").unwrap().unwrap(), "00000000-0000-0000-0000-000000000007");
    assert_eq!(session.get::<String>("at").unwrap().unwrap(), "1970-01-01T00:00:00Z");
}

/// What serde itself writes alike comes back as the simpler one; `Visit`'s documentation says so.
#[test]
fn what_serde_cannot_tell_apart() {
    assert_eq!(round_trip(&Some(None::<u8>)), None);
    assert_eq!(round_trip(&Some(())), None);
}
