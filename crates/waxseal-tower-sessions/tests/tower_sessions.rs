//! A store of ours under tower-sessions, and its sessions taken over.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use serde_json::json;
use time::OffsetDateTime;
use tower_sessions_core::SessionStore as _;
use tower_sessions_core::session::{Id, Record};
use tower_sessions_core::session_store::{Error as TowerError, ExpiredDeletion, Result as TowerResult};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{Clock, ForeignSessions, LoadedForeign, SessionCookie, SessionLayer, status_of};
use waxseal_manager::{Adoption, SessionManager};
use waxseal_store::testing::FaultyStore;
use waxseal_store::{MemoryStore, SessionStore};
use waxseal_tower_sessions::{SealedStore, TowerSessions};

const DAY: u64 = 86_400;

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

fn keyring(byte: u8) -> Keyring {
    Keyring::new(SecretKey::from_bytes([byte; 32]))
}

fn record(expires: u64) -> Record {
    let data = HashMap::from([
        ("user".to_owned(), json!({ "id": 7 })),
        ("cart".to_owned(), json!([1, "two", null, 0.5])),
    ]);
    Record { id: Id::default(), data, expiry_date: OffsetDateTime::from(at(expires)) }
}

/// A store of tower-sessions over `store`, and the hands of its clock.
fn sealed<S: SessionStore>(store: S, key: u8) -> (SealedStore<S>, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(0));
    let hand = seconds.clone();
    let store = SealedStore::new(store, &keyring(key), "demo").unwrap();
    (store.with_clock(Clock::from_fn(move || at(hand.load(Ordering::Relaxed)))), seconds)
}

#[tokio::test]
async fn a_record_is_made_saved_loaded_and_deleted() {
    let (store, _) = sealed(MemoryStore::new(), 1);
    let mut record = record(100);
    store.create(&mut record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap().as_ref(), Some(&record));
    record.data.insert("more".to_owned(), json!(true));
    record.expiry_date = OffsetDateTime::from(at(200));
    store.save(&record).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap().as_ref(), Some(&record));
    assert_eq!(store.load(&Id::default()).await.unwrap(), None);
    store.delete(&record.id).await.unwrap();
    assert_eq!(store.load(&record.id).await.unwrap(), None);
    store.delete(&record.id).await.unwrap();
}

#[tokio::test]
async fn what_has_ended_is_not_made_again_and_an_id_that_is_taken_is_drawn_anew() {
    let (store, seconds) = sealed(MemoryStore::new(), 1);
    let (mut deleted, mut expired) = (record(100), record(100));
    store.create(&mut deleted).await.unwrap();
    store.create(&mut expired).await.unwrap();
    store.delete(&deleted.id).await.unwrap();
    assert!(store.save(&deleted).await.is_err());
    assert_eq!(store.load(&deleted.id).await.unwrap(), None);
    let mut other = record(100);
    other.id = expired.id;
    store.create(&mut other).await.unwrap();
    assert_ne!(other.id, expired.id);
    seconds.store(100, Ordering::Relaxed);
    assert_eq!(store.load(&expired.id).await.unwrap(), None);
    assert!(store.save(&expired).await.is_err());
}

#[tokio::test]
async fn whoever_has_the_table_can_read_nothing_and_another_key_or_app_cannot_either() {
    let memory = MemoryStore::new();
    let (store, _) = sealed(memory.clone(), 1);
    let mut made = record(100);
    store.create(&mut made).await.unwrap();
    let (other, _) = sealed(memory.clone(), 2);
    assert_eq!(other.load(&made.id).await.unwrap(), None);
    let app = SealedStore::new(memory, &keyring(1), "other").unwrap().with_clock(Clock::from_fn(|| at(0)));
    assert_eq!(app.load(&made.id).await.unwrap(), None);
}

#[tokio::test]
async fn a_visitor_whose_record_does_not_open_is_a_new_visitor_and_can_begin_a_session() {
    let memory = MemoryStore::new();
    let (store, seconds) = sealed(memory.clone(), 1);
    let mut of_an_old_key = record(DAY);
    store.create(&mut of_an_old_key).await.unwrap();
    seconds.store(3_600, Ordering::Relaxed);
    let mut sealed_ahead = record(DAY);
    store.create(&mut sealed_ahead).await.unwrap();
    seconds.store(0, Ordering::Relaxed);
    let store_of = [(sealed(memory, 2).0, of_an_old_key.id), (store, sealed_ahead.id)];
    for (store, id) in store_of {
        let visit = tower_sessions::Session::new(Some(id), Arc::new(store), None);
        assert_eq!(visit.get_value("user").await.unwrap(), None);
        assert!(visit.is_empty().await, "the layer removes the cookie of an empty session");
        visit.insert("user", 8).await.unwrap();
        visit.save().await.unwrap();
        assert_ne!(visit.id(), Some(id));
    }
}

#[tokio::test]
async fn what_has_expired_is_deleted_and_nothing_else() {
    let memory = MemoryStore::new();
    let (store, seconds) = sealed(memory.clone(), 1);
    let mut living = record(DAY);
    store.create(&mut living).await.unwrap();
    for _ in 0..1_200 {
        store.create(&mut record(100)).await.unwrap();
    }
    let records = async || memory.usage().await.unwrap().records;
    assert_eq!(records().await, Some(1_201));
    seconds.store(101, Ordering::Relaxed);
    store.clone().delete_expired().await.unwrap();
    assert_eq!(records().await, Some(1));
    assert_eq!(store.load(&living.id).await.unwrap().as_ref(), Some(&living));
}

#[tokio::test]
async fn a_store_that_is_away_is_an_error() {
    let faulty = FaultyStore::new(MemoryStore::new());
    let (store, _) = sealed(faulty.clone(), 1);
    let mut record = record(100);
    faulty.set_away(true);
    assert!(store.create(&mut record).await.is_err());
    assert!(store.load(&record.id).await.is_err());
    assert!(store.save(&record).await.is_err());
    assert!(store.delete(&record.id).await.is_err());
    assert!(store.delete_expired().await.is_err());
}

/// The layer of an app that takes over the sessions in `store`.
fn layer_over(store: impl tower_sessions_core::SessionStore) -> SessionLayer {
    let old = TowerSessions::new(store).owner(|data| Some(data.get("user")?.get("id")?.to_string()));
    let cookie = SessionCookie::builder().build().unwrap();
    let sessions = SessionManager::store(&keyring(3), cookie.name(), "demo", MemoryStore::new()).unwrap();
    let sessions = sessions.adopting(Adoption::new(at(DAY), at(10 * DAY))).unwrap();
    let layer = SessionLayer::new(sessions, cookie).without_maintenance();
    layer.migrate_from(vec![Box::new(old)]).unwrap()
}

/// An app that is moved: the old store, and the layer that takes over from it.
struct Site {
    old: Arc<FaultyStore<MemoryStore>>,
    layer: SessionLayer,
}

impl Site {
    async fn new() -> (Self, Record) {
        let memory = FaultyStore::new(MemoryStore::new());
        let (store, _) = sealed(memory.clone(), 1);
        let mut made = record(14 * DAY);
        store.create(&mut made).await.unwrap();
        (Self { old: Arc::new(memory), layer: layer_over(store) }, made)
    }

    /// The owner that a page shows, its status, and its cookies.
    async fn page(
        &self,
        now: u64,
        cookies: &str,
        signs_out: bool,
    ) -> (Option<String>, StatusCode, Vec<String>) {
        let layer = self.layer.clone().with_clock(Clock::from_fn(move || at(now)));
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookies).unwrap())]);
        let request = layer.session_of(&Method::GET, &Uri::from_static("/"), &headers);
        let (mut owner, mut status) = (None, StatusCode::OK);
        match request.load().await {
            Ok(session) => owner = session.owner(),
            Err(error) => status = status_of(&error),
        }
        if signs_out {
            request.destroy().await.unwrap();
        }
        let mut response = Response::builder().status(status).body(()).unwrap();
        layer.finish(&request, &mut response).await.unwrap();
        let sets = response.headers().get_all(SET_COOKIE).iter();
        (owner, status, sets.map(|line| line.to_str().unwrap().to_owned()).collect())
    }
}

fn ours(sets: &[String]) -> String {
    let ours = sets.iter().find(|line| line.starts_with("__Host-session=")).expect("a cookie of ours");
    ours.split(';').next().unwrap().to_owned()
}

#[tokio::test]
async fn a_session_of_tower_sessions_is_taken_over_once() {
    let (site, record) = Site::new().await;
    let old = format!("id={}", record.id);
    let (owner, _, sets) = site.page(DAY, &old, false).await;
    assert_eq!(owner.as_deref(), Some("7"));
    assert!(sets.iter().any(|line| line.starts_with("id=; ") && line.contains("Max-Age=0")), "{sets:?}");
    let ours = ours(&sets);
    assert_eq!(site.page(DAY + 1, &ours, false).await.0.as_deref(), Some("7"));
    assert_eq!(site.page(DAY + 60, &old, false).await.0, None, "a replay");
    let (_, _, sets) = site.page(DAY + 61, &format!("{ours}; {old}"), true).await;
    assert!(sets.iter().any(|line| line.starts_with("id=; ")), "{sets:?}");
    assert_eq!(site.page(DAY + 62, &old, false).await.0, None, "signed out");
}

#[tokio::test]
async fn axum_logins_user_is_the_owner_and_who_is_not_signed_in_has_none() {
    for (user_id, owner) in [
        (json!(7), Some("7")),
        (json!("merlin"), Some("merlin")),
        (json!("67e55044-10b1-426f-9247-bb680e5fe0c8"), Some("67e55044-10b1-426f-9247-bb680e5fe0c8")),
        (json!(null), None),
        (json!({ "tenant": 1, "user": 7 }), None),
    ] {
        let (store, _) = sealed(MemoryStore::new(), 1);
        let data = json!({ "user_id": user_id, "auth_hash": [1, 2] });
        let mut made = Record { data: HashMap::from([("axum-login.data".to_owned(), data)]), ..record(DAY) };
        store.create(&mut made).await.unwrap();
        let old = TowerSessions::new(store).axum_login();
        let cookie = made.id.to_string();
        let LoadedForeign::Found(found) = old.load(cookie.as_bytes(), at(0)).await else {
            panic!("{user_id}: it is there");
        };
        assert_eq!(found.session().owner().as_deref(), owner, "{user_id}");
    }
}

#[tokio::test]
async fn a_session_with_a_longer_expiry_than_the_apps_says_what_to_set() {
    // (case, seconds left of the session, days of inactivity, whether it is read)
    for (case, left, inactivity, is_read) in [
        ("just saved", 14 * DAY, 14, true),
        ("saved by a clock a minute ahead", 14 * DAY + 60, 14, true),
        ("with an expiry of its own", 14 * DAY + 61, 14, false),
        ("remembered for a month", 30 * DAY, 14, false),
        ("remembered, and the longest expiry is set", 30 * DAY, 30, true),
    ] {
        let (store, _) = sealed(MemoryStore::new(), 1);
        let mut made = record(left);
        store.create(&mut made).await.unwrap();
        let old = TowerSessions::new(store).inactivity(Duration::from_secs(inactivity * DAY));
        match old.load(made.id.to_string().as_bytes(), at(0)).await {
            LoadedForeign::Found(_) => assert!(is_read, "{case}"),
            LoadedForeign::Refused(why) => {
                assert!(!is_read && why.to_string().contains("`TowerSessions::inactivity`"), "{case}: {why}");
            }
            _ => panic!("{case}: the store is there"),
        }
    }
}

#[tokio::test]
async fn while_the_old_store_is_away_nothing_is_lost() {
    let (site, record) = Site::new().await;
    let old = format!("id={}", record.id);
    site.old.set_away(true);
    let (owner, status, sets) = site.page(DAY, &old, false).await;
    assert_eq!((owner, status.as_u16(), sets.len()), (None, 503, 0));
    site.old.set_away(false);
    let (owner, _, sets) = site.page(DAY, &old, false).await;
    assert_eq!(owner.as_deref(), Some("7"));
    // Who has a session of ours needs no other store.
    site.old.set_away(true);
    let (owner, status, _) = site.page(DAY + 5, &format!("{old}; {}", ours(&sets)), false).await;
    assert_eq!((owner.as_deref(), status.as_u16()), (Some("7"), 200));
}

#[tokio::test]
async fn a_sign_out_that_can_end_nothing_fails_and_can_be_tried_again() {
    let (site, record) = Site::new().await;
    let old = format!("id={}", record.id);
    site.old.set_away(true);
    let sign_out = async |now: u64| {
        let layer = site.layer.clone().with_clock(Clock::from_fn(move || at(now)));
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&old).unwrap())]);
        let request = layer.session_of(&Method::POST, &Uri::from_static("/"), &headers);
        let status = request.destroy().await.map_or_else(|error| status_of(&error), |()| StatusCode::OK);
        let mut response = Response::builder().status(status).body(()).unwrap();
        layer.finish(&request, &mut response).await.unwrap();
        (status.as_u16(), response.headers().get_all(SET_COOKIE).iter().count())
    };
    assert_eq!(sign_out(DAY).await, (503, 0), "the browser keeps its cookie");
    site.old.set_away(false);
    let (status, sets) = sign_out(DAY + 1).await;
    assert!(status == 200 && sets > 0);
    assert_eq!(site.page(DAY + 2, &old, false).await.0, None, "signed out");
}

#[tokio::test]
async fn who_has_a_session_of_ours_and_changes_it_asks_no_old_store_and_keeps_the_old_cookie() {
    let (site, record) = Site::new().await;
    let change = async |now: u64, cookies: String| {
        let layer = site.layer.clone().with_clock(Clock::from_fn(move || at(now)));
        let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&cookies).unwrap())]);
        let request = layer.session_of(&Method::POST, &Uri::from_static("/"), &headers);
        request.load().await.unwrap().insert("at", now).unwrap();
        let mut response = Response::new(());
        layer.finish(&request, &mut response).await.unwrap();
        let sets = response.headers().get_all(SET_COOKIE).iter();
        sets.map(|line| line.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let ours = ours(&change(DAY, "theme=dark".to_owned()).await);
    site.old.forget();
    let sets = change(DAY + 1, format!("id={}; {ours}", record.id)).await;
    assert_eq!(site.old.asked(), []);
    assert!(!sets.iter().any(|line| line.starts_with("id=")), "{sets:?}");
}

#[tokio::test]
async fn what_is_no_session_of_tower_sessions_is_a_new_visitor() {
    let (site, _) = Site::new().await;
    for cookie in ["id=", "id=x", &format!("id={}", Id::default()), "id=AAAAAAAAAAAAAAAAAAAAAAA"] {
        let (owner, status, sets) = site.page(DAY, cookie, false).await;
        assert_eq!((owner, status.as_u16(), sets.len()), (None, 200, 0), "{cookie}");
    }
}

/// A store of another's, whose one record cannot be decoded.
#[derive(Debug, Clone)]
struct Undecodable;

#[async_trait::async_trait]
impl tower_sessions_core::SessionStore for Undecodable {
    async fn save(&self, _: &Record) -> TowerResult<()> {
        Err(TowerError::Encode("not asked for".to_owned()))
    }

    async fn load(&self, _: &Id) -> TowerResult<Option<Record>> {
        Err(TowerError::Decode("invalid type: map, expected a string".to_owned()))
    }

    async fn delete(&self, _: &Id) -> TowerResult<()> {
        Err(TowerError::Encode("not asked for".to_owned()))
    }
}

#[tokio::test]
async fn a_record_that_cannot_be_decoded_is_no_outage_of_the_old_store() {
    let site = Site { layer: layer_over(Undecodable), ..Site::new().await.0 };
    let (owner, status, _) = site.page(DAY, &format!("id={}", Id::default()), false).await;
    assert_eq!((owner, status.as_u16()), (None, 200));
}
