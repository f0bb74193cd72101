//! Tokens that are sealed anew although nothing was changed, against what became of the session meanwhile.

use std::time::Duration;

use waxseal_crypto::Keyring;
use waxseal_manager::{
    Access, AtOnce, Error, Lifetimes, Mirrored, Outcome, Revocable, SessionManager, State, Stored, Visit,
};
use waxseal_session::Error as SessionError;
use waxseal_store::MemoryStore;
use waxseal_store::testing::Operation;

use crate::states_support::{
    BOTH, Store, at, change, commit, key, manager, new_store, read, sessions, signed_in, visitor,
};

/// A state over a store.
type Of = fn(&Store) -> State;
/// What somebody does with a session.
type Act = fn(&Visit) -> Result<(), SessionError>;

/// The states with a store.
const STATES: [(&str, Of); 3] = [
    ("cookie with a list", |store| Revocable::new(store.clone()).into()),
    ("store", |store| Stored::new(store.clone()).into()),
    ("mirrored", |store| Mirrored::new(store.clone()).into()),
];

/// The time at which a token from the beginning is due in every state, by its age or by its key.
const DUE: u64 = 200;

/// A session, and two processes that have another key than sealed its token.
struct Scene {
    store: Store,
    here: SessionManager,
    there: SessionManager,
    token: String,
}

impl Scene {
    async fn new(state: Of) -> Self {
        let store = new_store();
        let ring = Keyring::new(key(2)).with_fallback(key(1)).unwrap();
        let [here, there] = [(); 2].map(|()| manager(state(&store), &ring));
        let token = signed_in(&manager(state(&store), &Keyring::new(key(1))), "albus", 0).await;
        Self { store, here, there, token }
    }

    /// A page that has loaded its session, and is under way.
    async fn page(&self) -> Visit {
        let page = read(&self.here, &self.token, at(DUE)).await;
        assert_eq!(page.owner().as_deref(), Some("albus"));
        page
    }

    async fn answer(&self, page: &Visit) -> Outcome {
        self.here.commit(page, at(DUE)).await.unwrap()
    }
}

#[tokio::test]
async fn a_page_that_was_under_way_displaces_no_cookie_of_what_ended_or_renewed_its_session() {
    let acts: [(&str, Act); 4] = [
        ("signs in", |session| session.sign_in("albus", at(DUE))),
        ("renews", |session| session.renew()),
        ("becomes permanent and renews", |session| {
            session.set_permanent(true)?;
            session.renew()
        }),
        ("signs out", |session| session.destroy()),
    ];
    for (name, state) in STATES {
        for (act, acts) in acts {
            for is_here in [true, false] {
                let case = format!("{name}: {act}, in the same process: {is_here}");
                let scene = Scene::new(state).await;
                let page = scene.page().await;
                let process = if is_here { &scene.here } else { &scene.there };
                let session = change(process, &scene.token, at(DUE)).await;
                acts(&session).unwrap();
                process.commit(&session, at(DUE)).await.unwrap();
                assert_eq!(scene.answer(&page).await, Outcome::Keep, "{case}");
            }
        }
        let scene = Scene::new(state).await;
        let page = scene.page().await;
        assert!(matches!(scene.answer(&page).await, Outcome::Set { .. }), "{name}: nothing became of it");
    }
}

#[tokio::test]
async fn a_page_whose_token_is_due_seals_none_when_it_cannot_ask_or_another_has_written() {
    for (name, state) in STATES {
        let scene = Scene::new(state).await;
        let page = scene.page().await;
        scene.store.set_away(true);
        assert_eq!(scene.answer(&page).await, Outcome::Keep, "{name}: away");
    }
    for (name, state) in &STATES[1..] {
        let scene = Scene::new(*state).await;
        let page = scene.page().await;
        let session = change(&scene.there, &scene.token, at(DUE)).await;
        session.insert("name", 1).unwrap();
        scene.there.commit(&session, at(DUE)).await.unwrap();
        assert_eq!(scene.answer(&page).await, Outcome::Keep, "{name}: written to");
    }
}

#[tokio::test]
async fn only_a_page_whose_token_is_due_asks_once_more() {
    for place in BOTH {
        let store = new_store();
        let here = sessions(place, store.clone());
        let token = visitor(&here, at(0), |session| session.set_permanent(true).unwrap()).await;
        // Noted in the token after a twentieth of 31 days.
        for (seconds, questions) in [(60, 1), (2 * 86_400, 2)] {
            store.forget();
            let page = read(&here, &token, at(seconds)).await;
            assert_eq!(page.len(), 0);
            let sent = commit(&here, &page, "kept", at(seconds)).await.unwrap();
            let asked = store.count(Operation::Load) + store.count(Operation::Revalidate);
            assert_eq!((asked, sent != "kept"), (questions, questions == 2), "{place:?} after {seconds} s");
        }
    }
}

#[tokio::test]
async fn a_longer_idle_lifetime_holds_for_who_came_under_the_shorter_one_and_stays_active() {
    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 60 * MINUTE;
    let ordinary = |seconds| Lifetimes::new().idle(Duration::from_secs(seconds)).unwrap();
    let permanent = |seconds| Lifetimes::new().permanent_idle(Duration::from_secs(seconds)).unwrap();
    let of_cookie: Of = |_| State::Cookie;
    for (name, state) in [("cookie", of_cookie)].into_iter().chain(STATES) {
        for (is_permanent, former, present, step) in [
            (false, ordinary(30 * MINUTE), ordinary(DAY), 10 * MINUTE),
            (true, permanent(DAY), permanent(60 * DAY), DAY / 2),
        ] {
            let case = format!("{name}, permanent: {is_permanent}");
            let store = new_store();
            let begin = |lifetimes| manager(state(&store), &Keyring::new(key(1))).lifetimes(lifetimes);
            let mut token = visitor(&begin(former), at(0), |session| {
                session.insert("name", "Albus").unwrap();
                session.set_permanent(is_permanent).unwrap();
            })
            .await;
            let here = begin(present);
            let mut kept_until = at(DAY);
            for now in (1..=10).map(|visit| at(visit * step)) {
                let page = read(&here, &token, now).await;
                assert!(page.contains_key("name"), "{case}, at {now:?}");
                if let Outcome::Set { token: sent, expires } = here.commit(&page, now).await.unwrap() {
                    token = sent;
                    kept_until = expires.unwrap_or(kept_until);
                }
                assert!(!is_permanent || now < kept_until, "{case}: the browser has forgotten it at {now:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_request_that_needs_no_store_is_committed_at_once() {
    let of_cookie: Of = |_| State::Cookie;
    for (name, state) in [("cookie", of_cookie)].into_iter().chain(STATES) {
        let scene = Scene::new(state).await;
        let page = async |seconds| read(&scene.here, &scene.token, at(seconds)).await;
        let never = || panic!("nothing is sealed");

        let young = page(30).await;
        let ended = scene.here.commit_at_once(&young, never);
        assert!(matches!(ended, Some(AtOnce::Read { accessed: false })), "{name}: {ended:?}");
        assert!(matches!(young.insert("name", 1), Err(SessionError::Sent)), "{name}: closed");

        let young = page(30).await;
        assert!(young.owner().is_some());
        let ended = scene.here.commit_at_once(&young, never);
        assert!(matches!(ended, Some(AtOnce::Read { accessed: true })), "{name}: {ended:?}");

        let due = page(DUE).await;
        assert!(due.owner().is_some());
        assert!(scene.here.commit_at_once(&due, never).is_none(), "{name}: due");
        assert!(matches!(scene.answer(&due).await, Outcome::Set { .. }), "{name}: due");

        let writes: [Act; 3] = [
            |session| session.insert("name", 1),
            |session| session.flash("info", "Hello."),
            |session| session.update("visits", |visits: &mut u32| *visits += 1),
        ];
        for write in writes {
            let written = change(&scene.there, &scene.token, at(30)).await;
            write(&written).unwrap();
            match scene.there.commit_at_once(&written, || at(31)) {
                Some(AtOnce::Written(Outcome::Set { token, .. })) if name == "cookie" => {
                    let next = read(&scene.here, &token, at(32)).await;
                    assert_eq!(next.content().planned_size(), written.content().planned_size());
                    assert!(next.owner().is_some(), "{name}: the same session");
                    assert!(written.is_modified() && written.was_saved(), "{name}: saved");
                    assert!(matches!(written.insert("more", 1), Err(SessionError::Sent)), "{name}: closed");
                    assert!(scene.there.commit_at_once(&written, never).is_none(), "{name}: only once");
                }
                None if name != "cookie" => assert!(written.insert("more", 1).is_ok(), "{name}: open"),
                other => panic!("{name}: {other:?}"),
            }
        }
        let acts: [Act; 4] = [
            |session| session.destroy(),
            |session| session.clear(),
            |session| session.renew(),
            |session| session.sign_in("user-8", at(30)),
        ];
        for act in acts {
            let acted = change(&scene.there, &scene.token, at(30)).await;
            act(&acted).unwrap();
            assert!(scene.there.commit_at_once(&acted, never).is_none(), "{name}: more than a write");
            assert!(acted.insert("more", 1).is_ok(), "{name}: open");
        }
    }
    let new = manager(State::Cookie, &Keyring::new(key(1)));
    let begun = new.create();
    assert!(new.commit_at_once(&begun, || at(30)).is_none(), "a new session");
    begun.insert("name", 1).unwrap();
    assert!(new.commit_at_once(&begun, || at(30)).is_none(), "a new session is begun");
}

#[tokio::test]
async fn a_write_to_a_store_that_answers_at_once_is_committed_at_once_unless_somebody_else_is_writing() {
    let sessions = manager(State::from(Stored::new(MemoryStore::new())), &Keyring::new(key(1)));
    let first = sessions.create();
    first.insert("visits", 0).unwrap();
    let Outcome::Set { token, .. } = sessions.commit(&first, at(0)).await.unwrap() else { panic!() };
    let open = |access| {
        let opened = sessions.open(token.as_bytes(), access, at(1)).unwrap();
        opened.ready().expect("memory is asked where the token is opened")
    };
    let seen = || open(Access::Read).get::<u32>("visits").unwrap();

    let alone = open(Access::Change);
    alone.add("visits", 1).unwrap();
    let ended = sessions.commit_at_once(&alone, || at(1));
    assert!(matches!(ended, Some(AtOnce::Written(Outcome::Keep))), "{ended:?}");
    assert!(alone.was_saved() && alone.is_modified());
    assert!(matches!(alone.insert("more", 1), Err(SessionError::Sent)), "closed");
    assert_eq!(seen(), Some(1));

    let (one, other) = (open(Access::Change), open(Access::Change));
    one.add("visits", 1).unwrap();
    other.add("visits", 1).unwrap();
    assert!(sessions.commit_at_once(&one, || at(1)).is_none(), "the other has seen the same version");
    assert_eq!(sessions.commit(&one, at(1)).await.unwrap(), Outcome::Keep);
    assert!(sessions.commit_at_once(&other, || at(1)).is_none(), "another version is in the store");
    assert_eq!(sessions.commit(&other, at(1)).await.unwrap(), Outcome::Keep);
    assert_eq!(seen(), Some(3));

    let permanent = open(Access::Change);
    permanent.set_permanent(true).unwrap();
    assert!(sessions.commit_at_once(&permanent, || at(1)).is_none(), "the browser needs another token");
    assert!(matches!(sessions.commit(&permanent, at(1)).await.unwrap(), Outcome::Set { .. }));

    let late = open(Access::Change);
    late.insert("visits", 9).unwrap();
    let signed_out = open(Access::Change);
    signed_out.destroy().unwrap();
    assert!(sessions.commit_at_once(&signed_out, || at(1)).is_none(), "an end");
    assert_eq!(sessions.commit(&signed_out, at(1)).await.unwrap(), Outcome::Remove);
    drop(signed_out);
    assert!(sessions.commit_at_once(&late, || at(1)).is_none(), "it is over");
    assert!(matches!(sessions.commit(&late, at(1)).await, Err(Error::Session(SessionError::Gone))));
}
