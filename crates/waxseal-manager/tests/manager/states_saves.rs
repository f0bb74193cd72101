//! Saves that meet another process's, one by one: what is written, what is counted, and who waits.

use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use waxseal_crypto::Keyring;
use waxseal_manager::{Access, Error, Outcome, SessionManager, WhenAway};
use waxseal_session::{Error as SessionError, Session};
use waxseal_store::testing::{FaultyStore, Operation, Turn};
use waxseal_store::{Fault, MemoryStore, Timestamp};

use crate::counted::Counted;
use crate::meddler::{Meddler, Replacing};
use crate::states_support::{
    BOTH, Place, Store, at, at_once, change, commit, key, new_store, place_state, read, sessions,
    sessions_with, visitor,
};

/// A process that counts, and notes each pause instead of waiting.
struct Watched {
    sessions: SessionManager,
    counted: Counted,
    pauses: Arc<Mutex<Vec<Duration>>>,
}

impl Watched {
    fn new(place: Place, store: Store) -> Self {
        let counted = Counted::default();
        let pauses = Arc::new(Mutex::new(Vec::new()));
        let noted = pauses.clone();
        let pause = move |span| -> Ready<()> {
            noted.lock().unwrap().push(span);
            ready(())
        };
        let state = place_state(place, store, false, WhenAway::Refuse);
        let sessions = metrics::with_local_recorder(&counted, || {
            SessionManager::new(&Keyring::new(key(1)), "session", "tests", state).unwrap().with_pause(pause)
        });
        Self { sessions, counted, pauses }
    }

    fn conflicts(&self) -> u64 {
        self.counted.of("waxseal_session_conflicts_total")
    }
}

/// Another process that saves in the session before each of the next so many updates that this one sends.
fn meddle(place: Place, store: &Store, memory: &MemoryStore, token: &str, mut times: u32) {
    let (there, token) = (sessions(place, memory.clone()), token.to_owned());
    store.decide_with(move |operation| {
        if operation == Operation::Update && times > 0 {
            times -= 1;
            at_once(async {
                let session = change(&there, &token, at(1)).await;
                session.add("theirs", 1).unwrap();
                commit(&there, &session, &token, at(1)).await.unwrap();
            });
        }
        Turn::Work
    });
}

#[tokio::test]
async fn each_save_of_another_process_is_a_conflict_and_all_but_the_first_cost_a_pause() {
    for place in BOTH {
        for (theirs, pauses) in [(0, 0), (1, 0), (2, 1), (3, 2)] {
            let memory = MemoryStore::new();
            let store = FaultyStore::new(memory.clone());
            let here = Watched::new(place, store.clone());
            let token = visitor(&here.sessions, at(0), |session| session.insert("mine", 0).unwrap()).await;
            let session = change(&here.sessions, &token, at(1)).await;
            session.add("mine", 1).unwrap();
            meddle(place, &store, &memory, &token, theirs);
            let token = commit(&here.sessions, &session, &token, at(1)).await.unwrap();
            let case = format!("{place:?}, {theirs}");
            assert_eq!(here.conflicts(), u64::from(theirs), "{case}");
            assert_eq!(here.pauses.lock().unwrap().len(), pauses, "{case}");
            let saved = change(&here.sessions, &token, at(2)).await;
            assert_eq!(saved.get("mine").unwrap(), Some(1), "{case}");
            assert_eq!(saved.get("theirs").unwrap().unwrap_or(0), theirs, "{case}");
        }
    }
}

#[tokio::test]
async fn others_are_ended_and_nothing_begins_when_all_that_was_written_is_taken_back() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let sign_in = || visitor(&sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap());
        let (mine, _other) = (sign_in().await, sign_in().await);
        let session = change(&sessions, &mine, at(1)).await;
        sessions.end_others(&session).unwrap();
        session.destroy().unwrap();
        session.insert("draft", "of a letter").unwrap();
        session.remove("draft").unwrap();
        store.forget();
        let outcome = sessions.commit(&session, at(1)).await.unwrap();
        assert!(matches!(outcome, Outcome::Remove), "{place:?}: {outcome:?}");
        assert_eq!(store.count(Operation::Create), 0, "{place:?}");
        assert!(sessions.list("albus", None, 9, at(2)).await.unwrap().items.is_empty(), "{place:?}");
    }
}

#[tokio::test]
async fn a_session_that_a_sign_in_elsewhere_renewed_before_the_write_is_not_told_as_ended() {
    for place in BOTH {
        let memory = MemoryStore::new();
        let store = FaultyStore::new(memory.clone());
        let (here, there) = (sessions(place, store.clone()), sessions(place, memory));
        let token = visitor(&here, at(0), |session| session.insert("cart", 1).unwrap()).await;
        let session = change(&here, &token, at(1)).await;
        session.insert("cart", 2).unwrap();
        let elsewhere = change(&there, &token, at(1)).await;
        elsewhere.sign_in("albus", at(1)).unwrap();
        commit(&there, &elsewhere, &token, at(1)).await.unwrap();
        let error = here.commit(&session, at(1)).await.unwrap_err();
        assert!(matches!(error, Error::Session(SessionError::Renewed)), "{place:?}: {error:?}");
    }
}

#[tokio::test]
async fn a_page_gets_no_new_token_of_a_session_that_was_signed_out_meanwhile_and_waits_for_the_store() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let token = visitor(&sessions, at(0), |session| {
            session.set_permanent(true).unwrap();
            session.sign_in("albus", at(0)).unwrap();
        })
        .await;
        // So late that a token is due for who only reads.
        let late = at(20 * 24 * 3600);
        let page = sessions.open(token.as_bytes(), Access::Change, late).unwrap().load(late).await.unwrap();
        assert_eq!(page.owner().as_deref(), Some("albus"));
        let button = change(&sessions, &token, late).await;
        button.destroy().unwrap();
        store.set_away(true);
        assert!(matches!(sessions.commit(&button, late).await.unwrap(), Outcome::Remove), "{place:?}");
        store.set_away(false);
        let outcome = sessions.commit(&page, late).await.unwrap();
        assert!(matches!(outcome, Outcome::Keep), "{place:?}: {outcome:?}");

        // Without the sign-out the page gets one.
        let token = visitor(&sessions, at(0), |session| {
            session.set_permanent(true).unwrap();
            session.sign_in("albus", at(0)).unwrap();
        })
        .await;
        let page = read(&sessions, &token, late).await;
        assert_eq!(page.owner().as_deref(), Some("albus"));
        let outcome = sessions.commit(&page, late).await.unwrap();
        assert!(matches!(outcome, Outcome::Set { .. }), "{place:?}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_repeated_sign_in_counts_and_waits_for_each_that_comes_between() {
    for place in BOTH {
        for theirs in [0, 1, 2] {
            let memory = MemoryStore::new();
            let store = FaultyStore::new(memory.clone());
            let here = Watched::new(place, store.clone());
            let old = visitor(&here.sessions, at(0), |session| session.insert("cart", 3).unwrap()).await;
            let first = change(&here.sessions, &old, at(1)).await;
            first.sign_in("albus", at(1)).unwrap();
            let lost = commit(&here.sessions, &first, &old, at(1)).await.unwrap();

            let again = change(&here.sessions, &old, at(2)).await;
            again.sign_in("albus", at(2)).unwrap();
            let (there, mut times) = (sessions(place, memory.clone()), theirs);
            store.decide_with(move |operation| {
                if operation == Operation::Renew && times > 0 {
                    times -= 1;
                    at_once(async {
                        let session = change(&there, &lost, at(2)).await;
                        session.add("cart", 1).unwrap();
                        commit(&there, &session, &lost, at(2)).await.unwrap();
                    });
                }
                Turn::Work
            });
            let token = commit(&here.sessions, &again, &old, at(2)).await.unwrap();
            let case = format!("{place:?}, {theirs}");
            assert_eq!(here.conflicts(), theirs, "{case}");
            assert_eq!(here.pauses.lock().unwrap().len() as u64, theirs, "{case}");
            assert!(
                change(&here.sessions, &token, at(3)).await.get::<u64>("cart").unwrap() >= Some(3),
                "{case}"
            );
        }
    }
}

#[tokio::test]
async fn a_record_of_an_old_key_is_sealed_anew_until_the_store_has_done_it_and_no_more() {
    for place in BOTH {
        let store = new_store();
        let before = sessions_with(place, store.clone(), &Keyring::new(key(1)));
        let ring = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
        let after = sessions_with(place, store.clone(), &ring);
        let mut token = visitor(&before, at(0), |session| session.insert("name", "Albus").unwrap()).await;
        // The first page's attempt fails, and its token is of the new key all the same. A copy does not say which key its
        // record has, so a page in state `mirrored` leaves that to the next save.
        let again = usize::from(place == Place::Store);
        for (seconds, fails, rewraps) in
            [(100, true, 1), (300, false, again), (500, false, 0), (700, false, 0)]
        {
            store.forget();
            store.decide_with(move |operation| match operation {
                Operation::Rewrap if fails => Turn::Fail,
                _ => Turn::Work,
            });
            let page = change(&after, &token, at(seconds)).await;
            assert_eq!(page.len(), 1);
            token = commit(&after, &page, &token, at(seconds)).await.unwrap();
            assert_eq!(store.count(Operation::Rewrap), rewraps, "{place:?}, {seconds}");
        }
    }
}

/// While a new key rolls out, servers differ in which is the first.
#[tokio::test]
async fn two_servers_with_different_first_keys_seal_a_record_anew_once_a_minute() {
    for place in BOTH {
        let store = new_store();
        let ring = |first, second| Keyring::new(key(first)).with_fallback(key(second)).unwrap();
        let servers =
            [(1, 2), (2, 1)].map(|(first, second)| sessions_with(place, store.clone(), &ring(first, second)));
        let mut token =
            visitor(&servers[0], at(0), |session| session.insert("text", "a".repeat(5_000)).unwrap()).await;
        store.forget();
        // Too large for a copy, so each page loads it.
        for second in 1..=300 {
            let server = &servers[second as usize % 2];
            let page = change(server, &token, at(second)).await;
            assert_eq!(page.len(), 1);
            token = commit(server, &page, &token, at(second)).await.unwrap();
        }
        let rewraps = store.count(Operation::Rewrap);
        assert!((3..=5).contains(&rewraps), "{place:?}: {rewraps}");
    }
}

/// Tokens are as long as 64 lengths of their payload allow, also the longest that has room for a copy.
#[tokio::test]
async fn a_copy_is_left_out_only_when_it_does_not_fit() {
    let sessions = sessions(Place::Mirrored, new_store());
    let mut lengths = Vec::new();
    for length in 2_300..2_900 {
        let text = "a".repeat(length);
        lengths.push(visitor(&sessions, at(0), |session| session.insert("text", &text).unwrap()).await.len());
    }
    let longest = lengths.iter().max().unwrap();
    assert!(lengths.last().unwrap() < longest, "the last has no room for its copy");
    assert_eq!(lengths.iter().filter(|length| *length == longest).count(), 64);
}

#[derive(Debug, PartialEq)]
enum Fate {
    Saved,
    Unavailable,
    Full,
}

/// A save over a store that does with the updates what a script says.
struct Scripted {
    saved: Result<Outcome, Error>,
    store: FaultyStore<Meddler>,
    memory: MemoryStore,
    token: String,
}

/// Saves once. Another process changes the session before so many updates, or questions about versions.
async fn save_over(
    place: Place,
    script: &[Replacing],
    theirs_before: Option<(Operation, usize)>,
    their_change: fn(&Session) -> Result<(), SessionError>,
) -> Scripted {
    let meddler = Meddler::scripted(script);
    let memory = meddler.inner.clone();
    let store = FaultyStore::new(meddler);
    let here = sessions(place, store.clone());
    let token = visitor(&here, at(0), |session| session.insert("sum", 0).unwrap()).await;
    let session = change(&here, &token, at(1)).await;
    session.add("sum", 1).unwrap();
    let (there, copy, mut calls) = (sessions(place, memory.clone()), token.clone(), 0);
    store.decide_with(move |operation| {
        if theirs_before.is_some_and(|(before, _)| before == operation) {
            calls += 1;
            if theirs_before == Some((operation, calls)) {
                at_once(async {
                    let session = change(&there, &copy, at(1)).await;
                    their_change(&session).unwrap();
                    there.commit(&session, at(1)).await.unwrap();
                });
            }
        }
        Turn::Work
    });
    store.forget();
    let saved = here.commit(&session, at(1)).await;
    Scripted { saved, store, memory, token }
}

/// [Saves](save_over) while another process adds something. Returns the fate, the updates that were sent, and the
/// questions about versions.
async fn save_scripted(
    place: Place,
    script: &[Replacing],
    theirs_before: Option<(Operation, usize)>,
) -> (Fate, usize, usize) {
    let adds: fn(&Session) -> Result<(), SessionError> = |session| session.add("theirs", 1);
    let Scripted { saved, store, memory, token } = save_over(place, script, theirs_before, adds).await;
    let fate = match saved {
        Ok(_) => Fate::Saved,
        Err(Error::Unavailable(_) | Error::Store(_)) => Fate::Unavailable,
        Err(error) => panic!("{error:?}"),
    };
    let fate = match fate {
        Fate::Unavailable if script.contains(&Replacing::Refuse(Fault::Full)) => Fate::Full,
        fate => fate,
    };
    let saved = change(&sessions(place, memory), &token, at(2)).await;
    let sum: i64 = saved.get("sum").unwrap().unwrap();
    assert!(fate != Fate::Saved || sum == 1, "{place:?}, {script:?}: saved {sum} times");
    assert!(sum <= 1, "{place:?}, {script:?}: saved {sum} times");
    (fate, store.count(Operation::Update), store.count(Operation::Revalidate))
}

#[tokio::test]
async fn what_becomes_of_a_save_is_found_out_whatever_becomes_of_its_answers() {
    use Replacing::{AnswerLost, Done, Late, Lost, Refuse};
    for place in BOTH {
        for (script, theirs_before, expected) in [
            (&[Done][..], None, (Fate::Saved, 1, 0)),
            (&[AnswerLost], None, (Fate::Saved, 1, 1)),
            (&[Lost], None, (Fate::Saved, 2, 1)),
            // It arrives before it is sent again, which is then a conflict with itself.
            (&[Late], None, (Fate::Saved, 2, 2)),
            // Whether it was done before the other's cannot be told.
            (&[Lost], Some((Operation::Update, 2)), (Fate::Unavailable, 2, 2)),
            (&[Lost], Some((Operation::Revalidate, 1)), (Fate::Unavailable, 1, 1)),
            (&[Done], Some((Operation::Update, 1)), (Fate::Saved, 2, 0)),
            (&[Refuse(Fault::Full)], None, (Fate::Full, 1, 0)),
            (&[Refuse(Fault::Defect)], None, (Fate::Unavailable, 1, 0)),
            // What is refused was not done, but the first may have been.
            (&[Lost, Refuse(Fault::Locked)], None, (Fate::Saved, 3, 2)),
            (&[Late, Refuse(Fault::Locked)], None, (Fate::Saved, 2, 2)),
            (&[Lost, Refuse(Fault::Defect)], None, (Fate::Unavailable, 2, 1)),
            (&[Lost, Lost, Lost, Lost], None, (Fate::Unavailable, 4, 3)),
        ] {
            let case = format!("{place:?}, {script:?}, {theirs_before:?}");
            assert_eq!(save_scripted(place, script, theirs_before).await, expected, "{case}");
        }
    }
}

/// The first attempt may have been done before the other's, and its change may be in the session that they renewed.
#[tokio::test]
async fn a_save_whose_answer_was_lost_before_another_renewed_the_session_is_not_said_to_be_refused() {
    let before_the_second = Some((Operation::Update, 2));
    for place in BOTH {
        let renewed =
            save_over(place, &[Replacing::Lost], before_the_second, |session| session.renew()).await.saved;
        assert!(matches!(renewed, Err(Error::Unavailable(_))), "{place:?}: {renewed:?}");
        let ended =
            save_over(place, &[Replacing::Lost], before_the_second, |session| session.destroy()).await.saved;
        assert!(matches!(ended, Err(Error::Session(SessionError::Gone))), "{place:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_save_keeps_when_the_session_began_and_a_renewal_does_not() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let token = visitor(&sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
        let begun = async |token: &str| {
            let page = change(&sessions, token, at(600)).await;
            assert_eq!(page.owner().as_deref(), Some("albus"));
            sessions.list("albus", None, 9, at(600)).await.unwrap().items[0].life.created
        };
        let session = change(&sessions, &token, at(300)).await;
        session.insert("name", "Albus").unwrap();
        let token = commit(&sessions, &session, &token, at(300)).await.unwrap();
        assert_eq!(begun(&token).await, Timestamp::from(at(0)), "{place:?}: saved");
        let session = change(&sessions, &token, at(500)).await;
        session.renew().unwrap();
        let token = commit(&sessions, &session, &token, at(500)).await.unwrap();
        assert_eq!(begun(&token).await, Timestamp::from(at(500)), "{place:?}: renewed");
    }
}

#[tokio::test]
async fn a_server_whose_clock_is_behind_does_not_set_back_when_a_session_was_used_last() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let mut token = visitor(&sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
        for now in [100, 70] {
            let session = change(&sessions, &token, at(now)).await;
            session.insert("saved", now).unwrap();
            token = commit(&sessions, &session, &token, at(now)).await.unwrap();
        }
        let listed = sessions.list("albus", None, 9, at(100)).await.unwrap();
        assert_eq!(listed.items[0].life.last_seen, Timestamp::from(at(100)), "{place:?}");
    }
}

/// The freshness lifetime is 5 s.
#[tokio::test]
async fn a_copy_is_fresh_from_the_save_and_not_from_when_the_session_was_loaded() {
    let store = new_store();
    let sessions = sessions(Place::Mirrored, store.clone());
    let token = visitor(&sessions, at(0), |session| session.insert("name", "Albus").unwrap()).await;
    let session = change(&sessions, &token, at(10)).await;
    session.insert("name", "Minerva").unwrap();
    let token = commit(&sessions, &session, &token, at(14)).await.unwrap();
    // In another process, which knows of no save.
    let elsewhere = crate::states_support::sessions(Place::Mirrored, store.clone());
    store.forget();
    assert_eq!(read(&elsewhere, &token, at(18)).await.get::<String>("name").unwrap().unwrap(), "Minerva");
    assert_eq!(store.asked(), []);
}

#[tokio::test]
async fn a_sign_in_does_not_go_on_with_a_session_whose_end_waits_for_the_store() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let old = visitor(&sessions, at(0), |session| session.insert("cart", 3).unwrap()).await;
        let first = change(&sessions, &old, at(1)).await;
        first.sign_in("albus", at(1)).unwrap();
        let signed_in = commit(&sessions, &first, &old, at(1)).await.unwrap();
        let button = change(&sessions, &signed_in, at(2)).await;
        button.destroy().unwrap();
        store.set_away(true);
        commit(&sessions, &button, &signed_in, at(2)).await.unwrap();
        store.set_away(false);

        let again = change(&sessions, &old, at(3)).await;
        again.sign_in("albus", at(3)).unwrap();
        let token = commit(&sessions, &again, &old, at(3)).await.unwrap();
        let listed = sessions.list("albus", None, 9, at(3)).await.unwrap().items.len();
        assert_eq!(listed, 2, "{place:?}: one that is new, and one that is about to end");
        assert!(!change(&sessions, &token, at(4)).await.is_new(), "{place:?}");
    }
}

#[tokio::test]
async fn a_session_whose_first_answer_is_lost_is_there_once() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        store.lose_next_replies(1);
        let token = visitor(&sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
        assert_eq!(store.count(Operation::Create), 1, "{place:?}");
        assert!(!change(&sessions, &token, at(1)).await.is_new(), "{place:?}");
    }
}
