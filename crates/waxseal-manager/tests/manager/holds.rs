//! What a list has to hold to in any store.

use std::time::{Duration, SystemTime};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::Visit;
use waxseal_manager::{Access, Error, Outcome, Revocable, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_store::SessionStore;

/// Two processes, and the time at which they began.
struct Site {
    processes: [SessionManager; 2],
    begun: SystemTime,
}

/// Ends, renewals and sign-ins of two processes over one store.
pub(crate) async fn holds(stores: [impl SessionStore; 2]) {
    let sessions = |store| {
        let keyring = Keyring::new(SecretKey::from_bytes([1; 32]));
        SessionManager::new(&keyring, "session", "demo", Revocable::new(store)).unwrap()
    };
    // By the time of day: a server forgets what is over by its own clock.
    let site = Site { processes: stores.map(sessions), begun: SystemTime::now() };
    let [here, there] = &site.processes;

    let one = site.sign_in(here, "albus", 40).await;
    let [two, three] = [site.sign_in(there, "albus", 0).await, site.sign_in(here, "albus", 0).await];
    let other = site.sign_in(here, "minerva", 0).await;
    site.expect("signed in", &[&one, &two, &three, &other], &[]).await;

    // A sign-out, against a renewal that is under way.
    let under_way = site.open(there, &two).await;
    let ending = site.open(here, &two).await;
    ending.destroy().unwrap();
    assert_eq!(here.commit(&ending, site.at(1)).await.unwrap(), Outcome::Remove);
    under_way.renew().unwrap();
    let escaped = there.commit(&under_way, site.at(1)).await;
    assert!(matches!(escaped, Err(Error::Session(SessionError::Gone))), "{escaped:?}");
    site.expect("signed out", &[&one, &three, &other], &[&two]).await;

    // Two renewals of one cookie.
    let (first, second) = (site.open(here, &three).await, site.open(there, &three).await);
    first.renew().unwrap();
    second.renew().unwrap();
    let renewed = site.commit(here, &first).await;
    let late = there.commit(&second, site.at(1)).await;
    assert!(
        matches!(late, Err(Error::Session(SessionError::Renewed) | Error::Session(SessionError::Gone))),
        "{late:?}"
    );
    site.expect("renewed", &[&one, &renewed, &other], &[&three]).await;

    let session = site.open(there, &renewed).await;
    there.end_others(&session).unwrap();
    let mine = site.commit(there, &session).await;
    site.expect("ended the others", &[&mine, &other], &[&one, &renewed]).await;

    here.end_all("albus", site.at(5)).await.unwrap();
    let new = site.sign_in(there, "albus", 0).await;
    site.expect("ended all", &[&new, &other], &[&mine, &one]).await;
    there.end_all("nobody yet", site.at(5)).await.unwrap();
    site.expect("ended nobody's", &[&new, &other], &[]).await;

    here.maintain(|| site.at(100)).await.unwrap();
    site.expect("purged", &[&new, &other], &[&mine, &one, &two, &three, &renewed]).await;
}

impl Site {
    fn at(&self, seconds: u64) -> SystemTime {
        self.begun + Duration::from_secs(seconds)
    }

    async fn sign_in(&self, sessions: &SessionManager, owner: &str, ahead: u64) -> String {
        let session = sessions.create();
        session.sign_in(owner, self.at(ahead)).unwrap();
        self.token(sessions.commit(&session, self.at(ahead)).await)
    }

    async fn commit(&self, sessions: &SessionManager, session: &Visit) -> String {
        self.token(sessions.commit(session, self.at(1)).await)
    }

    fn token(&self, outcome: Result<Outcome, Error>) -> String {
        match outcome.unwrap() {
            Outcome::Set { token, .. } => token,
            other => panic!("expected a token, found {other:?}"),
        }
    }

    async fn open(&self, sessions: &SessionManager, token: &str) -> Visit {
        let opened = sessions.open(token.as_bytes(), Access::Change, self.at(1)).unwrap();
        opened.load(self.at(1)).await.unwrap()
    }

    async fn expect(&self, case: &str, good: &[&String], ended: &[&String]) {
        for (process, sessions) in self.processes.iter().enumerate() {
            for (at, token) in good.iter().enumerate() {
                let is_new = self.open(sessions, token).await.is_new();
                assert!(!is_new, "{case}: process {process}, number {at} is good");
            }
            for (at, token) in ended.iter().enumerate() {
                let is_new = self.open(sessions, token).await.is_new();
                assert!(is_new, "{case}: process {process}, number {at} has ended");
            }
        }
    }
}
