//! States `store` and `mirrored`, one request after another.

use std::time::Duration;

use crate::states_support::{
    BOTH, Place, at, change, commit, key, manager, new_store, open, read, sessions, sessions_when_away,
    sessions_with, signed_in, strict_sessions, visitor,
};
use waxseal_crypto::Keyring;
use waxseal_manager::Visit;
use waxseal_manager::{Access, Error, Lifetimes, Outcome, State, WhenAway};
use waxseal_session::{Error as SessionError, Session};
use waxseal_store::Timestamp;
use waxseal_store::testing::Operation;

fn name(session: &Visit) -> Option<String> {
    session.get("name").unwrap()
}

#[tokio::test]
async fn a_session_follows_its_visitor_and_is_sent_only_when_it_changed() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let empty = sessions.create();
        assert_eq!(sessions.commit(&empty, at(0)).await.unwrap(), Outcome::Keep, "{place:?}");
        assert!(store.asked().is_empty(), "{place:?}: nothing is kept of a visitor who left nothing");

        let token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        let session = read(&sessions, &token, at(1)).await;
        assert_eq!((name(&session).as_deref(), session.is_new()), (Some("Merlin"), false), "{place:?}");
        assert_eq!(sessions.commit(&session, at(1)).await.unwrap(), Outcome::Keep, "{place:?}");
        assert!(matches!(session.insert("name", "late"), Err(SessionError::Sent)), "{place:?}");

        let session = change(&sessions, &token, at(2)).await;
        session.insert("name", "Morgana").unwrap();
        let token = commit(&sessions, &session, &token, at(2)).await.unwrap();
        assert_eq!(name(&read(&sessions, &token, at(2)).await).as_deref(), Some("Morgana"), "{place:?}");

        let session = change(&sessions, &token, at(3)).await;
        session.destroy().unwrap();
        assert_eq!(sessions.commit(&session, at(3)).await.unwrap(), Outcome::Remove, "{place:?}");
        for access in [Access::Read, Access::Change] {
            assert!(open(&sessions, &token, access, at(3)).await.unwrap().is_new(), "{place:?}");
        }
    }
}

#[tokio::test]
async fn idle_and_absolute_ends_are_kept_by_the_record() {
    // Whether the visitor comes every ten minutes, and until when the session lives.
    for (case, visits, alive, dead) in [("idle", false, 1_799, 1_800), ("absolute", true, 43_199, 43_200)] {
        for place in BOTH {
            let sessions = sessions(place, new_store());
            let mut token =
                visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
            for minute in (10..720).step_by(10).filter(|_| visits) {
                let session = read(&sessions, &token, at(minute * 60)).await;
                assert!(!session.is_new(), "{case}, {place:?}: minute {minute}");
                token = commit(&sessions, &session, &token, at(minute * 60)).await.unwrap();
            }
            let last = sessions.open(token.as_bytes(), Access::Read, at(dead)).ok();
            let at_end = match last {
                Some(opened) => opened.load(at(dead)).await.unwrap().is_new(),
                None => true,
            };
            assert!(at_end, "{case}, {place:?}");
            assert!(visits || !read(&sessions, &token, at(alive)).await.is_new() || place == Place::Mirrored);
        }
    }
}

#[tokio::test]
async fn a_record_keeps_the_lifetime_of_its_session_alone() {
    const HOUR: u64 = 3_600;
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let own = |session: &Session| session.set_permanent_for(Duration::from_secs(HOUR)).unwrap();
        let mut token = visitor(&sessions, at(0), |session| own(session)).await;
        // Whoever comes stays, and each visit is noted by the shorter time.
        for minute in [50, 100, 150] {
            let session = read(&sessions, &token, at(minute * 60)).await;
            assert!(!session.is_new(), "{place:?}: minute {minute}");
            token = commit(&sessions, &session, &token, at(minute * 60)).await.unwrap();
        }
        let end = 150 * 60 + HOUR;
        assert!(!change(&sessions, &token, at(end - 1)).await.is_new(), "{place:?}");
        let session = visitor(&sessions, at(0), |session| own(session)).await;
        assert!(change(&sessions, &session, at(HOUR)).await.is_new(), "{place:?}");
    }
}

#[tokio::test]
async fn who_only_reads_stays_signed_in_for_a_touch_in_a_twentieth_of_the_idle_time() {
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let mut token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        store.forget();
        // Every ten seconds through three idle times.
        for second in (10..3 * 1_800).step_by(10) {
            let session = read(&sessions, &token, at(second)).await;
            assert_eq!(name(&session).as_deref(), Some("Merlin"), "{place:?}: second {second}");
            token = commit(&sessions, &session, &token, at(second)).await.unwrap();
        }
        let touches = store.count(Operation::Touch);
        assert!((50..=60).contains(&touches), "{place:?}: {touches}");
        assert_eq!(store.count(Operation::Update), 0, "{place:?}");
    }
}

#[tokio::test]
async fn a_session_too_large_for_a_cookie_moves_to_the_record_and_back() {
    let store = new_store();
    let sessions = sessions(Place::Mirrored, store.clone());
    let token =
        visitor(&sessions, at(0), |session| session.insert("book", "x".repeat(10_000)).unwrap()).await;
    assert!(token.len() < 500, "only the id and the revision are in it: {}", token.len());
    store.forget();
    let session = change(&sessions, &token, at(1)).await;
    assert_eq!(session.get::<String>("book").unwrap().unwrap().len(), 10_000);
    assert_eq!(store.asked(), [Operation::Load]);
    session.insert("book", "y").unwrap();
    let token = commit(&sessions, &session, &token, at(1)).await.unwrap();
    store.forget();
    assert_eq!(read(&sessions, &token, at(2)).await.get::<String>("book").unwrap().as_deref(), Some("y"));
    assert!(store.asked().is_empty(), "it is in the cookie again");
}

#[tokio::test]
async fn a_mebibyte_is_the_most_and_the_error_names_the_largest() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let session = sessions.create();
        session.insert("shelf", "x".repeat(1_000_000)).unwrap();
        let error = session.insert("book", "x".repeat(100_000)).unwrap_err();
        assert!(matches!(&error, SessionError::TooLarge { limit, .. } if *limit < 1 << 20), "{place:?}");
        assert!(error.to_string().contains("\"shelf\""), "{place:?}: {error}");
        let token = commit(&sessions, &session, "", at(0)).await.unwrap();
        assert_eq!(read(&sessions, &token, at(1)).await.len(), 1, "{place:?}");
    }
}

#[tokio::test]
async fn metadata_that_does_not_fit_is_refused_and_what_was_there_stays() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let session = sessions.create();
        let limit = match session.insert("fill", "x".repeat(2 << 20)) {
            Err(SessionError::TooLarge { limit, .. }) => limit,
            other => panic!("{place:?}: {other:?}"),
        };
        let room = (0..2_000)
            .step_by(8)
            .find(|room| session.insert("fill", "x".repeat(limit - room)).is_ok())
            .unwrap();
        let error = session.set_owner(Some(&"o".repeat(255))).unwrap_err();
        assert!(matches!(error, SessionError::TooLarge { .. }), "{place:?}, {room} bytes: {error}");
        assert_eq!((session.owner(), session.len()), (None, 1), "{place:?}");
    }
    for owner in ["", &"o".repeat(256), "al\nbus"] {
        let session = sessions(Place::Store, new_store()).create();
        assert!(matches!(session.set_owner(Some(owner)), Err(SessionError::Owner)), "{owner:?}");
    }
}

#[tokio::test]
async fn a_permanent_session_says_until_when_and_later_each_time() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let session = sessions.create();
        session.insert("name", "Merlin").unwrap();
        session.set_permanent(true).unwrap();
        let month = 31 * 86_400;
        let Outcome::Set { token, expires } = sessions.commit(&session, at(0)).await.unwrap() else {
            panic!()
        };
        assert_eq!(expires, Some(at(month)), "{place:?}");
        let days = 3 * 86_400;
        let session = read(&sessions, &token, at(days)).await;
        assert_eq!(session.len(), 1);
        let Outcome::Set { expires, .. } = sessions.commit(&session, at(days)).await.unwrap() else {
            panic!()
        };
        assert_eq!(expires, Some(at(days + month)), "{place:?}");
    }
}

#[tokio::test]
async fn a_new_key_seals_token_and_record_anew_after_a_minute_and_not_before() {
    for place in BOTH {
        let store = new_store();
        let old = sessions_with(place, store.clone(), &Keyring::new(key(1)));
        let token = visitor(&old, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        let rotated = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
        let sessions = sessions_with(place, store.clone(), &rotated);
        store.forget();
        let session = read(&sessions, &token, at(59)).await;
        assert_eq!(session.len(), 1);
        assert_eq!(sessions.commit(&session, at(59)).await.unwrap(), Outcome::Keep, "{place:?}: too early");
        let session = read(&sessions, &token, at(65)).await;
        assert_eq!(session.len(), 1);
        let token = commit(&sessions, &session, "", at(65)).await.unwrap();
        assert_ne!(token, "", "{place:?}");
        assert!(store.count(Operation::Rewrap) >= 1, "{place:?}");
        // Whoever has only the new key opens both.
        let new = sessions_with(place, store.clone(), &Keyring::new(key(2)));
        assert_eq!(name(&change(&new, &token, at(66)).await).as_deref(), Some("Merlin"), "{place:?}");
    }
}

#[tokio::test]
async fn a_walk_rewraps_every_record_of_another_key() {
    let store = new_store();
    let old = sessions_with(Place::Store, store.clone(), &Keyring::new(key(1)));
    let mut tokens = Vec::new();
    for number in 0..40 {
        tokens.push(visitor(&old, at(0), |session| session.insert("number", number).unwrap()).await);
    }
    let both = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
    let sessions = sessions_with(Place::Store, store.clone(), &both);
    let (mut after, mut done) = (None, 0);
    loop {
        let (some, next) = sessions.rewrap(after.as_ref(), 7, at(1)).await.unwrap();
        done += some;
        match next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    assert_eq!(done, 40);
    for (number, token) in tokens.iter().enumerate() {
        assert_eq!(read(&sessions, token, at(2)).await.get("number").unwrap(), Some(number));
    }
}

#[tokio::test]
async fn a_tool_that_rewraps_need_not_know_the_lifetimes_of_the_servers() {
    const HOUR: u64 = 3_600;
    let lifetime = Duration::from_secs(400 * 24 * HOUR);
    let long = || Lifetimes::new().idle(lifetime).and_then(|all| all.absolute(lifetime)).unwrap();
    for place in BOTH {
        let store = new_store();
        let server = sessions_with(place, store.clone(), &Keyring::new(key(1))).lifetimes(long());
        let token = visitor(&server, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        let both = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
        // Later than a tool's own lifetimes allow.
        let rewrapped = at(300 * 24 * HOUR);
        let visit = change(&server, &token, rewrapped).await;
        assert_eq!(name(&visit).as_deref(), Some("Merlin"), "{place:?}");
        let tool = sessions_with(place, store.clone(), &both);
        let (mut after, mut done) = (None, 0);
        loop {
            let (some, next) = tool.rewrap(after.as_ref(), 7, rewrapped).await.unwrap();
            done += some;
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        assert_eq!(done, 1, "{place:?}");
        server.set_keyring(&both);
        for day in [301, 399] {
            let visit = change(&server, &token, at(day * 24 * HOUR)).await;
            assert_eq!(name(&visit).as_deref(), Some("Merlin"), "{place:?}, day {day}");
        }
        assert!(server.open(token.as_bytes(), Access::Read, at(401 * 24 * HOUR)).is_err(), "{place:?}");
    }
}

#[tokio::test]
async fn a_record_that_no_key_opens_is_left_alone_and_comes_back_with_its_key() {
    for place in BOTH {
        let store = new_store();
        let both = Keyring::new(key(1)).with_fallback(key(2)).unwrap();
        let sessions = sessions_with(place, store.clone(), &both);
        // Too large for a cookie, so that only the record has it; sealed with the second key, its token with the first.
        let token =
            visitor(&sessions, at(0), |session| session.insert("name", "M".repeat(9_000)).unwrap()).await;
        let second = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
        sessions.set_keyring(&second);
        sessions.rewrap(None, 10, at(1)).await.unwrap();
        let mut cursor = None;
        while let (_, Some(next)) = sessions.rewrap(cursor.as_ref(), 10, at(1)).await.unwrap() {
            cursor = Some(next);
        }
        sessions.set_keyring(&Keyring::new(key(1)));
        store.forget();
        for access in [Access::Read, Access::Change] {
            let session = open(&sessions, &token, access, at(2)).await.unwrap();
            assert!(session.is_new(), "{place:?}");
            assert_eq!(sessions.commit(&session, at(2)).await.unwrap(), Outcome::Keep, "{place:?}");
        }
        let writes = [Operation::Update, Operation::Delete, Operation::Touch, Operation::Rewrap];
        assert!(writes.iter().all(|write| store.count(*write) == 0), "{place:?}");
        sessions.set_keyring(&both);
        assert_eq!(change(&sessions, &token, at(3)).await.len(), 1, "{place:?}: its key is back");
    }
}

/// Two requests that loaded the same state; the first one commits first.
async fn meet(
    place: Place,
    strict: bool,
    first: impl Fn(&Visit),
    second: impl Fn(&Visit),
) -> (Result<Outcome, Error>, Visit) {
    let sessions = strict_sessions(place, new_store(), strict);
    let token = visitor(&sessions, at(0), |session| {
        session.extend([("sum", 1), ("coupon", 7)]).unwrap();
    })
    .await;
    let [one, other] = [change(&sessions, &token, at(1)).await, change(&sessions, &token, at(1)).await];
    first(&one);
    second(&other);
    sessions.commit(&one, at(1)).await.unwrap();
    let answer = sessions.commit(&other, at(1)).await;
    (answer, change(&sessions, &token, at(2)).await)
}

#[tokio::test]
async fn what_two_requests_write_is_merged_key_by_key_or_is_a_conflict() {
    type Act = fn(&Visit);
    let take: Act = |session| assert_eq!(session.take::<u8>("coupon").unwrap(), Some(7));
    let remove: Act = |session| assert!(session.remove("coupon").unwrap());
    let default: Act = |session| assert_eq!(session.get_or_insert_with("draw", || 5).unwrap(), 5);
    let other_default: Act = |session| assert_eq!(session.get_or_insert_with("draw", || 6).unwrap(), 6);
    let add: Act = |session| session.add("sum", 1).unwrap();
    let update: Act = |session| session.update("sum", |sum: &mut i64| *sum += 10).unwrap();
    let insert: Act = |session| session.insert("sum", 50).unwrap();
    let new_key: Act = |session| session.insert("new", 1).unwrap();
    let append: Act = |session| session.append("list", 1).unwrap();
    let clear: Act = |session| session.clear().and_then(|()| session.insert("cleared", true)).unwrap();
    // (case, strict, first, second, whether it is a conflict, the sum after)
    type Case = (&'static str, bool, Act, Act, bool, Option<i64>);
    let cases: [Case; 13] = [
        ("two additions", false, add, add, false, Some(3)),
        ("addition and update", false, add, update, false, Some(12)),
        ("update and insert: the last one wins", false, update, insert, false, Some(50)),
        ("insert and update: it sees the newer", false, insert, update, false, Some(60)),
        ("different keys", false, new_key, add, false, Some(2)),
        ("two items", false, append, append, false, Some(1)),
        ("clear and addition", false, clear, add, false, Some(1)),
        ("addition and clear", false, add, clear, false, None),
        ("two takes", false, take, take, true, Some(1)),
        ("two removals", false, remove, remove, true, Some(1)),
        ("two defaults", false, default, other_default, true, Some(1)),
        ("strict: the key was changed", true, add, insert, true, Some(2)),
        ("strict: another key was", true, new_key, insert, false, Some(50)),
    ];
    for place in BOTH {
        for (case, strict, first, second, conflicts, sum) in cases {
            let (answer, after) = meet(place, strict, first, second).await;
            assert_eq!(
                matches!(answer, Err(Error::Session(SessionError::Conflict { .. }))),
                conflicts,
                "{case}, {place:?}: {answer:?}"
            );
            assert_eq!(answer.is_ok(), !conflicts, "{case}, {place:?}: {answer:?}");
            assert_eq!(after.get::<i64>("sum").unwrap(), sum, "{case}, {place:?}");
        }
    }
}

#[tokio::test]
async fn a_session_that_is_cleared_and_left_empty_is_ended() {
    for place in BOTH {
        for owner in [None, Some("albus")] {
            let sessions = sessions(place, new_store());
            let token = visitor(&sessions, at(0), |session| {
                session.insert("name", "Merlin").unwrap();
                owner.map_or(Ok(()), |owner| session.sign_in(owner, at(0))).unwrap();
            });
            let token = token.await;
            let slow = change(&sessions, &token, at(1)).await;
            let session = change(&sessions, &token, at(1)).await;
            session.clear().unwrap();
            session.rollback();
            let outcome = sessions.commit(&session, at(1)).await.unwrap();
            assert_eq!(
                outcome == Outcome::Remove,
                owner.is_some(),
                "{place:?}: a sign-out holds after a failure"
            );

            let session = change(&sessions, &token, at(1)).await;
            session.clear().unwrap();
            let outcome = sessions.commit(&session, at(1)).await.unwrap();
            assert_eq!(outcome == Outcome::Remove, owner.is_none(), "{place:?}: the other is over by now");
            assert!(change(&sessions, &token, at(2)).await.is_new(), "{place:?}, {owner:?}");
            slow.insert("name", "ghost").unwrap();
            assert!(
                matches!(sessions.commit(&slow, at(2)).await, Err(Error::Session(SessionError::Gone))),
                "{place:?}, {owner:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_was_ended_or_renewed_meanwhile_is_not_saved() {
    for place in BOTH {
        for (case, renews) in [("ended", false), ("renewed", true)] {
            let store = new_store();
            let sessions = sessions(place, store.clone());
            let token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
            let slow = change(&sessions, &token, at(1)).await;
            let quick = change(&sessions, &token, at(1)).await;
            if renews {
                quick.sign_in("albus", at(1)).unwrap()
            } else {
                quick.destroy().unwrap()
            }
            let next = commit(&sessions, &quick, &token, at(1)).await.unwrap();
            slow.insert("name", "ghost").unwrap();
            let answer = sessions.commit(&slow, at(2)).await;
            assert!(
                matches!(
                    answer,
                    Err(Error::Session(SessionError::Gone) | Error::Session(SessionError::Renewed))
                ),
                "{case}, {place:?}: {answer:?}"
            );
            let old = change(&sessions, &token, at(3)).await;
            assert!(old.is_new(), "{case}, {place:?}");
            assert_eq!(matches!(old.insert("a", 1), Err(SessionError::Renewed)), renews, "{case}, {place:?}");
            let answer = sessions.commit(&old, at(3)).await.unwrap();
            assert_eq!(renews, answer == Outcome::Keep, "{case}, {place:?}: a sign-in's cookie must stay");
            if renews {
                assert_eq!(
                    name(&change(&sessions, &next, at(3)).await).as_deref(),
                    Some("Merlin"),
                    "{place:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn signing_in_gives_a_new_id_an_owner_and_the_time() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let planted = visitor(&sessions, at(0), |session| session.insert("cart", 3).unwrap()).await;
        let session = change(&sessions, &planted, at(10)).await;
        let public_id = session.public_id().unwrap();
        session.sign_in("albus", at(10)).unwrap();
        session.set_device("Firefox on Linux").unwrap();
        let token = commit(&sessions, &session, &planted, at(10)).await.unwrap();
        assert!(
            change(&sessions, &planted, at(11)).await.is_new(),
            "{place:?}: what was planted is worth nothing"
        );
        let session = change(&sessions, &token, at(20)).await;
        assert_eq!(session.public_id(), Some(public_id), "{place:?}");
        assert_eq!(
            (session.owner().as_deref(), session.signed_in_at()),
            (Some("albus"), Some(at(10))),
            "{place:?}"
        );
        assert_eq!(session.get::<u8>("cart").unwrap(), Some(3), "{place:?}");
        for (within, expected) in [(9, false), (10, true), (600, true)] {
            let found = session.signed_in_within(Duration::from_secs(within), at(20));
            assert_eq!(found, expected, "{place:?}: within {within} s");
        }
        assert!(!session.signed_in_within(Duration::MAX, at(9)), "{place:?}: a time in the future");
        session.renew_empty().unwrap();
        let token = commit(&sessions, &session, &token, at(21)).await.unwrap();
        let session = change(&sessions, &token, at(22)).await;
        assert_eq!((session.len(), session.owner()), (0, None), "{place:?}: nothing is kept");
    }
}

#[tokio::test]
async fn an_owner_lists_sessions_and_ends_one_the_others_or_all() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let mut tokens = Vec::new();
        for owner in ["albus", "albus", "albus", "minerva"] {
            tokens.push(visitor(&sessions, at(0), |session| session.sign_in(owner, at(0)).unwrap()).await);
        }
        let alive = async |now| {
            let mut alive = Vec::new();
            for token in &tokens {
                alive.push(!read(&sessions, token, at(now)).await.is_new());
            }
            alive
        };
        let listed = sessions.list("albus", None, 100, at(1)).await.unwrap().items;
        assert_eq!(listed.len(), 3, "{place:?}");
        let first = read(&sessions, &tokens[0], at(1)).await.public_id().unwrap();
        assert!(listed.iter().any(|listed| listed.public_id == first), "{place:?}");
        assert!(!sessions.end("minerva", first, at(1)).await.unwrap(), "{place:?}: it is another's");
        assert!(sessions.end("albus", first, at(1)).await.unwrap(), "{place:?}");
        assert_eq!(alive(1).await, [false, true, true, true], "{place:?}: at once, in this process");
        let second = change(&sessions, &tokens[1], at(2)).await;
        sessions.end_others(&second).unwrap();
        let renewed = commit(&sessions, &second, &tokens[1], at(2)).await.unwrap();
        assert_eq!(alive(2).await, [false, false, false, true], "{place:?}: nor a copy of its own old id");
        assert!(!read(&sessions, &renewed, at(2)).await.is_new(), "{place:?}");
        sessions.end_all("albus", at(3)).await.unwrap();
        assert_eq!(alive(3).await, [false, false, false, true], "{place:?}");
        let nobody = sessions.create();
        assert!(
            matches!(sessions.end_others(&nobody), Err(Error::Session(SessionError::Owner))),
            "{place:?}"
        );
    }
}

#[tokio::test]
async fn while_the_store_is_away_each_state_keeps_to_its_policy() {
    for (case, place, when_away) in [
        ("refuse", Place::Store, WhenAway::Refuse),
        ("anonymous", Place::Store, WhenAway::Anonymous),
        ("mirrored", Place::Mirrored, WhenAway::Refuse),
    ] {
        let store = new_store();
        let sessions = sessions_when_away(place, store.clone(), when_away);
        let token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        store.set_away(true);
        assert!(
            matches!(open(&sessions, &token, Access::Change, at(10)).await, Err(Error::Unavailable(_))),
            "{case}"
        );
        let shown = open(&sessions, &token, Access::Read, at(10)).await;
        match (place, when_away) {
            (Place::Store, WhenAway::Refuse) => {
                assert!(matches!(shown, Err(Error::Unavailable(_))), "{case}")
            }
            _ => {
                let shown = shown.unwrap();
                assert_eq!(name(&shown).is_some(), place == Place::Mirrored, "{case}");
                assert!(!shown.is_confirmed(), "{case}");
                assert!(matches!(shown.insert("name", "Morgana"), Err(SessionError::Unconfirmed)), "{case}");
                assert!(matches!(shown.renew_empty(), Err(SessionError::Unconfirmed)), "{case}");
                assert_eq!(sessions.commit(&shown, at(10)).await.unwrap(), Outcome::Keep, "{case}");
            }
        }
        let late = open(&sessions, &token, Access::Read, at(300)).await;
        assert_eq!(late.is_ok(), when_away == WhenAway::Anonymous, "{case}: the grace is over");
        store.set_away(false);
        assert_eq!(name(&change(&sessions, &token, at(301)).await).as_deref(), Some("Merlin"), "{case}");
    }
}

#[tokio::test]
async fn a_sign_out_while_the_store_is_away_is_made_up_for() {
    for (case, place, access, when_away) in [
        ("by a token", Place::Store, Access::Change, WhenAway::Refuse),
        ("by a stranger's page", Place::Store, Access::Read, WhenAway::Anonymous),
        ("by a token", Place::Mirrored, Access::Change, WhenAway::Refuse),
        ("by a copy", Place::Mirrored, Access::Read, WhenAway::Refuse),
    ] {
        let store = new_store();
        let here = sessions_when_away(place, store.clone(), when_away);
        let elsewhere = sessions(place, store.clone());
        let token = visitor(&here, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        store.set_away(true);
        let session = match here.open(token.as_bytes(), access, at(10)).unwrap() {
            waxseal_manager::Opened::Pending(pending) if access == Access::Change => pending.to_end(),
            opened => opened.load(at(10)).await.unwrap(),
        };
        session.destroy().unwrap();
        assert_eq!(here.commit(&session, at(10)).await.unwrap(), Outcome::Remove, "{case}, {place:?}");
        assert!(read(&here, &token, at(11)).await.is_new(), "{case}, {place:?}: refused here at once");
        assert_eq!(here.finish_ends(at(11)).await.unwrap(), 1, "{case}, {place:?}: still away");
        store.set_away(false);
        for access in [Access::Read, Access::Change] {
            let session = open(&here, &token, access, at(12)).await.unwrap();
            assert!(session.is_new(), "{case}, {place:?}: not deleted yet");
            // It may be the old id of a sign-in, whose new cookie must stay.
            let write = session.insert("name", "Morgana");
            assert!(matches!(write, Err(SessionError::Gone)), "{case}, {place:?}: {write:?}");
            assert!(session.renew_empty().is_ok(), "{case}, {place:?}: and then another begins");
        }
        assert_eq!(here.finish_ends(at(12)).await.unwrap(), 0, "{case}, {place:?}");
        assert!(change(&elsewhere, &token, at(13)).await.is_new(), "{case}, {place:?}");
    }
}

/// What came was too large for a copy, and what this process knows is of the id from before a renewal.
#[tokio::test]
async fn an_id_that_is_gone_is_refused_also_if_the_process_was_told_so_without_a_copy() {
    let store = new_store();
    let [here, elsewhere] = [0; 2].map(|_| sessions(Place::Mirrored, store.clone()));
    let old = visitor(&elsewhere, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
    assert!(!change(&here, &old, at(1)).await.is_new());
    let session = change(&elsewhere, &old, at(1)).await;
    session.renew().unwrap();
    let copy = commit(&elsewhere, &session, &old, at(1)).await.unwrap();
    let session = change(&elsewhere, &copy, at(1)).await;
    session.insert("text", "a".repeat(5_000)).unwrap();
    let large = commit(&elsewhere, &session, &copy, at(1)).await.unwrap();
    elsewhere.end_all("albus", at(1)).await.unwrap();
    assert!(read(&here, &large, at(2)).await.is_new());
    assert!(read(&here, &copy, at(2)).await.is_new(), "its copy is not shown any more");
}

/// The store was away for longer than what was noted of the sign-out is kept, and the session had got another id elsewhere.
#[tokio::test]
async fn a_sign_out_of_long_ago_is_remembered_when_the_store_has_nothing_to_end() {
    let store = new_store();
    let [here, elsewhere] = [0; 2].map(|_| sessions(Place::Mirrored, store.clone()));
    let token = visitor(&here, at(0), |session| session.sign_in("albus", at(0)).unwrap()).await;
    let session = change(&here, &token, at(1)).await;
    session.destroy().unwrap();
    store.set_away(true);
    assert_eq!(here.commit(&session, at(1)).await.unwrap(), Outcome::Remove);
    here.maintain(|| at(900)).await.unwrap_err();
    store.set_away(false);
    let session = change(&elsewhere, &token, at(900)).await;
    session.insert("name", "Albus").unwrap();
    let copy = commit(&elsewhere, &session, &token, at(900)).await.unwrap();
    let session = change(&elsewhere, &copy, at(900)).await;
    session.renew().unwrap();
    commit(&elsewhere, &session, &copy, at(900)).await.unwrap();
    assert!(read(&here, &copy, at(901)).await.is_new(), "the end waits");
    assert_eq!(here.finish_ends(at(901)).await.unwrap(), 0);
    assert!(read(&here, &copy, at(901)).await.is_new(), "its copy is confirmed first, however fresh");
}

#[tokio::test]
async fn who_comes_with_an_old_id_gets_no_cookie_for_a_minute_and_is_a_stranger_then() {
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let old = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        let session = change(&sessions, &old, at(601)).await;
        session.renew().unwrap();
        commit(&sessions, &session, "", at(601)).await.unwrap();
        for (now, may_write) in [(621, false), (660, false), (661, true), (3_000, true)] {
            let session = change(&sessions, &old, at(now)).await;
            assert!(session.is_new(), "{place:?} at {now}");
            assert_eq!(session.insert("name", "Morgana").is_ok(), may_write, "{place:?} at {now}");
        }
    }
}

/// As when a store sent it twice, and the first answer was lost.
#[tokio::test]
async fn after_an_end_that_found_nothing_copies_are_revalidated() {
    let store = new_store();
    let [here, there] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    for is_known in [true, false] {
        let token = signed_in(if is_known { &here } else { &there }, "albus", 0).await;
        let public_id = read(&there, &token, at(1)).await.public_id().unwrap();
        assert!(there.end("albus", public_id, at(1)).await.unwrap());
        assert!(!here.end("albus", public_id, at(1)).await.unwrap());
        assert!(read(&here, &token, at(1)).await.is_new(), "known: {is_known}");
    }
}

#[tokio::test]
async fn to_name_a_session_of_somebody_else_does_it_no_harm() {
    let store = new_store();
    let sessions = sessions(Place::Mirrored, store.clone());
    let token = signed_in(&sessions, "albus", 0).await;
    let public_id = read(&sessions, &token, at(1)).await.public_id().unwrap();
    assert!(!sessions.end("severus", public_id, at(1)).await.unwrap());
    store.set_away(true);
    assert!(!read(&sessions, &token, at(60)).await.is_new(), "it is read by the grace");
}

#[tokio::test]
async fn a_process_whose_clock_is_ahead_purges_by_the_stores() {
    const YEAR: u64 = 365 * 86_400;
    for place in BOTH {
        let store = new_store();
        let sessions = sessions(place, store.clone());
        let token = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        for (theirs, purged) in [(60, 0), (YEAR, 1)] {
            store.set_clock(Some(at(theirs).into()));
            assert_eq!(
                sessions.maintain(|| at(2 * YEAR)).await.unwrap().unwrap().purged,
                purged,
                "{place:?}"
            );
            assert_eq!(read(&sessions, &token, at(61)).await.is_new(), purged == 1, "{place:?}");
        }
        // One that is behind goes by its own.
        let _ = visitor(&sessions, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
        assert_eq!(sessions.maintain(|| at(60)).await.unwrap().unwrap().purged, 0, "{place:?}");
    }
}

#[tokio::test]
async fn maintenance_compares_clocks_and_wrong_ones_revalidate_every_copy_of_another() {
    let store = new_store();
    let [here, there] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    let token = visitor(&there, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    for (offset, agrees, reads) in [(0, true, 0), (1_000, true, 0), (1_001, false, 1)] {
        store.set_clock(Some(Timestamp::from_millis(Timestamp::from(at(1)).as_millis() + offset)));
        let found = here.maintain(|| at(1)).await.unwrap().unwrap();
        assert_eq!(found.clock_offset, Some(Duration::from_millis(offset)));
        assert_eq!(here.clocks_agree(), agrees, "{offset} ms");
        store.forget();
        assert_eq!(read(&here, &token, at(2)).await.len(), 1);
        assert_eq!(store.count(Operation::Revalidate), reads, "{offset} ms");
    }
}

#[tokio::test]
async fn maintenance_removes_expired_rows() {
    let store = new_store();
    let sessions = sessions(Place::Store, store.clone());
    for _ in 0..1_200 {
        visitor(&sessions, at(0), |session| session.insert("a", 1).unwrap()).await;
    }
    assert_eq!(sessions.maintain(|| at(60)).await.unwrap().unwrap().purged, 0);
    assert_eq!(sessions.maintain(|| at(9_000)).await.unwrap().unwrap().purged, 1_200);
}

#[tokio::test]
async fn a_shorter_life_by_todays_settings_ends_a_session_and_shows_no_copy_of_it() {
    let store = new_store();
    let long = sessions(Place::Mirrored, store.clone());
    let token = visitor(&long, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    let lifetimes = Lifetimes::new().idle(Duration::from_secs(60)).unwrap();
    let short = sessions(Place::Mirrored, store.clone()).lifetimes(lifetimes);
    for second in [61, 62, 63] {
        assert!(read(&short, &token, at(second)).await.is_new(), "second {second}");
    }
}

#[tokio::test]
async fn confirming_says_what_became_of_the_session() {
    let store = new_store();
    let [here, there] = [(); 2].map(|()| sessions(Place::Mirrored, store.clone()));
    let token = visitor(&here, at(0), |session| session.insert("name", "Merlin").unwrap()).await;
    let shown = read(&here, &token, at(1)).await;
    assert!(here.revalidate(&shown, at(1)).await.is_ok());
    store.fail_next(1);
    assert!(matches!(here.revalidate(&shown, at(1)).await, Err(Error::Unavailable(_))));
    let other = change(&there, &token, at(2)).await;
    other.insert("name", "Morgana").unwrap();
    let newer = commit(&there, &other, &token, at(2)).await.unwrap();
    assert!(matches!(here.revalidate(&shown, at(2)).await, Err(Error::Contended)));
    let shown = read(&here, &newer, at(3)).await;
    let other = change(&there, &newer, at(3)).await;
    other.destroy().unwrap();
    commit(&there, &other, &newer, at(3)).await.unwrap();
    assert!(matches!(here.revalidate(&shown, at(3)).await, Err(Error::Session(SessionError::Gone))));
    assert!(read(&here, &newer, at(3)).await.is_new(), "and it is known here from now on");
}

#[tokio::test]
async fn a_session_that_takes_the_place_of_one_that_was_destroyed_has_no_record_yet() {
    for place in BOTH {
        let store = new_store();
        let [here, there] = [(); 2].map(|()| sessions(place, store.clone()));
        let token = signed_in(&here, "merlin", 0).await;
        let session = change(&here, &token, at(1)).await;
        assert!(session.public_id().is_some() && session.lifespan().is_some(), "{place:?}");
        session.destroy().unwrap();
        session.insert("name", "Morgana").unwrap();
        assert!(session.public_id().is_none() && session.lifespan().is_none(), "{place:?}");
        there.end_all("merlin", at(1)).await.unwrap();
        assert!(here.revalidate(&session, at(2)).await.is_ok(), "{place:?}: it cannot be over");
    }
}

#[tokio::test]
async fn a_commit_waits_for_a_store_that_has_changes_to_keep() {
    let in_cookies = manager(State::Cookie, &Keyring::new(key(1)));
    let visitor = in_cookies.create();
    visitor.insert("name", "Merlin").unwrap();
    assert!(!in_cookies.commit_waits(&visitor), "there is no store");
    for place in BOTH {
        let sessions = sessions(place, new_store());
        let visitor = sessions.create();
        assert_eq!(visitor.get::<String>("name").unwrap(), None);
        assert!(!sessions.commit_waits(&visitor), "{place:?}, nothing was changed");
        visitor.insert("name", "Merlin").unwrap();
        assert!(sessions.commit_waits(&visitor), "{place:?}");
    }
}
