//! Many requests of one session at once in one process: their saves take turns.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::states_support::{BOTH, Place, Store, at, change, commit, new_store, sessions, visitor};
use tokio::time::Instant;
use waxseal_manager::{Error, SessionManager, Visit};
use waxseal_store::testing::Operation;

/// The longest wait for a turn.
const BOUND: Duration = Duration::from_secs(2);

fn process(place: Place, store: &Store) -> Arc<SessionManager> {
    Arc::new(sessions(place, store.clone()).with_pause(tokio::time::sleep))
}

/// Requests that have all loaded the same version, and each want to add their number to the list.
async fn writers(sessions: &SessionManager, token: &str, count: usize) -> Vec<Visit> {
    let mut all = Vec::new();
    for number in 0..count {
        let session = change(sessions, token, at(1)).await;
        session.append("list", number).unwrap();
        all.push(session);
    }
    all
}

async fn list(sessions: &SessionManager, token: &str) -> Vec<usize> {
    change(sessions, token, at(2)).await.get("list").unwrap().unwrap_or_default()
}

/// Lets a save go as far as it can without others. Returns `true` if it is done.
fn go_on(save: Pin<&mut impl Future>) -> bool {
    let mut save = save;
    // Calls on the store yield, so one round is not enough.
    (0..20).any(|_| save.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready())
}

/// Lets a save begin, which then waits for the store and is not polled again.
fn begin(save: Pin<&mut impl Future>) {
    assert!(save.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

async fn a_session(place: Place) -> (Store, Arc<SessionManager>, String) {
    let store = new_store();
    let sessions = process(place, &store);
    let token = visitor(&sessions, at(0), |session| session.insert("begun", true).unwrap()).await;
    (store, sessions, token)
}

#[tokio::test(start_paused = true)]
async fn parallel_saves_of_one_session_do_not_meet_at_the_store_and_keep_their_order() {
    for place in BOTH {
        let (store, sessions, token) = a_session(place).await;
        let writers = writers(&sessions, &token, 32).await;
        store.forget();
        let begun = Instant::now();
        let save = |session: Visit| {
            let (sessions, token) = (sessions.clone(), token.clone());
            tokio::spawn(async move { commit(&sessions, &session, &token, at(1)).await.unwrap() })
        };
        for save in writers.into_iter().map(save).collect::<Vec<_>>() {
            save.await.unwrap();
        }
        assert_eq!(store.asked(), [Operation::Update; 32], "{place:?}");
        assert_eq!(begun.elapsed(), Duration::ZERO, "{place:?}: nobody pauses");
        assert_eq!(list(&sessions, &token).await, (0..32).collect::<Vec<_>>(), "{place:?}");
    }
}

#[tokio::test]
async fn a_save_over_a_version_that_this_process_has_replaced_sends_no_write_that_must_fail() {
    for place in BOTH {
        let store = new_store();
        // Without a timer, too, which waits for nobody: each save is done before the next one begins.
        let sessions = sessions(place, store.clone());
        let token = visitor(&sessions, at(0), |session| session.insert("begun", true).unwrap()).await;
        let writers = writers(&sessions, &token, 8).await;
        store.forget();
        for session in writers {
            commit(&sessions, &session, &token, at(1)).await.unwrap();
        }
        assert_eq!(store.asked(), [Operation::Update; 8], "{place:?}");
        assert_eq!(list(&sessions, &token).await, (0..8).collect::<Vec<_>>(), "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_that_hangs_holds_up_the_others_for_the_bound_and_no_longer() {
    for place in BOTH {
        let (_, sessions, token) = a_session(place).await;
        let writers = writers(&sessions, &token, 4).await;
        let [hangs, others @ ..] = &writers[..] else { unreachable!() };
        let mut hanging = pin!(commit(&sessions, hangs, &token, at(1)));
        begin(hanging.as_mut());
        let begun = Instant::now();
        let [one, other, third] = others else { unreachable!() };
        let save = async |session| {
            commit(&sessions, session, &token, at(1)).await.unwrap();
            begun.elapsed()
        };
        let (one, other, third) = tokio::join!(save(one), save(other), save(third));
        for waited in [one, other, third] {
            assert!((BOUND..BOUND + BOUND / 2).contains(&waited), "{place:?}: {waited:?}");
        }
        hanging.await.unwrap();
        let mut all = list(&sessions, &token).await;
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3], "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_save_that_is_cancelled_frees_its_turn() {
    for place in BOTH {
        let (store, sessions, token) = a_session(place).await;
        let writers = writers(&sessions, &token, 3).await;
        store.forget();
        let begun = Instant::now();
        let save = |number: usize| commit(&sessions, &writers[number], &token, at(1));
        let mut cancelled = Box::pin(save(0));
        begin(cancelled.as_mut());
        let (mut gives_up, mut waits) = (Box::pin(save(1)), pin!(save(2)));
        assert!(!go_on(gives_up.as_mut()) && !go_on(waits.as_mut()));
        assert_eq!(store.count(Operation::Update), 0, "{place:?}: they wait for their turn");
        drop(gives_up);
        drop(cancelled);
        waits.await.unwrap();
        assert_eq!((store.count(Operation::Update), begun.elapsed()), (1, Duration::ZERO), "{place:?}");
        assert_eq!(list(&sessions, &token).await, [2], "{place:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_each_has_one_write_at_the_store_and_the_sum_is_exact() {
    for place in BOTH {
        let (store, here, token) = a_session(place).await;
        let there = process(place, &store);
        store.forget();
        let add = |sessions: &Arc<SessionManager>| {
            let (sessions, token) = (sessions.clone(), token.clone());
            tokio::spawn(async move {
                loop {
                    let session = change(&sessions, &token, at(1)).await;
                    session.add("sum", 1).unwrap();
                    match sessions.commit(&session, at(1)).await {
                        Ok(_) => return,
                        Err(Error::Contended) => tokio::task::yield_now().await,
                        Err(error) => panic!("{error}"),
                    }
                }
            })
        };
        for save in (0..64).map(|number| add([&here, &there][number % 2])).collect::<Vec<_>>() {
            save.await.unwrap();
        }
        let sent = store.count(Operation::Update);
        assert_eq!(change(&here, &token, at(2)).await.get("sum").unwrap(), Some(64), "{place:?}");
        assert!(sent < 2 * 64, "{place:?}: {sent} writes for 64 saves");
    }
}
