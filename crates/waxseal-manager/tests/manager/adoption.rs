//! Sessions of another framework, taken over once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::meddler::{Meddler, Meddling, Replacing};
use crate::states_support::{Store, at, commit, key, manager, new_store, open, race, read, signed_in};
use waxseal_crypto::Keyring;
use waxseal_manager::{
    Access, Adoption, Error, Foreign, Mirrored, Outcome, Revocable, SessionManager, State, Stored, Visit,
    WhenAway,
};
use waxseal_store::testing::{FaultyStore, Operation, Turn};
use waxseal_store::{Fault, MemoryStore, SessionStore, Usage};

const DAY: u64 = 86_400;
/// The time of the switch, and the end of the migration.
const SWITCH: u64 = 2 * DAY;
const UNTIL: u64 = 20 * DAY;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Listed,
    Store,
    Mirrored,
}

/// The states that remember.
const REMEMBERING: [Kind; 3] = [Kind::Listed, Kind::Store, Kind::Mirrored];

impl Kind {
    fn state(self, store: &(impl SessionStore + Clone)) -> State {
        match self {
            Self::Listed => Revocable::new(store.clone()).into(),
            Self::Store => Stored::new(store.clone()).into(),
            Self::Mirrored => Mirrored::new(store.clone()).into(),
        }
    }

    /// A process's sessions over `store`, with a migration under way.
    fn sessions(self, store: &Store) -> SessionManager {
        self.sessions_with(store, &Keyring::new(key(1)))
    }

    fn sessions_with(self, store: &Store, keyring: &Keyring) -> SessionManager {
        manager(self.state(store), keyring).adopting(terms()).unwrap()
    }
}

fn terms() -> Adoption {
    Adoption::new(at(SWITCH), at(UNTIL)).lifetime(Duration::from_secs(31 * DAY))
}

/// A cookie of user 7 in the old app, signed at `began`. `id` tells cookies apart.
fn foreign(id: u8, began: u64) -> Foreign {
    foreign_of("user-7", id, began)
}

fn foreign_of(owner: &str, id: u8, began: u64) -> Foreign {
    let foreign = Foreign::new([id; 32], at(began), at(began + 31 * DAY));
    foreign.session().set_owner(Some(owner)).unwrap();
    foreign.session().insert("cart", [1, 2]).unwrap();
    foreign.session().set_permanent(true).unwrap();
    foreign.session().flash("info", "welcome back").unwrap();
    foreign
}

async fn try_adopt(
    sessions: &SessionManager,
    foreign: &Foreign,
    access: Access,
    now: u64,
) -> Result<Visit, Error> {
    sessions.snapshot().adopt(foreign, access, at(now)).load(at(now)).await
}

async fn adopt(sessions: &SessionManager, foreign: &Foreign, now: u64) -> Visit {
    try_adopt(sessions, foreign, Access::Read, now).await.unwrap()
}

/// The token of a visitor whose foreign session is taken over with a page that only reads.
async fn adopted(sessions: &SessionManager, foreign: &Foreign, now: u64) -> String {
    let visit = adopt(sessions, foreign, now).await;
    assert_eq!(visit.owner().as_deref(), Some("user-7"));
    let token = commit(sessions, &visit, "", at(now)).await.unwrap();
    assert_ne!(token, "");
    token
}

async fn sign_out(sessions: &SessionManager, token: &str, now: u64) {
    let visit = open(sessions, token, Access::Change, at(now)).await.unwrap();
    visit.destroy().unwrap();
    assert_eq!(sessions.commit(&visit, at(now)).await.unwrap(), Outcome::Remove);
}

/// Nobody is signed in by this cookie, and the visit is one that can be written.
async fn is_refused(case: &str, sessions: &SessionManager, foreign: &Foreign, now: u64) {
    for access in [Access::Read, Access::Change] {
        let visit = try_adopt(sessions, foreign, access, now).await.unwrap();
        assert_eq!(visit.owner(), None, "{case}");
        assert!(visit.is_new() && visit.is_empty() && !visit.is_adopted(), "{case}");
        assert!(visit.is_accessed(), "{case}: the answer depends on the cookie");
        visit.insert("new", 1).unwrap();
    }
}

#[tokio::test]
async fn all_that_a_foreign_session_has_is_taken_over_and_nobody_counts_as_just_signed_in() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let visit = adopt(&sessions, &foreign(1, 0), DAY).await;
        assert!(visit.is_adopted() && visit.is_foreign_over() && !visit.is_new(), "{kind:?}");
        let token = commit(&sessions, &visit, "", at(DAY)).await.unwrap();
        let visit = read(&sessions, &token, at(DAY + 1)).await;
        assert_eq!(visit.get::<Vec<u8>>("cart").unwrap(), Some(vec![1, 2]), "{kind:?}");
        assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}");
        assert!(visit.is_permanent(), "{kind:?}");
        assert_eq!(visit.flashed_messages(&[]).len(), 1, "{kind:?}");
        assert_eq!(visit.signed_in_at(), None, "{kind:?}");
        assert!(!visit.signed_in_within(Duration::from_secs(60), at(DAY + 1)), "{kind:?}");
        assert!(!visit.is_adopted() && !visit.is_foreign_over(), "{kind:?}");
        if kind != Kind::Listed {
            let listed = sessions.list("user-7", None, 10, at(DAY)).await.unwrap();
            assert_eq!(listed.items.len(), 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn a_foreign_session_is_taken_over_once_and_a_minute_is_for_those_who_came_with_it() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        let token = adopted(&here, &foreign(1, 0), DAY).await;
        // Another server, as for a parallel request or a lost answer, gives the same session.
        let visit = adopt(&there, &foreign(1, 0), DAY + 59).await;
        visit.insert("more", true).unwrap();
        let joined = commit(&there, &visit, "", at(DAY + 59)).await.unwrap();
        if kind != Kind::Listed {
            let visit = open(&here, &token, Access::Change, at(DAY + 60)).await.unwrap();
            assert_eq!(visit.get::<bool>("more").unwrap(), Some(true), "{kind:?}");
            assert_eq!(here.list("user-7", None, 10, at(DAY)).await.unwrap().items.len(), 1, "{kind:?}");
        }
        for sessions in [&here, &there] {
            is_refused("a minute later", sessions, &foreign(1, 0), DAY + 60).await;
            assert!(adopt(sessions, &foreign(1, 0), DAY + 60).await.is_foreign_over(), "{kind:?}");
        }
        assert_eq!(read(&here, &joined, at(DAY + 61)).await.owner().as_deref(), Some("user-7"));
        // Ended by either token.
        sign_out(&here, &joined, DAY + 62).await;
        assert!(open(&there, &token, Access::Change, at(DAY + 70)).await.unwrap().is_new(), "{kind:?}");
        is_refused("signed out", &there, &foreign(1, 0), DAY + 63).await;
    }
}

#[tokio::test]
async fn parallel_first_requests_on_two_servers_agree_on_one_session() {
    for kind in REMEMBERING {
        for round in 0..20 {
            let store = new_store();
            let first = |name: &'static str| {
                let sessions = kind.sessions(&store);
                async move {
                    let visit = try_adopt(&sessions, &foreign(round, 0), Access::Change, DAY).await.unwrap();
                    visit.insert(name, true).unwrap();
                    commit(&sessions, &visit, "", at(DAY)).await.unwrap()
                }
            };
            let (one, other) = race(first("one"), first("other")).await;
            let sessions = kind.sessions(&store);
            if kind != Kind::Listed {
                let listed = sessions.list("user-7", None, 10, at(DAY)).await.unwrap();
                assert_eq!(listed.items.len(), 1, "{kind:?}");
                let visit = open(&sessions, &one, Access::Change, at(DAY)).await.unwrap();
                assert!(visit.contains_key("one") && visit.contains_key("other"), "{kind:?}");
            }
            sign_out(&sessions, &other, DAY + 1).await;
            assert!(open(&sessions, &one, Access::Change, at(DAY + 1)).await.unwrap().is_new(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn after_a_sign_out_no_cookie_of_that_owner_from_before_is_good() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        let token = adopted(&here, &foreign(1, 0), DAY).await;
        sign_out(&here, &token, DAY + 100).await;
        for (case, cookie) in [
            ("the cookie itself, within its minute or not", foreign(1, 0)),
            ("an older one of the same session: a thief's", foreign(2, 0)),
            ("a newer one, which the old app signed meanwhile", foreign(3, DAY + 90)),
            ("one by a clock that is ahead", foreign(4, DAY + 160)),
        ] {
            is_refused(case, &there, &cookie, DAY + 101).await;
        }
        // Another user's, and one of a later sign-in at the old app.
        let visit = adopt(&there, &foreign_of("user-8", 5, 0), DAY + 101).await;
        assert_eq!(visit.owner().as_deref(), Some("user-8"), "{kind:?}");
        assert_eq!(adopt(&there, &foreign(6, DAY + 161), DAY + 170).await.owner().as_deref(), Some("user-7"));
    }
}

#[tokio::test]
async fn ending_all_sessions_of_an_owner_ends_what_could_be_taken_over() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        here.end_all("user-7", at(DAY)).await.unwrap();
        is_refused("ended", &there, &foreign(1, 0), DAY + 1).await;

        // By the owner's other session, after a changed password.
        let visit = there.create();
        visit.sign_in("user-8", at(DAY)).unwrap();
        there.end_others(&visit).unwrap();
        commit(&there, &visit, "", at(DAY)).await.unwrap();
        is_refused("ended by another", &here, &foreign_of("user-8", 2, 0), DAY + 1).await;

        // One of an owner's list.
        if kind != Kind::Listed {
            let visit = there.create();
            visit.sign_in("user-9", at(DAY)).unwrap();
            let token = commit(&there, &visit, "", at(DAY)).await.unwrap();
            let id = read(&there, &token, at(DAY)).await.public_id().unwrap();
            assert!(here.end("user-9", id, at(DAY)).await.unwrap());
            is_refused("one ended", &here, &foreign_of("user-9", 3, 0), DAY + 1).await;
        }
    }
}

/// Whatever the order, no session of the owner is left that began before the end.
#[tokio::test]
async fn nothing_is_taken_over_past_an_end_of_all_that_runs_beside_it() {
    for kind in REMEMBERING {
        for round in 0..40 {
            let store = new_store();
            let taking = {
                let sessions = kind.sessions(&store);
                async move {
                    for _ in 0..round % 10 {
                        tokio::task::yield_now().await;
                    }
                    let visit = try_adopt(&sessions, &foreign(1, 0), Access::Read, DAY).await.unwrap();
                    commit(&sessions, &visit, "", at(DAY)).await.unwrap()
                }
            };
            let ending = {
                let sessions = kind.sessions(&store);
                async move { sessions.end_all("user-7", at(DAY)).await.unwrap() }
            };
            let (token, ()) = race(taking, ending).await;
            if !token.is_empty() {
                let sessions = kind.sessions(&store);
                let visit = open(&sessions, &token, Access::Change, at(DAY)).await.unwrap();
                assert_eq!(visit.owner(), None, "{kind:?}, round {round}");
            }
        }
    }
}

/// Stores keep a record in its owner's list until its absolute end.
#[tokio::test]
async fn claims_and_ends_of_owners_have_an_end() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        let token = adopted(&sessions, &foreign(1, 0), DAY).await;
        sign_out(&sessions, &token, DAY + 100).await;
        let mut entries = 0;
        for first in 0..=255 {
            let owner = format!("\u{1}revoked {first:02x}");
            for listed in store.list(&owner, None, 9, at(DAY).into()).await.unwrap().items {
                assert!(listed.life.absolute_end < at(200 * DAY).into(), "{kind:?}");
                entries += 1;
            }
        }
        assert!(entries >= 2, "{kind:?}: {entries}");
    }
}

#[tokio::test]
async fn what_began_after_the_switch_or_is_over_is_refused_without_asking() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        store.forget();
        let brief = Foreign::new([3; 32], at(0), at(100));
        let endless = Foreign::new([4; 32], at(0), at(400 * DAY));
        for (case, cookie, now) in [
            ("began at the switch", foreign(1, SWITCH), SWITCH + 1),
            ("began after it", foreign(1, SWITCH + DAY), SWITCH + 2 * DAY),
            ("expired", brief, 100),
            ("longer than such sessions live", endless, 31 * DAY),
            ("after the end of the migration", foreign(1, SWITCH - 1), UNTIL),
        ] {
            let visit = try_adopt(&sessions, &cookie, Access::Change, now).await.unwrap();
            assert_eq!((visit.owner(), visit.is_new()), (None, true), "{kind:?}: {case}");
            assert_eq!(store.asked(), [], "{kind:?}: {case}");
        }
        assert!(sessions.adopts(at(UNTIL - 1)) && !sessions.adopts(at(UNTIL)));
        assert_eq!(
            adopt(&sessions, &foreign(1, SWITCH - 1), UNTIL - 1).await.owner().as_deref(),
            Some("user-7")
        );
    }
}

#[tokio::test]
async fn a_session_that_does_not_fit_is_refused_and_left() {
    let large = foreign(1, 0);
    large.session().insert("large", "x".repeat(5_000)).unwrap();
    for (kind, fits) in [(Kind::Listed, false), (Kind::Store, true), (Kind::Mirrored, true)] {
        let store = new_store();
        let visit = adopt(&kind.sessions(&store), &large, DAY).await;
        assert_eq!((visit.owner().is_some(), visit.is_foreign_over()), (fits, fits), "{kind:?}");
        assert_eq!(store.count(Operation::Create) > 0, fits, "{kind:?}");
    }
    large.session().insert("huge", "x".repeat(2 << 20)).unwrap();
    for kind in REMEMBERING {
        is_refused("huge", &kind.sessions(&new_store()), &large, DAY).await;
    }
}

#[tokio::test]
async fn a_request_that_fails_sends_the_token_all_the_same() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let visit = try_adopt(&sessions, &foreign(1, 0), Access::Change, DAY).await.unwrap();
        visit.insert("order", 1).unwrap();
        visit.rollback();
        let token = commit(&sessions, &visit, "", at(DAY)).await.unwrap();
        let visit = open(&sessions, &token, Access::Change, at(DAY + 90)).await.unwrap();
        assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}");
        assert!(!visit.contains_key("order"), "{kind:?}");
    }
}

#[tokio::test]
async fn a_sign_in_makes_a_planted_session_worthless_for_who_planted_it() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        // The attacker's own cookie, of nobody, in the victim's browser.
        let planted = Foreign::new([9; 32], at(0), at(DAY + DAY));
        planted.session().insert("theirs", 1).unwrap();
        let visit = try_adopt(&here, &planted, Access::Change, DAY).await.unwrap();
        let attackers =
            commit(&there, &adopt(&there, &planted, DAY + 1).await, "", at(DAY + 1)).await.unwrap();
        visit.sign_in("victim", at(DAY + 2)).unwrap();
        let victims = commit(&here, &visit, "", at(DAY + 2)).await.unwrap();
        for sessions in [&here, &there] {
            let visit = open(sessions, &attackers, Access::Change, at(DAY + 10)).await.unwrap();
            assert_eq!(visit.owner(), None, "{kind:?}");
            assert_eq!(adopt(sessions, &planted, DAY + 10).await.owner(), None, "{kind:?}");
            assert_eq!(read(sessions, &victims, at(DAY + 10)).await.owner().as_deref(), Some("victim"));
        }
    }
}

#[tokio::test]
async fn foreign_cookies_that_come_along_end_with_a_sign_out_and_with_a_sign_in() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        let [other, third] = [foreign_of("user-8", 2, 0), foreign_of("user-9", 3, 0)];
        let visit = sessions.create();
        visit.sign_in("user-7", at(DAY)).unwrap();
        sessions.note_foreign(&visit, &other);
        let token = commit(&sessions, &visit, "", at(DAY)).await.unwrap();
        is_refused("came with a sign-in", &sessions, &other, DAY + 1).await;
        // The owner's other browsers are still signed in there.
        let visit = adopt(&sessions, &foreign_of("user-8", 4, 0), DAY + 1).await;
        assert_eq!(visit.owner().as_deref(), Some("user-8"), "{kind:?}");

        let visit = open(&sessions, &token, Access::Change, at(DAY + 2)).await.unwrap();
        sessions.note_foreign(&visit, &third);
        visit.insert("a", 1).unwrap();
        commit(&sessions, &visit, "", at(DAY + 2)).await.unwrap();
        let visit = adopt(&sessions, &third, DAY + 3).await;
        assert_eq!(visit.owner().as_deref(), Some("user-9"), "{kind:?}: any other request ends nothing");
        let thirds = commit(&sessions, &visit, "", at(DAY + 3)).await.unwrap();

        let visit = open(&sessions, &token, Access::Change, at(DAY + 4)).await.unwrap();
        sessions.note_foreign(&visit, &third);
        visit.destroy().unwrap();
        sessions.commit(&visit, at(DAY + 4)).await.unwrap();
        is_refused("came with a sign-out", &sessions, &third, DAY + 5).await;
        // It is permanent, so its token may be as old as permanent sessions become.
        for later in [5, 5 * DAY, 28 * DAY] {
            let elsewhere = kind.sessions(&store);
            let visit = open(&elsewhere, &thirds, Access::Change, at(DAY + later)).await.unwrap();
            assert_eq!(visit.owner(), None, "{kind:?}: what a parallel request made of it has ended, too");
        }
    }
}

#[tokio::test]
async fn while_the_store_is_away_nobody_is_shown_and_nothing_is_lost() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        store.set_away(true);
        for access in [Access::Read, Access::Change] {
            let away = try_adopt(&sessions, &foreign(1, 0), access, DAY).await;
            assert!(matches!(away, Err(Error::Unavailable(_))), "{kind:?}: {away:?}");
        }
        store.set_away(false);
        // However far a request comes before the store goes away.
        for calls in 0..12 {
            let mut left = calls;
            store.decide_with(move |_| {
                left -= 1;
                if left < 0 { Turn::Fail } else { Turn::Work }
            });
            let cookie = foreign(10 + calls as u8, 0);
            let _ = try_adopt(&sessions, &cookie, Access::Read, DAY).await;
            store.decide_with(|_| Turn::Work);
            let visit = adopt(&sessions, &cookie, DAY + 30).await;
            assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?} after {calls} calls");
        }
        // And whichever answer is lost.
        for calls in 0..12 {
            let mut left = calls;
            store.decide_with(move |_| {
                left -= 1;
                if left == -1 { Turn::LoseReply } else { Turn::Work }
            });
            let cookie = foreign(50 + calls as u8, 0);
            let _ = try_adopt(&sessions, &cookie, Access::Read, DAY).await;
            store.decide_with(|_| Turn::Work);
            let visit = adopt(&sessions, &cookie, DAY + 30).await;
            assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}, answer {calls} lost");
        }
    }
}

#[tokio::test]
async fn a_sign_out_while_the_store_is_away_holds_here_at_once_and_everywhere_once_it_is_back() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        store.set_away(true);
        // Of a foreign session that nobody has taken over yet.
        let opened = here.snapshot().adopt(&foreign(1, 0), Access::Change, at(DAY));
        let waxseal_manager::Opened::Pending(pending) = opened else { panic!("{kind:?}") };
        let visit = pending.to_end();
        assert_eq!(visit.owner(), None);
        assert!(visit.insert("a", 1).is_err());
        visit.destroy().unwrap();
        here.commit(&visit, at(DAY)).await.unwrap();
        // Of one that signed in here.
        store.set_away(false);
        let visit = here.create();
        visit.sign_in("user-8", at(DAY)).unwrap();
        let token = commit(&here, &visit, "", at(DAY)).await.unwrap();
        let visit = open(&here, &token, Access::Change, at(DAY + 1)).await.unwrap();
        store.set_away(true);
        visit.destroy().unwrap();
        here.commit(&visit, at(DAY + 1)).await.unwrap();
        let left = if kind == Kind::Listed { 4 } else { 3 };
        assert_eq!(
            here.finish_ends(at(DAY + 1)).await.unwrap(),
            left,
            "{kind:?}: the foreign one's, and the owner's"
        );
        store.set_away(false);
        is_refused("here, at once", &here, &foreign(1, 0), DAY + 2).await;

        assert_eq!(here.finish_ends(at(DAY + 3)).await.unwrap(), 0, "{kind:?}");
        for sessions in [&here, &there] {
            is_refused("the cookie", sessions, &foreign(1, 0), DAY + 4).await;
            is_refused("the owner's", sessions, &foreign(2, 0), DAY + 4).await;
            is_refused("the other owner's", sessions, &foreign_of("user-8", 3, 0), DAY + 4).await;
        }
    }
}

#[tokio::test]
async fn claims_outlive_maintenance_until_the_cookie_is_over() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        let token = adopted(&sessions, &foreign(1, 0), DAY).await;
        sign_out(&sessions, &token, DAY).await;
        for day in [2, 10, 19] {
            sessions.maintain(|| at(day * DAY)).await.unwrap();
            is_refused("still", &sessions, &foreign(1, 0), day * DAY).await;
            is_refused("its owner's", &sessions, &foreign(2, 0), day * DAY).await;
        }
        // Nothing is left behind when all is over.
        assert!(sessions.maintain(|| at(31 * DAY)).await.unwrap().unwrap().purged < 3, "{kind:?}");
        sessions.maintain(|| at(400 * DAY)).await.unwrap();
        assert_eq!(store.usage().await.unwrap(), Usage::default().records(0).fullness(0.0), "{kind:?}");
    }
}

/// The old app notes activity in its store, so the session there has another beginning and end each time.
#[tokio::test]
async fn a_session_that_the_old_app_prolongs_is_taken_over_once_and_a_sign_out_holds() {
    const HALF_AN_HOUR: u64 = 1_800;
    let session_used_at = |id: u8, time: u64| {
        let foreign = Foreign::new([id; 32], at(time), at(time + HALF_AN_HOUR)).unique();
        foreign.session().set_owner(Some("user-7")).unwrap();
        foreign
    };
    let used_at = |time: u64| session_used_at(1, time);
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let token = adopted(&sessions, &used_at(DAY), DAY).await;
        is_refused("taken over", &sessions, &used_at(DAY + 300), DAY + 500).await;
        sign_out(&sessions, &token, DAY + 600).await;
        // Signed out with the old cookie alone, which was never taken over.
        end(&sessions, &session_used_at(2, DAY + 300), DAY + 600).await;
        for later in [DAY + 7_200, SWITCH - 60] {
            sessions.maintain(|| at(later)).await.unwrap();
            is_refused("signed out", &sessions, &used_at(later - 60), later).await;
            is_refused("the cookie alone", &sessions, &session_used_at(2, later - 60), later).await;
        }
    }
}

#[tokio::test]
async fn a_rotation_of_keys_between_two_parallel_requests_keeps_one_session() {
    for kind in REMEMBERING {
        let store = new_store();
        let before = kind.sessions_with(&store, &Keyring::new(key(1)));
        let after = kind.sessions_with(&store, &Keyring::new(key(2)).with_fallback(key(1)).unwrap());
        adopted(&before, &foreign(1, 0), DAY).await;
        let visit = adopt(&after, &foreign(1, 0), DAY + 5).await;
        assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}");
        if kind != Kind::Listed {
            assert_eq!(after.list("user-7", None, 10, at(DAY)).await.unwrap().items.len(), 1, "{kind:?}");
        }
    }
}

#[tokio::test]
async fn state_cookie_without_a_list_takes_over_only_what_may_be_replayed() {
    let state = || manager(State::Cookie, &Keyring::new(key(1)));
    let refused = state().adopting(terms());
    assert!(matches!(refused, Err(Error::Replayable)), "{refused:?}");
    let sessions = state().adopting(terms().replayable()).unwrap();
    let opened = sessions.snapshot().adopt(&foreign(1, 0), Access::Change, at(DAY));
    let visit = opened.ready().expect("there is no store to ask");
    let token = commit(&sessions, &visit, "", at(DAY)).await.unwrap();
    let visit = read(&sessions, &token, at(DAY)).await;
    assert_eq!(visit.owner().as_deref(), Some("user-7"));
    sign_out(&sessions, &token, DAY + 1).await;
    // What was accepted by saying so.
    assert_eq!(adopt(&sessions, &foreign(1, 0), DAY + 100).await.owner().as_deref(), Some("user-7"));
    for (case, cookie, now) in
        [("after the switch", foreign(1, SWITCH), SWITCH + 1), ("after the end", foreign(1, 0), UNTIL)]
    {
        assert_eq!(adopt(&sessions, &cookie, now).await.owner(), None, "{case}");
    }
}

#[tokio::test]
async fn an_anonymous_page_is_shown_in_an_outage_if_that_is_the_policy() {
    let store = new_store();
    let state = Stored::new(store.clone()).when_away(WhenAway::Anonymous);
    let sessions = manager(state, &Keyring::new(key(1))).adopting(terms()).unwrap();
    store.set_away(true);
    let visit = adopt(&sessions, &foreign(1, 0), DAY).await;
    assert_eq!((visit.owner(), visit.is_confirmed()), (None, false));
    assert_eq!(commit(&sessions, &visit, "", at(DAY)).await.unwrap(), "");
    store.set_away(false);
    assert_eq!(adopt(&sessions, &foreign(1, 0), DAY + 90).await.owner().as_deref(), Some("user-7"));
}

/// It is taken over once, so whoever does not get its token has lost it.
#[tokio::test]
async fn the_token_of_what_was_taken_over_is_sent_unless_it_ended_meanwhile() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        let visit = adopt(&sessions, &foreign(1, 0), DAY).await;
        store.set_away(true);
        let sent = commit(&sessions, &visit, "", at(DAY)).await.unwrap();
        assert_ne!(sent, "", "{kind:?}: the store went away");
        store.set_away(false);

        let page = adopt(&sessions, &foreign(1, 0), DAY + 1).await;
        let writer = adopt(&sessions, &foreign(1, 0), DAY + 1).await;
        writer.insert("name", "Merlin").unwrap();
        let written = commit(&sessions, &writer, "", at(DAY + 1)).await.unwrap();
        assert_ne!(commit(&sessions, &page, "", at(DAY + 1)).await.unwrap(), "", "{kind:?}: written to");

        let page = adopt(&sessions, &foreign(1, 0), DAY + 2).await;
        sign_out(&sessions, &written, DAY + 2).await;
        assert_eq!(sessions.commit(&page, at(DAY + 2)).await.unwrap(), Outcome::Keep, "{kind:?}: signed out");
    }
}

#[tokio::test]
async fn a_full_store_is_an_error_and_no_claim() {
    let small = MemoryStore::new().max_records(32);
    let sessions = manager(Stored::new(small), &Keyring::new(key(1))).adopting(terms()).unwrap();
    let mut tokens = Vec::new();
    loop {
        let visit = sessions.create();
        visit.sign_in("somebody", at(DAY)).unwrap();
        match commit(&sessions, &visit, "", at(DAY)).await {
            Ok(token) => tokens.push(token),
            Err(_) => break,
        }
    }
    let full = try_adopt(&sessions, &foreign(1, 0), Access::Read, DAY).await.unwrap_err();
    let (Error::Unavailable(full) | Error::Store(full)) = &full else { panic!("{full:?}") };
    assert_eq!(full.fault(), Fault::Full);
    for token in &tokens[..4] {
        sign_out(&sessions, token, DAY + 1).await;
    }
    assert_eq!(adopt(&sessions, &foreign(1, 0), DAY + 90).await.owner().as_deref(), Some("user-7"));
}

#[tokio::test]
async fn a_sign_out_deletes_its_record_where_there_is_no_room_to_note_its_owner() {
    type Of = fn(&Meddler) -> State;
    let states: [(&str, Of); 2] = [
        ("store", |store| Stored::new(store.clone()).into()),
        ("mirrored", |store| Mirrored::new(store.clone()).into()),
    ];
    for (state, of) in states {
        let full = Arc::new(AtomicBool::new(false));
        let store = Meddler::new({
            let full = Arc::clone(&full);
            move |_, _| match full.load(Ordering::Relaxed) {
                true => Meddling::Refuse(Fault::Full),
                false => Meddling::Nothing,
            }
        });
        let [here, there] =
            [(); 2].map(|()| manager(of(&store), &Keyring::new(key(1))).adopting(terms()).unwrap());
        let token = signed_in(&here, "user-7", DAY).await;
        full.store(true, Ordering::Relaxed);
        sign_out(&here, &token, DAY + 1).await;
        for sessions in [&here, &there] {
            let visit = open(sessions, &token, Access::Change, at(DAY + 2)).await.unwrap();
            assert!(visit.is_new(), "{state}");
        }
        is_refused(state, &here, &foreign(1, 0), DAY + 2).await;
        full.store(false, Ordering::Relaxed);
        assert_eq!(here.finish_ends(at(DAY + 3)).await.unwrap(), 0, "{state}");
        is_refused(state, &there, &foreign(1, 0), DAY + 4).await;
    }
}

#[tokio::test]
async fn an_end_that_the_store_refuses_holds_up_none_of_another_kind() {
    for refused in 0..3 {
        let (away, keys) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let store = Meddler::new({
            let (away, keys) = (Arc::clone(&away), Arc::clone(&keys));
            move |key, _| {
                let mut keys = keys.lock().unwrap();
                if away.load(Ordering::Relaxed) {
                    keys.push(*key);
                    return Meddling::Refuse(Fault::Outage);
                }
                if keys.get(refused) == Some(key) { Meddling::Refuse(Fault::Full) } else { Meddling::Nothing }
            }
        });
        let [here, there] = [(); 2].map(|()| {
            manager(Revocable::new(store.clone()), &Keyring::new(key(1))).adopting(terms()).unwrap()
        });
        let token = signed_in(&here, "user-7", DAY).await;
        away.store(true, Ordering::Relaxed);
        // The owner, the session, and a foreign session.
        sign_out(&here, &token, DAY + 1).await;
        end(&here, &nobody(9), DAY + 1).await;
        away.store(false, Ordering::Relaxed);
        assert_eq!(keys.lock().unwrap().len(), 3);
        assert!(here.finish_ends(at(DAY + 2)).await.is_err());
        keys.lock().unwrap().clear();
        let told = [
            adopt(&there, &foreign(1, 0), DAY + 3).await.owner().is_none(),
            open(&there, &token, Access::Change, at(DAY + 3)).await.unwrap().is_new(),
            !adopt(&there, &nobody(9), DAY + 3).await.is_adopted(),
        ];
        for (kind, told) in told.into_iter().enumerate() {
            assert_eq!(told, kind != refused, "{refused} is refused, {kind} is told");
        }
    }
}

#[test]
fn the_terms_have_dates_in_order() {
    let sessions = || manager(Stored::new(MemoryStore::new()), &Keyring::new(key(1)));
    let turned = Adoption::between("2027-03-01", "2027-02-01").unwrap();
    assert!(matches!(sessions().adopting(turned), Err(Error::AdoptionEndsFirst)));
    assert!(sessions().adopting(Adoption::between("2027-02-01", "2027-03-01").unwrap()).is_ok());
    let error = Adoption::between("2027-02-30", "2027-03-01").unwrap_err().to_string();
    assert_eq!(error, "`2027-02-30` is no day; write it as in 2027-03-01");
}

/// A cookie of an app that runs beside this one.
fn living(id: u8, began: u64) -> Foreign {
    foreign(id, began).living_on()
}

#[tokio::test]
async fn a_session_that_lives_on_is_taken_over_again_until_it_is_signed_out() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let first = adopted(&sessions, &living(1, 0), DAY).await;
        let joined = adopt(&sessions, &living(1, 0), DAY + 30).await;
        assert!(joined.is_adopted(), "{kind:?}");
        // Of two at once one claims it, and the other joins.
        let again = living(1, 0);
        let (one, other) =
            tokio::join!(adopt(&sessions, &again, DAY + 90), adopt(&sessions, &again, DAY + 90));
        assert_eq!(one.public_id(), other.public_id(), "{kind:?}");
        assert_eq!((one.owner().as_deref(), other.owner().as_deref()), (Some("user-7"), Some("user-7")));
        let second = commit(&sessions, &one, "", at(DAY + 90)).await.unwrap();
        assert_ne!(first, second);
        sign_out(&sessions, &second, DAY + 200).await;
        is_refused("signed out", &sessions, &living(1, 0), DAY + 400).await;
        is_refused("signed anew at that second", &sessions, &living(2, DAY + 200), DAY + 400).await;
        assert!(adopt(&sessions, &living(3, DAY + 201), DAY + 400).await.is_adopted(), "{kind:?}");
        // Of an app that has stopped, a clock ahead may have signed it.
        is_refused("not living on", &sessions, &foreign(4, DAY + 201), DAY + 400).await;
        // From the switch on the old app serves it no more.
        let late = living(5, SWITCH - 50);
        assert!(adopt(&sessions, &late, SWITCH - 40).await.is_adopted(), "{kind:?}");
        is_refused("from the switch on", &sessions, &late, SWITCH + 60).await;
    }
}

/// A session of nobody in an app that runs beside this one.
fn nobody(id: u8) -> Foreign {
    let foreign = Foreign::new([id; 32], at(0), at(31 * DAY));
    foreign.session().insert("cart", 1).unwrap();
    foreign.living_on()
}

/// Signs out a visitor who brought that session.
async fn end(sessions: &SessionManager, foreign: &Foreign, now: u64) {
    let visit = sessions.create();
    visit.destroy().unwrap();
    sessions.note_foreign(&visit, foreign);
    sessions.commit(&visit, at(now)).await.unwrap();
}

#[tokio::test]
async fn a_session_of_nobody_that_lives_on_is_over_when_it_is_ended() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        assert!(adopt(&sessions, &nobody(9), DAY).await.is_adopted(), "{kind:?}");
        end(&sessions, &nobody(9), DAY + 90).await;
        is_refused("ended", &sessions, &nobody(9), DAY + 400).await;
    }
}

#[tokio::test]
async fn the_end_of_what_lives_on_is_told_after_an_outage_however_far_it_came() {
    for kind in REMEMBERING {
        for turn in [Turn::Fail, Turn::LoseReply] {
            for calls in 0..6 {
                let case = format!("{kind:?}, {turn:?} after {calls} calls");
                let store = new_store();
                let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
                assert!(adopt(&here, &nobody(9), DAY).await.is_adopted(), "{case}");
                let mut left = calls;
                store.decide_with(move |_| {
                    left -= 1;
                    if left < 0 { turn } else { Turn::Work }
                });
                end(&here, &nobody(9), DAY + 90).await;
                store.decide_with(|_| Turn::Work);
                is_refused(&case, &here, &nobody(9), DAY + 100).await;
                assert_eq!(here.finish_ends(at(DAY + 200)).await.unwrap(), 0, "{case}");
                is_refused(&case, &there, &nobody(9), DAY + 400).await;
            }
        }
    }
}

#[tokio::test]
async fn the_end_of_what_lives_on_holds_against_who_takes_it_over_at_that_moment() {
    for kind in REMEMBERING {
        let memory = MemoryStore::new();
        let [slow, quick] = [FaultyStore::new(memory.clone()), FaultyStore::new(memory)];
        let [here, there] = [kind.sessions(&slow), kind.sessions(&quick)];
        assert!(adopt(&here, &nobody(9), DAY).await.is_adopted(), "{kind:?}");
        slow.hold(Some(Operation::Update));
        let ended = nobody(9);
        let takes_over = async {
            assert!(adopt(&there, &nobody(9), DAY + 90).await.is_adopted(), "{kind:?}");
            slow.hold(None);
        };
        tokio::join!(end(&here, &ended, DAY + 90), takes_over);
        is_refused("ended meanwhile", &there, &nobody(9), DAY + 400).await;
    }
}

#[tokio::test]
async fn a_cookie_of_every_browser_is_taken_over_again_until_its_owner_signs_out() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let token = || foreign(1, SWITCH - 1).recurring();
        let first = adopted(&sessions, &token(), SWITCH + DAY).await;
        let second = adopted(&sessions, &token(), SWITCH + DAY + 90).await;
        assert_ne!(first, second, "{kind:?}");
        assert_eq!(read(&sessions, &first, at(SWITCH + DAY + 100)).await.owner().as_deref(), Some("user-7"));
        sign_out(&sessions, &second, SWITCH + DAY + 110).await;
        is_refused("signed out", &sessions, &token(), SWITCH + DAY + 300).await;
        let other = foreign_of("user-8", 2, SWITCH - 1).recurring();
        assert!(adopt(&sessions, &other, SWITCH + DAY + 300).await.is_adopted(), "{kind:?}");
    }
}

#[tokio::test]
async fn what_the_old_app_signed_out_says_nothing_of_other_browsers() {
    for kind in REMEMBERING {
        let sessions = kind.sessions(&new_store());
        let token = adopted(&sessions, &living(1, 0), DAY).await;
        let visit = open(&sessions, &token, Access::Read, at(DAY + 5)).await.unwrap();
        sessions.end_visit(&visit, at(DAY + 5)).await.unwrap();
        let visit = open(&sessions, &token, Access::Change, at(DAY + 6)).await.unwrap();
        assert_eq!(visit.owner(), None, "{kind:?}");
        assert!(adopt(&sessions, &living(2, 0), DAY + 7).await.is_adopted(), "{kind:?}");
    }
}

#[tokio::test]
async fn an_owners_end_that_waits_for_the_store_reaches_what_was_signed_until_then_and_nothing_later() {
    for kind in REMEMBERING {
        let store = new_store();
        let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
        let token = adopted(&here, &living(1, 0), DAY).await;
        let visit = open(&here, &token, Access::Change, at(DAY + 9)).await.unwrap();
        store.set_away(true);
        here.note_foreign(&visit, &living(1, 0));
        visit.destroy().unwrap();
        here.commit(&visit, at(DAY + 10)).await.unwrap();
        is_refused("until then, in the outage", &here, &living(2, DAY + 10), DAY + 20).await;
        for access in [Access::Read, Access::Change] {
            let away = try_adopt(&here, &living(3, DAY + 11), access, DAY + 20).await;
            assert!(matches!(away, Err(Error::Unavailable(_))), "{kind:?}: {away:?}");
        }
        store.set_away(false);
        assert_eq!(here.finish_ends(at(DAY + 100)).await.unwrap(), 0, "{kind:?}");
        for (sessions, later) in [(&here, living(3, DAY + 11)), (&there, living(4, DAY + 99))] {
            is_refused("until then", sessions, &living(2, DAY + 10), DAY + 110).await;
            assert!(adopt(sessions, &later, DAY + 110).await.is_adopted(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn of_two_ends_of_one_owner_that_wait_for_the_store_the_later_counts() {
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        store.set_away(true);
        end(&sessions, &living(1, 0), DAY + 10).await;
        end(&sessions, &living(2, DAY + 15), DAY + 20).await;
        is_refused("in the outage", &sessions, &living(3, DAY + 16), DAY + 25).await;
        store.set_away(false);
        assert_eq!(sessions.finish_ends(at(DAY + 100)).await.unwrap(), 0, "{kind:?}");
        is_refused("signed between the two", &sessions, &living(3, DAY + 16), DAY + 110).await;
        assert!(adopt(&sessions, &living(4, DAY + 21), DAY + 110).await.is_adopted(), "{kind:?}");
    }
}

#[tokio::test]
async fn a_sign_out_counts_whether_or_not_the_old_apps_waits_for_the_store_too() {
    for kind in REMEMBERING {
        for old_app_first in [true, false] {
            let store = new_store();
            let sessions = kind.sessions(&store);
            let token = adopted(&sessions, &living(1, 0), DAY).await;
            let signed_out = open(&sessions, &token, Access::Change, at(DAY + 9)).await.unwrap();
            let over_there = open(&sessions, &token, Access::Read, at(DAY + 9)).await.unwrap();
            store.set_away(true);
            if old_app_first {
                sessions.end_visit(&over_there, at(DAY + 10)).await.unwrap();
            }
            signed_out.destroy().unwrap();
            sessions.commit(&signed_out, at(DAY + 20)).await.unwrap();
            if !old_app_first {
                sessions.end_visit(&over_there, at(DAY + 30)).await.unwrap();
            }
            store.set_away(false);
            assert_eq!(sessions.finish_ends(at(DAY + 100)).await.unwrap(), 0, "{kind:?}");
            is_refused("until the sign-out", &sessions, &living(2, DAY + 20), DAY + 110).await;
            assert!(adopt(&sessions, &living(3, DAY + 21), DAY + 110).await.is_adopted(), "{kind:?}");
        }
    }
}

#[tokio::test]
async fn what_a_parallel_request_made_stays_ended_after_an_outage_however_far_the_sign_out_came() {
    for kind in REMEMBERING {
        for cookie in [foreign(1, 0), nobody(1)] {
            for (turn, calls) in
                [Turn::Fail, Turn::LoseReply].into_iter().flat_map(|turn| (0..9).map(move |n| (turn, n)))
            {
                let case = format!("{kind:?}, {turn:?} after {calls} calls");
                let store = new_store();
                let [here, there] = [kind.sessions(&store), kind.sessions(&store)];
                let parallel = adopt(&there, &cookie, DAY).await;
                let mut left = calls;
                store.decide_with(move |_| {
                    left -= 1;
                    if left < 0 { turn } else { Turn::Work }
                });
                end(&here, &cookie, DAY + 1).await;
                store.decide_with(|_| Turn::Work);
                let token = commit(&there, &parallel, "", at(DAY + 2)).await.unwrap();
                assert_eq!(here.finish_ends(at(DAY + 3)).await.unwrap(), 0, "{case}");
                for later in [4, 5 * DAY] {
                    let elsewhere = kind.sessions(&store);
                    let opened = elsewhere.open(token.as_bytes(), Access::Change, at(DAY + later));
                    let visit = match opened {
                        Ok(opened) => opened.load(at(DAY + later)).await.unwrap(),
                        Err(_) => continue,
                    };
                    assert!(visit.is_new(), "{case}");
                }
            }
        }
    }
}

#[tokio::test]
async fn a_claim_that_was_given_up_and_arrives_late_is_joined_and_its_session_is_there() {
    for kind in REMEMBERING {
        let store = Meddler::scripted(&[Replacing::Late]);
        let sessions = manager(kind.state(&store), &Keyring::new(key(1))).adopting(terms()).unwrap();
        assert!(adopt(&sessions, &living(1, 0), DAY).await.is_adopted(), "{kind:?}");
        // A minute later it is claimed anew, and that has no answer.
        let given_up = try_adopt(&sessions, &living(1, 0), Access::Read, DAY + 90).await;
        assert!(matches!(given_up, Err(Error::Unavailable(_))), "{kind:?}: {given_up:?}");
        let visit = adopt(&sessions, &living(1, 0), DAY + 100).await;
        assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}");
        let visit = adopt(&sessions, &living(1, 0), DAY + 101).await;
        assert_eq!(visit.owner().as_deref(), Some("user-7"), "{kind:?}");
    }
}

#[tokio::test]
async fn strangers_whose_cookies_are_the_same_get_a_session_each() {
    // In Flask, all who chose German in the same second.
    let of_nobody = || {
        let foreign = Foreign::new([1; 32], at(0), at(31 * DAY));
        foreign.session().insert("language", "de").unwrap();
        foreign
    };
    for kind in REMEMBERING {
        let store = new_store();
        let sessions = kind.sessions(&store);
        let mut tokens = Vec::new();
        for (name, now) in [("Ada", DAY), ("Bea", DAY + 1), ("Cleo", DAY + 59)] {
            let visit = adopt(&sessions, &of_nobody(), now).await;
            assert!(visit.is_adopted(), "{kind:?}, {name}");
            assert_eq!(visit.get::<String>("language").unwrap().as_deref(), Some("de"), "{kind:?}, {name}");
            assert!(!visit.contains_key("name"), "{kind:?}, {name}");
            visit.insert("name", name).unwrap();
            tokens.push(commit(&sessions, &visit, "", at(now)).await.unwrap());
        }
        sign_out(&sessions, &tokens[0], DAY + 301).await;
        assert!(read(&sessions, &tokens[0], at(DAY + 302)).await.is_new(), "{kind:?}");
        for (token, name) in tokens[1..].iter().zip(["Bea", "Cleo"]) {
            let visit = read(&sessions, token, at(DAY + 302)).await;
            assert_eq!(visit.get::<String>("name").unwrap().as_deref(), Some(name), "{kind:?}");
        }
        is_refused("a minute later", &sessions, &of_nobody(), DAY + 60).await;
        // Of a session that is one browser's alone, parallel requests get one.
        let one = || {
            let foreign = Foreign::new([2; 32], at(0), at(31 * DAY)).unique();
            foreign.session().insert("language", "de").unwrap();
            foreign
        };
        let first = adopt(&sessions, &one(), DAY).await;
        first.insert("name", "Dora").unwrap();
        commit(&sessions, &first, "", at(DAY)).await.unwrap();
        let second = adopt(&sessions, &one(), DAY + 1).await;
        assert!(second.is_adopted(), "{kind:?}");
        assert_eq!(second.contains_key("name"), kind != Kind::Listed, "{kind:?}");
        is_refused("a minute later", &sessions, &one(), DAY + 61).await;
    }
}

#[tokio::test]
async fn a_cookie_with_the_id_of_anothers_session_does_not_join_it() {
    for kind in [Kind::Store, Kind::Mirrored] {
        let store = new_store();
        let sessions = kind.sessions(&store);
        adopted(&sessions, &foreign(1, 0).unique(), DAY).await;
        is_refused("another owner", &sessions, &foreign_of("user-8", 1, 0), DAY + 5).await;
        let of_nobody = Foreign::new([1; 32], at(0), at(31 * DAY)).unique();
        is_refused("no owner", &sessions, &of_nobody, DAY + 5).await;
    }
}
