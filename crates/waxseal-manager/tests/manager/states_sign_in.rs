//! A sign-in whose answer is lost, and sign-ins at the same time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use crate::states_support::{
    BOTH, Place, Store, at, change, commit, new_store, open, read, sessions, strict_sessions, visitor,
};
use waxseal_manager::Visit;
use waxseal_manager::{Access, Error, Outcome, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_sqlite::SqliteStore;
use waxseal_store::SessionStore;
use waxseal_store::testing::Turn;

/// A visitor with a cart has signed in, and the browser never got the answer.
struct Lost {
    store: Store,
    here: SessionManager,
    /// Another process.
    there: SessionManager,
    /// What the browser still has, and what was in the answer.
    old: String,
    lost: String,
}

impl Lost {
    async fn new(place: Place) -> Self {
        let store = new_store();
        let [here, there] = [(); 2].map(|()| sessions(place, store.clone()));
        let old = visitor(&here, at(0), |session| session.insert("cart", 3).unwrap()).await;
        let session = change(&here, &old, at(1)).await;
        session.sign_in("albus", at(1)).unwrap();
        let lost = commit(&here, &session, &old, at(1)).await.unwrap();
        Self { store, here, there, old, lost }
    }
}

async fn listed(sessions: &SessionManager, owner: &str, seconds: u64) -> usize {
    sessions.list(owner, None, 1_000, at(seconds)).await.unwrap().items.len()
}

fn cart(session: &Visit) -> Option<i64> {
    session.get("cart").unwrap()
}

async fn is_good(sessions: &SessionManager, token: &str, seconds: u64) -> bool {
    !change(sessions, token, at(seconds)).await.is_new()
}

#[tokio::test]
async fn the_same_owner_takes_over_what_a_lost_answer_left() {
    for place in BOTH {
        for access in [Access::Read, Access::Change] {
            for elsewhere in [false, true] {
                for seconds in [3, 10, 60] {
                    let case = format!("{place:?}, {access:?}, elsewhere: {elsewhere}, after {seconds} s");
                    let lost = Lost::new(place).await;
                    let sessions = if elsewhere { &lost.there } else { &lost.here };
                    let session = open(sessions, &lost.old, access, at(seconds)).await.unwrap();
                    assert_eq!(session.owner(), None, "{case}: it stays an anonymous visitor's");
                    session.sign_in("albus", at(seconds)).unwrap();
                    session.insert("after", true).unwrap();
                    assert_eq!(session.get_or_insert_with("visits", || 1).unwrap(), 1, "{case}");
                    let token = commit(sessions, &session, &lost.old, at(seconds)).await.unwrap();
                    for process in [&lost.here, &lost.there] {
                        let session = change(process, &token, at(seconds + 1)).await;
                        assert_eq!(session.owner().as_deref(), Some("albus"), "{case}");
                        assert_eq!((cart(&session), session.len()), (Some(3), 3), "{case}: all is there");
                        assert_eq!(session.signed_in_at(), Some(at(seconds)), "{case}");
                        for old in [&lost.old, &lost.lost] {
                            assert!(
                                !is_good(process, old, seconds + 1).await,
                                "{case}: the lost id has ended"
                            );
                        }
                    }
                    assert!(
                        read(sessions, &lost.lost, at(seconds + 1)).await.is_new(),
                        "{case}: here at once"
                    );
                    assert_eq!(listed(&lost.here, "albus", seconds + 1).await, 1, "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_there_is_no_conflict_and_no_default_replaces_it() {
    for place in BOTH {
        for strict in [false, true] {
            let Lost { store, old, .. } = Lost::new(place).await;
            let here = strict_sessions(place, store, strict);
            let session = change(&here, &old, at(2)).await;
            session.sign_in("albus", at(2)).unwrap();
            assert_eq!(session.get_or_insert_with("cart", || 0).unwrap(), 0, "nobody knows of it yet");
            session.insert("name", "Albus").unwrap();
            session.add("visits", 1).unwrap();
            let token = commit(&here, &session, &old, at(2)).await.unwrap();
            let session = change(&here, &token, at(3)).await;
            assert_eq!((cart(&session), session.len()), (Some(3), 3), "{place:?}, strict: {strict}");
        }
    }
}

#[tokio::test]
async fn another_owner_begins_an_empty_session_and_leaves_that_one_alone() {
    for place in BOTH {
        for access in [Access::Read, Access::Change] {
            for elsewhere in [false, true] {
                let case = format!("{place:?}, {access:?}, elsewhere: {elsewhere}");
                let lost = Lost::new(place).await;
                let sessions = if elsewhere { &lost.there } else { &lost.here };
                let session = open(sessions, &lost.old, access, at(7)).await.unwrap();
                session.sign_in("minerva", at(7)).unwrap();
                let token = commit(sessions, &session, &lost.old, at(7)).await.unwrap();
                let session = change(sessions, &token, at(8)).await;
                assert_eq!((session.len(), session.owner().as_deref()), (0, Some("minerva")), "{case}");
                let theirs = change(sessions, &lost.lost, at(8)).await;
                assert_eq!((cart(&theirs), theirs.owner().as_deref()), (Some(3), Some("albus")), "{case}");
                assert_ne!(session.public_id(), theirs.public_id(), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn another_owner_who_loaded_the_session_before_begins_an_empty_one_too() {
    for place in BOTH {
        let store = new_store();
        let here = sessions(place, store.clone());
        let old = visitor(&here, at(0), |session| session.insert("cart", 3).unwrap()).await;
        let (first, second) = (change(&here, &old, at(1)).await, change(&here, &old, at(1)).await);
        first.sign_in("albus", at(1)).unwrap();
        second.sign_in("minerva", at(1)).unwrap();
        second.insert("mine", 1).unwrap();
        let albus = commit(&here, &first, &old, at(1)).await.unwrap();
        let minerva = commit(&here, &second, &old, at(1)).await.unwrap();
        let (albus, minerva) = (change(&here, &albus, at(2)).await, change(&here, &minerva, at(2)).await);
        assert_eq!((cart(&albus), albus.owner().as_deref()), (Some(3), Some("albus")), "{place:?}");
        assert_eq!((cart(&minerva), minerva.len()), (None, 1), "{place:?}: what albus has now");
    }
}

#[tokio::test]
async fn a_sign_in_that_loaded_the_owners_session_before_does_not_outlive_its_end() {
    for place in BOTH {
        for renewed in [false, true] {
            let sessions = sessions(place, new_store());
            let token = visitor(&sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
            let slow = change(&sessions, &token, at(1)).await;
            if renewed {
                let quick = change(&sessions, &token, at(1)).await;
                quick.sign_in("albus", at(1)).unwrap();
                commit(&sessions, &quick, &token, at(1)).await.unwrap();
            }
            sessions.end_all("albus", at(2)).await.unwrap();
            slow.sign_in("albus", at(3)).unwrap();
            let answer = sessions.commit(&slow, at(3)).await;
            assert!(
                matches!(answer, Err(Error::Session(SessionError::Gone))),
                "{place:?}, renewed: {renewed}: {answer:?}"
            );
            let again = change(&sessions, &token, at(4)).await;
            again.sign_in("albus", at(4)).unwrap();
            let token = commit(&sessions, &again, &token, at(4)).await.unwrap();
            assert!(
                is_good(&sessions, &token, 5).await,
                "{place:?}, renewed: {renewed}: who tries again is in"
            );
        }
    }
}

#[tokio::test]
async fn emptying_begins_a_session_and_with_a_sign_in_takes_over_without_entries() {
    for place in BOTH {
        let Lost { here, old, lost, .. } = Lost::new(place).await;
        let session = change(&here, &old, at(2)).await;
        session.renew_empty().unwrap();
        let empty = commit(&here, &session, &old, at(2)).await.unwrap();
        assert_ne!(empty, old, "{place:?}");
        let session = change(&here, &empty, at(3)).await;
        assert_eq!((session.is_new(), session.len(), session.owner()), (false, 0, None), "{place:?}");
        session.insert("a", 1).unwrap();
        assert!(is_good(&here, &lost, 3).await, "{place:?}: that one is left alone");

        let session = change(&here, &old, at(4)).await;
        session.renew_empty().unwrap();
        session.sign_in("albus", at(4)).unwrap();
        let token = commit(&here, &session, &old, at(4)).await.unwrap();
        let session = change(&here, &token, at(5)).await;
        assert_eq!((session.len(), session.owner().as_deref()), (0, Some("albus")), "{place:?}");
        assert!(!is_good(&here, &lost, 5).await, "{place:?}");
        assert_eq!(listed(&here, "albus", 5).await, 1, "{place:?}");
    }
}

#[tokio::test]
async fn signing_out_by_an_old_id_removes_the_cookie_and_nothing_else() {
    for place in BOTH {
        for access in [Access::Read, Access::Change] {
            for (how, clears, fails, elsewhere) in [
                ("destroy", false, false, false),
                ("clear", true, false, false),
                ("and 500", false, true, false),
                ("by a copy that another server shows yet", false, false, true),
            ] {
                let Lost { here, there, old, lost, .. } = Lost::new(place).await;
                let sessions = if elsewhere { &there } else { &here };
                let session = open(sessions, &old, access, at(2)).await.unwrap();
                if clears {
                    session.clear().unwrap()
                } else {
                    session.destroy().unwrap()
                }
                if fails {
                    session.rollback();
                }
                let outcome = sessions.commit(&session, at(2)).await.unwrap();
                assert_eq!(outcome, Outcome::Remove, "{place:?}, {access:?}, {how}");
                let session = change(&here, &lost, at(3)).await;
                assert_eq!(
                    cart(&session),
                    Some(3),
                    "{place:?}, {access:?}, {how}: a planted id signs nobody out"
                );
            }
            let Lost { here, old, lost, .. } = Lost::new(place).await;
            let session = open(&here, &old, access, at(2)).await.unwrap();
            session.destroy().unwrap();
            session.flash("", "Bye.").unwrap();
            let token = commit(&here, &session, &old, at(2)).await.unwrap();
            assert_eq!(change(&here, &token, at(3)).await.flashed_messages(&[]).len(), 1, "{place:?}");
            assert!(is_good(&here, &lost, 3).await, "{place:?}");
        }
    }
}

#[tokio::test]
async fn plain_writes_by_an_old_id_stay_refused_and_so_does_a_failed_sign_in() {
    for place in BOTH {
        let Lost { here, old, .. } = Lost::new(place).await;
        let session = change(&here, &old, at(2)).await;
        let refused = |session: &Visit| {
            let writes = [
                session.insert("a", 1),
                session.flash("", "x"),
                session.renew(),
                session.set_owner(Some("albus")),
            ];
            writes.iter().all(|write| matches!(write, Err(SessionError::Renewed)))
        };
        assert!(refused(&session), "{place:?}");
        assert!(matches!(session.sign_in("", at(2)), Err(SessionError::Owner)), "{place:?}");
        assert!(refused(&session), "{place:?}: nobody has signed in");
        session.sign_in("albus", at(2)).unwrap();
        session.insert("a", 1).unwrap();
        session.rollback();
        assert!(refused(&session), "{place:?}: the request failed");
        assert_eq!(here.commit(&session, at(2)).await.unwrap(), Outcome::Keep, "{place:?}");
    }
}

#[tokio::test]
async fn a_form_shown_to_an_old_id_is_good_for_signing_in_again() {
    for place in BOTH {
        let Lost { here, there, old, lost, .. } = Lost::new(place).await;
        let page = open(&here, &old, Access::Change, at(2)).await.unwrap();
        let form = page.csrf_token().unwrap();
        assert_eq!(here.commit(&page, at(2)).await.unwrap(), Outcome::Keep, "{place:?}");
        for sessions in [&here, &there] {
            assert!(change(sessions, &old, at(3)).await.is_csrf_token(form.as_bytes()), "{place:?}");
            assert!(!change(sessions, &lost, at(3)).await.is_csrf_token(form.as_bytes()), "{place:?}");
            let other = visitor(sessions, at(3), |session| session.insert("a", 1).unwrap()).await;
            assert!(!change(sessions, &other, at(3)).await.is_csrf_token(form.as_bytes()), "{place:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_in_after_a_sign_out_that_the_store_missed_begins_a_session() {
    for place in BOTH {
        for owner in ["albus", "minerva"] {
            let store = new_store();
            let here = sessions(place, store.clone());
            let token = visitor(&here, at(0), |session| {
                session.insert("cart", 3).unwrap();
                session.sign_in("albus", at(0)).unwrap();
            })
            .await;
            let slow = change(&here, &token, at(9)).await;
            store.set_away(true);
            let session = match here.open(token.as_bytes(), Access::Change, at(10)).unwrap() {
                waxseal_manager::Opened::Pending(pending) => pending.to_end(),
                waxseal_manager::Opened::Ready(session) => session,
            };
            session.destroy().unwrap();
            assert_eq!(here.commit(&session, at(10)).await.unwrap(), Outcome::Remove);
            store.set_away(false);
            slow.sign_in(owner, at(11)).unwrap();
            let answer = here.commit(&slow, at(11)).await;
            assert!(
                matches!(answer, Err(Error::Session(SessionError::Gone))),
                "{place:?}: no renewal escapes: {answer:?}"
            );
            let session = change(&here, &token, at(11)).await;
            session.sign_in(owner, at(11)).unwrap();
            let next = commit(&here, &session, &token, at(11)).await.unwrap();
            assert_eq!(here.finish_ends(at(12)).await.unwrap(), 0);
            let session = change(&here, &next, at(13)).await;
            assert_eq!(
                (session.len(), session.owner().as_deref()),
                (0, Some(owner)),
                "{place:?}: ended is ended"
            );
            assert!(!is_good(&here, &token, 13).await, "{place:?}");
            assert_eq!(listed(&here, owner, 13).await, 1, "{place:?}");
        }
    }
}

/// As at a shared computer, where the first one has not signed out.
#[tokio::test]
async fn who_signs_in_over_anothers_session_finds_nothing_of_it_and_ends_it() {
    for place in BOTH {
        for signed_in_meanwhile in [false, true] {
            let case = format!("{place:?}, signed in meanwhile: {signed_in_meanwhile}");
            let store = new_store();
            let [here, there] = [(); 2].map(|()| sessions(place, store.clone()));
            let old = visitor(&here, at(0), |session| {
                session.insert("cart", 3).unwrap();
                if !signed_in_meanwhile {
                    session.sign_in("albus", at(0)).unwrap();
                }
            })
            .await;
            let session = change(&here, &old, at(1)).await;
            // Another process writes meanwhile, so that the sign-in is replayed.
            let elsewhere = change(&there, &old, at(1)).await;
            elsewhere.insert("late", 1).unwrap();
            if signed_in_meanwhile {
                elsewhere.set_owner(Some("albus")).unwrap();
            }
            commit(&there, &elsewhere, &old, at(1)).await.unwrap();
            assert_eq!(listed(&here, "albus", 1).await, 1, "{case}");

            session.flash("info", "Hello, Minerva.").unwrap();
            session.sign_in("minerva", at(2)).unwrap();
            session.insert("own", 1).unwrap();
            let token = commit(&here, &session, &old, at(2)).await.unwrap();
            let session = change(&there, &token, at(3)).await;
            assert_eq!(
                (session.keys(), session.owner().as_deref()),
                (vec!["own".to_owned()], Some("minerva")),
                "{case}"
            );
            assert_eq!(session.flashed_messages(&[]).len(), 1, "{case}");
            assert!(!is_good(&here, &old, 3).await && !is_good(&there, &old, 3).await, "{case}");
            assert_eq!(
                (listed(&here, "albus", 3).await, listed(&here, "minerva", 3).await),
                (0, 1),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn an_answer_to_a_renewal_that_was_lost_is_taken_over() {
    for place in BOTH {
        let here = sessions(place, new_store());
        let old = visitor(&here, at(0), |session| {
            session.insert("cart", 3).unwrap();
            session.sign_in("albus", at(0)).unwrap();
        })
        .await;
        let session = change(&here, &old, at(601)).await;
        session.renew().unwrap();
        let lost = commit(&here, &session, &old, at(601)).await.unwrap();
        let session = change(&here, &old, at(630)).await;
        assert!(session.is_new() && session.insert("a", 1).is_err(), "{place:?}");
        session.sign_in("albus", at(630)).unwrap();
        let token = commit(&here, &session, &old, at(630)).await.unwrap();
        assert_eq!(cart(&change(&here, &token, at(631)).await), Some(3), "{place:?}");
        assert!(!is_good(&here, &lost, 631).await, "{place:?}");
        assert_eq!(listed(&here, "albus", 631).await, 1, "{place:?}");
    }
}

#[tokio::test]
async fn what_was_ended_is_not_taken_over() {
    for place in BOTH {
        for (case, all) in [("by its public id", false), ("with all", true)] {
            let Lost { here, old, lost, .. } = Lost::new(place).await;
            let public_id = change(&here, &lost, at(2)).await.public_id().unwrap();
            match all {
                true => here.end_all("albus", at(2)).await.unwrap(),
                false => assert!(here.end("albus", public_id, at(2)).await.unwrap()),
            }
            let session = change(&here, &old, at(3)).await;
            session.sign_in("albus", at(3)).unwrap();
            let token = commit(&here, &session, &old, at(3)).await.unwrap();
            let session = change(&here, &token, at(4)).await;
            assert_eq!(
                (session.len(), session.public_id() == Some(public_id)),
                (0, false),
                "{place:?}, {case}"
            );
            assert!(!is_good(&here, &lost, 4).await, "{place:?}, {case}");
        }
    }
}

#[tokio::test]
async fn whatever_call_fails_a_repeated_sign_in_ends_with_one_session_and_its_cart() {
    for place in BOTH {
        for turn in [Turn::Fail, Turn::LoseReply] {
            for (from, to) in (0..8).flat_map(|from| [(from, from + 1), (from, from + 2), (from, 99)]) {
                let case = format!("{place:?}, {turn:?} of calls {from} to {to}");
                let Lost { store, here, old, lost, .. } = Lost::new(place).await;
                let mut call = 0;
                store.decide_with(move |_| {
                    call += 1;
                    if (from..to).contains(&(call - 1)) { turn } else { Turn::Work }
                });
                let attempt = async {
                    let session = open(&here, &old, Access::Change, at(2)).await?;
                    session.sign_in("albus", at(2))?;
                    commit(&here, &session, &old, at(2)).await
                };
                let first = attempt.await;
                store.decide_with(|_| Turn::Work);
                let token = match first {
                    Ok(token) => token,
                    Err(Error::Unavailable(_)) => {
                        let session = change(&here, &old, at(3)).await;
                        session.sign_in("albus", at(3)).unwrap();
                        commit(&here, &session, &old, at(3)).await.unwrap()
                    }
                    Err(error) => panic!("{case}: {error}"),
                };
                let session = change(&here, &token, at(4)).await;
                assert_eq!((cart(&session), session.owner().as_deref()), (Some(3), Some("albus")), "{case}");
                assert!(!is_good(&here, &lost, 4).await, "{case}");
                assert_eq!(listed(&here, "albus", 4).await, 1, "{case}");
            }
        }
    }
}

async fn many_at_once(store: impl SessionStore + Clone, place: Place, count: usize, together: bool) {
    let case = format!("{place:?}, {count}, loaded before any is saved: {together}");
    let process = || Arc::new(sessions(place, store.clone()).with_pause(tokio::time::sleep));
    let processes = [process(), process()];
    let old = visitor(&processes[0], at(0), |session| session.insert("cart", 3).unwrap()).await;
    let barrier = Arc::new(tokio::sync::Barrier::new(if together { count } else { 1 }));
    let tasks: Vec<_> = (0..count)
        .map(|number| {
            let (sessions, old, barrier) = (processes[number % 2].clone(), old.clone(), barrier.clone());
            tokio::spawn(async move {
                let session = change(&sessions, &old, at(1)).await;
                barrier.wait().await;
                session.sign_in("albus", at(1))?;
                session.add("sign-ins", 1)?;
                commit(&sessions, &session, &old, at(1)).await
            })
        })
        .collect();
    let mut tokens = HashSet::new();
    for task in tasks {
        tokens.insert(task.await.unwrap().unwrap_or_else(|error| panic!("{case}: {error:?}")));
    }
    let sessions = &processes[0];
    let mut good = Vec::new();
    for token in &tokens {
        let session = change(sessions, token, at(2)).await;
        good.extend((!session.is_new()).then_some(session));
    }
    assert_eq!((tokens.len(), good.len()), (count, 1), "{case}");
    assert_eq!((cart(&good[0]), good[0].get("sign-ins").unwrap()), (Some(3), Some(count)), "{case}");
    assert_eq!(listed(sessions, "albus", 2).await, 1, "{case}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sign_ins_at_once_leave_one_session_with_the_cart_and_none_fails() {
    for place in BOTH {
        for (count, together) in [(2, true), (2, false), (64, true), (64, false)] {
            many_at_once(new_store(), place, count, together).await;
            let folder = tempfile::tempdir().unwrap();
            let store = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
            many_at_once(store, place, count, together).await;
        }
    }
}

#[tokio::test]
async fn two_servers_show_the_newest_copy_while_the_store_is_away() {
    let store = new_store();
    let [a, b] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    let mut token = visitor(&a, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
    for (number, process) in [&b, &a, &b, &b, &a, &b].into_iter().enumerate() {
        let now = at(100 * (number as u64 + 1));
        let session = change(process, &token, now).await;
        session.insert("step", number).unwrap();
        session.sign_in("albus", now).unwrap();
        let before = token;
        token = commit(process, &session, &before, now).await.unwrap();
        store.set_away(true);
        let later = now + Duration::from_secs(20);
        for (name, process) in [("A", &a), ("B", &b)] {
            let shown = read(process, &token, later).await;
            assert_eq!(shown.get("step").unwrap(), Some(number), "step {number} on {name}");
            assert!(!shown.is_confirmed(), "step {number} on {name}");
        }
        let stale = open(process, &before, Access::Read, later).await;
        assert!(stale.is_err(), "step {number}: this server knows of a newer one");
        store.set_away(false);
    }
}

#[tokio::test]
async fn a_sign_out_by_an_old_copy_leaves_the_newest_one_shown_while_the_store_is_away() {
    let Lost { store, there, old, lost, .. } = Lost::new(Place::Mirrored).await;
    assert_eq!(cart(&read(&there, &old, at(2)).await), Some(3), "it is fresh yet");
    let stale = read(&there, &old, at(2)).await;
    stale.destroy().unwrap();
    assert_eq!(there.commit(&stale, at(2)).await.unwrap(), Outcome::Remove);
    store.set_away(true);
    assert_eq!(read(&there, &lost, at(20)).await.owner().as_deref(), Some("albus"));
    assert!(open(&there, &old, Access::Read, at(20)).await.is_err());
}

#[tokio::test]
async fn a_session_from_after_an_owners_end_is_shown_everywhere_while_the_store_is_away() {
    let store = new_store();
    let [a, b] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    let ended = visitor(&a, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
    a.end_all("albus", at(1)).await.unwrap();
    let token = visitor(&b, at(70), |session| session.sign_in("albus", at(70)).unwrap()).await;
    store.set_away(true);
    assert_eq!(read(&a, &token, at(90)).await.owner().as_deref(), Some("albus"));
    assert!(open(&a, &ended, Access::Read, at(90)).await.is_err(), "it is known to have ended");
}
