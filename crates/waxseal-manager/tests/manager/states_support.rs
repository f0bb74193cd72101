//! What tests of the states on the server share.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Error, Mirrored, Outcome, SessionManager, State, Stored, Visit, WhenAway};
use waxseal_store::testing::FaultyStore;
use waxseal_store::{MemoryStore, SessionStore};

/// The two states on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Store,
    Mirrored,
}

pub(crate) const BOTH: [Place; 2] = [Place::Store, Place::Mirrored];

pub(crate) type Store = FaultyStore<MemoryStore>;

/// A moment so many seconds after the tests' beginning.
pub(crate) fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_790_000_000 + seconds)
}

pub(crate) fn key(byte: u8) -> SecretKey {
    SecretKey::from_bytes([byte; 32])
}

pub(crate) fn new_store() -> Store {
    FaultyStore::new(MemoryStore::new())
}

/// A process's sessions over `store`.
pub(crate) fn sessions(place: Place, store: impl SessionStore) -> SessionManager {
    sessions_with(place, store, &Keyring::new(key(1)))
}

pub(crate) fn sessions_with(place: Place, store: impl SessionStore, keyring: &Keyring) -> SessionManager {
    manager(place_state(place, store, false, WhenAway::Refuse), keyring)
}

/// The same with an option of both states.
pub(crate) fn strict_sessions(place: Place, store: impl SessionStore, strict: bool) -> SessionManager {
    manager(place_state(place, store, strict, WhenAway::Refuse), &Keyring::new(key(1)))
}

/// The same with an option that state `mirrored` has no use for.
pub(crate) fn sessions_when_away(
    place: Place,
    store: impl SessionStore,
    when_away: WhenAway,
) -> SessionManager {
    manager(place_state(place, store, false, when_away), &Keyring::new(key(1)))
}

pub(crate) fn manager(state: impl Into<State>, keyring: &Keyring) -> SessionManager {
    SessionManager::new(keyring, "session", "tests", state).unwrap()
}

pub(crate) fn place_state(
    place: Place,
    store: impl SessionStore,
    strict: bool,
    when_away: WhenAway,
) -> State {
    match place {
        Place::Store => Stored::new(store).strict(strict).when_away(when_away).into(),
        Place::Mirrored => Mirrored::new(store).strict(strict).into(),
    }
}

pub(crate) async fn open(
    sessions: &SessionManager,
    token: &str,
    access: Access,
    now: SystemTime,
) -> Result<Visit, Error> {
    sessions.open(token.as_bytes(), access, now).unwrap().load(now).await
}

pub(crate) async fn read(sessions: &SessionManager, token: &str, now: SystemTime) -> Visit {
    open(sessions, token, Access::Read, now).await.unwrap()
}

pub(crate) async fn change(sessions: &SessionManager, token: &str, now: SystemTime) -> Visit {
    open(sessions, token, Access::Change, now).await.unwrap()
}

/// The token that the browser has after the answer.
pub(crate) async fn commit(
    sessions: &SessionManager,
    session: &Visit,
    before: &str,
    now: SystemTime,
) -> Result<String, Error> {
    Ok(match sessions.commit(session, now).await? {
        Outcome::Set { token, .. } => token,
        Outcome::Keep => before.to_owned(),
        _ => String::new(),
    })
}

/// The token of a new visitor whose session `fill` filled.
pub(crate) async fn visitor(sessions: &SessionManager, now: SystemTime, fill: impl FnOnce(&Visit)) -> String {
    let session = sessions.create();
    fill(&session);
    commit(sessions, &session, "", now).await.unwrap()
}

/// The token of an owner who signed in so many seconds after the tests' beginning.
pub(crate) async fn signed_in(sessions: &SessionManager, owner: &str, seconds: u64) -> String {
    visitor(sessions, at(seconds), |session| session.sign_in(owner, at(seconds)).unwrap()).await
}

/// Runs both at the same time, on threads of the runtime.
pub(crate) async fn race<A: Send + 'static, B: Send + 'static>(
    one: impl Future<Output = A> + Send + 'static,
    other: impl Future<Output = B> + Send + 'static,
) -> (A, B) {
    let (one, other) = (tokio::spawn(one), tokio::spawn(other));
    (one.await.unwrap(), other.await.unwrap())
}

/// What is done at once, since a store in memory does not wait.
pub(crate) fn at_once<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("memory does not wait"),
    }
}
