//! Ends against whatever else is under way: nothing comes back.
//!
//! All rounds: `cargo test -p waxseal-manager --test states_races --release -- --include-ignored`.

use std::sync::Arc;

use crate::states_support::{BOTH, Place, at, change, commit, new_store, race, read, sessions, visitor};
use tokio::task::JoinHandle;
use waxseal_manager::{Error, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_sqlite::SqliteStore;
use waxseal_store::SessionStore;
use waxseal_store::testing::FaultyStore;

/// What races with an end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rival {
    /// A hundred saves, of ten requests at a time.
    Saves,
    /// Saves, and every other request writes and then fails with a 5xx.
    SavesAndFailures,
    /// Requests that give the session a new id.
    Renewals,
    /// The same, and every other request writes and then fails with a 5xx.
    RenewalsAndFailures,
    /// A sign-in, or another change of privilege, with a new id.
    SignIns,
}

/// How a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Destroy,
    /// By a request that then fails with a 5xx.
    DestroyAndFail,
    /// By a request whose client hangs up as soon as its commit, a task of its own, has begun.
    DestroyAndHangUp,
    All,
}

async fn rival(sessions: Arc<SessionManager>, token: String, rival: Rival, number: u64) -> String {
    let session = read(&sessions, &token, at(100)).await;
    take_time(number).await;
    match rival {
        Rival::SavesAndFailures | Rival::RenewalsAndFailures if number.is_multiple_of(2) => {
            drop(session.add("sum", 1));
            session.rollback();
        }
        Rival::Saves | Rival::SavesAndFailures => drop(session.add("sum", 1)),
        Rival::Renewals | Rival::RenewalsAndFailures => drop(session.renew()),
        Rival::SignIns if session.is_new() => {}
        Rival::SignIns => drop(session.sign_in("albus", at(100 + number))),
    }
    // An anonymous visitor's own new session is none that came back.
    if session.is_new() { token } else { commit(&sessions, &session, &token, at(100)).await.unwrap_or(token) }
}

/// What a handler does between its session's loading and saving: some turns of others.
async fn take_time(number: u64) {
    for _ in 0..number % 5 {
        tokio::task::yield_now().await;
    }
}

/// What is still under way when the client has gone.
async fn end(sessions: Arc<SessionManager>, token: String, end: End) -> Option<JoinHandle<()>> {
    if end == End::All {
        sessions.end_all("albus", at(100)).await.unwrap();
        return None;
    }
    let session = change(&sessions, &token, at(100)).await;
    take_time(3).await;
    session.destroy().unwrap();
    if end == End::DestroyAndFail {
        session.rollback();
    }
    let commit = tokio::spawn(async move { drop(sessions.commit(&session, at(100)).await.unwrap()) });
    if end == End::DestroyAndHangUp {
        return Some(commit);
    }
    commit.await.unwrap();
    None
}

async fn rounds(rounds: usize) {
    let folder = tempfile::tempdir().unwrap();
    let file = FaultyStore::new(SqliteStore::open(folder.path().join("sessions.db")).unwrap());
    for place in BOTH {
        for (ends, rivals, with) in [
            (End::Destroy, 100, Rival::Saves),
            (End::DestroyAndFail, 10, Rival::Saves),
            (End::DestroyAndHangUp, 10, Rival::Saves),
            (End::Destroy, 8, Rival::SavesAndFailures),
            (End::DestroyAndFail, 8, Rival::SavesAndFailures),
            (End::DestroyAndHangUp, 8, Rival::SavesAndFailures),
            (End::All, 10, Rival::Saves),
            (End::All, 4, Rival::Renewals),
            (End::All, 8, Rival::RenewalsAndFailures),
            (End::All, 2, Rival::SignIns),
        ] {
            for round in 0..rounds {
                let told = |came_back| {
                    panic!("{place:?}, {ends:?} against {rivals} {with:?}, round {round}: {came_back}")
                };
                one(place, new_store(), ends, rivals, with).await.unwrap_or_else(told);
                one(place, file.clone(), ends, rivals, with).await.unwrap_or_else(told);
            }
        }
    }
}

async fn one<S: SessionStore>(
    place: Place,
    store: FaultyStore<S>,
    ends: End,
    rivals: u64,
    with: Rival,
) -> Result<(), String> {
    let processes = [(); 2].map(|()| Arc::new(sessions(place, store.clone())));
    let [here, there] = &processes;
    let token = visitor(here, at(0), |session| session.set_owner(Some("albus")).unwrap()).await;
    let ending = end(here.clone(), token.clone(), ends);
    let (process, first) = (there.clone(), token.clone());
    let riot = async move {
        let all = (0..rivals).map(|number| tokio::spawn(rival(process.clone(), first.clone(), with, number)));
        let mut tokens = Vec::new();
        for task in all.collect::<Vec<_>>() {
            tokens.push(task.await.unwrap());
        }
        tokens
    };
    let (under_way, tokens) = race(ending, riot).await;
    if let Some(commit) = under_way {
        // Nobody waits for it but this test, which has to know when.
        commit.await.unwrap();
    }
    // A sign-in that came after the end of all is a session of its own time, if it found one to sign in to: none did.
    for token in tokens.iter().chain([&token]) {
        for process in &processes {
            if !change(process, token, at(101)).await.is_new() {
                return Err("it is shown to who acts".to_owned());
            }
            if !read(process, token, at(105)).await.is_new() {
                return Err("its copy is shown after the window".to_owned());
            }
        }
    }
    let listed = here.list("albus", None, 10, at(101)).await.unwrap().items;
    listed.is_empty().then_some(()).ok_or_else(|| format!("{listed:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_ended_does_not_come_back() {
    rounds(8).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "1,000 rounds of each"]
async fn what_was_ended_does_not_come_back_in_a_thousand_rounds() {
    rounds(1_000).await;
}

async fn takes(rounds: usize) {
    for place in BOTH {
        for round in 0..rounds {
            let store = new_store();
            let processes = [(); 2].map(|()| Arc::new(sessions(place, store.clone())));
            let token = visitor(&processes[0], at(0), |session| session.insert("coupon", 7).unwrap()).await;
            let take = |sessions: Arc<SessionManager>| {
                let token = token.clone();
                async move {
                    let session = change(&sessions, &token, at(1)).await;
                    let coupon: Option<u8> = session.take("coupon").unwrap();
                    match sessions.commit(&session, at(1)).await {
                        Ok(_) => coupon.is_some(),
                        Err(Error::Session(SessionError::Conflict { key })) => {
                            assert_eq!(key, "coupon");
                            false
                        }
                        Err(error) => panic!("{error}"),
                    }
                }
            };
            let [one, other] = processes.map(take);
            let (one, other) = race(one, other).await;
            assert!(one != other, "{place:?}, round {round}: {one}, {other}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_who_take_one_coupon_exactly_one_gets_it() {
    takes(50).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "1,000 rounds"]
async fn of_two_who_take_one_coupon_exactly_one_gets_it_in_a_thousand_rounds() {
    takes(1_000).await;
}
