//! Sessions as a gate judges the request that brings them: what it may see, and what it may end.

use waxseal_crypto::Keyring;
use waxseal_manager::{
    Access, DeviceGate, DeviceQuestion, DeviceVerdict, Error, Outcome, Revocable, SessionManager, State,
    Stored, Visit,
};
use waxseal_store::{Fault, MemoryStore};

use crate::states_support::{at, change, commit, key, manager, visitor};

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

async fn signed_in(sessions: &SessionManager, seconds: u64) -> String {
    visitor(sessions, at(seconds), |session| session.sign_in("albus", at(seconds)).unwrap()).await
}

async fn judged(
    sessions: &SessionManager,
    tokens: &[&str],
    gate: impl Fn(u64) -> DeviceVerdict + Send + Sync,
) -> Result<Visit, Error> {
    let tokens: Vec<&[u8]> = tokens.iter().map(|token| token.as_bytes()).collect();
    let gate = Gate(gate);
    let snapshot = sessions.snapshot().gated(&gate);
    snapshot.open_among(&tokens, false, Access::Change, at(10), drop).load(at(10)).await
}

async fn is_good(sessions: &SessionManager, token: &str) -> bool {
    !change(sessions, token, at(20)).await.is_new()
}

#[tokio::test]
async fn a_request_sees_what_the_gate_lets_it_see() {
    for (state, sessions) in states() {
        assert!(sessions.snapshot().device_tokens().is_some(), "{state}");
        let token = signed_in(&sessions, 1).await;
        let seen = judged(&sessions, &[&token], |_| DeviceVerdict::AsItIs).await.unwrap();
        assert_eq!(seen.owner().as_deref(), Some("albus"), "{state}");
        let untouched =
            judged(&sessions, &[&token], |_| DeviceVerdict::UnlessTakenUp([7; 16])).await.unwrap();
        assert_eq!(untouched.owner().as_deref(), Some("albus"), "{state}");
        let stranger = judged(&sessions, &[&token], |_| DeviceVerdict::Stranger).await.unwrap();
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

#[tokio::test]
async fn of_several_that_are_not_proven_one_that_must_stay_counts() {
    for (state, sessions) in states() {
        let tokens = [signed_in(&sessions, 1).await, signed_in(&sessions, 2).await];
        for stays in [1, 2] {
            let verdict = move |signed_in| match signed_in == stays {
                true => DeviceVerdict::Kept,
                false => DeviceVerdict::Stranger,
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
        let tokens = [signed_in(&sessions, 1).await, signed_in(&sessions, 2).await];
        let tokens = [&*tokens[0], &*tokens[1]];
        let visit = judged(&sessions, &tokens, |_| DeviceVerdict::Stranger).await.unwrap();
        visit.destroy().unwrap();
        commit(&sessions, &visit, "", at(11)).await.unwrap();
        assert!(!is_good(&sessions, tokens[0]).await && !is_good(&sessions, tokens[1]).await, "{state}");
    }
}

#[tokio::test]
async fn a_sign_out_ends_all_that_it_brings_although_the_browser_could_not_prove_its_device() {
    for (state, sessions) in states().into_iter().skip(1) {
        let tokens = [signed_in(&sessions, 1).await, signed_in(&sessions, 2).await];
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
        let token = signed_in(&sessions, 1).await;
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
    let token = signed_in(&sessions, 1).await;
    let healed = judged(&sessions, &[&token], |_| DeviceVerdict::Heal(vec![7; 8])).await.unwrap();
    assert_eq!(healed.owner().as_deref(), Some("albus"));
    assert!(matches!(sessions.commit(&healed, at(11)).await.unwrap(), Outcome::Set { .. }));
    let seen = judged(&sessions, &[&token], |_| DeviceVerdict::AsItIs).await.unwrap();
    assert_eq!(seen.owner().as_deref(), Some("albus"));
    assert_eq!(sessions.commit(&seen, at(11)).await.unwrap(), Outcome::Keep);
}
