//! State `cookie`, when what was handed out can be revoked.

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::meddler::{Meddler, Meddling};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::Visit;
use waxseal_manager::{Access, Error, Lifetimes, Opened, Outcome, Revocable, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_store::testing::{FaultyStore, Operation, Turn};
use waxseal_store::{Fault, MemoryStore, SessionStore};

const NOON: u64 = 1_790_000_000;
const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
/// For how much longer than what it speaks of an entry is kept.
const MARGIN: u64 = 120;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOON + seconds)
}

fn keyring() -> Keyring {
    Keyring::new(SecretKey::from_bytes([1; 32]))
}

/// Sessions of a process over `store`.
fn sessions(store: &(impl SessionStore + Clone)) -> SessionManager {
    sessions_of("demo", store)
}

fn sessions_of(app: &str, store: &(impl SessionStore + Clone)) -> SessionManager {
    SessionManager::new(&keyring(), "__Host-session", app, Revocable::new(store.clone())).unwrap()
}

async fn token(sessions: &SessionManager, session: &Visit, now: u64) -> String {
    match sessions.commit(session, at(now)).await.unwrap() {
        Outcome::Set { token, .. } => token,
        other => panic!("expected a token, found {other:?}"),
    }
}

async fn sign_in(sessions: &SessionManager, owner: &str, now: u64) -> String {
    let session = sessions.create();
    session.sign_in(owner, at(now)).unwrap();
    token(sessions, &session, now).await
}

async fn sign_out(sessions: &SessionManager, token: &str, now: u64) -> Result<Outcome, Error> {
    let session = open(sessions, token, Access::Change, now).await;
    session.destroy().unwrap();
    sessions.commit(&session, at(now)).await
}

async fn open(sessions: &SessionManager, token: &str, access: Access, now: u64) -> Visit {
    try_open(sessions, token, access, now).await.unwrap()
}

async fn try_open(sessions: &SessionManager, token: &str, access: Access, now: u64) -> Result<Visit, Error> {
    sessions.open(token.as_bytes(), access, at(now)).unwrap().load(at(now)).await
}

async fn is_good(sessions: &SessionManager, token: &str, access: Access, now: u64) -> bool {
    !open(sessions, token, access, now).await.is_new()
}

/// Signs out while the store is away, as a handler that cannot load its session does.
async fn sign_out_away(sessions: &SessionManager, token: &str, now: u64) -> Result<Outcome, Error> {
    let session = match sessions.open(token.as_bytes(), Access::Change, at(now)).unwrap() {
        Opened::Ready(session) => session,
        Opened::Pending(pending) => pending.to_end(),
    };
    session.destroy().unwrap();
    sessions.commit(&session, at(now)).await
}

#[tokio::test]
async fn a_copy_of_a_destroyed_session_is_refused_here_at_once_and_elsewhere_within_the_window() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let copy = sign_in(&here, "albus", 0).await;
    assert!(is_good(&there, &copy, Access::Read, 9).await);
    assert_eq!(sign_out(&here, &copy, 10).await.unwrap(), Outcome::Remove);

    assert!(!is_good(&here, &copy, Access::Read, 10).await);
    assert!(is_good(&there, &copy, Access::Read, 13).await, "asked 4 seconds ago");
    assert!(!is_good(&there, &copy, Access::Change, 13).await);
    assert!(!is_good(&there, &copy, Access::Read, 13).await, "an end that is known is final");
    assert!(!is_good(&sessions(&store), &copy, Access::Read, 14).await, "who never met it asks");
}

#[tokio::test]
async fn a_renewed_sessions_old_token_is_a_strangers() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let planted = sign_in(&here, "albus", 0).await;
    let session = open(&here, &planted, Access::Change, 5).await;
    session.sign_in("minerva", at(5)).unwrap();
    let new = token(&here, &session, 5).await;
    for sessions in [&here, &there] {
        assert!(!is_good(sessions, &planted, Access::Read, 5).await);
        assert!(is_good(sessions, &new, Access::Read, 5).await);
    }
}

#[tokio::test]
async fn ending_all_ends_what_had_begun_and_a_sign_in_of_the_same_second_holds() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let tokens = [sign_in(&here, "albus", 0).await, sign_in(&there, "albus", 7).await];
    let other = sign_in(&here, "minerva", 0).await;
    here.end_all("albus", at(7)).await.unwrap();
    let after = sign_in(&there, "albus", 7).await;
    for sessions in [&here, &there] {
        for token in &tokens {
            assert!(!is_good(sessions, token, Access::Change, 8).await);
        }
        assert!(is_good(sessions, &after, Access::Change, 8).await);
        assert!(is_good(sessions, &other, Access::Change, 8).await);
    }
    // A moment earlier than the one on record does not bring anything back.
    there.end_all("albus", at(3)).await.unwrap();
    assert!(!is_good(&there, &tokens[1], Access::Change, 9).await);
    assert!(!is_good(&there, &after, Access::Change, 9).await);
}

#[tokio::test]
async fn ending_all_others_keeps_this_one() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let (mine, others) = (sign_in(&sessions, "albus", 0).await, sign_in(&sessions, "albus", 1).await);
    let session = open(&sessions, &mine, Access::Change, 2).await;
    sessions.end_others(&session).unwrap();
    let renewed = token(&sessions, &session, 2).await;
    assert!(is_good(&sessions, &renewed, Access::Change, 2).await);
    assert!(!is_good(&sessions, &others, Access::Change, 2).await);
    assert!(!is_good(&sessions, &mine, Access::Change, 2).await);
    let stranger = sessions.create();
    assert!(matches!(sessions.end_others(&stranger), Err(Error::Session(SessionError::Owner))));
}

#[tokio::test]
async fn a_page_read_again_within_the_window_asks_nobody() {
    let sessions = sessions(&MemoryStore::new());
    let token = sign_in(&sessions, "albus", 0).await;
    let asked = Arc::new(AtomicUsize::new(0));
    for now in 0..20 {
        match sessions.open(token.as_bytes(), Access::Read, at(now)).unwrap() {
            Opened::Ready(session) => assert!(!session.is_new()),
            Opened::Pending(pending) => {
                asked.fetch_add(1, Ordering::Relaxed);
                pending.load(at(now)).await.unwrap();
            }
        }
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4, "once in five seconds");
}

#[tokio::test]
async fn those_who_read_at_the_same_time_share_an_answer() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = Arc::new(sessions(&store));
    let token = sign_in(&sessions, "albus", 0).await;
    store.forget();
    let readers = (0..20).map(|_| {
        let (sessions, token) = (Arc::clone(&sessions), token.clone());
        tokio::spawn(async move { is_good(&sessions, &token, Access::Read, 1).await })
    });
    for reader in readers.collect::<Vec<_>>() {
        assert!(reader.await.unwrap());
    }
    assert_eq!(store.count(Operation::Revalidate), 2, "its id and its owner, once");
}

#[tokio::test]
async fn a_save_asks_whether_the_session_is_good_and_nothing_else() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = sessions(&store);
    let token = sign_in(&sessions, "albus", 0).await;
    let session = open(&sessions, &token, Access::Change, 1).await;
    session.insert("name", 1).unwrap();
    store.forget();
    self::token(&sessions, &session, 1).await;
    assert_eq!(store.asked(), [Operation::Revalidate; 2], "about its id and its owner");
}

#[tokio::test]
async fn a_session_that_takes_the_place_of_one_that_was_destroyed_is_not_over_with_it() {
    let store = MemoryStore::new();
    let (here, there) = (sessions(&store), sessions(&store));
    let token = sign_in(&here, "albus", 0).await;
    let session = open(&here, &token, Access::Change, 1).await;
    session.destroy().unwrap();
    session.insert("name", 1).unwrap();
    there.end_all("albus", at(1)).await.unwrap();
    here.revalidate(&session, at(2)).await.unwrap();
}

#[tokio::test]
async fn entries_are_purged_when_what_they_name_is_over() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let token = sign_in(&sessions, "albus", 0).await;
    sign_out(&sessions, &token, 1).await.unwrap();
    let purged = async |now| sessions.maintain(|| at(now)).await.unwrap().unwrap().purged;
    assert_eq!((purged(12 * HOUR + MARGIN - 1).await, purged(12 * HOUR + MARGIN).await), (0, 1));
    // An owner's lives until the last session is over that has begun with a sign-in or a renewal.
    let token = sign_in(&sessions, "albus", DAY).await;
    sign_in(&sessions, "minerva", DAY).await;
    let session = open(&sessions, &token, Access::Change, DAY + 60).await;
    session.renew().unwrap();
    self::token(&sessions, &session, DAY + 60).await;
    sign_in(&sessions, "minerva", DAY + 120).await;
    assert_eq!(purged(2 * DAY).await, 1, "the renewed id's");
    for begun in [60, 120] {
        let end = 181 * DAY + begun + MARGIN;
        assert_eq!((purged(end - 1).await, purged(end).await), (0, 1), "after {begun} seconds");
    }
    assert!(matches!(sessions.list("albus", None, 10, at(1)).await, Err(Error::NoStore)));
}

#[tokio::test]
async fn maintenance_forgets_answers_that_are_of_no_use_any_more() {
    let sessions = sessions(&MemoryStore::new());
    let token = sign_in(&sessions, "albus", 0).await;
    assert!(is_good(&sessions, &token, Access::Read, 0).await);
    // By the time of the answer, at which it would count if it were still there.
    let is_asked = || matches!(sessions.open(token.as_bytes(), Access::Read, at(0)), Ok(Opened::Pending(_)));
    assert!(!is_asked());
    sessions.maintain(|| at(HOUR)).await.unwrap();
    assert!(is_asked());
}

#[tokio::test]
async fn a_process_whose_clock_is_ahead_purges_no_end_that_still_counts() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = sessions(&store);
    let token = sign_in(&sessions, "albus", 0).await;
    sign_out(&sessions, &token, 1).await.unwrap();
    store.set_clock(Some(at(60).into()));
    let found = sessions.maintain(|| at(60 + 400 * DAY)).await.unwrap().unwrap();
    assert_eq!((found.purged, found.clock_offset), (0, Some(Duration::from_secs(400 * DAY))));
    assert!(!is_good(&sessions, &token, Access::Change, 61).await);
}

#[tokio::test]
async fn a_list_holds_in_memory_and_in_a_file() {
    let store = MemoryStore::new();
    crate::holds::holds([store.clone(), store]).await;
    let folder = tempfile::tempdir().unwrap();
    let open = || waxseal_sqlite::SqliteStore::open(folder.path().join("list.db")).unwrap();
    crate::holds::holds([open(), open()]).await;
}

// Row: a request that is under way when its session is ended.

/// What a request does with the session that it has loaded.
type Act = fn(&SessionManager, &Visit) -> Result<(), Error>;

const ACTS: [(&str, Act); 7] = [
    ("renews", |_, session| Ok(session.renew()?)),
    ("renews it empty and fills it", |_, session| {
        session.renew_empty()?;
        Ok(session.insert("name", 1)?)
    }),
    ("signs in again", |_, session| Ok(session.sign_in("albus", at(2))?)),
    ("signs in as another", |_, session| Ok(session.sign_in("minerva", at(2))?)),
    ("changes the owner", |_, session| Ok(session.set_owner(Some("minerva"))?)),
    ("saves", |_, session| Ok(session.insert("name", 1)?)),
    ("ends the others", |sessions, session| sessions.end_others(session)),
];

#[tokio::test]
async fn no_renewal_and_no_save_escapes_an_end_that_came_before_it() {
    for access in [Access::Read, Access::Change] {
        for (act, does) in ACTS {
            for end in ["signs out", "ends all", "ends all others", "renews"] {
                let case = format!("{access:?}, {act}, while the owner {end}");
                let store = MemoryStore::new();
                let (here, there) = (sessions(&store), sessions(&store));
                let (old, mine) = (sign_in(&here, "albus", 0).await, sign_in(&there, "albus", 0).await);
                assert!(is_good(&here, &old, Access::Read, 1).await);
                let session = open(&here, &old, access, 2).await;
                match end {
                    "signs out" => assert_eq!(sign_out(&there, &old, 2).await.unwrap(), Outcome::Remove),
                    "ends all" => there.end_all("albus", at(2)).await.unwrap(),
                    "renews" => {
                        let session = open(&there, &old, Access::Change, 2).await;
                        session.renew().unwrap();
                        token(&there, &session, 2).await;
                    }
                    _ => {
                        let session = open(&there, &mine, Access::Change, 2).await;
                        there.end_others(&session).unwrap();
                        token(&there, &session, 2).await;
                    }
                }
                does(&here, &session).unwrap();
                let saved = here.commit(&session, at(2)).await;
                assert!(
                    matches!(
                        saved,
                        Err(Error::Session(SessionError::Gone) | Error::Session(SessionError::Renewed))
                    ),
                    "{case}: {saved:?}"
                );
                for sessions in [&here, &there] {
                    assert!(!is_good(sessions, &old, Access::Change, 3).await, "{case}");
                }
            }
        }
    }
}

/// Otherwise the cookie of a session that it began would displace the renewed one.
#[tokio::test]
async fn a_request_that_arrives_by_a_renewed_id_begins_no_session_within_a_minute() {
    let renewals = ACTS.iter().filter(|(name, _)| *name != "saves");
    let becomes_permanent: Act = |_, session| Ok(session.set_permanent(true)?);
    for (renewal, renews) in renewals.copied().chain([("becomes permanent", becomes_permanent)]) {
        let store = MemoryStore::new();
        let (here, there) = (sessions(&store), sessions(&store));
        let old = sign_in(&here, "albus", 0).await;
        assert!(is_good(&there, &old, Access::Read, 0).await);
        let session = open(&here, &old, Access::Change, 10).await;
        renews(&here, &session).unwrap();
        let new = token(&here, &session, 10).await;
        for (process, sessions) in
            [("that renewed it", &here), ("that knew it", &there), ("another", &self::sessions(&store))]
        {
            for access in [Access::Change, Access::Read] {
                let case = format!("{renewal}: the process {process}, {access:?}");
                let late = open(sessions, &old, access, 20).await;
                assert!(late.is_new() && late.owner().is_none(), "{case}");
                assert!(matches!(late.insert("name", 1), Err(SessionError::Renewed)), "{case}");
                let form = late.csrf_token().unwrap();
                assert_eq!(sessions.commit(&late, at(20)).await.unwrap(), Outcome::Keep, "{case}");
                let next = open(sessions, &old, Access::Change, 21).await;
                assert!(next.is_csrf_token(form.as_bytes()), "{case}: its own form");
                assert!(sessions.was_renewed(&next, at(21)).await.unwrap(), "{case}");
                // An answer may have been lost, so it can sign in and out.
                next.sign_in("albus", at(21)).unwrap();
                let signed_in = token(sessions, &next, 21).await;
                assert!(is_good(sessions, &signed_in, Access::Change, 21).await, "{case}");
                let leaving = open(sessions, &old, Access::Change, 22).await;
                leaving.destroy().unwrap();
                assert_eq!(sessions.commit(&leaving, at(22)).await.unwrap(), Outcome::Remove, "{case}");
                assert!(
                    is_good(sessions, &new, Access::Change, 22).await || renewal == "signs in as another",
                    "{case}"
                );
                // After that it is like none.
                let later = open(sessions, &old, access, 70).await;
                later.insert("name", 1).unwrap();
                assert!(sessions.was_renewed(&later, at(70)).await.unwrap(), "{case}: a minute later");
                token(sessions, &later, 70).await;
            }
        }
        let session = open(&here, &new, Access::Change, 71).await;
        session.destroy().unwrap();
        here.commit(&session, at(71)).await.unwrap();
        for sessions in [&here, &there] {
            let late = open(sessions, &new, Access::Read, 72).await;
            late.insert("name", 1).unwrap();
        }
    }
}

#[tokio::test]
async fn a_form_by_one_renewed_id_is_not_good_by_another() {
    let sessions = sessions(&MemoryStore::new());
    let mut old = Vec::new();
    for _ in 0..2 {
        let token = sign_in(&sessions, "albus", 0).await;
        let session = open(&sessions, &token, Access::Change, 1).await;
        session.renew().unwrap();
        self::token(&sessions, &session, 1).await;
        old.push(token);
    }
    let form = open(&sessions, &old[0], Access::Read, 2).await.csrf_token().unwrap();
    for (token, is_its_own) in old.iter().zip([true, false]) {
        let visit = open(&sessions, token, Access::Change, 3).await;
        assert_eq!(visit.is_csrf_token(form.as_bytes()), is_its_own);
    }
}

#[tokio::test]
async fn only_a_session_that_goes_on_under_another_id_was_renewed() {
    let store = FaultyStore::new(MemoryStore::new());
    let (here, there) = (sessions(&store), sessions(&store));
    let [living, signed_out, signed_out_away, ended] = [
        sign_in(&here, "albus", 0).await,
        sign_in(&here, "albus", 0).await,
        sign_in(&here, "albus", 0).await,
        sign_in(&here, "minerva", 0).await,
    ];
    sign_out(&there, &signed_out, 1).await.unwrap();
    there.end_all("minerva", at(1)).await.unwrap();
    store.set_away(true);
    sign_out_away(&here, &signed_out_away, 1).await.unwrap();
    store.set_away(false);
    for token in [&living, &signed_out, &signed_out_away, &ended] {
        let visit = open(&here, token, Access::Change, 2).await;
        assert_eq!(visit.is_new(), token != &living);
        assert!(!here.was_renewed(&visit, at(2)).await.unwrap());
    }
}

#[tokio::test]
async fn what_is_owed_to_a_page_alone_does_not_fail_it() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = sessions(&store);
    let session = sessions.create();
    session.sign_in("albus", at(0)).unwrap();
    session.flash("success", "Sent.").unwrap();
    let token = token(&sessions, &session, 0).await;
    for away in [false, true] {
        store.set_away(false);
        let session = open(&sessions, &token, Access::Read, 1).await;
        store.set_away(away);
        assert_eq!(session.flashed_messages(&[]).len(), 1);
        session.csrf_token().unwrap();
        if !away {
            sign_out(&self::sessions(&store), &token, 1).await.unwrap();
        }
        assert_eq!(sessions.commit(&session, at(1)).await.unwrap(), Outcome::Keep, "away: {away}");
        if !away {
            return;
        }
    }
}

#[tokio::test]
async fn two_renewals_of_one_cookie_never_both_live() {
    for (first, then) in [(0, 0), (0, 2), (2, 0), (2, 2), (6, 0), (0, 6), (6, 6)] {
        let store = MemoryStore::new();
        let (here, there) = (sessions(&store), sessions(&store));
        let old = sign_in(&here, "albus", 0).await;
        let (one, other) =
            (open(&here, &old, Access::Change, 1).await, open(&there, &old, Access::Change, 1).await);
        ACTS[first].1(&here, &one).unwrap();
        ACTS[then].1(&there, &other).unwrap();
        let renewed = token(&here, &one, 1).await;
        let late = there.commit(&other, at(1)).await;
        let case = format!("{} and {}", ACTS[first].0, ACTS[then].0);
        assert!(
            matches!(late, Err(Error::Session(SessionError::Gone) | Error::Session(SessionError::Renewed))),
            "{case}: {late:?}"
        );
        // One that came first may be a thief's: ending the others ends that, too.
        let survives = then != 6;
        assert_eq!(is_good(&there, &renewed, Access::Change, 2).await, survives, "{case}");
        assert!(!is_good(&there, &old, Access::Change, 2).await, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_renewals_and_ends_that_race_none_is_escaped() {
    for round in 0..8 {
        let store = FaultyStore::new(MemoryStore::new());
        let processes: Vec<_> = (0..4).map(|_| Arc::new(sessions(&store))).collect();
        let old = sign_in(&processes[0], "albus", 0).await;
        let mut loaded = Vec::new();
        for n in 0..16 {
            let session = open(&processes[n % 4], &old, Access::Read, 1).await;
            let (_, act) = ACTS[[0, 2, 6][n % 3]];
            act(&processes[n % 4], &session).unwrap();
            loaded.push((Arc::clone(&processes[n % 4]), session));
        }
        let renewals: Vec<_> = loaded
            .into_iter()
            .map(|(sessions, session)| {
                tokio::spawn(async move {
                    match sessions.commit(&session, at(1)).await {
                        Ok(Outcome::Set { token, .. }) => Some(token),
                        Err(Error::Session(SessionError::Gone) | Error::Session(SessionError::Renewed)) => {
                            None
                        }
                        other => panic!("{other:?}"),
                    }
                })
            })
            .collect();
        let ends = (round % 2 == 0).then(|| {
            let sessions = Arc::clone(&processes[1]);
            tokio::spawn(async move { sessions.end_all("albus", at(1)).await.unwrap() })
        });
        let mut renewed = Vec::new();
        for renewal in renewals {
            renewed.extend(renewal.await.unwrap());
        }
        let has_ended = ends.is_some();
        if let Some(ends) = ends {
            ends.await.unwrap();
        }
        let mut living = 0;
        for token in &renewed {
            living += usize::from(is_good(&processes[2], token, Access::Change, 2).await);
        }
        assert!(living <= 1, "round {round}: {living} of {} live", renewed.len());
        if has_ended {
            assert_eq!(living, 0, "round {round}");
        }
        assert!(!is_good(&processes[3], &old, Access::Change, 2).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_renewal_and_a_sign_out_that_race_have_one_winner() {
    for _ in 0..50 {
        let store = FaultyStore::new(MemoryStore::new());
        let (here, there) = (Arc::new(sessions(&store)), Arc::new(sessions(&store)));
        let old = sign_in(&here, "albus", 0).await;
        let (renewing, ending) =
            (open(&here, &old, Access::Change, 1).await, open(&there, &old, Access::Change, 1).await);
        renewing.renew().unwrap();
        ending.destroy().unwrap();
        let renewal = tokio::spawn({
            let here = Arc::clone(&here);
            async move { here.commit(&renewing, at(1)).await }
        });
        let end = tokio::spawn({
            let there = Arc::clone(&there);
            async move { there.commit(&ending, at(1)).await }
        });
        assert_eq!(end.await.unwrap().unwrap(), Outcome::Remove);
        match renewal.await.unwrap() {
            Ok(Outcome::Set { token, .. }) => assert!(is_good(&there, &token, Access::Change, 2).await),
            Err(Error::Session(SessionError::Gone)) => {}
            other => panic!("{other:?}"),
        }
        assert!(!is_good(&here, &old, Access::Change, 2).await);
    }
}

/// Waits until the calls of another future are held back.
async fn until_held() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// Two processes over one store. What the first asks of it can be held back.
fn slow_and_quick() -> (FaultyStore<MemoryStore>, SessionManager, SessionManager) {
    let memory = MemoryStore::new();
    let slow = FaultyStore::new(memory.clone());
    let (here, there) = (sessions(&slow), sessions(&memory));
    (slow, here, there)
}

#[tokio::test]
async fn the_slower_of_two_that_take_an_id_out_of_use_learns_what_the_quicker_did() {
    for turn in [Turn::Work, Turn::Fail] {
        for renews in [true, false] {
            let case = format!("{turn:?}, the quicker renews: {renews}");
            let (store, here, there) = slow_and_quick();
            let old = sign_in(&here, "albus", 0).await;
            let slower = open(&here, &old, Access::Change, 1).await;
            slower.renew().unwrap();
            store.hold(Some(Operation::Create));
            store.decide_with(move |asked| if asked == Operation::Create { turn } else { Turn::Work });
            let quicker = async {
                until_held().await;
                let session = open(&there, &old, Access::Change, 1).await;
                if renews {
                    session.renew().unwrap()
                } else {
                    session.destroy().unwrap()
                }
                there.commit(&session, at(1)).await.unwrap();
                store.hold(None);
            };
            let (late, ()) = tokio::join!(here.commit(&slower, at(1)), quicker);
            let is_told = match &late {
                Err(Error::Session(SessionError::Renewed)) => renews,
                Err(Error::Session(SessionError::Gone)) => !renews,
                _ => false,
            };
            assert!(is_told, "{case}: {late:?}");
        }
    }
}

#[tokio::test]
async fn who_ends_the_others_while_all_are_ended_goes_on_by_a_sign_in_alone() {
    for (is_own, turn) in [(true, Turn::Work), (true, Turn::Fail), (false, Turn::Work), (false, Turn::Fail)] {
        let (store, here, there) = slow_and_quick();
        let token = sign_in(&here, "albus", 0).await;
        let session = match is_own {
            true => open(&here, &token, Access::Change, 1).await,
            false => here.create(),
        };
        if !is_own {
            session.sign_in("albus", at(1)).unwrap();
        }
        here.end_others(&session).unwrap();
        store.hold(Some(Operation::Update));
        let mut first = Some(turn);
        store.decide_with(move |asked| {
            let takes = asked == Operation::Update;
            first.take_if(|_| takes).unwrap_or(Turn::Work)
        });
        let ends_all = async {
            until_held().await;
            there.end_all("albus", at(1)).await.unwrap();
            store.hold(None);
        };
        let (ended, ()) = tokio::join!(here.commit(&session, at(1)), ends_all);
        match ended {
            Ok(Outcome::Set { token, .. }) if !is_own => {
                assert!(is_good(&there, &token, Access::Change, 2).await, "{turn:?}");
            }
            Err(Error::Session(SessionError::Gone)) if is_own => {}
            other => panic!("its own epoch: {is_own}, {turn:?}: {other:?}"),
        }
    }
}

/// A page's question may have been asked before an end that was acknowledged before the request that acts.
#[tokio::test]
async fn a_request_that_acts_shares_no_answer_that_a_page_waits_for() {
    let (store, here, there) = slow_and_quick();
    let token = sign_in(&here, "albus", 0).await;
    assert!(is_good(&here, &token, Access::Read, 0).await);
    store.forget();
    let acts = async {
        while store.count(Operation::Revalidate) == 0 {
            tokio::task::yield_now().await;
        }
        // The page has asked about the id, and not yet about the owner.
        store.hold(Some(Operation::Revalidate));
        sign_out(&there, &token, 6).await.unwrap();
        let released = async {
            until_held().await;
            store.hold(None);
        };
        tokio::join!(is_good(&here, &token, Access::Change, 6), released).0
    };
    let (_, is_good) = tokio::join!(is_good(&here, &token, Access::Read, 6), acts);
    assert!(!is_good);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn first_sign_ins_that_race_are_all_ended_together() {
    for round in 0..8 {
        let store = FaultyStore::new(MemoryStore::new());
        let processes: Vec<_> = (0..4).map(|_| Arc::new(sessions(&store))).collect();
        let sign_ins: Vec<_> = (0..16)
            .map(|n| {
                let sessions = Arc::clone(&processes[n % 4]);
                tokio::spawn(async move { sign_in(&sessions, "albus", 0).await })
            })
            .collect();
        let mut tokens = Vec::new();
        for sign_in in sign_ins {
            tokens.push(sign_in.await.unwrap());
        }
        for token in &tokens {
            assert!(is_good(&processes[0], token, Access::Change, 1).await, "round {round}");
        }
        let session = open(&processes[1], &tokens[round], Access::Change, 1).await;
        processes[1].end_others(&session).unwrap();
        let mine = token(&processes[1], &session, 1).await;
        for token in &tokens {
            assert!(!is_good(&processes[2], token, Access::Change, 2).await, "round {round}");
        }
        assert!(is_good(&processes[2], &mine, Access::Change, 2).await, "round {round}");
        processes[3].end_all("albus", at(3)).await.unwrap();
        assert!(!is_good(&processes[2], &mine, Access::Change, 3).await, "round {round}");
    }
}

#[tokio::test]
async fn whoever_renews_a_stolen_cookie_dies_with_the_family() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let mine = sign_in(&sessions, "albus", 0).await;
    let elsewhere = sign_in(&sessions, "albus", 0).await;
    let session = open(&sessions, &mine, Access::Change, 1).await;
    let thief = open(&sessions, &mine, Access::Change, 1).await;
    thief.renew().unwrap();
    let stolen = token(&sessions, &thief, 1).await;
    sessions.end_others(&session).unwrap();
    assert!(matches!(
        sessions.commit(&session, at(1)).await,
        Err(Error::Session(SessionError::Renewed) | Error::Session(SessionError::Gone))
    ));
    for token in [&mine, &stolen, &elsewhere] {
        assert!(!is_good(&sessions, token, Access::Change, 1).await);
    }
    assert!(is_good(&sessions, &sign_in(&sessions, "albus", 1).await, Access::Change, 1).await);
}

#[tokio::test]
async fn a_sign_in_that_ends_the_others_keeps_itself_alone_and_a_request_that_fails_ends_nobody() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    let others = [sign_in(&sessions, "albus", 0).await, sign_in(&sessions, "albus", 0).await];
    for (case, fails) in [("it fails", true), ("it works", false)] {
        let anonymous = sessions.create();
        anonymous.insert("cart", 7).unwrap();
        let cart = token(&sessions, &anonymous, 1).await;
        let session = open(&sessions, &cart, Access::Change, 1).await;
        session.sign_in("albus", at(1)).unwrap();
        sessions.end_others(&session).unwrap();
        if fails {
            session.rollback();
            assert_eq!(sessions.commit(&session, at(1)).await.unwrap(), Outcome::Keep, "{case}");
        } else {
            let mine = token(&sessions, &session, 1).await;
            let session = open(&sessions, &mine, Access::Change, 1).await;
            assert_eq!(session.get::<u32>("cart").unwrap(), Some(7), "{case}");
        }
        for token in others.iter().chain([&cart]) {
            assert_eq!(is_good(&sessions, token, Access::Change, 1).await, fails, "{case}");
        }
    }
}

// Row: clocks.

#[tokio::test]
async fn clocks_that_differ_neither_save_a_session_nor_lock_its_owner_out() {
    let store = MemoryStore::new();
    let (ahead, behind) = (sessions(&store), sessions(&store));
    let signed_in_ahead = sign_in(&ahead, "albus", 45).await;
    behind.end_all("albus", at(10)).await.unwrap();
    for (sessions, now) in [(&ahead, 51), (&behind, 11), (&behind, 100)] {
        assert!(!is_good(sessions, &signed_in_ahead, Access::Change, now).await);
    }
    // A server a day ahead ends all, and the owner signs in elsewhere.
    ahead.end_all("albus", at(DAY)).await.unwrap();
    let after = sign_in(&behind, "albus", 100).await;
    assert!(is_good(&behind, &after, Access::Change, 101).await);
    // Far behind is no better.
    behind.end_all("albus", at(0)).await.unwrap();
    assert!(!is_good(&behind, &after, Access::Change, 101).await);
}

#[tokio::test]
async fn an_end_counts_at_once_on_a_server_whose_clock_is_behind() {
    type Ends = fn(&Visit) -> Result<(), SessionError>;
    let ends: [(&str, Ends); 3] = [
        ("signs out", |session| session.destroy()),
        ("renews", |session| session.renew()),
        ("signs in again", |session| session.sign_in("albus", at(160))),
    ];
    for (end, ends) in ends {
        let store = MemoryStore::new();
        let (ahead, behind) = (sessions(&store), sessions(&store));
        let copy = sign_in(&behind, "albus", 100).await;
        let slow = open(&behind, &copy, Access::Change, 100).await;
        let session = open(&ahead, &copy, Access::Change, 160).await;
        ends(&session).unwrap();
        ahead.commit(&session, at(160)).await.unwrap();
        slow.insert("name", 1).unwrap();
        let saved = behind.commit(&slow, at(101)).await;
        let is_refused = matches!(saved, Err(Error::Session(SessionError::Gone | SessionError::Renewed)));
        assert!(is_refused, "{end}: {saved:?}");
        for access in [Access::Change, Access::Read] {
            assert!(!is_good(&sessions(&store), &copy, access, 101).await, "{end}: {access:?}");
            assert!(!is_good(&behind, &copy, access, 101).await, "{end}: {access:?}");
        }
    }
}

#[tokio::test]
async fn a_purge_never_brings_an_ended_session_back() {
    let day = Duration::from_secs(DAY);
    let lifetimes = Lifetimes::new().idle(day).and_then(|all| all.absolute(day)).unwrap();
    let lifetimes = lifetimes.permanent_idle(day).and_then(|all| all.permanent_absolute(day)).unwrap();
    let store = MemoryStore::new();
    // Their clocks are a minute apart each from the true time.
    let (ahead, behind) = (sessions(&store).lifetimes(lifetimes), sessions(&store).lifetimes(lifetimes));
    let (slow, fast) = (|now: u64| now - 60, |now: u64| now + 60);
    let (ended, kept) =
        (sign_in(&ahead, "albus", fast(100)).await, sign_in(&ahead, "albus", fast(100)).await);
    behind.end_all("albus", at(slow(101))).await.unwrap();
    let after = sign_in(&behind, "albus", slow(101)).await;
    for hour in 0..30 {
        let now = 101 + hour * HOUR;
        ahead.maintain(|| at(fast(now))).await.unwrap();
        for token in [&ended, &kept] {
            for (sessions, now) in [(&ahead, fast(now)), (&behind, slow(now))] {
                if let Ok(opened) = sessions.open(token.as_bytes(), Access::Change, at(now)) {
                    assert!(opened.load(at(now)).await.unwrap().is_new(), "after {hour} hours");
                }
            }
        }
    }
    // A session that is renewed outlives the entry's first end, and the entry lives on with it.
    let mut living = sign_in(&behind, "minerva", 200).await;
    let _ = after;
    for hour in (0..100).step_by(20) {
        let now = 200 + hour * HOUR;
        behind.maintain(|| at(now)).await.unwrap();
        let session = open(&behind, &living, Access::Change, now).await;
        session.renew().unwrap();
        living = token(&behind, &session, now).await;
    }
    behind.end_all("minerva", at(200 + 81 * HOUR)).await.unwrap();
    assert!(!is_good(&behind, &living, Access::Change, 200 + 81 * HOUR).await);
}

#[tokio::test]
async fn a_copy_that_lives_longer_than_the_cookie_it_ended_with_stays_ended() {
    for how in ["destroy", "clear", "renew", "renew_empty", "sign_in", "set_owner", "end_others"] {
        // A thief may have made a cookie permanent, and its owner have one that is so no more.
        for thief in [true, false] {
            let store = MemoryStore::new();
            let here = sessions(&store);
            let first = sign_in(&here, "albus", 0).await;
            let session = open(&here, &first, Access::Change, 1).await;
            session.set_permanent(true).unwrap();
            let permanent = token(&here, &session, 1).await;
            let mut mine = first.clone();
            if !thief {
                let session = open(&here, &permanent, Access::Change, 2).await;
                session.set_permanent(false).unwrap();
                mine = token(&here, &session, 2).await;
            }
            // What is left of a cookie that somebody has renewed is an anonymous visitor's.
            assert_eq!(is_good(&here, &mine, Access::Change, 3).await, !thief, "{how}");
            let session = open(&here, if thief { &permanent } else { &mine }, Access::Change, 3).await;
            match how {
                "destroy" => session.destroy().unwrap(),
                "clear" => session.clear().unwrap(),
                "renew" => session.renew().unwrap(),
                "renew_empty" => session.renew_empty().unwrap(),
                "sign_in" => session.sign_in("albus", at(3)).unwrap(),
                "set_owner" => session.set_owner(Some("minerva")).unwrap(),
                _ => here.end_others(&session).unwrap(),
            }
            here.commit(&session, at(3)).await.unwrap();
            for later in [4, 11 * HOUR, 13 * HOUR, 20 * DAY] {
                here.maintain(|| at(later)).await.unwrap();
                let fresh = sessions(&store);
                for token in [&first, &permanent, &mine] {
                    if let Ok(opened) = fresh.open(token.as_bytes(), Access::Change, at(later)) {
                        let session = opened.load(at(later)).await.unwrap();
                        assert!(session.is_new(), "{how}, {thief}: after {later} s");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_session_that_is_its_owners_no_more_ends_the_others_all_the_same() {
    for then in ["renew_empty", "set_owner", "destroy", "clear", "destroy and go on", "another signs in"] {
        for fails in [false, true] {
            let store = MemoryStore::new();
            let here = sessions(&store);
            let (mine, other) = (sign_in(&here, "albus", 0).await, sign_in(&here, "albus", 0).await);
            let bystander = sign_in(&here, "minerva", 0).await;
            let session = open(&here, &mine, Access::Change, 1).await;
            here.end_others(&session).unwrap();
            match then {
                "renew_empty" => session.renew_empty().unwrap(),
                "set_owner" => session.set_owner(None).unwrap(),
                "destroy" => session.destroy().unwrap(),
                "clear" => session.clear().unwrap(),
                "destroy and go on" => {
                    session.destroy().unwrap();
                    session.insert("cart", 1).unwrap();
                }
                _ => session.sign_in("minerva", at(1)).unwrap(),
            }
            if fails {
                session.rollback();
            }
            let ends = matches!(then, "destroy" | "clear" | "destroy and go on");
            let done = here.commit(&session, at(1)).await.unwrap();
            match done {
                Outcome::Set { token, .. } => {
                    assert!(is_good(&here, &token, Access::Change, 2).await, "{then}")
                }
                done => assert_eq!(done, if ends { Outcome::Remove } else { Outcome::Keep }, "{then}"),
            }
            assert_eq!(is_good(&here, &mine, Access::Change, 2).await, fails && !ends, "{then}, {fails}");
            assert_eq!(is_good(&here, &other, Access::Change, 2).await, fails, "{then}, {fails}");
            assert!(is_good(&here, &bystander, Access::Change, 2).await, "{then}, {fails}");
        }
    }
}

#[tokio::test]
async fn a_server_whose_sessions_are_shorter_does_not_shorten_what_is_remembered() {
    let store = MemoryStore::new();
    let hour = Duration::from_secs(HOUR);
    let short = Lifetimes::new().idle(hour).and_then(|all| all.absolute(hour)).unwrap();
    let short = short.permanent_idle(hour).and_then(|all| all.permanent_absolute(hour)).unwrap();
    let (long, short) = (sessions(&store), sessions(&store).lifetimes(short));
    let session = long.create();
    session.sign_in("albus", at(0)).unwrap();
    session.set_permanent(true).unwrap();
    let permanent = token(&long, &session, 0).await;
    short.end_all("albus", at(1)).await.unwrap();
    let other = long.create();
    other.set_permanent(true).unwrap();
    let other = token(&long, &other, 0).await;
    sign_out(&short, &other, 1).await.unwrap();
    let later = 2 * DAY;
    long.maintain(|| at(later)).await.unwrap();
    assert!(!is_good(&long, &permanent, Access::Change, later).await);
    assert!(!is_good(&long, &other, Access::Change, later).await);
}

// Row: outages.

#[tokio::test]
async fn an_end_in_an_outage_is_never_forgotten() {
    let store = FaultyStore::new(MemoryStore::new());
    let (here, there) = (sessions(&store), sessions(&store));
    let copy = sign_in(&here, "albus", 0).await;
    let visitors = [sign_in(&here, "minerva", 0).await, sign_in(&here, "gellert", 0).await];
    assert!(is_good(&here, &copy, Access::Read, 1).await);
    // Another request with the session is under way meanwhile.
    let under_way = open(&here, &copy, Access::Change, 1).await;
    store.set_away(true);
    assert_eq!(sign_out_away(&here, &copy, 2).await.unwrap(), Outcome::Remove);
    for now in [2, 6 * 60, 20 * 60] {
        for access in [Access::Read, Access::Change] {
            assert!(!is_good(&here, &copy, access, now).await, "{access:?} after {now} s");
        }
    }
    store.set_away(false);
    for visitor in &visitors {
        assert!(is_good(&here, visitor, Access::Read, 20 * 60 + 1).await);
    }
    for access in [Access::Read, Access::Change] {
        assert!(!is_good(&here, &copy, access, 20 * 60 + 1).await, "{access:?}, and the store is back");
    }
    under_way.renew().unwrap();
    let escaped = here.commit(&under_way, at(20 * 60 + 1)).await;
    assert!(matches!(escaped, Err(Error::Session(SessionError::Gone))), "{escaped:?}");
    assert_eq!(here.finish_ends(at(20 * 60 + 2)).await.unwrap(), 0);
    assert!(!is_good(&there, &copy, Access::Change, 20 * 60 + 2).await);
}

#[tokio::test]
async fn a_record_that_the_store_refuses_does_not_hold_up_the_others() {
    for fault in [Fault::Full, Fault::Defect, Fault::Outage] {
        let (away, first) = (Arc::new(Mutex::new(false)), Arc::new(Mutex::new(None)));
        let store = Meddler::new({
            let (away, first) = (Arc::clone(&away), Arc::clone(&first));
            move |key, _| {
                let mut first = first.lock().unwrap();
                match (*away.lock().unwrap(), *first) {
                    (true, _) => {
                        first.get_or_insert(*key);
                        Meddling::Refuse(Fault::Outage)
                    }
                    (false, Some(first)) if first == *key => Meddling::Refuse(fault),
                    (false, _) => Meddling::Nothing,
                }
            }
        });
        let (here, there) = (sessions(&store), sessions(&store));
        let mut tokens = Vec::new();
        for _ in 0..20 {
            tokens.push(sign_in(&here, "albus", 0).await);
        }
        *away.lock().unwrap() = true;
        for token in &tokens {
            assert_eq!(sign_out_away(&here, token, 1).await.unwrap(), Outcome::Remove, "{fault:?}");
        }
        *away.lock().unwrap() = false;
        for now in 2..6 {
            let _ = here.finish_ends(at(now)).await;
        }
        let mut living = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            living.extend(is_good(&there, token, Access::Change, 6).await.then_some(at));
            assert!(!is_good(&here, token, Access::Read, 6).await, "{fault:?}");
        }
        assert_eq!(living, [0], "{fault:?}");
    }
}

#[tokio::test]
async fn while_the_store_is_away_nothing_is_said_to_be_done_that_is_not() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = sessions(&store);
    let token = sign_in(&sessions, "albus", 0).await;
    let loaded = async || open(&sessions, &token, Access::Change, 1).await;
    let (renewing, ending) = (loaded().await, loaded().await);
    store.set_away(true);
    let unavailable = |what: &str, outcome: Result<(), Error>| {
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{what}: {outcome:?}");
    };
    unavailable("end all", sessions.end_all("albus", at(1)).await);
    renewing.renew().unwrap();
    unavailable("a renewal", sessions.commit(&renewing, at(1)).await.map(drop));
    sessions.end_others(&ending).unwrap();
    unavailable("ending the others", sessions.commit(&ending, at(1)).await.map(drop));
    let newcomer = sessions.create();
    newcomer.sign_in("albus", at(1)).unwrap();
    unavailable("a sign-in", sessions.commit(&newcomer, at(1)).await.map(drop));
    unavailable("an act", try_open(&sessions, &token, Access::Change, 2).await.map(drop));
    // What was asked not long ago can be read, and not written.
    let session = open(&sessions, &token, Access::Read, 100).await;
    assert!(!session.is_new() && !session.is_confirmed());
    assert!(matches!(session.insert("name", 1), Err(SessionError::Unconfirmed)));
    unavailable("after the grace", try_open(&sessions, &token, Access::Read, 302).await.map(drop));
    store.set_away(false);
    assert!(is_good(&sessions, &token, Access::Change, 303).await, "it was not ended");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_asked_for() {
    for operation in [Operation::Create, Operation::Update] {
        let store = FaultyStore::new(MemoryStore::new());
        let sessions = sessions(&store);
        let lose_one = |operation| {
            let mut lost = false;
            store.decide_with(move |asked| {
                if asked == operation && !std::mem::replace(&mut lost, true) {
                    Turn::LoseReply
                } else {
                    Turn::Work
                }
            });
        };
        lose_one(operation);
        let mut mine = sign_in(&sessions, "albus", 0).await;
        for renewal in [0, 6, 2] {
            lose_one(operation);
            let session = open(&sessions, &mine, Access::Change, 1).await;
            ACTS[renewal].1(&sessions, &session).unwrap();
            mine = token(&sessions, &session, 1).await;
            assert!(is_good(&sessions, &mine, Access::Change, 1).await, "{operation:?}, {}", ACTS[renewal].0);
        }
        lose_one(operation);
        sessions.end_all("albus", at(2)).await.unwrap();
        assert!(!is_good(&sessions, &mine, Access::Change, 2).await, "{operation:?}");
        let mine = sign_in(&sessions, "albus", 3).await;
        lose_one(operation);
        sign_out(&sessions, &mine, 3).await.unwrap();
        assert_eq!(sessions.finish_ends(at(4)).await.unwrap(), 0);
        assert!(!is_good(&self::sessions(&store), &mine, Access::Change, 4).await, "{operation:?}");
    }
}

#[tokio::test]
async fn what_did_not_arrive_is_not_said_to_be_done_although_the_store_answers_again() {
    let store = FaultyStore::new(MemoryStore::new());
    let sessions = sessions(&store);
    let fail = |operation| {
        store.decide_with(move |asked| if asked == operation { Turn::Fail } else { Turn::Work });
    };
    let unavailable = |what: &str, outcome: Result<(), Error>| {
        assert!(matches!(outcome, Err(Error::Unavailable(_))), "{what}: {outcome:?}");
    };
    fail(Operation::Create);
    let newcomer = sessions.create();
    newcomer.sign_in("albus", at(0)).unwrap();
    unavailable("a first sign-in", sessions.commit(&newcomer, at(0)).await.map(drop));
    unavailable("an end of nobody's", sessions.end_all("albus", at(0)).await);
    store.decide_with(|_| Turn::Work);
    let mine = sign_in(&sessions, "albus", 0).await;
    let session = open(&sessions, &mine, Access::Change, 1).await;
    fail(Operation::Create);
    session.renew().unwrap();
    unavailable("a renewal", sessions.commit(&session, at(1)).await.map(drop));
    fail(Operation::Update);
    unavailable("an end of all", sessions.end_all("albus", at(1)).await);
    sessions.end_others(&session).unwrap();
    unavailable("an end of the others", sessions.commit(&session, at(1)).await.map(drop));
    store.decide_with(|_| Turn::Work);
    assert!(is_good(&sessions, &mine, Access::Change, 2).await);
}

// Row: a public session id that is another's.

#[tokio::test]
async fn a_public_id_that_is_taken_blocks_neither_sign_in_nor_sign_out_nor_end_all() {
    let met = Mutex::new(HashSet::new());
    // The first that wants a public id finds it taken, whatever for.
    let store =
        Meddler::new(
            move |key, _| {
                if met.lock().unwrap().insert(*key) { Meddling::Squat } else { Meddling::Nothing }
            },
        );
    let squatted = Arc::new(AtomicUsize::new(0));
    let picky = Meddler::new({
        let squatted = Arc::clone(&squatted);
        move |_, _| {
            // Of every two, so that drawing again helps.
            if squatted.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
                Meddling::Squat
            } else {
                Meddling::Nothing
            }
        }
    });
    // Where even drawing again would not help, an error says so.
    let fresh = sessions(&store).create();
    fresh.sign_in("albus", at(0)).unwrap();
    assert!(matches!(sessions(&store).commit(&fresh, at(0)).await, Err(Error::Contended)));

    let (here, there) = (sessions(&picky), sessions(&picky));
    let victim = sign_in(&here, "albus", 0).await;
    assert!(is_good(&there, &victim, Access::Change, 0).await, "sign-in");
    there.end_all("albus", at(1)).await.unwrap();
    assert!(!is_good(&here, &victim, Access::Change, 1).await, "end all");
    there.end_all("minerva", at(1)).await.unwrap();

    for act in [0, 2, 3, 4, 6] {
        let (name, act) = ACTS[act];
        squatted.store(1, Ordering::Relaxed);
        let old = sign_in(&here, "albus", 2).await;
        squatted.store(0, Ordering::Relaxed);
        let session = open(&here, &old, Access::Change, 2).await;
        act(&here, &session).unwrap();
        let new = token(&here, &session, 2).await;
        assert!(is_good(&there, &new, Access::Change, 2).await, "{name}");
        assert!(!is_good(&there, &old, Access::Change, 2).await, "{name}");
    }
    squatted.store(1, Ordering::Relaxed);
    let old = sign_in(&here, "albus", 3).await;
    squatted.store(0, Ordering::Relaxed);
    assert_eq!(sign_out(&here, &old, 3).await.unwrap(), Outcome::Remove);
    for sessions in [&here, &there] {
        assert!(!is_good(sessions, &old, Access::Change, 3).await, "sign-out");
    }
}

#[tokio::test]
async fn an_owners_name_does_not_tell_the_public_id() {
    let public_ids = async || {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let store = Meddler::new({
            let seen = Arc::clone(&seen);
            move |key, record| {
                assert!(!record.owner.as_ref().unwrap().contains("albus"));
                seen.lock().unwrap().push(key.public_id());
                Meddling::Nothing
            }
        });
        sign_in(&sessions(&store), "albus", 0).await;
        let seen = seen.lock().unwrap();
        seen.clone()
    };
    let (one, other) = (public_ids().await, public_ids().await);
    assert_eq!((one.len(), other.len()), (1, 1));
    assert_ne!(one, other);
}

// Row: a bounded store.

#[tokio::test]
async fn a_store_that_sign_ins_have_filled_still_takes_ends_and_says_that_it_is_full() {
    let store = MemoryStore::new().max_records(160);
    let (here, there) = (sessions(&store), sessions(&store));
    let mut tokens = vec![sign_in(&here, "albus", 0).await];
    for n in 0.. {
        assert!(n < 1_000, "it is bounded");
        let session = here.create();
        session.sign_in(&format!("user-{n}"), at(1)).unwrap();
        match here.commit(&session, at(1)).await {
            Ok(Outcome::Set { token, .. }) => tokens.push(token),
            Err(Error::Unavailable(_)) => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tokens.len(), 150);
    let Err(Error::Unavailable(why)) = here.store_ready().await else { panic!("it is full") };
    assert!(why.to_string().starts_with("the memory store is full at 150 records"), "{why}");
    // As many ends as there was room kept for are known everywhere at once.
    there.end_all("albus", at(2)).await.unwrap();
    assert!(!is_good(&there, &tokens[0], Access::Change, 2).await);
    for (n, token) in tokens[1..].iter().enumerate() {
        assert_eq!(sign_out(&here, token, 2).await.unwrap(), Outcome::Remove, "{n}");
        assert_eq!(is_good(&there, token, Access::Change, 3).await, n >= 10, "{n}");
    }
    // And the others are refused where they were acknowledged, until the store has room.
    let _ = here.finish_ends(at(4)).await;
    for token in &tokens {
        for access in [Access::Read, Access::Change] {
            assert!(!is_good(&here, token, access, 20 * 60).await);
        }
    }
}

#[tokio::test]
async fn a_store_that_strangers_have_filled_still_takes_sign_ins_and_their_ends() {
    let memory = MemoryStore::new().max_records(160);
    let store = FaultyStore::new(memory);
    let (here, there) = (sessions(&store), sessions(&store));
    let stranger = async || {
        let session = here.create();
        session.insert("name", "nobody").unwrap();
        token(&here, &session, 1).await
    };
    let before = sign_in(&here, "albus", 0).await;
    let mut ended = Vec::new();
    for n in 0..400 {
        let visitor = stranger().await;
        match n % 4 {
            // A new id is noted as well.
            0 => {
                let session = open(&here, &visitor, Access::Change, 1).await;
                session.renew().unwrap();
                token(&here, &session, 1).await;
            }
            // The end waits, and is written later.
            1 => {
                store.set_away(true);
                assert_eq!(sign_out_away(&here, &visitor, 1).await.unwrap(), Outcome::Remove, "{n}");
                store.set_away(false);
                assert_eq!(here.finish_ends(at(1)).await.unwrap(), 0, "{n}");
            }
            _ => assert_eq!(sign_out(&here, &visitor, 1).await.unwrap(), Outcome::Remove, "{n}"),
        }
        ended.push(visitor);
    }
    assert!(!is_good(&there, ended.last().unwrap(), Access::Change, 1).await, "as far as there is room");
    here.store_ready().await.unwrap();
    let mut tokens = vec![before];
    for n in 0..70 {
        tokens.push(sign_in(&here, &format!("user-{n}"), 2).await);
    }
    for (n, token) in tokens.iter().enumerate() {
        assert_eq!(sign_out(&here, token, 3).await.unwrap(), Outcome::Remove, "{n}");
        assert_eq!(here.finish_ends(at(3)).await.unwrap(), 0, "{n}");
    }
    for _ in 0..100 {
        let visitor = stranger().await;
        assert_eq!(sign_out(&here, &visitor, 4).await.unwrap(), Outcome::Remove);
    }
    for (n, token) in tokens.iter().enumerate() {
        assert!(!is_good(&there, token, Access::Change, 5).await, "{n}: no stranger displaces it");
    }
}

// Relatives.

#[tokio::test]
async fn two_apps_in_one_store_leave_each_other_alone() {
    let store = MemoryStore::new();
    let (shop, forum) = (sessions_of("shop", &store), sessions_of("forum", &store));
    let (buyer, poster) = (sign_in(&shop, "7", 0).await, sign_in(&forum, "7", 0).await);
    shop.end_all("7", at(1)).await.unwrap();
    assert!(!is_good(&shop, &buyer, Access::Change, 1).await);
    assert!(is_good(&forum, &poster, Access::Change, 1).await);
}

#[tokio::test]
async fn sessions_from_before_the_list_are_good_until_their_owner_ends_all() {
    let (store, without) =
        (MemoryStore::new(), SessionManager::cookie(&keyring(), "__Host-session", "demo").unwrap());
    let listed = sessions(&store);
    let [one, two, three, four] = [
        sign_in(&without, "albus", 0).await,
        sign_in(&without, "albus", 0).await,
        sign_in(&without, "albus", 0).await,
        sign_in(&without, "albus", 0).await,
    ];
    assert!(is_good(&listed, &one, Access::Change, 1).await);
    let renewing = open(&listed, &two, Access::Change, 1).await;
    renewing.renew().unwrap();
    let renewed = token(&listed, &renewing, 1).await;
    let modern = sign_in(&listed, "albus", 1).await;
    for token in [&one, &renewed, &modern] {
        assert!(is_good(&listed, token, Access::Change, 1).await);
    }
    assert!(!is_good(&listed, &two, Access::Change, 1).await);
    sign_out(&listed, &three, 1).await.unwrap();
    assert!(!is_good(&listed, &three, Access::Change, 1).await);
    // One of them ends the others, and stays.
    let ending = open(&listed, &four, Access::Change, 2).await;
    listed.end_others(&ending).unwrap();
    let four = token(&listed, &ending, 2).await;
    for token in [&one, &renewed, &modern] {
        assert!(!is_good(&listed, token, Access::Change, 2).await);
    }
    assert!(is_good(&listed, &four, Access::Change, 2).await);
    listed.end_all("albus", at(3)).await.unwrap();
    assert!(!is_good(&listed, &four, Access::Change, 3).await);
}

#[tokio::test]
async fn ending_all_ends_those_from_before_the_list_when_nobody_has_signed_in_since() {
    let without = SessionManager::cookie(&keyring(), "__Host-session", "demo").unwrap();
    let old = sign_in(&without, "albus", 0).await;
    let listed = sessions(&MemoryStore::new());
    listed.end_all("albus", at(1)).await.unwrap();
    assert!(!is_good(&listed, &old, Access::Change, 1).await);
    let new = sign_in(&listed, "albus", 1).await;
    assert!(is_good(&listed, &new, Access::Change, 1).await);
    assert!(!is_good(&listed, &old, Access::Change, 1).await);
}

#[tokio::test]
async fn a_list_that_was_lost_forgets_ends_and_takes_new_ones() {
    let before = sessions(&MemoryStore::new());
    let (one, two) = (sign_in(&before, "albus", 0).await, sign_in(&before, "albus", 0).await);
    before.end_all("minerva", at(0)).await.unwrap();
    // The process starts anew, and its memory with it.
    let after = sessions(&MemoryStore::new());
    assert!(is_good(&after, &one, Access::Change, 1).await);
    let mine = open(&after, &two, Access::Change, 1).await;
    after.end_others(&mine).unwrap();
    let mine = token(&after, &mine, 1).await;
    assert!(!is_good(&after, &one, Access::Change, 1).await);
    assert!(is_good(&after, &mine, Access::Change, 1).await);
    let new = sign_in(&after, "albus", 1).await;
    after.end_all("albus", at(2)).await.unwrap();
    for token in [&one, &two, &mine, &new] {
        assert!(!is_good(&after, token, Access::Change, 2).await);
    }
}

#[tokio::test]
async fn owners_names_at_their_limits_are_like_any_other() {
    let longest = "x".repeat(255);
    let sessions = sessions(&MemoryStore::new());
    for owner in ["x", &longest, "albus@école.example", "\u{202e}"] {
        let (one, other) = (sign_in(&sessions, owner, 0).await, sign_in(&sessions, "another", 0).await);
        sessions.end_all(owner, at(1)).await.unwrap();
        assert!(!is_good(&sessions, &one, Access::Change, 1).await, "{owner:?}");
        assert!(is_good(&sessions, &other, Access::Change, 1).await, "{owner:?}");
    }
    // A session that is full to the brim cannot take an epoch as well, and is what it was.
    let session = sessions.create();
    session.sign_in(&longest, at(0)).unwrap();
    while session.append("list", 7).is_ok() {}
    assert!(matches!(
        sessions.commit(&session, at(0)).await,
        Err(Error::Session(SessionError::TooLarge { .. }))
    ));
}

#[tokio::test]
async fn a_list_and_the_sessions_of_another_state_live_in_one_store() {
    let store = MemoryStore::new();
    let listed = sessions(&store);
    let kept = SessionManager::store(&keyring(), "session", "demo", store.clone()).unwrap();
    let (one, other) = (sign_in(&listed, "albus", 0).await, sign_in(&listed, "minerva", 0).await);
    listed.end_all("albus", at(1)).await.unwrap();
    sign_out(&listed, &other, 1).await.unwrap();
    sign_in(&kept, "albus", 1).await;
    // Entries are no sessions of anybody's, and no app can name their owners.
    assert_eq!(kept.list("albus", None, 10, at(1)).await.unwrap().items.len(), 1);
    let (mut after, mut names) = (None, HashSet::new());
    loop {
        let moment = at(1).into();
        let page = store.sealed_otherwise([9; 4], after.as_ref(), 100, moment).await.unwrap();
        names.extend(
            page.items
                .iter()
                .filter(|(_, record)| record.kid == [0; 4])
                .map(|(_, record)| record.owner.clone()),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names.len(), 3, "two owners and an id");
    for name in names.iter().flatten() {
        assert!(kept.list(name, None, 10, at(1)).await.unwrap().items.is_empty());
        kept.end_all(name, at(1)).await.unwrap();
        listed.end_all(name, at(1)).await.unwrap();
    }
    assert!(!is_good(&sessions(&store), &one, Access::Change, 1).await);
    assert!(!is_good(&sessions(&store), &other, Access::Change, 1).await);
    // A change of keys has nothing to seal anew in them.
    kept.set_keyring(
        &Keyring::new(SecretKey::from_bytes([2; 32])).with_fallback(SecretKey::from_bytes([1; 32])).unwrap(),
    );
    let (mut sealed, mut after) = (0, None);
    loop {
        let (some, next) = kept.rewrap(after.as_ref(), 100, at(1)).await.unwrap();
        sealed += some;
        after = next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(sealed, 1);
    assert!(!is_good(&sessions(&store), &one, Access::Change, 1).await);
}

/// Stores keep a record in its owner's list until its absolute end.
#[tokio::test]
async fn entries_of_sign_outs_have_an_end() {
    let store = MemoryStore::new();
    let sessions = sessions(&store);
    for _ in 0..3 {
        let token = sign_in(&sessions, "albus", 0).await;
        sign_out(&sessions, &token, 1).await.unwrap();
    }
    let mut entries = 0;
    for first in 0..=255 {
        let owner = format!("\u{1}revoked {first:02x}");
        for listed in store.list(&owner, None, 9, at(1).into()).await.unwrap().items {
            assert_eq!(listed.life.absolute_end, listed.life.expires);
            assert!(listed.life.absolute_end < at(2 * DAY).into());
            entries += 1;
        }
    }
    assert_eq!(entries, 3);
}
