//! Sessions of the state in which they were kept before.

use std::time::Duration;

use crate::states_support::{Store, at, commit, key, manager, new_store, open, read};
use waxseal_crypto::Keyring;
use waxseal_manager::{
    Access, Adoption, Error, FormerState, Lifetimes, Mirrored, Outcome, Revocable, SessionManager, State,
    Stored, WhenAway,
};
use waxseal_store::testing::{Operation, Turn};

const HOUR: u64 = 3_600;
const SWITCH: u64 = HOUR / 3;
const UNTIL: u64 = 10 * HOUR;

fn of(state: impl Into<State>) -> SessionManager {
    manager(state, &Keyring::new(key(1)))
}

fn terms(from: FormerState) -> Adoption {
    Adoption::new(at(SWITCH), at(UNTIL)).from_state(from)
}

fn store_state(store: &Store) -> State {
    Stored::new(store.clone()).into()
}

fn mirrored_state(store: &Store) -> State {
    Mirrored::new(store.clone()).into()
}

type Make = fn(&Store) -> State;

/// The states that a session may be moved to.
const NEW: [Make; 2] = [store_state, mirrored_state];

async fn signed_in(sessions: &SessionManager, now: u64) -> String {
    let visit = sessions.create();
    visit.sign_in("user-7", at(now)).unwrap();
    visit.insert("cart", 1).unwrap();
    commit(sessions, &visit, "", at(now)).await.unwrap()
}

async fn owner(sessions: &SessionManager, token: &str, now: u64) -> Option<String> {
    match sessions.open(token.as_bytes(), Access::Change, at(now)) {
        Ok(opened) => opened.load(at(now)).await.unwrap().owner(),
        Err(_) => None,
    }
}

#[tokio::test]
async fn from_cookie_to_a_record_once_with_all_that_is_in_it() {
    for state in NEW {
        let store = new_store();
        let token = signed_in(&of(State::Cookie), 0).await;
        let sessions = of(state(&store)).adopting(terms(FormerState::Cookie)).unwrap();
        let visit = read(&sessions, &token, at(SWITCH)).await;
        assert_eq!(visit.get::<u8>("cart").unwrap(), Some(1));
        assert_eq!(visit.owner().as_deref(), Some("user-7"));
        assert_eq!(visit.signed_in_at(), Some(at(0)), "it is our own sign-in");
        let new = commit(&sessions, &visit, &token, at(SWITCH)).await.unwrap();
        assert_ne!(new, token);
        assert_eq!(owner(&sessions, &new, SWITCH + 1).await.as_deref(), Some("user-7"));
        assert_eq!(
            owner(&sessions, &token, SWITCH + 59).await.as_deref(),
            Some("user-7"),
            "a parallel request"
        );
        assert_eq!(owner(&sessions, &token, SWITCH + 60).await, None, "a replay");
        assert_eq!(sessions.list("user-7", None, 10, at(SWITCH)).await.unwrap().items.len(), 1);
        // Signed out, by the new one: no older copy of the cookie signs in.
        let visit = open(&sessions, &new, Access::Change, at(SWITCH + 70)).await.unwrap();
        visit.destroy().unwrap();
        assert_eq!(sessions.commit(&visit, at(SWITCH + 70)).await.unwrap(), Outcome::Remove);
        let other_browser = signed_in(&of(State::Cookie), 10).await;
        assert_eq!(owner(&sessions, &other_browser, SWITCH + 71).await, None);
    }
}

#[tokio::test]
async fn only_from_before_the_switch_and_until_the_end_and_within_its_lifetimes() {
    for state in NEW {
        let sessions = of(state(&new_store())).adopting(terms(FormerState::Cookie)).unwrap();
        let old = of(State::Cookie);
        let early = signed_in(&old, 0).await;
        let late = signed_in(&old, SWITCH).await;
        assert_eq!(owner(&sessions, &late, SWITCH + 1).await, None, "began at the switch");
        assert_eq!(owner(&sessions, &early, 31 * 60).await, None, "idle for longer than half an hour");
        let long = Lifetimes::new().idle(Duration::from_secs(11 * HOUR)).unwrap();
        let sessions = of(state(&new_store())).lifetimes(long).adopting(terms(FormerState::Cookie)).unwrap();
        let early = signed_in(&of(State::Cookie).lifetimes(long), 0).await;
        assert_eq!(owner(&sessions, &early, UNTIL).await, None, "after the end");
        assert_eq!(owner(&sessions, &early, UNTIL - 1).await.as_deref(), Some("user-7"));
    }
}

#[tokio::test]
async fn what_a_list_of_cookies_says_has_ended_stays_ended() {
    for state in NEW {
        let store = new_store();
        let old = of(Revocable::new(store.clone()));
        let [signed_out, kept] = [signed_in(&old, 0).await, signed_in(&old, 0).await];
        let visit = open(&old, &signed_out, Access::Change, at(10)).await.unwrap();
        visit.destroy().unwrap();
        old.commit(&visit, at(10)).await.unwrap();
        let sessions = of(state(&store)).adopting(terms(FormerState::Cookie)).unwrap();
        assert_eq!(owner(&sessions, &signed_out, 20).await, None);
        assert_eq!(owner(&sessions, &kept, 20).await.as_deref(), Some("user-7"));

        let store = new_store();
        let old = of(Revocable::new(store.clone()));
        let ended = signed_in(&old, 0).await;
        old.end_all("user-7", at(10)).await.unwrap();
        let sessions = of(state(&store)).adopting(terms(FormerState::Cookie)).unwrap();
        assert_eq!(owner(&sessions, &ended, 20).await, None);
    }
}

#[tokio::test]
async fn between_store_and_mirrored_the_session_is_the_same_in_both_directions() {
    let states: [(FormerState, Make, Make); 2] = [
        (FormerState::Store, store_state, mirrored_state),
        (FormerState::Mirrored, mirrored_state, store_state),
    ];
    for (former, before, after) in states {
        let store = new_store();
        let old = of(before(&store));
        let token = signed_in(&old, 0).await;
        let sessions = of(after(&store)).adopting(terms(former)).unwrap();
        for access in [Access::Read, Access::Change] {
            let visit = open(&sessions, &token, access, at(5)).await.unwrap();
            assert_eq!(visit.get::<u8>("cart").unwrap(), Some(1), "{former:?}");
            assert!(!visit.is_adopted(), "{former:?}");
            let new = commit(&sessions, &visit, &token, at(5)).await.unwrap();
            assert_ne!(new, token, "{former:?}");
            assert_eq!(owner(&sessions, &new, 6).await.as_deref(), Some("user-7"), "{former:?}");
        }
        assert_eq!(sessions.list("user-7", None, 10, at(6)).await.unwrap().items.len(), 1, "{former:?}");
        // Written there, seen here: an old copy in the browser counts for nothing.
        let visit = open(&old, &token, Access::Change, at(7)).await.unwrap();
        visit.insert("cart", 2).unwrap();
        commit(&old, &visit, &token, at(7)).await.unwrap();
        assert_eq!(read(&sessions, &token, at(8)).await.get::<u8>("cart").unwrap(), Some(2), "{former:?}");
        let visit = open(&sessions, &token, Access::Change, at(9)).await.unwrap();
        visit.destroy().unwrap();
        sessions.commit(&visit, at(9)).await.unwrap();
        assert_eq!(owner(&sessions, &token, 10).await, None, "{former:?}");
        let token = signed_in(&old, 0).await;
        assert_eq!(owner(&sessions, &token, UNTIL).await, None, "{former:?}: after the end");
    }
}

#[tokio::test]
async fn a_former_state_that_is_not_named_is_refused_as_before() {
    let token = signed_in(&of(State::Cookie), 0).await;
    for state in NEW {
        let sessions = of(state(&new_store())).adopting(terms(FormerState::Store)).unwrap();
        let refused = sessions.open(token.as_bytes(), Access::Read, at(1)).unwrap_err();
        assert!(refused.reason().to_string().contains("sealed in state `cookie`"), "{refused}");
    }
}

#[test]
fn there_is_no_way_to_state_cookie() {
    for former in [FormerState::Cookie, FormerState::Store, FormerState::Mirrored] {
        let cookie = of(State::Cookie).adopting(terms(former).replayable());
        assert!(matches!(cookie, Err(Error::FormerState)), "{former:?}");
        let listed = of(Revocable::new(new_store())).adopting(terms(former));
        assert!(matches!(listed, Err(Error::FormerState)), "{former:?}");
    }
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_lost() {
    for state in NEW {
        let store = new_store();
        let token = signed_in(&of(State::Cookie), 0).await;
        let sessions = of(state(&store)).adopting(terms(FormerState::Cookie)).unwrap();
        store.set_away(true);
        let away = open(&sessions, &token, Access::Read, at(1)).await;
        assert!(matches!(away, Err(Error::Unavailable(_))), "{away:?}");
        store.set_away(false);
        assert_eq!(owner(&sessions, &token, 2).await.as_deref(), Some("user-7"));
    }
}

#[tokio::test]
async fn of_a_former_session_that_nobody_knows_in_an_outage_and_one_of_ours_an_anonymous_page_is_shown() {
    let store = new_store();
    let former = signed_in(&of(State::Cookie), 0).await;
    let state = Stored::new(store.clone()).when_away(WhenAway::Anonymous);
    let sessions = of(state).adopting(terms(FormerState::Cookie)).unwrap();
    let visit = sessions.create();
    visit.sign_in("user-8", at(1)).unwrap();
    let ours = commit(&sessions, &visit, "", at(1)).await.unwrap();
    for (order, tokens) in [("former", [&former, &ours]), ("ours", [&ours, &former])] {
        let raw: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
        // The store answers for our own session alone, and not for the former one's claim.
        store.decide_with(|operation| match operation {
            Operation::Load => Turn::Work,
            _ => Turn::Fail,
        });
        let opened = sessions.snapshot().open_among(&raw, false, Access::Read, at(SWITCH), drop);
        let visit = opened.load(at(SWITCH)).await.unwrap();
        // The former may be the visitor's, so neither is shown, and the browser keeps both.
        assert_eq!((visit.owner(), visit.is_confirmed()), (None, false), "{order} first");
        assert_eq!(sessions.commit(&visit, at(SWITCH)).await.unwrap(), Outcome::Keep, "{order} first");
        store.decide_with(|_| Turn::Work);
    }
    let raw = [former.as_bytes(), ours.as_bytes()];
    let opened = sessions.snapshot().open_among(&raw, false, Access::Read, at(SWITCH + 90), drop);
    assert_eq!(opened.load(at(SWITCH + 90)).await.unwrap().owner().as_deref(), Some("user-8"));
}
