//! The page of a wizard's own sessions, in the states that keep them.

use std::time::Duration;

use waxseal::testing::Client;
use waxseal::{MemoryStore, SessionState, Settings};

const MERLIN: [(&str, &str); 2] = [("name", "Merlin"), ("magic_school", "Camelot")];

fn settings(session_state: SessionState) -> Settings {
    Settings { session_state, ..Settings::default() }
}

/// Two browsers of one owner, at one server.
async fn browsers(state: SessionState) -> [Client; 2] {
    let first =
        Client::with_settings(wizard::app().session_store(MemoryStore::new()), &settings(state)).unwrap();
    let second = first.another();
    for browser in [&first, &second] {
        assert_eq!(browser.post_form("/wizard/create", &MERLIN).await.status(), 303);
    }
    [first, second]
}

async fn knows(browser: &Client) -> bool {
    browser.get("/wizard/success").await.text().contains("<dd id=\"name\">Merlin</dd>")
}

/// The ids on the page, and how many sessions are marked as this browser's.
async fn listed(browser: &Client) -> (Vec<String>, usize) {
    let page = browser.get("/wizard/sessions").await.text();
    let ids = page.split("name=\"public_id\" value=\"").skip(1).map(|rest| rest[..16].to_owned());
    (ids.collect(), page.matches("id=\"this-device\"").count())
}

#[tokio::test]
async fn a_wizard_sees_each_browser_and_ends_one_from_another() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, second] = browsers(state).await;
        let (ids, here) = listed(&first).await;
        assert_eq!((ids.len(), here), (2, 1), "{state:?}");

        // A browser's own session is ended by signing out, another by its public id.
        let own = first.public_id().await.unwrap();
        let other = ids.iter().find(|id| **id != own).unwrap();
        assert_eq!(first.post_form("/wizard/sessions/end", &[("public_id", other)]).await.status(), 303);
        assert!(knows(&first).await && !knows(&second).await, "{state:?}");
        assert_eq!(listed(&first).await.0.len(), 1, "{state:?}");
    }
}

#[tokio::test]
async fn ending_all_others_keeps_this_one() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, second] = browsers(state).await;
        let (copy, cookie) = (second.another(), second.cookie("__Host-session").unwrap());
        copy.set_cookie("__Host-session", &cookie);
        assert!(knows(&copy).await, "{state:?}");
        let answer = second.post_form("/wizard/sessions/end-others", &[]).await;
        assert_eq!(answer.status(), 303);
        assert!(answer.header(&http::header::SET_COOKIE).is_some(), "{state:?}: a new cookie");
        assert_ne!(second.cookie("__Host-session"), Some(cookie), "{state:?}");
        assert!(!knows(&first).await && knows(&second).await, "{state:?}");
        assert!(!knows(&copy).await, "{state:?}: nor does a copy of its own cookie go on");
        assert_eq!(listed(&second).await, (vec![second.public_id().await.unwrap()], 1));
    }
}

#[tokio::test]
async fn a_wizard_whose_answer_was_lost_signs_in_again_or_out() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, second] = browsers(state).await;
        let old = first.cookie("__Host-session").unwrap();
        assert_eq!(first.post_form("/wizard/create", &MERLIN).await.status(), 303);
        let lost = first.another();
        lost.set_cookie("__Host-session", &first.cookie("__Host-session").unwrap());
        assert!(knows(&lost).await, "{state:?}");
        for seconds in [0, 20, 39] {
            first.advance(Duration::from_secs(seconds));
            first.set_cookie("__Host-session", &old);
            assert!(!knows(&first).await, "{state:?}");
            let answer = first.post_form("/wizard/start-over", &[]).await;
            assert_eq!(answer.status(), 303, "{state:?}");
            assert!(first.cookie("__Host-session").is_none(), "{state:?}");
        }
        assert!(knows(&lost).await && knows(&second).await, "{state:?}: nobody else is signed out");
        first.set_cookie("__Host-session", &old);
        assert_eq!(first.post_form("/wizard/create", &MERLIN).await.status(), 303, "{state:?}");
        assert!(knows(&first).await && knows(&second).await, "{state:?}");
        assert!(!knows(&lost).await, "{state:?}: it ended with the write that took it over");
        assert_eq!(listed(&first).await.0.len(), 2, "{state:?}");
    }
}

#[tokio::test]
async fn what_ends_sessions_has_a_plain_answer_for_everybody() {
    const NONE: [(&str, &str); 1] = [("public_id", "0123456789abcdef")];
    for (state, list) in [
        (SessionState::Cookie, false),
        (SessionState::Cookie, true),
        (SessionState::Store, true),
        (SessionState::Mirrored, true),
    ] {
        let app = if list { wizard::app().session_store(MemoryStore::new()) } else { wizard::app() };
        let stranger = Client::with_settings(app, &settings(state)).unwrap();
        let known = stranger.another();
        assert_eq!(known.post_form("/wizard/create", &MERLIN).await.status(), 303);
        for browser in [stranger, known] {
            for (path, fields) in
                [("end", &NONE[..]), ("end", &[("public_id", "none")]), ("end", &[]), ("end-others", &[])]
            {
                let answer = browser.post_form(&format!("/wizard/sessions/{path}"), fields).await;
                let plain = answer.status() == 303 || answer.status().is_client_error();
                assert!(plain, "{path} {fields:?}, {state:?}: {}", answer.status());
            }
            assert_eq!(browser.get("/wizard/sessions").await.status(), 200, "{state:?}");
        }
    }
}

#[tokio::test]
async fn a_copied_cookie_is_worth_nothing_after_signing_out() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, second] = browsers(state).await;
        let copy = first.another();
        copy.set_cookie("__Host-session", &first.cookie("__Host-session").unwrap());
        assert!(knows(&copy).await, "{state:?}");
        assert_eq!(first.post_form("/wizard/start-over", &[]).await.status(), 303);
        assert!(first.cookie("__Host-session").is_none(), "{state:?}");
        assert!(!knows(&copy).await && knows(&second).await, "{state:?}");
    }
}

#[tokio::test]
async fn signing_in_anew_makes_the_earlier_cookie_a_strangers() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, _] = browsers(state).await;
        let planted = first.another();
        planted.set_cookie("__Host-session", &first.cookie("__Host-session").unwrap());
        assert_eq!(first.post_form("/wizard/create", &MERLIN).await.status(), 303);
        assert!(knows(&first).await && !knows(&planted).await, "{state:?}");
    }
}

#[tokio::test]
async fn a_handle_of_another_wizards_ends_nothing() {
    let [first, second] = browsers(SessionState::Mirrored).await;
    let stranger = first.another();
    stranger.post_form("/wizard/create", &[("name", "Morgana"), ("magic_school", "Camelot")]).await;
    for id in listed(&first).await.0 {
        assert_eq!(stranger.post_form("/wizard/sessions/end", &[("public_id", &id)]).await.status(), 303);
    }
    assert!(knows(&first).await && knows(&second).await);
    assert_eq!(
        stranger.post_form("/wizard/sessions/end", &[("public_id", "no public id")]).await.status(),
        400
    );
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over_and_not_while_it_is_used() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        let [first, second] = browsers(state).await;
        for _ in 0..9 {
            first.advance(Duration::from_secs(10 * 60));
            assert!(knows(&first).await, "{state:?}");
        }
        assert!(!knows(&second).await, "{state:?}");
        assert_eq!(listed(&first).await.0.len(), 1, "{state:?}");
    }
}

#[tokio::test]
async fn where_nobody_keeps_sessions_the_page_says_so() {
    let browser = Client::new(wizard::app()).unwrap();
    browser.post_form("/wizard/create", &MERLIN).await;
    let page = browser.get("/wizard/sessions").await;
    assert_eq!(page.status(), 200);
    assert!(page.text().contains("nobody keeps a list"), "{}", page.text());
}

#[tokio::test]
async fn a_stranger_has_no_sessions_and_gets_no_cookie() {
    let [first, _] = browsers(SessionState::Mirrored).await;
    let stranger = first.another();
    let page = stranger.get("/wizard/sessions").await;
    assert!(page.text().contains("Nowhere yet") && page.header(&http::header::SET_COOKIE).is_none());
    assert_eq!(
        stranger.post_form("/wizard/sessions/end", &[("public_id", "0123456789abcdef")]).await.status(),
        303
    );
}
