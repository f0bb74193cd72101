//! The dictionary, and what becomes of it when it is sealed and opened again.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::Visit;
use waxseal_manager::{Access, Lifetimes, Outcome, SessionManager};
use waxseal_session::{Error as SessionError, ValueError};

const NOON: u64 = 1_790_000_000;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// A method by its name, and a call of it.
type Case = (&'static str, fn(&Visit));

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn ring(byte: u8) -> Keyring {
    Keyring::new(SecretKey::from_bytes([byte; 32]))
}

fn sessions() -> SessionManager {
    SessionManager::cookie(&ring(1), "__Host-session", "demo").unwrap()
}

fn commit(sessions: &SessionManager, session: &Visit, now: u64) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(sessions.commit(session, at(now))).unwrap()
}

/// Commits a session that has something to send.
fn token(sessions: &SessionManager, session: &Visit, now: u64) -> String {
    match commit(sessions, session, now) {
        Outcome::Set { token, .. } => token,
        other => panic!("expected a token, found {other:?}"),
    }
}

fn open(sessions: &SessionManager, token: &str, now: u64) -> Option<Visit> {
    sessions.open(token.as_bytes(), Access::Read, at(now)).ok()?.ready()
}

fn reopened(session: &Visit) -> Visit {
    let sessions = sessions();
    open(&sessions, &token(&sessions, session, NOON), NOON).expect("just sealed")
}

#[test]
fn it_is_a_dictionary() {
    let session = sessions().create();
    assert!(session.is_empty() && !session.contains_key("name"));
    session.insert("name", "Gandalf").unwrap();
    session.extend([("age", 2019), ("staffs", 1)]).unwrap();
    assert_eq!(session.keys(), ["name", "age", "staffs"]);
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Gandalf"));
    assert_eq!(session.get::<u32>("hats").unwrap(), None);
    session.update("age", |age: &mut u32| *age += 1).unwrap();
    session.update("horses", |horses: &mut Vec<String>| horses.push("Shadowfax".into())).unwrap();
    session.append("horses", "Bill").unwrap();
    session.add("staffs", -1).unwrap();
    session.add("rings", 1).unwrap();
    assert_eq!(session.get_or_insert_with("hats", || 1_u8).unwrap(), 1);
    assert_eq!(session.get_or_insert_with("hats", || 2_u8).unwrap(), 1);
    assert_eq!(session.take::<u32>("age").unwrap(), Some(2020));
    assert_eq!(session.take::<u32>("age").unwrap(), None);
    assert!(session.remove("hats").unwrap() && !session.remove("hats").unwrap());
    session.insert("name", "Mithrandir").unwrap();

    let session = reopened(&session);
    assert_eq!(session.keys(), ["name", "staffs", "horses", "rings"]);
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Mithrandir"));
    assert_eq!(session.get::<Vec<String>>("horses").unwrap().unwrap(), ["Shadowfax", "Bill"]);
    assert_eq!(session.get::<i64>("staffs").unwrap(), Some(0));
    assert_eq!(session.iter().map(|(_, value)| value.bytes().len()).sum::<usize>(), 11 + 16 + 1 + 1);
    session.clear().unwrap();
    assert_eq!(session.len(), 0);
    session.insert("name", "Saruman").unwrap();
    assert_eq!(reopened(&session).keys(), ["name"]);
}

#[test]
fn every_read_counts_as_access_and_no_read_as_change() {
    let reads: [Case; 8] = [
        ("get", |s| drop(s.get::<String>("absent"))),
        ("contains_key", |s| _ = s.contains_key("absent")),
        ("len", |s| _ = s.len()),
        ("is_empty", |s| _ = s.is_empty()),
        ("keys", |s| _ = s.keys()),
        ("iter", |s| drop(s.iter())),
        ("is_new", |s| _ = s.is_new()),
        ("is_permanent", |s| _ = s.is_permanent()),
    ];
    for (case, read) in reads {
        let session = sessions().create();
        assert!(!session.is_accessed(), "{case}");
        read(&session);
        assert!(session.is_accessed() && !session.is_modified(), "{case}");
    }
}

#[test]
fn every_write_counts_as_change() {
    let writes: [Case; 12] = [
        ("insert", |s| s.insert("b", 1).unwrap()),
        ("extend", |s| s.extend([("b", 1)]).unwrap()),
        ("remove", |s| _ = s.remove("a").unwrap()),
        ("take", |s| _ = s.take::<i32>("a").unwrap()),
        ("update", |s| s.update("a", |a: &mut i32| *a += 1).unwrap()),
        ("add", |s| s.add("a", 1).unwrap()),
        ("append", |s| s.append("b", 1).unwrap()),
        ("get_or_insert_with", |s| _ = s.get_or_insert_with("b", || 1).unwrap()),
        ("clear and insert", |s| s.clear().and_then(|()| s.insert("b", 1)).unwrap()),
        ("set_permanent", |s| s.set_permanent(true).unwrap()),
        ("renew", |s| s.renew().unwrap()),
        ("renew_empty", |s| s.renew_empty().unwrap()),
    ];
    let first = sessions().create();
    first.insert("a", 1).unwrap();
    let token = token(&sessions(), &first, NOON);
    for (case, write) in writes {
        let session = open(&sessions(), &token, NOON).unwrap();
        write(&session);
        assert!(session.is_accessed() && session.is_modified(), "{case}");
        assert!(matches!(commit(&sessions(), &session, NOON), Outcome::Set { .. }), "{case}");
    }
}

#[test]
fn writing_what_is_already_there_changes_nothing() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    let session = reopened(&session);
    session.insert("a", 1).unwrap();
    session.extend([("a", 1), ("a", 1)]).unwrap();
    session.update("a", |_: &mut i32| {}).unwrap();
    session.add("a", 0).unwrap();
    session.remove("b").unwrap();
    session.set_permanent(false).unwrap();
    assert!(!session.is_modified());
    assert_eq!(commit(&sessions(), &session, NOON), Outcome::Keep);
}

#[test]
fn nothing_is_sent_for_a_new_session_that_stays_empty() {
    let sessions = sessions();
    let session = sessions.create();
    assert_eq!(commit(&sessions, &session, NOON), Outcome::Keep);
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    session.remove("a").unwrap();
    session.renew().unwrap();
    assert_eq!(commit(&sessions, &session, NOON), Outcome::Keep);
}

#[test]
fn a_session_that_was_not_accessed_is_kept_even_when_a_refresh_is_due() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    let token = token(&sessions, &session, NOON);
    let session = open(&sessions, &token, NOON + 20 * MINUTE).unwrap();
    assert_eq!(commit(&sessions, &session, NOON + 20 * MINUTE), Outcome::Keep);
}

#[test]
fn activity_is_noted_after_a_twentieth_of_the_idle_time() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    let token = token(&sessions, &session, NOON);
    for (age, sent) in [(0, false), (89, false), (90, true), (29 * MINUTE, true)] {
        let session = open(&sessions, &token, NOON + age).unwrap();
        assert_eq!(session.get::<i32>("a").unwrap(), Some(1));
        assert_eq!(matches!(commit(&sessions, &session, NOON + age), Outcome::Set { .. }), sent, "{age}");
    }
}

#[test]
fn an_active_visitor_stays_however_short_the_idle_time_is() {
    for idle in [1, 2, 10, 60, 61, 119, 1_200, 1_800] {
        let sessions = sessions().lifetimes(Lifetimes::new().idle(Duration::from_secs(idle)).unwrap());
        let session = sessions.create();
        session.insert("a", 1).unwrap();
        let mut token = token(&sessions, &session, NOON);
        for step in 1..200 {
            let now = NOON + step * (idle / 2);
            let session = open(&sessions, &token, now).unwrap_or_else(|| panic!("{idle} s, step {step}"));
            assert!(!session.is_empty());
            if let Outcome::Set { token: next, .. } = commit(&sessions, &session, now) {
                token = next;
            }
            if now - NOON > 11 * HOUR {
                break;
            }
        }
    }
}

#[test]
fn a_visitor_who_only_reads_stays_until_the_absolute_end() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    let mut token = token(&sessions, &session, NOON);
    for minutes in 0..12 * 60 {
        let now = NOON + minutes * MINUTE;
        let session = open(&sessions, &token, now).expect("active, and within 12 hours");
        assert_eq!(session.get::<i32>("a").unwrap(), Some(1));
        if let Outcome::Set { token: next, .. } = commit(&sessions, &session, now) {
            token = next;
        }
    }
    assert!(open(&sessions, &token, NOON + 12 * HOUR).is_none());
}

#[test]
fn lifetimes_end_to_the_second() {
    for (case, permanent, life) in [("idle", false, 30 * MINUTE), ("permanent idle", true, 31 * DAY)] {
        let sessions = sessions();
        let session = sessions.create();
        session.insert("a", 1).unwrap();
        session.set_permanent(permanent).unwrap();
        let token = token(&sessions, &session, NOON);
        assert!(open(&sessions, &token, NOON + life - 1).is_some(), "{case}");
        assert!(open(&sessions, &token, NOON + life).is_none(), "{case}");
        assert!(open(&sessions, &token, NOON - 60).is_some(), "{case}: a clock a minute behind");
        assert!(open(&sessions, &token, NOON - 61).is_none(), "{case}: from the future");
    }
}

#[test]
fn the_servers_lifetimes_shorten_those_in_the_seal_and_never_lengthen_them() {
    let long = Lifetimes::new().idle(Duration::from_secs(HOUR)).unwrap();
    let short = Lifetimes::new().idle(Duration::from_secs(MINUTE)).unwrap();
    let made = |by: Lifetimes| {
        let sessions = sessions().lifetimes(by);
        let session = sessions.create();
        session.insert("a", 1).unwrap();
        token(&sessions, &session, NOON)
    };
    let opens =
        |by: Lifetimes, token: &str, age| open(&sessions().lifetimes(by), token, NOON + age).is_some();
    assert!(opens(short, &made(long), MINUTE - 1) && !opens(short, &made(long), MINUTE));
    assert!(opens(long, &made(short), MINUTE - 1) && !opens(long, &made(short), MINUTE));
}

#[test]
fn an_ordinary_session_with_permanent_limits_wider_still_ends_in_time() {
    // The seal is opened with the widest limits, since the class lies inside it.
    let strict = Lifetimes::new().idle(Duration::from_secs(MINUTE)).unwrap();
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    let token = token(&sessions(), &session, NOON);
    assert!(open(&sessions().lifetimes(strict), &token, NOON + MINUTE).is_none());
}

#[test]
fn permanent_sessions_say_until_when_and_others_do_not() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    let Outcome::Set { expires, token } = commit(&sessions, &session, NOON) else { panic!() };
    assert_eq!(expires, None);
    let session = open(&sessions, &token, NOON).unwrap();
    session.set_permanent(true).unwrap();
    let Outcome::Set { expires, token } = commit(&sessions, &session, NOON) else { panic!() };
    assert_eq!(expires, Some(at(NOON + 31 * DAY)));
    assert!(open(&sessions, &token, NOON + 30 * DAY).unwrap().is_permanent());
}

#[test]
fn a_session_may_have_a_shorter_lifetime_of_its_own() {
    let sessions = sessions();
    let week = |days: u64| Duration::from_secs(days * DAY);
    for (own, days) in [(week(7), 7), (week(365), 31), (Duration::MAX, 31)] {
        let session = sessions.create();
        session.set_permanent_for(own).unwrap();
        let Outcome::Set { expires, token } = commit(&sessions, &session, NOON) else { panic!() };
        assert_eq!(expires, Some(at(NOON + days * DAY)), "{own:?}");
        assert!(open(&sessions, &token, NOON + days * DAY - 1).unwrap().is_permanent(), "{own:?}");
        let over = open(&sessions, &token, NOON + days * DAY);
        assert!(over.is_none_or(|session| session.is_new()), "{own:?}");
    }
    let session = sessions.create();
    session.set_permanent_for(week(7)).unwrap();
    session.renew().unwrap();
    let Outcome::Set { expires, token } = commit(&sessions, &session, NOON) else { panic!() };
    assert_eq!(expires, Some(at(NOON + 7 * DAY)), "a renewal keeps it");
    let session = open(&sessions, &token, NOON).unwrap();
    session.set_permanent(true).unwrap();
    let Outcome::Set { expires, .. } = commit(&sessions, &session, NOON) else { panic!() };
    assert_eq!(expires, Some(at(NOON + 31 * DAY)), "and `set_permanent` takes it away");
}

#[test]
fn created_survives_changes_and_starts_anew_with_renew() {
    let sessions = sessions();
    let session = sessions.create();
    session.insert("a", 1).unwrap();
    let token_at = |token: &str, now, write: &dyn Fn(&Visit)| {
        let session = open(&sessions, token, now).unwrap();
        write(&session);
        self::token(&sessions, &session, now)
    };
    let mut changed = token(&sessions, &session, NOON);
    let hours = |n: u64| NOON + n * HOUR / 4;
    for n in 1..=47 {
        changed = token_at(&changed, hours(n), &|s| s.add("a", 1).unwrap());
    }
    assert!(open(&sessions, &changed, NOON + 12 * HOUR - 1).is_some());
    assert!(open(&sessions, &changed, NOON + 12 * HOUR).is_none());
    let renewed = token_at(&changed, hours(47), &|s| s.renew().unwrap());
    let kept = open(&sessions, &renewed, NOON + 12 * HOUR).expect("a sign-in starts a new absolute life");
    assert_eq!(kept.get::<i32>("a").unwrap(), Some(48));
}

#[test]
fn renew_empty_keeps_nothing() {
    let session = sessions().create();
    session.insert("planted", 1).unwrap();
    session.set_permanent(true).unwrap();
    let session = reopened(&session);
    session.renew_empty().unwrap();
    session.insert("user", 7).unwrap();
    let session = reopened(&session);
    assert_eq!(session.keys(), ["user"]);
    assert!(!session.is_permanent());
}

#[test]
fn destroy_ends_it_whatever_comes_after() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    let session = reopened(&session);
    session.destroy().unwrap();
    assert!(session.is_empty());
    session.insert("a", 2).unwrap();
    session.rollback();
    assert_eq!(commit(&sessions(), &session, NOON), Outcome::Remove);

    for renews in [false, true] {
        let session = sessions().create();
        session.insert("a", 1).unwrap();
        let session = reopened(&session);
        session.destroy().unwrap();
        if renews {
            session.renew_empty().unwrap();
        }
        session.insert("goodbye", true).unwrap();
        assert_eq!(reopened(&session).keys(), ["goodbye"]);
    }
}

#[test]
fn clearing_signs_out_who_is_signed_in_and_empties_the_session_of_anybody_else() {
    let filled = |owner: Option<&str>| {
        let session = sessions().create();
        session.insert("a", 1).unwrap();
        session.flash("message", "hello").unwrap();
        if let Some(owner) = owner {
            session.sign_in(owner, at(NOON)).unwrap();
        }
        let form = session.csrf_token().unwrap();
        (reopened(&session), form)
    };
    for owner in [None, Some("merlin")] {
        let (session, form) = filled(owner);
        session.clear().unwrap();
        assert_eq!((session.len(), session.owner()), (0, None), "{owner:?}");
        assert!(session.flashed_messages(&[]).is_empty(), "{owner:?}");
        assert!(!session.is_csrf_token(form.as_bytes()), "{owner:?}");
        assert_eq!(commit(&sessions(), &session, NOON), Outcome::Remove, "{owner:?}");

        let (session, _) = filled(owner);
        session.clear().unwrap();
        session.flash("message", "bye").unwrap();
        let session = reopened(&session);
        assert_eq!(session.flashed_messages(&[])[0].message, "bye", "{owner:?}");

        // A sign-out holds although the request failed; an anonymous visitor's cart does not go by it.
        let (session, _) = filled(owner);
        session.clear().unwrap();
        session.rollback();
        assert_eq!(session.len(), if owner.is_some() { 0 } else { 1 });
        let outcome = if owner.is_some() { Outcome::Remove } else { Outcome::Keep };
        assert_eq!(commit(&sessions(), &session, NOON), outcome, "{owner:?}");
    }
    let session = sessions().create();
    session.clear().unwrap();
    assert_eq!(commit(&sessions(), &session, NOON), Outcome::Keep, "there was nothing to clear");
}

#[test]
fn what_is_written_after_a_failure_is_kept_and_nothing_from_before() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    session.flash("message", "hello").unwrap();
    let session = reopened(&session);
    session.insert("a", 2).unwrap();
    session.sign_in("merlin", at(NOON)).unwrap();
    assert_eq!(session.flashed_messages(&[]).len(), 1);
    session.rollback();
    assert_eq!((session.get::<i32>("a").unwrap(), session.owner()), (Some(1), None));
    session.flash("error", "that went wrong").unwrap();
    let session = reopened(&session);
    assert_eq!(session.flashed_messages(&[]).len(), 2);
    assert_eq!((session.get::<i32>("a").unwrap(), session.owner()), (Some(1), None));
}

#[test]
fn a_failed_request_leaves_no_trace() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    session.rollback();
    assert_eq!(commit(&sessions(), &session, NOON), Outcome::Keep);
}

#[test]
fn a_write_after_the_head_has_left_is_an_error() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    token(&sessions(), &session, NOON);
    assert_eq!(session.get::<i32>("a").unwrap(), Some(1));
    for (case, written) in [
        ("insert", session.insert("a", 2)),
        ("extend", session.extend([("a", 2)])),
        ("remove", session.remove("a").map(drop)),
        ("take", session.take::<i32>("a").map(drop)),
        ("update", session.update("a", |a: &mut i32| *a += 1)),
        ("clear", session.clear()),
        ("set_permanent", session.set_permanent(true)),
        ("renew", session.renew()),
        ("renew_empty", session.renew_empty()),
        ("destroy", session.destroy()),
    ] {
        assert!(matches!(written, Err(SessionError::Sent)), "{case}");
    }
}

#[test]
fn a_session_too_large_is_refused_at_insert_and_left_as_it_was() {
    let session = sessions().create();
    session.insert("small", "x".repeat(100)).unwrap();
    session.insert("large", "x".repeat(2_000)).unwrap();
    let error = session.insert("larger", "x".repeat(600)).unwrap_err();
    insta::assert_snapshot!(error, @r#"the session would be 2992 bytes and there is room for 2907; largest: "large" (2011 bytes), "larger" (612 bytes), "small" (109 bytes); keep large data in a database and its id in the session"#);
    assert!(session.extend([("b", "x".repeat(300)), ("c", "x".repeat(300))]).is_err());
    assert!(session.append("small", 1).is_err());
    assert_eq!(session.keys(), ["small", "large"]);
    assert_eq!(reopened(&session).get::<String>("large").unwrap().unwrap().len(), 2_000);
}

#[test]
fn whatever_insert_accepts_fits_the_cookie() {
    for value in 2_500..2_930 {
        let session = sessions().create();
        if session.insert("k", "x".repeat(value)).is_ok() {
            let token = token(&sessions(), &session, NOON);
            assert!("__Host-session".len() + token.len() <= 4_096, "{value}");
        } else {
            assert!(value > 2_600, "{value}: the room kept for metadata is 256 bytes");
        }
    }
}

#[test]
fn errors_name_the_key_and_never_the_value() {
    let session = sessions().create();
    session.insert("card", "4111-1111").unwrap();
    let error = session.get::<u32>("card").unwrap_err();
    let SessionError::Value { key, source } = &error else { panic!("{error:?}") };
    assert_eq!(key, "card");
    insta::assert_snapshot!(source, @"what is stored is text, and no u32");
    // serde's own texts quote what they found.
    #[derive(Debug, Deserialize)]
    enum Card {
        Visa,
    }
    for error in [error, session.get::<char>("card").unwrap_err(), session.get::<Card>("card").unwrap_err()] {
        let chain: Vec<_> = std::iter::successors(Some(&error as &dyn std::error::Error), |e| e.source())
            .map(|error| format!("{error} {error:?}"))
            .collect();
        assert!(!chain.concat().contains("4111"), "{chain:?}");
    }
    assert!(matches!(
        session.add("card", 1),
        Err(SessionError::Value { source: ValueError::NotAnInteger, .. })
    ));
    assert!(matches!(
        session.append("card", 1),
        Err(SessionError::Value { source: ValueError::NotAList, .. })
    ));
    assert!(!format!("{session:?} {:?}", session.iter().next()).contains("4111"));
}

#[test]
fn a_value_that_is_no_t_stays_when_taken() {
    let session = sessions().create();
    session.insert("a", "text").unwrap();
    assert!(session.take::<u32>("a").is_err());
    assert!(session.contains_key("a"));
}

#[test]
fn nesting_beyond_64_levels_is_refused() {
    #[derive(Serialize, Deserialize)]
    struct Nested(Vec<Nested>);
    let nested = |levels| (1..levels).fold(Nested(vec![]), |inner, _| Nested(vec![inner]));
    let session = sessions().create();
    session.insert("deep", nested(64)).unwrap();
    assert!(session.get::<Nested>("deep").unwrap().is_some());
    assert!(matches!(
        session.insert("deeper", nested(65)),
        Err(SessionError::Value { source: ValueError::TooDeep, .. })
    ));
}

#[test]
fn an_old_key_is_replaced_once_its_copy_is_a_minute_old() {
    let old = sessions();
    let session = old.create();
    session.insert("a", 1).unwrap();
    let token = token(&old, &session, NOON);
    let rotated = ring(2).with_fallback(SecretKey::from_bytes([1; 32])).unwrap();
    let rotated = SessionManager::cookie(&rotated, "__Host-session", "demo").unwrap();
    for (age, sent) in [(0, false), (59, false), (60, true)] {
        let session = open(&rotated, &token, NOON + age).unwrap();
        assert!(!session.is_empty());
        assert_eq!(matches!(commit(&rotated, &session, NOON + age), Outcome::Set { .. }), sent, "{age}");
    }
    let only_new = SessionManager::cookie(&ring(2), "__Host-session", "demo").unwrap();
    assert!(open(&only_new, &token, NOON).is_none());
}

#[test]
fn another_key_name_or_audience_is_a_stranger() {
    let session = sessions().create();
    session.insert("a", 1).unwrap();
    let token = token(&sessions(), &session, NOON);
    for (case, key, name, audience) in [
        ("key", 2, "__Host-session", "demo"),
        ("name", 1, "session", "demo"),
        ("audience", 1, "__Host-session", "shop"),
    ] {
        let stranger = SessionManager::cookie(&ring(key), name, audience).unwrap();
        assert!(open(&stranger, &token, NOON).is_none(), "{case}");
    }
}

#[test]
fn parallel_tasks_of_one_request_lose_nothing() {
    let session = sessions().create();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..100 {
                    session.update("updates", |n: &mut u32| *n += 1).unwrap();
                    session.add("sum", 2).unwrap();
                }
            });
        }
    });
    assert_eq!(session.get::<u32>("updates").unwrap(), Some(800));
    assert_eq!(session.get::<u32>("sum").unwrap(), Some(1_600));
}

#[test]
fn what_a_commit_leaves_behind_is_forgotten() {
    let sessions = sessions();
    let visitor = sessions.create();
    visitor.insert("name", "Gandalf").unwrap();
    let first = token(&sessions, &visitor, NOON);
    // Whether the browser forgets other tokens under a name that can be planted, and under any other.
    let forgets = |change: &dyn Fn(&Visit)| {
        let visit = open(&sessions, &first, NOON).unwrap();
        change(&visit);
        commit(&sessions, &visit, NOON);
        [visit.forgets_others(true), visit.forgets_others(false)]
    };
    assert_eq!(forgets(&|visit| visit.insert("name", "Merlin").unwrap()), [false, false]);
    assert_eq!(forgets(&|visit| visit.sign_in("merlin", at(NOON)).unwrap()), [true, false]);
    assert_eq!(forgets(&|visit| visit.destroy().unwrap()), [true, true]);

    let new = sessions.create();
    new.sign_in("merlin", at(NOON)).unwrap();
    commit(&sessions, &new, NOON);
    assert!(!new.forgets_others(true), "it came without a token");
}

/// `true` for a token that outlives the browser, `false` for one that does not, `None` without a token.
fn outlives(sessions: &SessionManager, session: &Visit) -> Option<bool> {
    match commit(sessions, session, NOON) {
        Outcome::Set { expires, .. } => Some(expires.is_some()),
        _ => None,
    }
}

#[test]
fn sessions_can_be_permanent_unless_a_handler_says_otherwise() {
    let ordinary = sessions();
    let all = sessions().lifetimes(Lifetimes::new().all_permanent(true));
    let fresh: [(Case, Option<bool>); 8] = [
        (("nothing", |_| ()), None),
        (("a read", |session| _ = session.get::<u8>("name").unwrap()), None),
        (("a form", |session| drop(session.csrf_token().unwrap())), Some(false)),
        (("a write", |session| session.insert("name", 1).unwrap()), Some(true)),
        (("a message", |session| session.flash("info", "hello").unwrap()), Some(true)),
        (("a sign-in", |session| session.sign_in("user-7", at(NOON)).unwrap()), Some(true)),
        (
            ("declined", |session| {
                session.insert("name", 1).unwrap();
                session.set_permanent(false).unwrap();
            }),
            Some(false),
        ),
        (
            ("declined, rolled back and written", |session| {
                session.set_permanent(false).unwrap();
                session.rollback();
                session.insert("name", 1).unwrap();
            }),
            Some(true),
        ),
    ];
    for ((case, touch), expected) in fresh {
        let session = all.create();
        touch(&session);
        assert_eq!(outlives(&all, &session), expected, "new: {case}");
    }
    let first = ordinary.create();
    first.insert("name", 0).unwrap();
    let before = token(&ordinary, &first, NOON);
    let known: [(Case, Option<bool>); 5] = [
        (("a read", |session| _ = session.get::<u8>("name").unwrap()), None),
        (("a write", |session| session.insert("name", 1).unwrap()), Some(false)),
        (("a sign-in", |session| session.sign_in("user-7", at(NOON)).unwrap()), Some(true)),
        (
            ("emptied and written", |session| {
                session.renew_empty().unwrap();
                session.insert("name", 1).unwrap();
            }),
            Some(true),
        ),
        (
            ("destroyed and written", |session| {
                session.set_permanent(false).unwrap();
                session.destroy().unwrap();
                session.insert("name", 1).unwrap();
            }),
            Some(true),
        ),
    ];
    for ((case, touch), expected) in known {
        let session = open(&all, &before, NOON).unwrap();
        touch(&session);
        assert_eq!(outlives(&all, &session), expected, "ordinary before: {case}");
    }
}
