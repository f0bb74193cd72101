//! What a handler is told about the sessions of its visitor, in every state.

use crate::support::log;
use waxseal::testing::Client;
use waxseal::{App, MemoryStore, Request, Result, SessionState, Settings, context, typed};

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
async fn all_sessions_of_another_user_end_at_once() {
    let whoami = async |request: Request| {
        let owner = request.session().await?.owner();
        Ok(typed("text/plain", owner.unwrap_or("nobody".to_owned())))
    };
    let sign_in = async |request: Request| {
        request.sign_in(request.param("owner")?).await?;
        Ok(typed("text/plain", "welcome"))
    };
    let lock = async |request: Request| {
        request.end_all_sessions(request.param("owner")?).await?;
        Ok(typed("text/plain", "locked"))
    };
    for (state, store) in STATES {
        let app = App::new("demo").get("/", whoami).post("/in/{owner}", sign_in).post("/lock/{owner}", lock);
        let app = if store { app.session_store(MemoryStore::new()) } else { app };
        let settings = Settings { session_state: state, ..Settings::default() };
        let admin = Client::with_settings(app, &settings).unwrap();
        let (thief, owner, other) = (admin.another(), admin.another(), admin.another());
        for (client, name) in [(&admin, "admin"), (&thief, "user-7"), (&owner, "user-7"), (&other, "user-70")]
        {
            client.post_form(&format!("/in/{name}"), &[]).await;
            assert_eq!(client.get("/").await.text(), name, "{state:?}");
        }
        let works = state != SessionState::Cookie || store;
        let answer = admin.post_form("/lock/user-7", &[]).await;
        assert_eq!(answer.status(), if works { 200 } else { 501 }, "{state:?}");
        // Past the time for which a copy counts as fresh.
        admin.advance(std::time::Duration::from_secs(6));
        let locked = if works { "nobody" } else { "user-7" };
        for (client, name) in [(&thief, locked), (&owner, locked), (&other, "user-70"), (&admin, "admin")] {
            assert_eq!(client.get("/").await.text(), name, "{state:?}");
        }
        if works {
            thief.post_form("/in/user-7", &[]).await;
            assert_eq!(
                thief.get("/").await.text(),
                "user-7",
                "a later sign-in is the app's to refuse, {state:?}"
            );
        }
    }
}

#[tokio::test]
async fn who_signs_in_after_somebody_else_finds_nothing_of_theirs() {
    let sign_in = async |request: Request| {
        let owner = request.param("owner")?;
        request.flash("info", format!("Hello, {owner}.")).await?;
        request.sign_in(owner).await?;
        Ok(typed("text/plain", "welcome"))
    };
    let buy = async |request: Request| {
        request.session().await?.append("cart", "owl")?;
        request.flash("info", "An owl is in your basket.").await?;
        Ok(typed("text/plain", "bought"))
    };
    for (state, store) in STATES {
        let app = App::new("demo").post("/in/{owner}", sign_in).post("/buy", buy);
        let app = if store { app.session_store(MemoryStore::new()) } else { app };
        let settings = Settings { session_state: state, ..Settings::default() };
        let client = Client::with_settings(app, &settings).unwrap();
        client.post_form("/buy", &[]).await;
        for (owner, owls, messages) in [("ann", 1, 2), ("ann", 1, 3), ("ben", 0, 1), ("ben", 0, 2)] {
            client.post_form(&format!("/in/{owner}"), &[]).await;
            let session = client.session().await;
            assert_eq!(session.owner().as_deref(), Some(owner), "{state:?}");
            let cart: Vec<String> = session.get("cart").unwrap().unwrap_or_default();
            assert_eq!((cart.len(), session.look().flashes), (owls, messages), "{state:?}, {owner}");
        }
    }
}

#[tokio::test]
async fn a_template_knows_who_is_signed_in() {
    const PAGE: &str = "{% if session.owner() %}Hello, {{ session.owner() }}.{% else %}Sign in.{% endif %}";
    for (state, store) in STATES {
        let app = app()
            .environment(|environment| environment.add_template("page.html", PAGE).unwrap())
            .get("/page", async |request: Request| request.render("page.html", context! {}).await);
        let app = if store { app.session_store(MemoryStore::new()) } else { app };
        let settings = Settings { session_state: state, ..Settings::default() };
        let client = Client::with_settings(app, &settings).unwrap();
        for text in ["Sign in.", "Hello, user-7."] {
            let page = client.get("/page").await;
            assert_eq!(page.text(), text, "{state:?}");
            assert_eq!(page.header(&http::header::VARY).unwrap(), "Cookie", "{state:?}");
            client.post_form("/sign-in", &[]).await;
        }
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
