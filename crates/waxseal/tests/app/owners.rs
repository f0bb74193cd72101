//! What a handler is told about the sessions of its visitor, in every state.

use crate::support::log;
use waxseal::testing::Client;
use waxseal::{App, MemoryStore, Request, Result, SessionState, Settings, typed};

fn app() -> App {
    async fn number(request: &Request) -> Result<usize> {
        Ok(request.own_sessions().await?.len())
    }
    App::new("demo")
        .post("/sign-in", async |request: Request| {
            request.sign_in("user-7").await?;
            Ok(typed("text/plain", "welcome"))
        })
        .post("/list", async |request: Request| Ok(typed("text/plain", number(&request).await?.to_string())))
        .post("/end", async |request: Request| {
            Ok(typed("text/plain", request.end_session("0123456789abcdef").await?.to_string()))
        })
        .post("/end-others", async |request: Request| {
            request.end_other_sessions().await?;
            Ok(typed("text/plain", "ended"))
        })
}

fn client(session_state: SessionState, store: bool) -> Client {
    let app = if store { app().session_store(MemoryStore::new()) } else { app() };
    Client::with_settings(app, &Settings { session_state, ..Settings::default() }).unwrap()
}

const STATES: [(SessionState, bool); 4] = [
    (SessionState::Cookie, false),
    (SessionState::Cookie, true),
    (SessionState::Store, true),
    (SessionState::Mirrored, true),
];

#[tokio::test]
async fn nobody_signed_in_is_no_failure_of_the_server() {
    log::start();
    for (state, store) in STATES {
        let client = client(state, store);
        log::clear();
        for (path, status, said) in
            [("/list", 200, "0"), ("/end", 200, "false"), ("/end-others", 401, "nobody is signed in")]
        {
            let answer = client.post_form(path, &[]).await;
            assert_eq!(answer.status(), status, "{path}, {state:?}");
            assert!(answer.text().contains(said), "{path}, {state:?}: {}", answer.text());
        }
        let lines = log::lines();
        assert!(!lines.iter().any(|line| line.starts_with("ERROR")), "{lines:?}");
    }
}

#[tokio::test]
async fn what_a_state_cannot_do_says_which_state_can() {
    log::start();
    for (state, store) in STATES {
        let client = client(state, store);
        assert_eq!(client.post_form("/sign-in", &[]).await.status(), 200);
        let keeps = state != SessionState::Cookie;
        for (path, works) in [("/list", keeps), ("/end", keeps), ("/end-others", keeps || store)] {
            log::clear();
            let answer = client.post_form(path, &[]).await;
            assert_eq!(answer.status(), if works { 200 } else { 501 }, "{path}, {state:?}");
            if !works {
                let line = log::lines().pop().unwrap();
                assert!(line.contains("use state `store` or `mirrored`"), "{line}");
            }
        }
    }
}
