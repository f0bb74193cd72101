//! Several good tokens with one request: which session counts, and what a sign-out ends.

use waxseal_crypto::Keyring;
use waxseal_manager::{Access, Error, Opened, Outcome, Revocable, SessionManager, State, Visit};
use waxseal_session::Error as SessionError;
use waxseal_store::testing::{Operation, Turn};

use crate::states_support::{
    BOTH, Place, Store, at, change, commit, key, manager, new_store, open, read, sessions, signed_in, visitor,
};

/// A manager of each state, and the store behind it.
fn every_state() -> [(&'static str, SessionManager, Store); 4] {
    let ring = Keyring::new(key(1));
    let [listed, stored, mirrored] = [(); 3].map(|()| new_store());
    [
        ("cookie", manager(State::Cookie, &ring), new_store()),
        ("cookie with a list", manager(Revocable::new(listed.clone()), &ring), listed),
        ("store", sessions(Place::Store, stored.clone()), stored),
        ("mirrored", sessions(Place::Mirrored, mirrored.clone()), mirrored),
    ]
}

fn open_all<'a>(sessions: &'a SessionManager, tokens: &[&str], planted: bool, access: Access) -> Opened<'a> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
    sessions.snapshot().open_among(&tokens, planted, access, at(10), |_| panic!("all are good"))
}

async fn among(sessions: &SessionManager, tokens: &[&str], planted: bool, access: Access) -> Visit {
    open_all(sessions, tokens, planted, access).load(at(10)).await.unwrap()
}

async fn anonymous(sessions: &SessionManager) -> String {
    visitor(sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await
}

#[tokio::test]
async fn the_latest_sign_in_counts_and_a_sign_out_ends_them_all() {
    for (state, sessions, _) in every_state() {
        let tokens = [
            anonymous(&sessions).await,
            signed_in(&sessions, "morgana", 2).await,
            signed_in(&sessions, "merlin", 1).await,
        ];
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        for access in [Access::Read, Access::Change] {
            let visit = among(&sessions, &tokens, false, access).await;
            assert_eq!(visit.owner().as_deref(), Some("morgana"), "{state}, {access:?}");
            assert!(visit.forgets_others(false), "{state}, {access:?}");
        }
        let visit = among(&sessions, &tokens, false, Access::Change).await;
        visit.destroy().unwrap();
        assert_eq!(sessions.commit(&visit, at(10)).await.unwrap(), Outcome::Remove, "{state}");
        for token in tokens.iter().filter(|_| state != "cookie") {
            assert!(change(&sessions, token, at(11)).await.is_new(), "{state}");
        }
    }
}

#[tokio::test]
async fn under_a_name_that_can_be_planted_none_of_several_counts() {
    for clears in [false, true] {
        for (state, sessions, _) in every_state() {
            let tokens = [anonymous(&sessions).await, signed_in(&sessions, "morgana", 1).await];
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            let visit = among(&sessions, &tokens, true, Access::Change).await;
            assert!(visit.is_new() && visit.owner().is_none(), "{state}");
            // One of the two may be the visitor's, who may be signed in.
            if clears {
                visit.clear().unwrap()
            } else {
                visit.destroy().unwrap()
            }
            sessions.commit(&visit, at(10)).await.unwrap();
            for token in tokens.iter().filter(|_| state != "cookie") {
                assert!(change(&sessions, token, at(11)).await.is_new(), "{state}: a sign-out ends both");
            }
        }
    }
}

#[tokio::test]
async fn two_tokens_of_one_session_are_one_and_the_store_is_asked_once() {
    for place in BOTH {
        let store = new_store();
        let here = sessions(place, store.clone());
        let first = anonymous(&here).await;
        let visit = change(&here, &first, at(5)).await;
        visit.insert("name", "Morgana").unwrap();
        commit(&here, &visit, &first, at(5)).await.unwrap();
        let visit = change(&here, &first, at(5)).await;
        visit.set_permanent(true).unwrap();
        let second = commit(&here, &visit, &first, at(5)).await.unwrap();
        for tokens in [[&*first, &*second], [&*second, &*first]] {
            store.forget();
            let visit = among(&here, &tokens, true, Access::Change).await;
            assert_eq!(visit.get::<String>("name").unwrap().as_deref(), Some("Morgana"), "{place:?}");
            let loads = store.count(Operation::Load) + store.count(Operation::Revalidate);
            assert_eq!(loads, 1, "{place:?}: {:?}", store.asked());
        }
    }
}

#[tokio::test]
async fn while_the_store_is_away_several_are_read_as_one_is() {
    let store = new_store();
    let here = sessions(Place::Mirrored, store.clone());
    let tokens = [anonymous(&here).await, signed_in(&here, "morgana", 1).await];
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    among(&here, &tokens, false, Access::Change).await;
    store.set_away(true);
    let visit = among(&here, &tokens, false, Access::Read).await;
    assert_eq!(visit.owner().as_deref(), Some("morgana"), "by its copy");
    let acting = open_all(&here, &tokens, false, Access::Change).load(at(10)).await;
    assert!(matches!(acting, Err(Error::Unavailable(_))), "{acting:?}");

    let Opened::Pending(pending) = open_all(&here, &tokens, false, Access::Change) else {
        panic!("the store has to be asked")
    };
    let visit = pending.to_end();
    visit.destroy().unwrap();
    assert_eq!(here.commit(&visit, at(10)).await.unwrap(), Outcome::Remove);
    store.set_away(false);
    here.finish_ends(at(11)).await.unwrap();
    for token in tokens {
        assert!(change(&here, token, at(12)).await.is_new(), "both were signed out");
    }
}

/// One of the copies may be the visitor's, and when the store is back it says which.
#[tokio::test]
async fn where_copies_of_several_sessions_cannot_be_told_apart_in_an_outage_none_is_forgotten() {
    for (state, sessions, store) in every_state() {
        if !matches!(state, "cookie with a list" | "mirrored") {
            continue;
        }
        let tokens = [anonymous(&sessions).await, signed_in(&sessions, "morgana", 1).await];
        let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
        among(&sessions, &tokens, true, Access::Change).await;
        store.set_away(true);
        let visit = among(&sessions, &tokens, true, Access::Read).await;
        assert!(visit.is_new() && visit.owner().is_none() && !visit.is_confirmed(), "{state}");
        assert!(matches!(visit.insert("name", "Merlin"), Err(SessionError::Unconfirmed)), "{state}");
        assert!(!visit.forgets_others(true), "{state}");
        assert_eq!(sessions.commit(&visit, at(10)).await.unwrap(), Outcome::Keep, "{state}");

        let visit = among(&sessions, &tokens, true, Access::Read).await;
        visit.destroy().unwrap();
        assert_eq!(sessions.commit(&visit, at(10)).await.unwrap(), Outcome::Remove, "{state}");
        assert!(visit.forgets_others(true), "{state}: both are over");
        store.set_away(false);
        assert_eq!(sessions.finish_ends(at(11)).await.unwrap(), 0, "{state}");
        for token in tokens {
            assert!(change(&sessions, token, at(12)).await.is_new(), "{state}: both were signed out");
        }
    }
}

/// An old id, whose session continues under another, tells its visitor more than one that was signed out, and that more
/// than one that nobody knows.
#[tokio::test]
async fn of_ended_sessions_the_one_with_the_most_to_say_answers() {
    for place in BOTH {
        let store = new_store();
        let here = sessions(place, store.clone());
        let old = anonymous(&here).await;
        let visit = change(&here, &old, at(1)).await;
        visit.sign_in("merlin", at(1)).unwrap();
        commit(&here, &visit, &old, at(1)).await.unwrap();
        let signed_out = anonymous(&here).await;
        store.decide_with(|operation| if operation == Operation::Delete { Turn::Fail } else { Turn::Work });
        let visit = change(&here, &signed_out, at(2)).await;
        visit.destroy().unwrap();
        here.commit(&visit, at(2)).await.unwrap();
        let unknown = anonymous(&sessions(place, new_store())).await;

        let write = async |tokens: [&str; 2]| {
            let visit = among(&here, &tokens, false, Access::Change).await;
            assert!(visit.is_new(), "{place:?}");
            visit.insert("name", "Morgana")
        };
        for tokens in [[&*old, &*signed_out], [&*signed_out, &*old], [&*old, &*unknown], [&*unknown, &*old]] {
            assert!(matches!(write(tokens).await, Err(SessionError::Renewed)), "{place:?}");
        }
        for tokens in [[&*signed_out, &*unknown], [&*unknown, &*signed_out]] {
            assert!(matches!(write(tokens).await, Err(SessionError::Gone)), "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_message_for_after_a_sign_out_does_not_undo_it() {
    for place in BOTH {
        let store = new_store();
        let here = sessions(place, store.clone());
        let token = anonymous(&here).await;
        store.decide_with(|operation| if operation == Operation::Create { Turn::Fail } else { Turn::Work });
        let visit = change(&here, &token, at(1)).await;
        visit.destroy().unwrap();
        visit.flash("info", "See you.").unwrap();
        assert_eq!(here.commit(&visit, at(1)).await.unwrap(), Outcome::Remove, "{place:?}: it is lost");

        let token = {
            store.decide_with(|_| Turn::Work);
            anonymous(&here).await
        };
        store.decide_with(|operation| if operation == Operation::Create { Turn::Fail } else { Turn::Work });
        let visit = change(&here, &token, at(1)).await;
        visit.destroy().unwrap();
        visit.insert("name", "Morgana").unwrap();
        assert!(
            here.commit(&visit, at(1)).await.is_err(),
            "{place:?}: a session that was begun is no message"
        );
        assert!(read(&here, &token, at(2)).await.is_new(), "{place:?}");
        assert!(open(&here, &token, Access::Change, at(2)).await.unwrap().is_new(), "{place:?}");
    }
}

/// So that the browser is told of one place for it, whatever places it had.
#[tokio::test]
async fn a_page_that_only_reads_sends_the_token_of_several_that_counts() {
    for (state, sessions, _) in every_state() {
        let (one, other) = (anonymous(&sessions).await, signed_in(&sessions, "morgana", 1).await);
        for (tokens, is_sent) in [(&[&*one, &*other][..], true), (&[&*other], false)] {
            let visit = among(&sessions, tokens, false, Access::Change).await;
            assert_eq!(visit.owner().as_deref(), Some("morgana"), "{state}");
            let outcome = sessions.commit(&visit, at(10)).await.unwrap();
            assert_eq!(matches!(outcome, Outcome::Set { .. }), is_sent, "{state}, {}", tokens.len());
        }
    }
}
