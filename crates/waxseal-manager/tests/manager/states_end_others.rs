//! Ending an owner's other sessions, with somebody else who has a copy of the cookie.

use std::sync::Arc;

use crate::states_support::{BOTH, Place, Store, at, at_once, change, commit, open, read, sessions, visitor};
use waxseal_manager::{Access, Error, Outcome, SessionManager};
use waxseal_session::Error as SessionError;
use waxseal_store::MemoryStore;
use waxseal_store::testing::{FaultyStore, Operation, Turn};

/// The owner's session, another, and what somebody does who has a copy of the first one's cookie.
struct Scene {
    store: Store,
    here: SessionManager,
    /// A process whose store never fails.
    there: Arc<SessionManager>,
    mine: String,
    other: String,
}

impl Scene {
    async fn new(place: Place) -> Self {
        let memory = MemoryStore::new();
        let store = FaultyStore::new(memory.clone());
        let (here, there) = (sessions(place, store.clone()), Arc::new(sessions(place, memory)));
        let sign_in = |sessions| visitor(sessions, at(0), |session| session.sign_in("albus", at(0)).unwrap());
        let (mine, other) = (sign_in(&here).await, sign_in(&there).await);
        Self { store, here, there, mine, other }
    }

    async fn end_others(&self) -> Result<String, Error> {
        let session = open(&self.here, &self.mine, Access::Change, at(2)).await?;
        self.here.end_others(&session)?;
        commit(&self.here, &session, &self.mine, at(2)).await
    }

    async fn is_good(&self, token: &str) -> bool {
        !change(&self.there, token, at(3)).await.is_new()
    }

    async fn living(&self) -> usize {
        self.there.list("albus", None, 100, at(3)).await.unwrap().items.len()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Renews,
    SignsIn,
    Saves,
    EndsOthers,
    SignsOut,
}

/// The cookie that whoever acts with `token` has then, if the store has done it.
fn act(sessions: &SessionManager, token: &str, act: Act) -> Option<String> {
    at_once(async {
        let session = change(sessions, token, at(2)).await;
        session.owner()?;
        match act {
            Act::Renews => session.renew().ok()?,
            Act::SignsIn => session.sign_in("albus", at(2)).ok()?,
            Act::Saves => session.add("saves", 1).ok()?,
            Act::EndsOthers => sessions.end_others(&session).ok()?,
            Act::SignsOut => session.destroy().ok()?,
        }
        commit(sessions, &session, token, at(2)).await.ok()
    })
}

#[tokio::test]
async fn a_copy_of_the_present_cookie_ends_with_the_others() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let token = scene.end_others().await.unwrap();
        assert!(scene.is_good(&token).await, "{place:?}");
        for ended in [&scene.mine, &scene.other] {
            assert!(!scene.is_good(ended).await, "{place:?}");
            assert!(read(&scene.here, ended, at(2)).await.is_new(), "{place:?}: here at once");
            assert!(read(&scene.there, ended, at(8)).await.is_new(), "{place:?}: elsewhere after the window");
        }
        assert_eq!(scene.living().await, 1, "{place:?}");
    }
}

#[tokio::test]
async fn a_failed_request_ends_nobody() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let session = change(&scene.here, &scene.mine, at(2)).await;
        scene.here.end_others(&session).unwrap();
        session.rollback();
        commit(&scene.here, &session, &scene.mine, at(2)).await.unwrap();
        assert!(scene.is_good(&scene.mine).await && scene.is_good(&scene.other).await, "{place:?}");
    }
}

#[tokio::test]
async fn whatever_call_fails_the_visitor_stays_signed_in() {
    for place in BOTH {
        for turn in [Turn::Fail, Turn::LoseReply] {
            for at_call in 0..9 {
                let case = format!("{place:?}, {turn:?} of call {at_call}");
                let scene = Scene::new(place).await;
                let mut call = 0;
                scene.store.decide_with(move |_| {
                    call += 1;
                    if call - 1 == at_call { turn } else { Turn::Work }
                });
                match scene.end_others().await {
                    Ok(token) => {
                        assert!(scene.is_good(&token).await, "{case}");
                        assert!(
                            !scene.is_good(&scene.mine).await && !scene.is_good(&scene.other).await,
                            "{case}"
                        );
                    }
                    Err(error) => {
                        assert!(matches!(error, Error::Unavailable(_)), "{case}: {error}");
                        assert!(scene.is_good(&scene.mine).await, "{case}");
                        let token = scene.end_others().await.unwrap();
                        assert!(scene.is_good(&token).await && scene.living().await == 1, "{case}: repeated");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_acts_with_a_copy_meanwhile_does_not_go_on() {
    for place in BOTH {
        for what in [Act::Renews, Act::SignsIn, Act::Saves, Act::EndsOthers, Act::SignsOut] {
            // And with a call of ours failing after that.
            for fails in [None, Some(0), Some(1), Some(2)] {
                for at_call in 0..8 {
                    let case =
                        format!("{place:?}: somebody {what:?} before call {at_call}, failing: {fails:?}");
                    let scene = Scene::new(place).await;
                    let (there, copy) = (scene.there.clone(), scene.mine.clone());
                    let theirs = Arc::new(std::sync::Mutex::new(None));
                    let (mut call, kept) = (0, theirs.clone());
                    scene.store.decide_with(move |_| {
                        if call == at_call {
                            *kept.lock().unwrap() = act(&there, &copy, what);
                        }
                        call += 1;
                        let is_failing = fails.is_some_and(|after| call - 1 == at_call + after);
                        if is_failing { Turn::Fail } else { Turn::Work }
                    });
                    let answer = scene.end_others().await;
                    scene.store.decide_with(|_| Turn::Work);
                    let theirs = theirs.lock().unwrap().take().filter(|token| !token.is_empty());
                    let theirs_is_good = match theirs.as_ref().filter(|theirs| **theirs != scene.mine) {
                        Some(theirs) => scene.is_good(theirs).await,
                        None => false,
                    };
                    match &answer {
                        // Nobody was there in time to be met.
                        Ok(token) if token == &scene.mine => panic!("{case}: it kept its id"),
                        Ok(token) => {
                            let is_good = scene.is_good(token).await;
                            // Whoever had the copy may end all of them, but cannot go on.
                            assert!(is_good || what == Act::EndsOthers, "{case}");
                            assert!(!scene.is_good(&scene.mine).await && !theirs_is_good, "{case}");
                            assert!(!scene.is_good(&scene.other).await, "{case}");
                        }
                        // Still signed in, or nobody is: unless it was an anonymous visitor who asked, as below.
                        Err(Error::Unavailable(_)) => {
                            let is_good = scene.is_good(&scene.mine).await;
                            assert!(is_good || !theirs_is_good || at_call == 0, "{case}");
                        }
                        Err(error) => {
                            assert!(
                                matches!(
                                    error,
                                    Error::Session(SessionError::Gone)
                                        | Error::Session(SessionError::Renewed)
                                        | Error::Session(SessionError::Owner)
                                ),
                                "{case}: {error}"
                            );
                            assert!(!scene.is_good(&scene.mine).await, "{case}");
                            // Before the session was loaded, it was an anonymous visitor who asked.
                            assert!(!theirs_is_good || at_call == 0, "{case}: {error}");
                        }
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn two_who_end_each_other_do_not_both_go_on() {
    for place in BOTH {
        for at_call in 0..8 {
            let scene = Scene::new(place).await;
            let (there, other) = (scene.there.clone(), scene.other.clone());
            let theirs = Arc::new(std::sync::Mutex::new(None));
            let (mut call, kept) = (0, theirs.clone());
            scene.store.decide_with(move |_| {
                if call == at_call {
                    *kept.lock().unwrap() = act(&there, &other, Act::EndsOthers);
                }
                call += 1;
                Turn::Work
            });
            let answer = scene.end_others().await;
            let theirs = theirs.lock().unwrap().take();
            let mine_is_good = match &answer {
                Ok(token) => scene.is_good(token).await,
                Err(_) => false,
            };
            let theirs_is_good = match &theirs {
                Some(token) => scene.is_good(token).await,
                None => false,
            };
            assert!(!(mine_is_good && theirs_is_good), "{place:?}, call {at_call}: {answer:?}");
            assert!(
                !scene.is_good(&scene.mine).await && !scene.is_good(&scene.other).await,
                "{place:?}, {at_call}"
            );
            // Whoever was ended before ends nobody.
            if at_call <= 1 {
                assert!(theirs_is_good, "{place:?}, call {at_call}: {answer:?}");
            }
        }
    }
}

#[tokio::test]
async fn with_a_sign_in_in_the_same_request_the_visitor_goes_on_whoever_renewed_the_session() {
    for place in BOTH {
        for owner in [None, Some("albus")] {
            for at_call in 0..8 {
                let case = format!("{place:?}, of {owner:?}, renewed before call {at_call}");
                let scene = Scene::new(place).await;
                let token = visitor(&scene.here, at(0), |session| {
                    session.insert("cart", 3).unwrap();
                    session.set_owner(owner).unwrap();
                })
                .await;
                let (there, copy) = (scene.there.clone(), token.clone());
                let theirs = Arc::new(std::sync::Mutex::new(String::new()));
                let (mut call, kept) = (0, theirs.clone());
                scene.store.decide_with(move |_| {
                    if call == at_call {
                        let session = at_once(change(&there, &copy, at(2)));
                        session.renew().unwrap();
                        *kept.lock().unwrap() = at_once(commit(&there, &session, &copy, at(2))).unwrap();
                    }
                    call += 1;
                    Turn::Work
                });
                let session = change(&scene.here, &token, at(2)).await;
                session.sign_in("albus", at(2)).unwrap();
                scene.here.end_others(&session).unwrap();
                let mine = commit(&scene.here, &session, &token, at(2)).await.unwrap();
                let session = change(&scene.there, &mine, at(3)).await;
                assert_eq!(session.owner().as_deref(), Some("albus"), "{case}");
                let theirs = theirs.lock().unwrap().clone();
                if !theirs.is_empty() {
                    let theirs = change(&scene.there, &theirs, at(3)).await;
                    assert!(theirs.owner().is_none(), "{case}");
                }
                assert!(!scene.is_good(&scene.other).await && !scene.is_good(&token).await, "{case}");
                assert_eq!(scene.living().await, 1, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_new_session_and_one_by_an_old_id_end_the_others_too() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let session = scene.here.create();
        session.sign_in("albus", at(2)).unwrap();
        scene.here.end_others(&session).unwrap();
        let token = commit(&scene.here, &session, "", at(2)).await.unwrap();
        assert!(scene.is_good(&token).await && scene.living().await == 1, "{place:?}");

        let session = change(&scene.here, &token, at(3)).await;
        session.insert("cart", 3).unwrap();
        session.sign_in("albus", at(3)).unwrap();
        let lost = commit(&scene.here, &session, &token, at(3)).await.unwrap();
        let session = change(&scene.here, &token, at(4)).await;
        session.sign_in("albus", at(4)).unwrap();
        scene.here.end_others(&session).unwrap();
        let next = commit(&scene.here, &session, &token, at(4)).await.unwrap();
        let session = change(&scene.here, &next, at(5)).await;
        assert_eq!(session.get("cart").unwrap(), Some(3), "{place:?}: it was taken over");
        assert!(!scene.is_good(&lost).await && scene.living().await == 1, "{place:?}");
    }
}

#[tokio::test]
async fn emptied_in_the_same_request_it_ends_the_others_all_the_same() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let session = change(&scene.here, &scene.mine, at(2)).await;
        scene.here.end_others(&session).unwrap();
        session.renew_empty().unwrap();
        let token = commit(&scene.here, &session, &scene.mine, at(2)).await.unwrap();
        let session = change(&scene.there, &token, at(3)).await;
        assert_eq!((session.is_new(), session.owner()), (false, None), "{place:?}");
        assert!(!scene.is_good(&scene.mine).await && !scene.is_good(&scene.other).await, "{place:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_its_owners_no_more_ends_the_others_all_the_same() {
    for place in BOTH {
        for then in ["set_owner", "destroy", "clear", "destroy and go on", "another signs in"] {
            for fails in [false, true] {
                let case = format!("{place:?}, {then}, fails: {fails}");
                let scene = Scene::new(place).await;
                let session = change(&scene.here, &scene.mine, at(2)).await;
                scene.here.end_others(&session).unwrap();
                match then {
                    "set_owner" => session.set_owner(None).unwrap(),
                    "destroy" => session.destroy().unwrap(),
                    "clear" => session.clear().unwrap(),
                    "destroy and go on" => {
                        session.destroy().unwrap();
                        session.insert("cart", 1).unwrap();
                    }
                    _ => session.sign_in("minerva", at(2)).unwrap(),
                }
                if fails {
                    session.rollback();
                }
                let ends = matches!(then, "destroy" | "clear" | "destroy and go on");
                let token = commit(&scene.here, &session, &scene.mine, at(2)).await.unwrap();
                let goes_on = !(matches!(then, "destroy" | "clear") || fails && ends);
                assert_eq!(!token.is_empty() && scene.is_good(&token).await, goes_on, "{case}");
                assert_eq!(scene.is_good(&scene.mine).await, fails && !ends, "{case}");
                assert_eq!(scene.is_good(&scene.other).await, fails, "{case}");
            }
        }
    }
}

#[tokio::test]
async fn a_sign_out_whose_others_could_not_be_ended_says_so() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let session = change(&scene.here, &scene.mine, at(2)).await;
        scene.here.end_others(&session).unwrap();
        session.destroy().unwrap();
        scene.store.set_away(true);
        let failed = scene.here.commit(&session, at(2)).await;
        assert!(matches!(failed, Err(Error::Unavailable(_))), "{place:?}: {failed:?}");
        assert_eq!(scene.here.commit(&session, at(2)).await.unwrap(), Outcome::Remove, "{place:?}");
    }
}

#[tokio::test]
async fn somebody_who_goes_on_writing_does_not_keep_the_session_from_its_end() {
    for place in BOTH {
        let scene = Scene::new(place).await;
        let (there, copy) = (scene.there.clone(), scene.mine.clone());
        let mut writes = 20;
        scene.store.decide_with(move |operation| {
            if operation == Operation::Renew && writes > 0 {
                writes -= 1;
                act(&there, &copy, Act::Saves);
            }
            Turn::Work
        });
        let token = scene.end_others().await.unwrap();
        assert!(scene.is_good(&token).await && !scene.is_good(&scene.mine).await, "{place:?}");
        assert_eq!(change(&scene.here, &token, at(3)).await.get("saves").unwrap(), Some(20), "{place:?}");
    }
}

#[tokio::test]
async fn a_session_that_somebody_renewed_meanwhile_is_ended_and_a_store_that_fails_is_asked_four_times() {
    for place in BOTH {
        for (failures, is_said) in [(0, false), (3, false), (4, true)] {
            let scene = Scene::new(place).await;
            let (there, mine) = (scene.there.clone(), scene.mine.clone());
            let mut ends = 0;
            scene.store.decide_with(move |operation| match operation {
                Operation::EndAll => {
                    act(&there, &mine, Act::Renews);
                    Turn::Work
                }
                Operation::End => {
                    ends += 1;
                    if ends <= failures { Turn::Fail } else { Turn::Work }
                }
                _ => Turn::Work,
            });
            let error = scene.end_others().await.unwrap_err();
            assert_eq!(matches!(error, Error::Unavailable(_)), is_said, "{place:?}, {failures}: {error}");
            let asked = (failures + 1).min(4);
            assert_eq!(scene.store.count(Operation::End), asked, "{place:?}, {failures}");
        }
    }
}
