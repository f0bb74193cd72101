//! An owner with thousands of sessions.

use crate::states_support::{BOTH, Place, at, change, commit, new_store, read, sessions, visitor};
use waxseal_manager::SessionManager;
use waxseal_sqlite::{SqliteDurability, SqliteStore};
use waxseal_store::SessionStore;

const SESSIONS: u64 = 2_000;

async fn sign_in(sessions: &SessionManager, seconds: u64) -> String {
    visitor(sessions, at(seconds), |session| session.sign_in("a load balancer", at(seconds)).unwrap()).await
}

async fn the_last_used_come_first(store: impl SessionStore, name: &str, place: Place) {
    let sessions = sessions(place, store);
    let case = format!("{name}, {place:?}");
    let mut tokens = Vec::new();
    for number in 0..SESSIONS {
        tokens.push(sign_in(&sessions, number / 10).await);
    }
    let now = SESSIONS / 10;
    // Fresh sign-ins, each of which sees itself, and those before it.
    for number in 1..=20 {
        let token = sign_in(&sessions, now + number).await;
        let session = read(&sessions, &token, at(now + number)).await;
        let listed = sessions.last_used(&session, 1_000, at(now + number)).await.unwrap();
        assert_eq!(
            (listed.len(), Some(listed[0].public_id)),
            (1_000, session.public_id()),
            "{case}, {number}"
        );
        assert!(listed.is_sorted_by(|one, next| one.life.last_seen >= next.life.last_seen), "{case}");
        let oldest = listed.last().unwrap().life.last_seen;
        assert_eq!(
            oldest,
            at(now - (1_000 - number) / 10 - u64::from((1_000 - number) % 10 > 0)).into(),
            "{case}"
        );
    }
    // One that was used long ago finds itself among them.
    for (token, most) in [(&tokens[0], 1_000), (&tokens[7], 10), (&tokens[1_500], 1), (&tokens[3], 5_000)] {
        let session = change(&sessions, token, at(now + 21)).await;
        let listed = sessions.last_used(&session, most, at(now + 21)).await.unwrap();
        assert_eq!(listed.len(), most.min(2_020), "{case}");
        assert_eq!(
            listed.iter().filter(|one| Some(one.public_id) == session.public_id()).count(),
            1,
            "{case}"
        );
    }
    // And each of so many can be ended, or all others.
    let first = change(&sessions, &tokens[0], at(now + 22)).await;
    for token in [&tokens[1_999], &tokens[1]] {
        let public_id = change(&sessions, token, at(now + 22)).await.public_id().unwrap();
        assert!(sessions.end("a load balancer", public_id, at(now + 22)).await.unwrap(), "{case}");
    }
    assert_eq!(sessions.last_used(&first, 5_000, at(now + 22)).await.unwrap().len(), 2_018, "{case}");
    sessions.end_others(&first).unwrap();
    let token = commit(&sessions, &first, &tokens[0], at(now + 22)).await.unwrap();
    let session = change(&sessions, &token, at(now + 23)).await;
    let listed = sessions.last_used(&session, 1_000, at(now + 23)).await.unwrap();
    assert_eq!((listed.len(), Some(listed[0].public_id)), (1, session.public_id()), "{case}");
    let nobody = sessions.create();
    assert!(sessions.last_used(&nobody, 1_000, at(now + 23)).await.unwrap().is_empty(), "{case}");
}

#[tokio::test]
async fn of_two_thousand_sessions_those_used_last_are_shown_and_ones_own() {
    for place in BOTH {
        the_last_used_come_first(new_store(), "memory", place).await;
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteStore::options(folder.path().join("sessions.db"));
        let store = file.durability(SqliteDurability::Off).open().unwrap();
        the_last_used_come_first(store, "SQLite", place).await;
    }
}
