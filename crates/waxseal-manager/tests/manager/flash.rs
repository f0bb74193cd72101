//! Messages for the next page, and tokens for forms: what becomes of them in the three states.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager, Visit};
use waxseal_session::{Error as SessionError, Session};
use waxseal_store::MemoryStore;

const NOON: u64 = 1_790_000_000;

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn ring(byte: u8) -> Keyring {
    Keyring::new(SecretKey::from_bytes([byte; 32]))
}

fn cookie() -> SessionManager {
    SessionManager::cookie(&ring(1), "__Host-session", "demo").unwrap()
}

/// One of each state.
fn all_states() -> [(&'static str, SessionManager); 3] {
    let (ring, name, app) = (ring(1), "__Host-session", "demo");
    [
        ("cookie", cookie()),
        ("store", SessionManager::store(&ring, name, app, MemoryStore::new()).unwrap()),
        ("mirrored", SessionManager::mirrored(&ring, name, app, MemoryStore::new()).unwrap()),
    ]
}

/// A browser, with the token that it was last given.
struct Visitor<'a> {
    sessions: &'a SessionManager,
    token: Option<String>,
}

impl<'a> Visitor<'a> {
    fn new(sessions: &'a SessionManager) -> Self {
        Self { sessions, token: None }
    }

    async fn load(&self, access: Access) -> Visit {
        match &self.token {
            None => self.sessions.create(),
            Some(token) => {
                self.sessions.open(token.as_bytes(), access, at(NOON)).unwrap().load(at(NOON)).await.unwrap()
            }
        }
    }

    async fn commit(&mut self, session: &Visit) -> Outcome {
        let outcome = self.sessions.commit(session, at(NOON)).await.unwrap();
        if let Outcome::Set { token, .. } = &outcome {
            self.token = Some(token.clone());
        }
        outcome
    }

    /// A request that does this and succeeds.
    async fn post(&mut self, act: impl FnOnce(&Visit)) {
        let session = self.load(Access::Change).await;
        act(&session);
        self.commit(&session).await;
    }

    /// A page that shows the messages.
    async fn page(&mut self) -> Vec<String> {
        let session = self.load(Access::Read).await;
        let shown = texts(&session, &[]);
        self.commit(&session).await;
        shown
    }
}

fn texts(session: &Visit, categories: &[&str]) -> Vec<String> {
    session.flashed_messages(categories).into_iter().map(|flash| flash.message).collect()
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

#[test]
fn a_message_is_shown_by_the_next_page_and_by_none_after() {
    for (state, sessions) in all_states() {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.flash("message", "sent").unwrap()).await;
            visitor.post(|session| session.insert("name", "Merlin").unwrap()).await;
            assert_eq!(visitor.page().await, ["sent"], "{state}");
            assert_eq!(visitor.page().await, [""; 0], "{state}");
            assert_eq!(visitor.load(Access::Read).await.keys(), ["name"], "{state}");
        });
    }
}

#[test]
fn a_page_that_asks_twice_gets_the_same_and_what_comes_later_waits() {
    let session = cookie().create();
    session.flash("message", "first").unwrap();
    assert_eq!(texts(&session, &[]), ["first"]);
    session.flash("message", "second").unwrap();
    assert_eq!(texts(&session, &[]), ["first"]);
    let sessions = cookie();
    block_on(async {
        let mut visitor = Visitor::new(&sessions);
        visitor.commit(&session).await;
        assert_eq!(visitor.page().await, ["second"]);
    });
}

#[test]
fn what_no_page_asked_for_waits() {
    let sessions = cookie();
    block_on(async {
        let mut visitor = Visitor::new(&sessions);
        visitor
            .post(|session| {
                session.flash("error", "lost").unwrap();
                session.flash("info", "found").unwrap();
            })
            .await;
        let session = visitor.load(Access::Read).await;
        assert_eq!(texts(&session, &["error", "warning"]), ["lost"]);
        assert_eq!(session.flashed_messages(&["error"])[0].category, "error");
        visitor.commit(&session).await;
        assert_eq!(visitor.page().await, ["found"]);
    });
}

#[test]
fn a_request_that_failed_has_shown_nothing() {
    for (state, sessions) in all_states() {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.flash("message", "sent").unwrap()).await;
            let session = visitor.load(Access::Read).await;
            assert_eq!(texts(&session, &[]), ["sent"], "{state}");
            session.rollback();
            assert_eq!(visitor.commit(&session).await, Outcome::Keep, "{state}");
            assert_eq!(visitor.page().await, ["sent"], "{state}");
        });
    }
}

/// State `cookie` cannot: there the last answer wins.
#[test]
fn two_tabs_lose_none_of_each_others_messages() {
    for (state, sessions) in all_states().into_iter().skip(1) {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.flash("message", "old").unwrap()).await;
            let [one, two, page] =
                [Access::Change, Access::Change, Access::Read].map(|access| visitor.load(access));
            let (one, two, page) = (one.await, two.await, page.await);
            one.flash("message", "one").unwrap();
            two.flash("message", "two").unwrap();
            assert_eq!(texts(&page, &[]), ["old"], "{state}");
            for session in [&one, &page, &two] {
                visitor.commit(session).await;
            }
            assert_eq!(visitor.page().await, ["one", "two"], "{state}");
            assert_eq!(visitor.page().await, [""; 0], "{state}");
        });
    }
}

#[test]
fn a_message_that_comes_and_goes_in_one_request_leaves_no_session() {
    for (state, sessions) in all_states() {
        block_on(async {
            let session = sessions.create();
            session.flash("message", "at once").unwrap();
            assert_eq!(texts(&session, &[]), ["at once"]);
            assert_eq!(sessions.commit(&session, at(NOON)).await.unwrap(), Outcome::Keep, "{state}");
        });
    }
}

#[test]
fn messages_take_no_room_from_entries() {
    let sessions = cookie();
    let fill = |session: &Visit| {
        let fits = |bytes: &usize| session.insert("filling", "x".repeat(*bytes)).is_ok();
        (0..4_096).rev().find(fits).expect("something fits")
    };
    let without = fill(&sessions.create());
    let session = sessions.create();
    for number in 0..10 {
        session.flash("message", format!("{number}{}", "-".repeat(90))).unwrap();
    }
    assert_eq!(fill(&session), without);
    session.flash("message", "the newest").unwrap();
    block_on(async {
        let mut visitor = Visitor::new(&sessions);
        visitor.commit(&session).await;
        let shown = visitor.page().await;
        assert!(shown.len() < 11 && shown.last().is_some_and(|last| last == "the newest"), "{shown:?}");
    });
}

#[test]
fn who_signs_out_finds_a_message_on_the_next_page_and_nothing_else() {
    for (state, sessions) in all_states() {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.sign_in("merlin", at(NOON)).unwrap()).await;
            visitor.post(|session| session.insert("name", "Merlin").unwrap()).await;
            visitor
                .post(|session| {
                    session.destroy().unwrap();
                    session.flash("message", "bye").unwrap();
                })
                .await;
            let session = visitor.load(Access::Read).await;
            assert_eq!(texts(&session, &[]), ["bye"], "{state}");
            assert_eq!((session.owner(), session.len()), (None, 0), "{state}");
        });
    }
}

#[test]
fn a_token_is_known_to_its_session_alone_and_until_it_is_renewed() {
    for (state, sessions) in all_states() {
        block_on(async {
            let (mut visitor, mut other) = (Visitor::new(&sessions), Visitor::new(&sessions));
            let mut token = String::new();
            visitor.post(|session| token = session.csrf_token().unwrap()).await;
            other.post(|session| assert!(session.csrf_token().is_ok())).await;
            let known = |session: &Visit| session.is_csrf_token(token.as_bytes());

            let session = visitor.load(Access::Change).await;
            assert!(known(&session), "{state}");
            assert!(!known(&other.load(Access::Change).await), "{state}");
            assert!(!known(&sessions.create()), "{state}");
            let again = session.csrf_token().unwrap();
            assert_ne!(again, token, "{state}: every request masks it anew");
            assert_eq!(session.csrf_token().unwrap(), again, "{state}: but once");
            assert!(session.is_csrf_token(again.as_bytes()), "{state}");

            type Renewal = fn(&Session) -> Result<(), SessionError>;
            let renewals: [(&str, Renewal); 3] = [
                ("renew", Session::renew),
                ("renew_empty", Session::renew_empty),
                ("sign_in", |session| session.sign_in("user-7", at(NOON))),
            ];
            for (how, renewal) in renewals {
                let mut before = String::new();
                visitor.post(|session| before = session.csrf_token().unwrap()).await;
                visitor
                    .post(|session| {
                        assert!(session.is_csrf_token(before.as_bytes()), "{state}, {how}");
                        renewal(session).unwrap();
                        assert!(!session.is_csrf_token(before.as_bytes()), "{state}, {how}");
                        let after = session.csrf_token().unwrap();
                        assert!(session.is_csrf_token(after.as_bytes()), "{state}, {how}");
                    })
                    .await;
                assert!(
                    !visitor.load(Access::Change).await.is_csrf_token(before.as_bytes()),
                    "{state}, {how}"
                );
            }
        });
    }
}

#[test]
fn a_visitor_without_a_form_gets_no_session() {
    for (state, sessions) in all_states() {
        block_on(async {
            let session = sessions.create();
            assert!(!session.is_csrf_token(b"anything"), "{state}");
            assert_eq!(sessions.commit(&session, at(NOON)).await.unwrap(), Outcome::Keep, "{state}");
        });
    }
}

#[test]
fn forms_that_two_tabs_show_first_at_the_same_time_are_both_good() {
    for (state, sessions) in all_states().into_iter().skip(1) {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.insert("name", "Merlin").unwrap()).await;
            let (one, two) = (visitor.load(Access::Read).await, visitor.load(Access::Read).await);
            let tokens = [one.csrf_token().unwrap(), two.csrf_token().unwrap()];
            visitor.commit(&one).await;
            visitor.commit(&two).await;
            let session = visitor.load(Access::Change).await;
            assert!(tokens.iter().all(|token| session.is_csrf_token(token.as_bytes())), "{state}");
        });
    }
}

#[test]
fn tokens_follow_a_change_of_keys() {
    let [one, two] = [1, 2].map(|byte| SecretKey::from_bytes([byte; 32]));
    let both = Keyring::new(two).with_fallback(one).unwrap();
    let sessions = cookie();
    block_on(async {
        let mut visitor = Visitor::new(&sessions);
        let mut token = String::new();
        visitor.post(|session| token = session.csrf_token().unwrap()).await;

        sessions.set_keyring(&both);
        let session = visitor.load(Access::Change).await;
        assert!(session.is_csrf_token(token.as_bytes()), "the old key still checks");
        let newer = session.csrf_token().unwrap();
        session.insert("name", "Merlin").unwrap();
        visitor.commit(&session).await;

        sessions.set_keyring(&ring(2));
        let session = visitor.load(Access::Change).await;
        assert!(!session.is_csrf_token(token.as_bytes()), "the old key is gone");
        assert!(session.is_csrf_token(newer.as_bytes()), "the new key signs");
    });
}

#[test]
fn a_token_of_any_state_is_taken_apart_without_a_store() {
    use waxseal_manager::Parts;
    for (state, sessions) in all_states() {
        block_on(async {
            let mut visitor = Visitor::new(&sessions);
            visitor.post(|session| session.insert("name", "Merlin").unwrap()).await;
            visitor.post(|session| session.insert("age", 1_500).unwrap()).await;
            let token = visitor.token.clone().unwrap();
            let seen = sessions.inspect(token.as_bytes(), at(NOON + 60)).unwrap();
            assert!(seen.refused().is_none(), "{state}");
            let name = seen.session().map(|session| session.get::<String>("name").unwrap().unwrap());
            let session = visitor.load(Access::Read).await;
            match (state, seen.parts().unwrap()) {
                ("cookie", Parts::Session { .. }) => assert_eq!(name.as_deref(), Some("Merlin")),
                ("store", Parts::Id { public_id }) => {
                    assert_eq!((name, Some(public_id)), (None, session.public_id()));
                }
                ("mirrored", Parts::Mirror { public_id, revision, has_copy: true, .. }) => {
                    assert_eq!(name.as_deref(), Some("Merlin"));
                    assert_eq!((Some(public_id), revision.counter()), (session.public_id(), 2));
                }
                (state, parts) => panic!("{state}: {parts:?}"),
            }
            let [own, other] =
                [&sessions, &cookie()].map(|sessions| sessions.inspect(token.as_bytes(), at(NOON)).is_ok());
            assert_eq!((own, other), (true, state == "cookie"), "{state}");
            // The record judges what is idle, the token what is too old.
            let half_a_day = NOON + 12 * 3_600;
            for (now, refused) in [(NOON + 3_600, state == "cookie"), (half_a_day, true)] {
                let seen = sessions.inspect(token.as_bytes(), at(now)).unwrap();
                assert_eq!(
                    seen.refused().is_some() || (state == "store" && now == half_a_day),
                    refused,
                    "{state}, {now}"
                );
            }
        });
    }
}
