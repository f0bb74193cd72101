//! Values that our key sealed and no `insert` wrote: another program's, with the same secret key.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::IgnoredAny;
use waxseal_crypto::{Context, Keyring, Limits, Opened, Sealer, SecretKey};
use waxseal_manager::Visit;
use waxseal_manager::{Access, Outcome, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_store::testing::FaultyStore;
use waxseal_store::{MemoryStore, Record, RecordKey, SessionStore, Timestamp};

const ANY_TIME: Limits = Limits { idle: u32::MAX, absolute: u32::MAX };
const SECONDS: u64 = 1_790_000_000;
/// Under each key, the bytes of its value, and what is said of them.
const MALFORMED: [(&str, &[u8], &str); 8] = [
    ("left over", &[1, 2], "1 bytes are left over"),
    ("unknown", &[0xc1], "no MessagePack"),
    ("cut short", &[0xa5, b'a'], "no MessagePack"),
    ("empty", &[], "no MessagePack"),
    ("text of 4 GiB", &[0xdb, 0xff, 0xff, 0xff, 0xff], "no MessagePack"),
    ("list of 4 billion", &[0xdd, 0xff, 0xff, 0xff, 0xff, 1], "no MessagePack"),
    ("deep", &[0x91; 70], "nested deeper than 64"),
    ("no text", &[0xa1, 0xff], "what is stored is text, and no "),
];

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(SECONDS)
}

fn sealer(keyring: &Keyring, purpose: &str, name: &str) -> Sealer {
    let context =
        Context::new(purpose).and_then(|all| all.with_name(name)).and_then(|all| all.with_audience("demo"));
    keyring.sealer(&context.unwrap())
}

/// A sealed session with the malformed entries behind its own.
fn payload(opened: &Opened) -> Vec<u8> {
    let mut payload = opened.payload().to_vec();
    for (key, value, _) in MALFORMED {
        for piece in [key.as_bytes(), value] {
            payload.push(u8::try_from(piece.len()).unwrap());
            payload.extend(piece);
        }
    }
    payload
}

fn change_token(keyring: &Keyring, purpose: &str, token: &str) -> String {
    let sealer = sealer(keyring, purpose, "session");
    let opened = sealer.open_text(token.as_bytes(), SECONDS, ANY_TIME).unwrap();
    sealer.seal_text(&payload(&opened), opened.times()).unwrap()
}

async fn change_record(keyring: &Keyring, store: &FaultyStore<MemoryStore>) {
    let moment = Timestamp::from(now());
    let (mut found, mut after): (Vec<(RecordKey, Record)>, _) = (Vec::new(), None);
    loop {
        let page = store.sealed_otherwise([0; 4], after.as_ref(), 10, moment).await.unwrap();
        found.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let [(key, record)]: [_; 1] = found.try_into().expect("there is one record");
    let (sealer, bound) = (sealer(keyring, "record", ""), key.bound(&record.revision));
    let opened = sealer.open(&record.sealed, &bound, SECONDS, ANY_TIME).unwrap();
    let sealed = sealer.seal(&payload(&opened), &bound, opened.times()).unwrap();
    assert!(store.rewrap(&key, &record.revision, record.kid, &sealed, moment).await.unwrap());
}

/// A session with malformed values in it, in each state.
async fn sessions() -> Vec<(&'static str, Visit)> {
    let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
    let store = FaultyStore::new(MemoryStore::new());
    let mut all = Vec::new();
    for (state, sessions) in [
        ("cookie", SessionManager::cookie(&keyring, "session", "demo").unwrap()),
        ("store", SessionManager::store(&keyring, "session", "demo", store.clone()).unwrap()),
        ("mirrored", SessionManager::mirrored(&keyring, "session", "demo", MemoryStore::new()).unwrap()),
    ] {
        let session = sessions.create();
        session.insert("good", 7).unwrap();
        let Outcome::Set { token, .. } = sessions.commit(&session, now()).await.unwrap() else {
            panic!("{state}")
        };
        let token = match state {
            "cookie" => change_token(&keyring, "session", &token),
            "mirrored" => change_token(&keyring, "session/mirrored", &token),
            _ => {
                change_record(&keyring, &store).await;
                token
            }
        };
        let opened = sessions.open(token.as_bytes(), Access::Read, now()).unwrap();
        all.push((state, opened.load(now()).await.unwrap()));
    }
    all
}

#[tokio::test]
async fn a_malformed_value_is_an_error_that_names_its_key_and_says_why() {
    for (state, session) in sessions().await {
        assert_eq!(session.len(), MALFORMED.len() + 1, "{state}");
        assert_eq!(session.get::<u8>("good").unwrap(), Some(7), "{state}: the others are not affected");
        for (key, _, why) in MALFORMED {
            let errors = [
                session.get::<String>(key).unwrap_err(),
                session.take::<String>(key).unwrap_err(),
                session.update(key, |text: &mut String| text.push('!')).unwrap_err(),
                session.get_or_insert_with(key, String::new).unwrap_err(),
            ];
            for error in errors {
                assert_eq!(error.to_string(), format!("session[{key:?}]"), "{state}");
                let SessionError::Value { source, .. } = error else { panic!("{state}, {key}: {error}") };
                assert!(source.to_string().contains(why), "{state}, {key}: {source}");
            }
            assert!(matches!(session.add(key, 1), Err(SessionError::Value { .. })), "{state}, {key}");
            assert!(matches!(session.append(key, 1), Err(SessionError::Value { .. })), "{state}, {key}");
            assert!(session.contains_key(key), "{state}, {key}");
        }
        for (key, value) in session.iter() {
            let _ = (value.shape(), format!("{value:?}"), value.decode::<IgnoredAny>());
            assert_eq!(value.decode::<u8>().is_ok(), key == "good", "{state}, {key}");
        }
        // What cannot be read can be replaced or taken out.
        session.insert("left over", 1).unwrap();
        assert_eq!(session.get::<u8>("left over").unwrap(), Some(1), "{state}");
        assert!(session.remove("unknown").unwrap(), "{state}");
    }
}
