//! Writes that the store has done, and that its copies did not confirm as the operator asked.

use crate::states_support::{Store, at, change, commit, key, manager, new_store, open, signed_in};
use waxseal_crypto::Keyring;
use waxseal_manager::{Access, Error, Mirrored, Outcome, Revocable, SessionManager, State, Stored};
use waxseal_store::Fault;
use waxseal_store::testing::{Operation, Turn};

/// A state over a store.
type Make = fn(Store) -> State;

const STATES: [(&str, Make); 3] = [
    ("store", |store| Stored::new(store).into()),
    ("mirrored", |store| Mirrored::new(store).into()),
    ("cookie", |store| Revocable::new(store).into()),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    SignIn,
    SignInElsewhere,
    Save,
    Renew,
    EndOthers,
    EndAll,
}

const ACTS: [Act; 6] =
    [Act::SignIn, Act::SignInElsewhere, Act::Save, Act::Renew, Act::EndOthers, Act::EndAll];

fn process(make: Make, store: &Store) -> SessionManager {
    manager(make(store.clone()), &Keyring::new(key(1)))
}

/// Does what the owner of the session in `token` asks for, and returns the browser's token after it.
async fn act(sessions: &SessionManager, token: &str, act: Act) -> Result<String, Error> {
    let now = at(10);
    let session = match act {
        Act::SignIn | Act::SignInElsewhere => sessions.create(),
        _ => change(sessions, token, now).await,
    };
    match act {
        Act::SignIn => session.sign_in("minerva", now).unwrap(),
        Act::SignInElsewhere => session.sign_in("albus", now).unwrap(),
        Act::Save => session.insert("name", "Albus").unwrap(),
        Act::Renew => session.renew().unwrap(),
        Act::EndOthers => sessions.end_others(&session).unwrap(),
        Act::EndAll => return sessions.end_all("albus", now).await.map(|()| String::new()),
    }
    commit(sessions, &session, token, now).await
}

fn is_unconfirmed(outcome: &Result<String, Error>) -> bool {
    matches!(outcome, Err(Error::Unavailable(error)) if error.fault() == Fault::Unconfirmed)
}

#[tokio::test]
async fn an_unconfirmed_write_is_an_error_and_can_be_repeated() {
    for (state, make) in STATES {
        for asked in ACTS {
            // Nothing is written for it.
            if (state, asked) == ("cookie", Act::Save) {
                continue;
            }
            let case = format!("{state}, {asked:?}");
            let store = new_store();
            let sessions = process(make, &store);
            let token = signed_in(&sessions, "albus", 0).await;
            store.set_alone(true);
            store.forget();
            let outcome = act(&sessions, &token, asked).await;
            assert!(is_unconfirmed(&outcome), "{case}: {outcome:?}");
            let writes = [Operation::Create, Operation::Update, Operation::Renew, Operation::EndAll];
            let sent: usize = writes.into_iter().map(|operation| store.count(operation)).sum();
            // The entry of an owner who is signed in elsewhere is there, and only has to be confirmed.
            let expected = usize::from((state, asked) != ("cookie", Act::SignInElsewhere));
            assert_eq!(sent, expected, "{case}: {:?}", store.asked());
            let waits = store.count(Operation::Confirm);
            assert_eq!(waits, 1 - expected, "{case}: {:?} waits for nobody twice", store.asked());
            // The visitor repeats it. What a renewal or an end has done is in force here already.
            store.set_alone(false);
            let repeats = match asked {
                Act::Renew | Act::EndOthers | Act::EndAll => signed_in(&sessions, "albus", 9).await,
                _ => token,
            };
            let outcome = act(&sessions, &repeats, asked).await;
            assert!(outcome.is_ok(), "{case}, repeated: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_is_confirmed_before_it_counts_as_done() {
    let mut lost = Vec::new();
    for (state, make) in STATES {
        for asked in ACTS {
            for operation in [Operation::Create, Operation::Update, Operation::Renew] {
                let case = format!("{state}, {asked:?}, {operation:?}");
                for is_confirmed in [true, false] {
                    let store = new_store();
                    let sessions = process(make, &store);
                    let token = signed_in(&sessions, "albus", 0).await;
                    let mut first = true;
                    store.decide_with(move |called| match called {
                        _ if called == operation && std::mem::take(&mut first) => Turn::LoseReply,
                        Operation::Confirm if !is_confirmed => Turn::Unconfirmed,
                        _ => Turn::Work,
                    });
                    store.forget();
                    let outcome = act(&sessions, &token, asked).await;
                    // The old id is noted after everything is done, and only if the store answers.
                    let is_extra = (state, asked, operation) == ("cookie", Act::EndOthers, Operation::Create);
                    if store.count(operation) == 0 || is_extra {
                        assert!(outcome.is_ok() || !is_confirmed, "{case}: {outcome:?}");
                        continue;
                    }
                    match is_confirmed {
                        true => assert!(outcome.is_ok(), "{case}: {outcome:?}"),
                        false => {
                            assert!(is_unconfirmed(&outcome), "{case}: {outcome:?}");
                            lost.push(case.clone());
                        }
                    }
                }
            }
        }
    }
    insta::assert_snapshot!(lost.join("\n"), @r"
    store, SignIn, Create
    store, SignInElsewhere, Create
    store, Save, Update
    store, Renew, Renew
    store, EndOthers, Renew
    mirrored, SignIn, Create
    mirrored, SignInElsewhere, Create
    mirrored, Save, Update
    mirrored, Renew, Renew
    mirrored, EndOthers, Renew
    cookie, SignIn, Create
    cookie, Renew, Create
    cookie, EndOthers, Update
    cookie, EndAll, Update
    ");
}

#[tokio::test]
async fn a_sign_out_that_was_not_confirmed_waits_until_it_is() {
    for (state, make) in STATES {
        for loses in [false, true] {
            let case = format!("{state}, {loses}");
            let store = new_store();
            let sessions = process(make, &store);
            let token = signed_in(&sessions, "albus", 0).await;
            let session = change(&sessions, &token, at(1)).await;
            session.destroy().unwrap();
            store.set_alone(true);
            // The first answer may be lost as well.
            store.lose_next_replies(usize::from(loses));
            assert_eq!(sessions.commit(&session, at(1)).await.unwrap(), Outcome::Remove, "{case}");
            for now in 2..5 {
                assert_eq!(sessions.finish_ends(at(now)).await.unwrap(), 1, "{case}: unconfirmed still");
                let visit = open(&sessions, &token, Access::Change, at(now)).await.unwrap();
                assert!(visit.is_new(), "{case}: this process knows of the end");
            }
            store.set_alone(false);
            assert_eq!(sessions.finish_ends(at(5)).await.unwrap(), 0, "{case}");
            let visit = open(&process(make, &store), &token, Access::Change, at(5)).await.unwrap();
            assert!(visit.is_new(), "{case}: ended for all");
        }
    }
}
