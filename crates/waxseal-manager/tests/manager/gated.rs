//! Sessions as a gate judges the request that brings them: what it may see, and what it may end.

use std::time::Duration;

use waxseal_crypto::Keyring;
use waxseal_manager::{
    Access, Adoption, DeviceGate, DeviceQuestion, DeviceVerdict, Error, Foreign, FormerState, Mirrored,
    Outcome, Revocable, SessionManager, State, Stored, Visit, WhenAway,
};
use waxseal_store::testing::Operation;
use waxseal_store::{Fault, MemoryStore};

use crate::states_support::{Store, at, change, commit, key, manager, new_store, signed_in};

/// Judges by when the session's owner signed in, in seconds after the tests' beginning.
struct Gate<F>(F);

impl<F: Fn(u64) -> DeviceVerdict + Send + Sync> DeviceGate for Gate<F> {
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict {
        let begun = at(0).duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        session.signed_in.map_or(DeviceVerdict::AsItIs, |signed_in| (self.0)(signed_in - begun))
    }
}

fn bound(state: impl Into<State>) -> SessionManager {
    manager(state, &Keyring::new(key(1))).with_device_tokens(&Keyring::new(key(1))).unwrap()
}

fn states() -> [(&'static str, SessionManager); 3] {
    [
        ("cookie", bound(State::Cookie)),
        ("revocable", bound(Revocable::new(MemoryStore::new()))),
        ("store", bound(Stored::new(MemoryStore::new()))),
    ]
}

async fn judged(
    sessions: &SessionManager,
    tokens: &[&str],
    gate: impl Fn(u64) -> DeviceVerdict + Send + Sync,
) -> Result<Visit, Error> {
    judged_at(sessions, tokens, gate, 10).await
}

async fn judged_at(
    sessions: &SessionManager,
    tokens: &[&str],
    gate: impl Fn(u64) -> DeviceVerdict + Send + Sync,
    seconds: u64,
) -> Result<Visit, Error> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
    let gate = Gate(gate);
    let snapshot = sessions.snapshot().gated(&gate);
    snapshot.open_among(&tokens, false, Access::Change, at(seconds), drop).load(at(seconds)).await
}

async fn is_good(sessions: &SessionManager, token: &str) -> bool {
    !change(sessions, token, at(20)).await.is_new()
}

#[tokio::test]
async fn a_request_sees_what_the_gate_lets_it_see() {
    for (state, sessions) in states() {
        assert!(sessions.snapshot().device_tokens().is_some(), "{state}");
        let token = signed_in(&sessions, "albus", 1).await;
        let seen = judged(&sessions, &[&token], |_| DeviceVerdict::AsItIs).await.unwrap();
        assert_eq!(seen.owner().as_deref(), Some("albus"), "{state}");
        assert!(seen.device_tokens().is_some(), "{state}");
        let untouched =
            judged(&sessions, &[&token], |_| DeviceVerdict::UnlessTakenUp([7; 12])).await.unwrap();
        assert_eq!(untouched.owner().as_deref(), Some("albus"), "{state}");
        let stranger = judged(&sessions, &[&token], |_| DeviceVerdict::Anonymous).await.unwrap();
        assert!(stranger.is_new() && stranger.owner().is_none(), "{state}");
        stranger.insert("cart", 1).unwrap();
        let kept = judged(&sessions, &[&token], |_| DeviceVerdict::Kept).await.unwrap();
        assert!(kept.owner().is_none() && kept.insert("cart", 1).is_err(), "{state}");
        let away = judged(&sessions, &[&token], |_| DeviceVerdict::Away).await.unwrap_err();
        assert!(
            matches!(&away, Error::Unavailable(error) if error.fault() == Fault::Outage),
            "{state}: {away:?}"
        );
    }
    assert!(manager(State::Cookie, &Keyring::new(key(1))).snapshot().device_tokens().is_none());
}

/// A browser that could not prove itself for the moment is answered as if the store were away, by the same policy.
#[tokio::test]
async fn who_could_not_be_proven_is_an_anonymous_reader_where_an_outage_makes_one() {
    let sessions = bound(Stored::new(MemoryStore::new()).when_away(WhenAway::Anonymous));
    let token = signed_in(&sessions, "albus", 1).await;
    let gate = Gate(|_| DeviceVerdict::Away);
    for (access, is_shown) in [(Access::Read, true), (Access::Change, false)] {
        let snapshot = sessions.snapshot().gated(&gate);
        let seen = snapshot.open_among(&[token.as_bytes()], false, access, at(10), drop).load(at(10)).await;
        assert_eq!(seen.is_ok(), is_shown, "{access:?}");
        let Ok(visit) = seen else { continue };
        assert!(visit.owner().is_none() && visit.insert("cart", 1).is_err(), "{access:?}");
        assert_eq!(commit(&sessions, &visit, &token, at(11)).await.unwrap(), token, "{access:?}");
    }
    assert!(is_good(&sessions, &token).await);
}

#[tokio::test]
async fn of_several_that_are_not_proven_one_that_must_stay_counts() {
    for (state, sessions) in states() {
        let tokens = [signed_in(&sessions, "albus", 1).await, signed_in(&sessions, "albus", 2).await];
        for stays in [1, 2] {
            let verdict = move |signed_in| match signed_in == stays {
                true => DeviceVerdict::Kept,
                false => DeviceVerdict::Anonymous,
            };
            let visit = judged(&sessions, &[&tokens[0], &tokens[1]], verdict).await.unwrap();
            assert!(visit.insert("cart", 1).is_err(), "{state}: the one of {stays} stays");
        }
    }
}

#[tokio::test]
async fn a_request_that_proves_nothing_can_end_all_that_it_brings() {
    // In state `cookie` without a list there is nothing that could be ended.
    for (state, sessions) in states().into_iter().skip(1) {
        let tokens = [signed_in(&sessions, "albus", 1).await, signed_in(&sessions, "albus", 2).await];
        let tokens = [&*tokens[0], &*tokens[1]];
        let visit = judged(&sessions, &tokens, |_| DeviceVerdict::Anonymous).await.unwrap();
        visit.destroy().unwrap();
        commit(&sessions, &visit, "", at(11)).await.unwrap();
        assert!(!is_good(&sessions, tokens[0]).await && !is_good(&sessions, tokens[1]).await, "{state}");
    }
}

#[tokio::test]
async fn a_sign_out_ends_all_that_it_brings_although_the_browser_could_not_prove_its_device() {
    for (state, sessions) in states().into_iter().skip(1) {
        let tokens = [signed_in(&sessions, "albus", 1).await, signed_in(&sessions, "albus", 2).await];
        let raw: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
        let gate = Gate(|_| DeviceVerdict::Away);
        let opened = sessions.snapshot().gated(&gate).open_among(&raw, false, Access::Change, at(10), drop);
        let waxseal_manager::Opened::Pending(pending) = opened else { panic!("{state}: nobody is asked") };
        let visit = pending.to_end();
        visit.destroy().unwrap();
        commit(&sessions, &visit, "", at(11)).await.unwrap();
        assert!(!is_good(&sessions, &tokens[0]).await && !is_good(&sessions, &tokens[1]).await, "{state}");
    }
}

#[tokio::test]
async fn a_visit_says_whether_its_commit_saved_a_change() {
    for (state, sessions) in states() {
        let token = signed_in(&sessions, "albus", 1).await;
        let page = change(&sessions, &token, at(300)).await;
        assert_eq!(page.len(), 0);
        sessions.commit(&page, at(300)).await.unwrap();
        assert!(!page.was_saved(), "{state}: at most a new token");
        let form = change(&sessions, &token, at(300)).await;
        form.insert("name", "Albus").unwrap();
        assert!(!form.was_saved(), "{state}: not yet");
        sessions.commit(&form, at(300)).await.unwrap();
        assert!(form.was_saved(), "{state}");
    }
}

#[tokio::test]
async fn a_token_that_has_lost_its_tie_is_sealed_anew_with_it() {
    let sessions = bound(State::Cookie);
    let token = signed_in(&sessions, "albus", 1).await;
    let healed = judged(&sessions, &[&token], |_| DeviceVerdict::Heal(vec![7; 8])).await.unwrap();
    assert_eq!(healed.owner().as_deref(), Some("albus"));
    assert!(matches!(sessions.commit(&healed, at(11)).await.unwrap(), Outcome::Set { .. }));
    let seen = judged(&sessions, &[&token], |_| DeviceVerdict::AsItIs).await.unwrap();
    assert_eq!(seen.owner().as_deref(), Some("albus"));
    assert_eq!(sessions.commit(&seen, at(11)).await.unwrap(), Outcome::Keep);
}

/// The states on the server that sessions of state `cookie`, with a list in the same store, are taken over by.
fn taking_over(store: &Store) -> [SessionManager; 2] {
    let terms = || Adoption::new(at(50), at(5_000)).from_state(FormerState::Cookie);
    [
        bound(Stored::new(store.clone())).adopting(terms()).unwrap(),
        bound(Mirrored::new(store.clone())).adopting(terms()).unwrap(),
    ]
}

#[tokio::test]
async fn a_request_that_the_gate_stops_uses_no_former_session_up() {
    for state in [0, 1] {
        for verdict in [DeviceVerdict::Anonymous, DeviceVerdict::Kept, DeviceVerdict::Away] {
            let store = new_store();
            let token = signed_in(&bound(Revocable::new(store.clone())), "albus", 1).await;
            let sessions = &taking_over(&store)[state];
            store.forget();
            let stopped = judged_at(sessions, &[&token], |_| verdict.clone(), 60).await;
            assert_eq!(store.count(Operation::Create), 0, "{verdict:?}");
            match (&verdict, stopped) {
                (DeviceVerdict::Away, stopped) => assert!(matches!(stopped, Err(Error::Unavailable(_)))),
                (_, stopped) => assert!(stopped.unwrap().is_unproven(), "{verdict:?}"),
            }
            let owners = judged_at(sessions, &[&token], |_| DeviceVerdict::AsItIs, 200).await.unwrap();
            assert_eq!(owners.owner().as_deref(), Some("albus"), "{verdict:?}: much later");
        }
    }
}

#[tokio::test]
async fn a_former_token_from_before_its_session_was_bound_is_a_strangers() {
    let series = [7; 12];
    for state in [0, 1] {
        let store = new_store();
        let old = bound(Revocable::new(store.clone()));
        let token = signed_in(&old, "albus", 1).await;
        assert_eq!(old.note_binding(series, [1; 16], at(5)).await.unwrap(), [1; 16]);
        let sessions = &taking_over(&store)[state];
        store.forget();
        let copy =
            judged_at(sessions, &[&token], |_| DeviceVerdict::UnlessTakenUp(series), 70).await.unwrap();
        assert!(copy.is_unproven() && copy.owner().is_none());
        assert_eq!(store.count(Operation::Create), 0);
        let owners = judged_at(sessions, &[&token], |_| DeviceVerdict::AsItIs, 200).await.unwrap();
        assert_eq!(owners.owner().as_deref(), Some("albus"));

        // Nobody has taken this one up.
        let token = signed_in(&old, "albus", 2).await;
        let offered = |_| DeviceVerdict::UnlessTakenUp([8; 12]);
        let visit = judged_at(sessions, &[&token], offered, 70).await.unwrap();
        assert_eq!(visit.owner().as_deref(), Some("albus"));
    }
}

#[tokio::test]
async fn a_token_from_before_its_session_was_bound_is_a_strangers_a_minute_later() {
    let series = [7; 12];
    let sessions = bound(Revocable::new(MemoryStore::new()));
    let token = signed_in(&sessions, "albus", 1).await;
    assert_eq!(sessions.note_binding(series, [1; 16], at(10)).await.unwrap(), [1; 16]);
    for (seconds, is_shown) in [(69, true), (70, false)] {
        let visit = judged_at(&sessions, &[&token], |_| DeviceVerdict::UnlessTakenUp(series), seconds).await;
        let visit = visit.unwrap();
        assert_eq!((visit.owner().is_some(), visit.is_unproven()), (is_shown, !is_shown), "at {seconds}");
    }
}

#[tokio::test]
async fn a_series_is_one_keys_until_that_key_gives_it_back() {
    let (series, one, other) = ([7; 12], [1; 16], [2; 16]);
    let sessions = bound(Revocable::new(MemoryStore::new()));
    let takes_up = async |mark| sessions.note_binding(series, mark, at(5)).await.unwrap();
    assert_eq!((takes_up(one).await, takes_up(one).await), (one, one), "asked again");
    assert_eq!(takes_up(other).await, one);
    sessions.forget_binding(series, other, at(6)).await.unwrap();
    assert_eq!(takes_up(other).await, one, "it was not the other's to give back");
    sessions.forget_binding(series, one, at(7)).await.unwrap();
    assert_eq!((takes_up(other).await, takes_up(one).await), (other, other));
}

#[tokio::test]
async fn a_form_of_who_is_not_proven_is_good_by_the_token_that_came_with_its_page_alone() {
    for (state, sessions) in states() {
        let tokens = [signed_in(&sessions, "albus", 1).await, signed_in(&sessions, "albus", 2).await];
        let stranger =
            async |token: &str| judged(&sessions, &[token], |_| DeviceVerdict::Kept).await.unwrap();
        let form = stranger(&tokens[0]).await.csrf_token().unwrap();
        assert!(stranger(&tokens[0]).await.is_csrf_token(form.as_bytes()), "{state}");
        assert!(!stranger(&tokens[1]).await.is_csrf_token(form.as_bytes()), "{state}: another's");
    }
}

#[tokio::test]
async fn a_former_token_that_has_lost_its_tie_becomes_a_session_with_it() {
    for state in [0, 1] {
        let store = new_store();
        let token = signed_in(&bound(Revocable::new(store.clone())), "albus", 1).await;
        let sessions = &taking_over(&store)[state];
        let heal = |_| DeviceVerdict::Heal(vec![0x80; 8]);
        let visit = judged_at(sessions, &[&token], heal, 60).await.unwrap();
        assert!(visit.is_device_bound());
        let new = commit(sessions, &visit, "", at(60)).await.unwrap();
        assert!(change(sessions, &new, at(61)).await.is_device_bound());
    }
}

#[tokio::test]
async fn a_stranger_who_signs_in_or_out_ends_the_former_session_that_he_brought() {
    for state in [0, 1] {
        for signs_in in [true, false] {
            let store = new_store();
            let token = signed_in(&bound(Revocable::new(store.clone())), "albus", 1).await;
            let sessions = &taking_over(&store)[state];
            let visit = judged_at(sessions, &[&token], |_| DeviceVerdict::Anonymous, 60).await.unwrap();
            match signs_in {
                true => visit.sign_in("albus", at(60)).unwrap(),
                false => visit.destroy().unwrap(),
            }
            sessions.commit(&visit, at(60)).await.unwrap();
            let after = judged_at(sessions, &[&token], |_| DeviceVerdict::AsItIs, 61).await.unwrap();
            assert_eq!(after.owner(), None, "signs in: {signs_in}");
        }
    }
}

/// Judges all that is somebody's as one verdict, whether they signed in here or not.
struct OfOwners(DeviceVerdict);

impl DeviceGate for OfOwners {
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict {
        if session.is_owned { self.0.clone() } else { DeviceVerdict::AsItIs }
    }
}

#[tokio::test]
async fn a_session_of_another_framework_is_judged_before_it_is_taken_over() {
    let foreign = Foreign::new([3; 32], at(0), at(4_000));
    foreign.session().set_owner(Some("albus")).unwrap();
    let terms = || Adoption::new(at(50), at(5_000)).lifetime(Duration::from_secs(4_000)).replayable();
    for (state, sessions) in states() {
        let sessions = sessions.adopting(terms()).unwrap();
        let gate = OfOwners(DeviceVerdict::Anonymous);
        let opened = sessions.snapshot().gated(&gate).adopt(&foreign, Access::Change, at(60));
        let visit = opened.load(at(60)).await.unwrap();
        assert!(visit.owner().is_none() && !visit.is_adopted(), "{state}");
        let visit = sessions.snapshot().adopt(&foreign, Access::Change, at(200)).load(at(200)).await.unwrap();
        assert_eq!(visit.owner().as_deref(), Some("albus"), "{state}: nobody has used it up");
    }
}
