//! Sessions that real Flask-Session has kept, taken over from its store.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value as Json;
use tokio::sync::Semaphore;
use waxseal_http::{FlaskRecord, FlaskServerSide};

use super::*;

/// What real Flask-Session kept, as `make.py` of waxseal-flask found it.
const RECORDS: &str = include_str!("../../../waxseal-flask/tests/known_answers/records.json");

/// The cookie's value and the record with this name.
fn known(name: &str) -> (String, String, Vec<u8>) {
    let records: Vec<Json> = serde_json::from_str(RECORDS).unwrap();
    let found = records.iter().find(|record| record["name"] == name).unwrap();
    let text = |field: &str| found[field].as_str().unwrap().to_owned();
    let hex = text("record");
    let bytes = (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap());
    (text("cookie"), text("store_key"), bytes.collect())
}

/// The reader over a store with these records, each of which lives for a month less a day, and what says that it is away.
fn reader(rows: Vec<(String, Vec<u8>)>) -> (FlaskServerSide, Arc<AtomicBool>) {
    let (rows, away) = (HashMap::<String, Vec<u8>>::from_iter(rows), Arc::new(AtomicBool::new(false)));
    let is_away = away.clone();
    let reader = flask().server_side(move |key| {
        let record = rows.get(&key).cloned();
        let record = record.map(|bytes| FlaskRecord { bytes, lives: Duration::from_secs(30 * DAY) });
        let is_away = is_away.load(Ordering::Relaxed);
        async move { if is_away { Err("no route to the store".into()) } else { Ok(record) } }
    });
    (reader.signer(FlaskKey::from_text("dev").unwrap()), away)
}

#[tokio::test]
async fn what_flask_session_kept_is_taken_over_once() {
    for place in WITH_STORE {
        for format in ["msgpack", "json"] {
            let (cookie, key, record) = known(&format!("{format}, permanent"));
            let (reader, away) = reader(vec![(key, record)]);
            let site = Site::of(place, reader);
            let old = format!("session={cookie}");
            away.store(true, Ordering::Relaxed);
            assert_eq!(site.page(DAY, &old).await.status, 503, "{place:?}, {format}");
            away.store(false, Ordering::Relaxed);
            let answer = site.page(DAY, &old).await;
            assert_eq!(answer.owner.as_deref(), Some("7"), "{place:?}, {format}");
            assert!(answer.forgets("session"), "{place:?}, {format}");
            let ours = answer.ours().unwrap();
            let seen = site.answer(DAY + 1, Method::GET, &ours, async |request| {
                let session = request.load().await?;
                assert!(session.is_permanent());
                assert_eq!(session.flashed_messages(&[])[0].message, "hi");
                Ok(StatusCode::OK)
            });
            assert_eq!(seen.await.status, 200, "{place:?}, {format}");
            assert_eq!(site.page(DAY + 90, &old).await.owner, None, "{place:?}, {format}: once");
        }
    }
}

#[tokio::test]
async fn ids_that_are_forged_unknown_or_saved_after_the_switch_are_refused() {
    let (cookie, key, record) = known("msgpack, permanent");
    let (id, _) = cookie.split_once('.').unwrap();
    let pickle = b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00}\x94.".to_vec();
    for (case, rows, cookie, at) in [
        ("not signed", vec![(key.clone(), record.clone())], id.to_owned(), DAY),
        ("signed by another", vec![(key.clone(), record.clone())], format!("{id}.AAAA"), DAY),
        ("unknown", vec![], cookie.clone(), DAY),
        ("a pickle", vec![(key.clone(), pickle)], cookie.clone(), DAY),
        ("saved after the switch", vec![(key, record)], cookie, SWITCH + DAY + 1),
    ] {
        let (reader, _) = reader(rows);
        let site = Site::of(Place::Mirrored, reader);
        let answer = site.page(at, &format!("session={cookie}")).await;
        assert_eq!((answer.owner, answer.status.as_u16()), (None, 200), "{case}");
    }
}

#[tokio::test]
async fn a_sign_out_beside_a_sharing_app_ends_what_the_store_of_another_has() {
    for place in WITH_STORE {
        let (value, key, record) = known("json, permanent");
        let rows = HashMap::from([(key, record)]);
        let cookie = SessionCookie::builder().name("sid").secure(false);
        let other = flask().cookie(cookie).unwrap().server_side(move |key| {
            let bytes = rows.get(&key).cloned();
            let record = bytes.map(|bytes| FlaskRecord { bytes, lives: Duration::from_secs(30 * DAY) });
            async move { Ok(record) }
        });
        let other = other.signer(FlaskKey::from_text("dev").unwrap());
        let sharing = flask().side_by_side(["cart"]);
        let store = FaultyStore::new(MemoryStore::new());
        let site = Site::with(place, store, vec![Box::new(sharing), Box::new(other)]);
        let answer = site.answer(DAY, Method::POST, "", async |request| {
            request.sign_in("8", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let pairs = answer.await.sets.into_iter().map(|line| line.split(';').next().unwrap().to_owned());
        let both = pairs.collect::<Vec<_>>().join("; ");
        let old = format!("sid={value}");
        assert_eq!(site.page(DAY + 10, &both).await.owner.as_deref(), Some("8"), "{place:?}");
        let out = site.sign_out(DAY + 20, &format!("{both}; {old}")).await;
        assert!(out.forgets("session") && out.forgets("sid"), "{place:?}: {:?}", out.sets);
        assert_eq!(site.page(DAY + 90, &old).await.owner, None, "{place:?}: signed out");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_while_the_old_store_is_slow_does_not_stop_a_sign_out() {
    for place in WITH_STORE {
        let (value, key, record) = known("json, permanent");
        let (slow, held) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
        let (is_slow, pass) = (slow.clone(), held.clone());
        let reader = flask().server_side(move |asked| {
            assert_eq!(asked, key);
            let record = FlaskRecord { bytes: record.clone(), lives: Duration::from_secs(30 * DAY) };
            let (is_slow, pass) = (is_slow.load(Ordering::Relaxed), pass.clone());
            async move {
                if is_slow {
                    let _permit = pass.acquire().await?;
                }
                Ok(Some(record))
            }
        });
        let site = Site::of(place, reader.signer(FlaskKey::from_text("dev").unwrap()));
        let ours = site.answer(DAY, Method::POST, "", async |request| {
            request.sign_in("8", None).await?;
            Ok(StatusCode::SEE_OTHER)
        });
        let (ours, old) = (ours.await.ours().unwrap(), format!("session={value}"));
        let both = format!("{ours}; {old}");
        slow.store(true, Ordering::Relaxed);
        tokio::select! {
            biased;
            _ = site.sign_out(DAY + 20, &both) => panic!("the old store is slow"),
            () = settle() => {}
        }
        held.add_permits(1);
        settle().await;
        slow.store(false, Ordering::Relaxed);
        assert_eq!(site.page(DAY + 90, &ours).await.owner, None, "{place:?}: here");
        assert_eq!(site.page(DAY + 90, &old).await.owner, None, "{place:?}: in the old app");
    }
}
