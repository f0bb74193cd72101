//! What somebody can do who reads the store's own rows, or writes them.

use std::collections::HashSet;
use std::path::PathBuf;

use crate::counted::Counted;
use crate::states_support::{BOTH, Place, at, change, commit, key, open, read, sessions_with, visitor};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use waxseal_crypto::Keyring;
use waxseal_manager::Visit;
use waxseal_manager::{Access, Error, Outcome, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_sqlite::SqliteStore;
use waxseal_store::testing::FaultyStore;
use waxseal_store::{MemoryStore, Record, RecordKey, SessionStore, Swap, Timestamp};

/// A store with a back door.
enum Rows {
    Memory(FaultyStore<MemoryStore>),
    Sqlite(FaultyStore<SqliteStore>, TempDir),
}

impl Rows {
    fn both() -> [Self; 2] {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteStore::open(folder.path().join("sessions.db")).unwrap();
        [Self::Memory(FaultyStore::new(MemoryStore::new())), Self::Sqlite(FaultyStore::new(file), folder)]
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Memory(_) => "memory",
            Self::Sqlite(..) => "SQLite",
        }
    }

    fn sessions(&self, place: Place) -> SessionManager {
        self.sessions_with(place, &Keyring::new(key(1)))
    }

    fn sessions_with(&self, place: Place, keyring: &Keyring) -> SessionManager {
        match self {
            Self::Memory(store) => sessions_with(place, store.clone(), keyring),
            Self::Sqlite(store, _) => sessions_with(place, store.clone(), keyring),
        }
    }

    async fn all(&self) -> Vec<(RecordKey, Record)> {
        match self {
            Self::Memory(store) => walk(store).await,
            Self::Sqlite(store, _) => walk(store).await,
        }
    }

    async fn one(&self, key: &RecordKey) -> Record {
        self.all().await.into_iter().find(|(other, _)| other == key).unwrap().1
    }

    /// Writes what is sealed, and of which revision it claims to be, past everything that guards it.
    async fn put(&self, key: &RecordKey, record: &Record) {
        let before = self.one(key).await;
        match self {
            Self::Memory(store) => {
                let record = Record { life: before.life, owner: before.owner, ..record.clone() };
                let swap = store.update(key, &before.revision, &record, at(0).into()).await.unwrap();
                assert_eq!(swap, Swap::Done);
            }
            Self::Sqlite(_, folder) => {
                let connection = Connection::open(folder.path().join("sessions.db")).unwrap();
                let changed = connection.execute(
                    "UPDATE sessions SET sealed = ?2, revision = ?3, kid = ?4 WHERE hash = ?1",
                    params![key.hash(), record.sealed, record.revision.as_bytes(), record.kid],
                );
                assert_eq!(changed.unwrap(), 1);
            }
        }
    }

    /// Writes the column by which "end all" finds a session.
    async fn put_owner(&self, key: &RecordKey, owner: Option<&str>) {
        match self {
            Self::Memory(store) => {
                let before = self.one(key).await;
                let record = Record { owner: owner.map(str::to_owned), ..before.clone() };
                let swap = store.update(key, &before.revision, &record, at(0).into()).await.unwrap();
                assert_eq!(swap, Swap::Done);
            }
            Self::Sqlite(_, folder) => {
                let connection = Connection::open(folder.path().join("sessions.db")).unwrap();
                let sql = "UPDATE sessions SET owner = ?2 WHERE hash = ?1";
                assert_eq!(connection.execute(sql, params![key.hash(), owner]).unwrap(), 1);
            }
        }
    }

    /// Every byte that is kept.
    async fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Memory(_) => self.all().await.into_iter().flat_map(|(_, record)| record.sealed).collect(),
            Self::Sqlite(_, folder) => {
                let files = std::fs::read_dir(folder.path()).unwrap();
                let paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
                paths.iter().flat_map(|path| std::fs::read(path).unwrap()).collect()
            }
        }
    }
}

async fn walk(store: &impl SessionStore) -> Vec<(RecordKey, Record)> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let now = Timestamp::from(at(0));
        let page = store.sealed_otherwise([0; 4], after.as_ref(), 100, now).await.unwrap();
        all.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return all,
        }
    }
}

fn name(session: &Visit) -> Option<String> {
    session.get("name").unwrap()
}

/// A session of this name; if it is `large`, no cookie has a copy of it.
async fn visitor_named(sessions: &SessionManager, name: &str, large: bool) -> String {
    let fill = if large { 9_000 } else { 1 };
    visitor(sessions, at(0), |session| {
        session.insert("name", name).unwrap();
        session.insert("fill", "x".repeat(fill)).unwrap();
    })
    .await
}

async fn assert_stranger(sessions: &SessionManager, token: &str, case: &str) {
    for access in [Access::Read, Access::Change] {
        let session = open(sessions, token, access, at(10)).await.unwrap();
        assert!(session.is_new() && session.is_empty(), "{case}, {access:?}");
        assert_eq!(sessions.commit(&session, at(10)).await.unwrap(), Outcome::Keep, "{case}, {access:?}");
    }
}

#[tokio::test]
async fn two_rows_swapped_do_not_open_and_open_again_when_they_are_put_back() {
    for place in BOTH {
        for rows in Rows::both() {
            let sessions = rows.sessions(place);
            let tokens = [
                visitor_named(&sessions, "Merlin", true).await,
                visitor_named(&sessions, "Morgana", true).await,
            ];
            let [(one, first), (other, second)] = rows.all().await.try_into().unwrap();
            let sealed_of =
                |mine: &Record, theirs: &Record| Record { sealed: theirs.sealed.clone(), ..mine.clone() };
            for (case, now_first, now_second) in [
                ("what is sealed", sealed_of(&first, &second), sealed_of(&second, &first)),
                ("the rows", second.clone(), first.clone()),
            ] {
                let case = format!("{case}, {place:?}, {}", rows.name());
                rows.put(&one, &now_first).await;
                rows.put(&other, &now_second).await;
                for token in &tokens {
                    assert_stranger(&sessions, token, &case).await;
                }
                assert_eq!(rows.one(&one).await.sealed, second.sealed, "{case}: it is left as it is");
                rows.put(&one, &first).await;
                rows.put(&other, &second).await;
                for (token, expected) in tokens.iter().zip(["Merlin", "Morgana"]) {
                    let session = change(&sessions, token, at(11)).await;
                    assert_eq!(name(&session).as_deref(), Some(expected), "{case}: put back");
                }
            }
        }
    }
}

#[tokio::test]
async fn swapped_rows_never_show_one_visitor_the_others_session_beside_copies_either() {
    for rows in Rows::both() {
        let [here, there] = [(); 2].map(|()| rows.sessions(Place::Mirrored));
        let tokens =
            [visitor_named(&here, "Merlin", false).await, visitor_named(&here, "Morgana", false).await];
        let [(one, first), (other, second)] = rows.all().await.try_into().unwrap();
        rows.put(&one, &second).await;
        rows.put(&other, &first).await;
        for (token, mine) in tokens.iter().zip(["Merlin", "Morgana"]) {
            for sessions in [&here, &there] {
                for (access, now) in [(Access::Read, 1), (Access::Read, 10), (Access::Change, 11)] {
                    let session = open(sessions, token, access, at(now)).await.unwrap();
                    let shown = name(&session);
                    assert!(shown.is_none() || shown.as_deref() == Some(mine), "{}: {shown:?}", rows.name());
                    assert!(now < 5 || shown.is_none(), "{}: its copy is of no known revision", rows.name());
                }
            }
        }
    }
}

#[tokio::test]
async fn an_older_state_does_not_open_under_the_newer_revision() {
    for place in BOTH {
        for rows in Rows::both() {
            let sessions = rows.sessions(place);
            let token = visitor_named(&sessions, "Merlin", true).await;
            let [(key, old)] = rows.all().await.try_into().unwrap();
            let session = change(&sessions, &token, at(1)).await;
            session.insert("name", "Morgana").unwrap();
            let token = commit(&sessions, &session, &token, at(1)).await.unwrap();
            let new = rows.one(&key).await;
            assert_ne!(old.revision, new.revision);
            rows.put(&key, &Record { sealed: old.sealed, ..new }).await;
            assert_stranger(&sessions, &token, &format!("{place:?}, {}", rows.name())).await;
        }
    }
}

/// A failover or a backup: a whole row as it was.
#[tokio::test]
async fn a_store_that_has_gone_back_is_the_truth_whatever_newer_copies_say() {
    for place in BOTH {
        for rows in Rows::both() {
            let case = format!("{place:?}, {}", rows.name());
            let [here, there] = [(); 2].map(|()| rows.sessions(place));
            let token = visitor_named(&here, "Merlin", false).await;
            let [(key, old)] = rows.all().await.try_into().unwrap();
            let write = async |sessions: &SessionManager, token: &str, name: &str, now| {
                let session = change(sessions, token, at(now)).await;
                session.insert("name", name).unwrap();
                commit(sessions, &session, token, at(now)).await.unwrap()
            };
            let lost = write(&here, &token, "Morgana", 1).await;
            rows.put(&key, &old).await;
            for sessions in [&here, &there] {
                for session in [change(sessions, &lost, at(2)).await, read(sessions, &lost, at(10)).await] {
                    assert_eq!(name(&session).as_deref(), Some("Merlin"), "{case}");
                }
            }
            // Another state of the same number.
            let newer = write(&there, &token, "Nimue", 11).await;
            for (sessions, token) in [(&here, &lost), (&there, &lost), (&here, &newer), (&there, &newer)] {
                let session = read(sessions, token, at(20)).await;
                assert_eq!(name(&session).as_deref(), Some("Nimue"), "{case}");
                let next = commit(sessions, &session, token, at(20)).await.unwrap();
                assert_eq!(name(&read(sessions, &next, at(20)).await).as_deref(), Some("Nimue"), "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_copied_table_signs_nobody_in_and_says_nothing_of_what_is_in_a_session() {
    for place in BOTH {
        for rows in Rows::both() {
            let case = format!("{place:?}, {}", rows.name());
            let sessions = rows.sessions(place);
            let token = visitor_named(&sessions, "Merlin Ambrosius", true).await;
            let kept = rows.bytes().await;
            for secret in ["Merlin Ambrosius", "xxxxxxxxxx", &token[..40]] {
                let found = kept.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
                assert!(!found, "{case}: {secret}");
            }
            // Whatever is in a row, sent as a cookie: as it is, or as a token's text.
            let [(row, record)] = rows.all().await.try_into().unwrap();
            let public_id = row.public_id();
            let of_row: [&[u8]; 5] =
                [public_id.as_bytes(), row.hash(), record.revision.as_bytes(), &record.sealed, &record.kid];
            let made = [
                [&public_id.as_bytes()[..], &row.hash()[..24]].concat(),
                [&row.hash()[..], &record.sealed].concat(),
            ];
            for bytes in of_row.into_iter().chain(made.iter().map(Vec::as_slice)) {
                for cookie in [bytes.to_vec(), URL_SAFE_NO_PAD.encode(bytes).into_bytes()] {
                    assert!(sessions.open(&cookie, Access::Read, at(1)).is_err(), "{case}");
                }
            }
            // A server with the table and a key of its own opens neither records nor tokens.
            let thief = rows.sessions_with(place, &Keyring::new(key(9)));
            assert!(thief.open(token.as_bytes(), Access::Read, at(1)).is_err(), "{case}");
            let mut after = None;
            while let (rewrapped, Some(next)) = thief.rewrap(after.as_ref(), 100, at(1)).await.unwrap() {
                assert_eq!(rewrapped, 0, "{case}");
                after = Some(next);
            }
            assert_eq!(rows.one(&row).await, record, "{case}");
            let session = change(&sessions, &token, at(1)).await;
            assert_eq!(name(&session).as_deref(), Some("Merlin Ambrosius"), "{case}: its visitor is served");
        }
    }
}

#[tokio::test]
async fn a_record_listed_under_another_owner_is_nobodys_until_that_is_put_right() {
    for rows in Rows::both() {
        for place in BOTH {
            for large in [false, true] {
                for (sealed, listed) in [
                    (Some("albus"), None),
                    (Some("albus"), Some("minerva")),
                    (Some("albus"), Some("Albus")),
                    (Some("albus"), Some("albus ")),
                    (None, Some("albus")),
                ] {
                    let case =
                        format!("{}, {place:?}, large: {large}, {sealed:?} as {listed:?}", rows.name());
                    let (here, there) = (rows.sessions(place), rows.sessions(place));
                    let before: HashSet<_> = rows.all().await.into_iter().map(|(key, _)| key).collect();
                    let token = visitor(&here, at(0), |session| {
                        session.insert("fill", "x".repeat(if large { 9_000 } else { 1 })).unwrap();
                        session.set_owner(sealed).unwrap();
                    })
                    .await;
                    let row = rows.all().await.into_iter().find(|(key, _)| !before.contains(key)).unwrap().0;
                    let shown = read(&here, &token, at(1)).await;
                    rows.put_owner(&row, listed).await;
                    // Elsewhere, and here once the window is over: the copy's is no other than the record's.
                    for sessions in [&here, &there] {
                        for access in [Access::Read, Access::Change] {
                            let session = open(sessions, &token, access, at(6)).await.unwrap();
                            assert!(session.is_new() && session.is_empty(), "{case}, {access:?}");
                            assert_eq!(session.owner(), None, "{case}, {access:?}");
                        }
                    }
                    if place == Place::Mirrored && !large {
                        let confirmed = here.revalidate(&shown, at(6)).await;
                        assert!(
                            matches!(confirmed, Err(Error::Session(SessionError::Gone))),
                            "{case}: {confirmed:?}"
                        );
                        // What this request says of the owner is not what it was opened with.
                        rows.put_owner(&row, sealed).await;
                        shown.sign_in("minerva", at(6)).unwrap();
                        assert!(here.revalidate(&shown, at(6)).await.is_ok(), "{case}");
                        rows.put_owner(&row, listed).await;
                    }
                    let newer =
                        rows.sessions_with(place, &Keyring::new(key(2)).with_fallback(key(1)).unwrap());
                    let mut after = None;
                    loop {
                        let (_, next) = newer.rewrap(after.as_ref(), 100, at(6)).await.unwrap();
                        after = next;
                        if after.is_none() {
                            break;
                        }
                    }
                    let kid = rows.one(&row).await.kid;
                    rows.put_owner(&row, sealed).await;
                    let session = change(&there, &token, at(7)).await;
                    assert_eq!(session.owner().as_deref(), sealed, "{case}: put right, and not rewrapped");
                    assert_eq!(rows.one(&row).await.kid, kid, "{case}");
                    assert_eq!(&kid, key(1).id().as_bytes(), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_sign_in_takes_over_no_record_that_was_given_to_its_owner() {
    for rows in Rows::both() {
        for place in BOTH {
            let sessions = rows.sessions(place);
            let before: HashSet<_> = rows.all().await.into_iter().map(|(key, _)| key).collect();
            let old = visitor_named(&sessions, "Merlin", false).await;
            let session = change(&sessions, &old, at(1)).await;
            session.sign_in("minerva", at(1)).unwrap();
            let lost = commit(&sessions, &session, &old, at(1)).await.unwrap();
            let row = rows.all().await.into_iter().find(|(key, _)| !before.contains(key)).unwrap().0;
            rows.put_owner(&row, Some("albus")).await;
            let session = change(&sessions, &old, at(2)).await;
            session.sign_in("albus", at(2)).unwrap();
            let token = commit(&sessions, &session, &old, at(2)).await.unwrap();
            assert!(change(&sessions, &token, at(3)).await.is_empty(), "{}, {place:?}", rows.name());
            rows.put_owner(&row, Some("minerva")).await;
            assert_eq!(name(&change(&sessions, &lost, at(3)).await).as_deref(), Some("Merlin"));
        }
    }
}

#[tokio::test]
async fn a_record_listed_under_another_owner_is_counted_by_itself() {
    for rows in Rows::both() {
        for place in BOTH {
            let counted = Counted::default();
            let sessions = metrics::with_local_recorder(&counted, || rows.sessions(place));
            let before: HashSet<_> = rows.all().await.into_iter().map(|(key, _)| key).collect();
            let token = visitor(&sessions, at(0), |session| session.set_owner(Some("albus")).unwrap()).await;
            let row = rows.all().await.into_iter().find(|(key, _)| !before.contains(key)).unwrap().0;
            rows.put_owner(&row, None).await;
            for access in [Access::Read, Access::Change] {
                assert!(open(&sessions, &token, access, at(6)).await.unwrap().is_new());
            }
            let reasons = ["other owner", "unreadable", "gone", "renewed"]
                .map(|reason| counted.of(&format!("waxseal_sessions_refused_total {reason}")));
            assert_eq!(reasons, [2, 0, 0, 0], "{}, {place:?}", rows.name());
        }
    }
}
