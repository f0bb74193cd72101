//! The session panel: in development, and nowhere else.

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, SET_COOKIE};
use waxseal::testing::Client;
use waxseal::{App, Request, Response, Result, SessionState, Settings, context, redirect, typed};

const COOKIE: &str = "waxseal-dev-session";

async fn enter(request: Request) -> Result<Response> {
    request.sign_in("user-7").await?;
    let session = request.session().await?;
    session.insert("name", "<b>Merlin & Co</b>")?;
    session.insert("pets", ["owl", "cat"])?;
    session.flash("info", "Welcome.")?;
    Ok(redirect("/"))
}

async fn leave(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}

async fn link(request: Request) -> Result<Response> {
    request.render("link.html", context! {}).await
}

fn app() -> App {
    App::new("demo")
        .environment(|environment| {
            let link = "{% if session_panel %}<a href=\"{{ session_panel }}\">the session</a>{% endif %}";
            environment.add_template("link.html", link).unwrap();
        })
        .get("/", async |request: Request| {
            Ok(typed("text/plain", request.session().await?.len().to_string()))
        })
        .get("/link", link)
        .get("/static", async |_| Ok(typed("text/plain", "still")))
        .post("/enter", enter)
        .post("/leave", leave)
}

fn developer(session_state: SessionState) -> Client {
    Client::with_settings(app(), &Settings { session_state, ..crate::support::development() }).unwrap()
}

#[tokio::test]
async fn outside_development_there_is_no_panel() {
    let client = Client::new(app()).unwrap();
    for path in ["/_session", "/_session/style.css"] {
        assert_eq!(client.get(path).await.status(), 404, "{path}");
    }
    assert_eq!(client.get("/link").await.text(), "");
}

#[tokio::test]
async fn a_stranger_sees_that_there_is_nothing() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let client = developer(state);
        let page = client.get("/_session").await;
        assert_eq!((page.status().as_u16(), page.header(&SET_COOKIE)), (200, None), "{state:?}");
        for part in ["No entries.", "No cookie called <code>waxseal-dev-session</code>."] {
            assert!(page.text().contains(part), "{state:?}, {part}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn both_sides_of_a_session_are_shown_and_escaped() {
    for (state, sealed, made) in [
        (SessionState::Cookie, "The whole session is in it, and nothing of it on the server.", "commitment"),
        (SessionState::Store, "An id is in it; the session is on the server.", "MAC"),
        (SessionState::Mirrored, "A copy of the session is in it, of revision 1.", "commitment"),
    ] {
        let client = developer(state);
        client.post_form("/enter", &[]).await;
        let page = client.get("/_session").await.text();
        let token = client.cookie(COOKIE).unwrap();
        let size = format!("{} of 4096 bytes", COOKIE.len() + token.len());
        for part in [
            "&lt;b&gt;Merlin &amp; Co",
            "<td>text</td>",
            "<td>a list</td>",
            "&quot;owl&quot;",
            "<dt>Owner</dt><dd>user-7</dd>",
            "<dt>Messages waiting</dt><dd>1</dd>",
            "<dt>Ends if idle</dt>",
            "in 30 minutes",
            sealed,
            &size,
            &token,
            made,
            "<b>POST &#x2f;enter</b> was answered 303",
            "set &quot;name&quot;",
            "flashed a message",
            "drew a new id",
            "The browser got a new cookie of",
        ] {
            assert!(page.contains(part), "{state:?}, {part}: {page}");
        }
        assert!(
            !page.contains("<b>Merlin") && !page.contains("<script") && !page.contains("style="),
            "{page}"
        );
    }
}

#[tokio::test]
async fn looking_changes_nothing_and_is_no_request_to_speak_of() {
    let client = developer(SessionState::Cookie);
    client.post_form("/enter", &[]).await;
    let token = client.cookie(COOKIE);
    for _ in 0..2 {
        assert!(client.get("/_session").await.text().contains("<dt>Messages waiting</dt><dd>1</dd>"));
    }
    assert_eq!(client.cookie(COOKIE), token);
    client.get("/static").await;
    let page = client.get("/_session").await.text();
    assert_eq!(page.matches("was answered").count(), 1, "{page}");
    client.get("/").await;
    let page = client.get("/_session").await.text();
    assert!(page.contains("it read the session and changed nothing"), "{page}");
}

#[tokio::test]
async fn requests_of_others_are_not_shown() {
    let client = developer(SessionState::Cookie);
    client.post_form("/enter", &[]).await;
    let first = client.cookie(COOKIE).unwrap();
    client.set_cookie(COOKIE, "none");
    assert!(
        client.get("/_session").await.text().contains("It does not open: you are an anonymous visitor here.")
    );
    client.post_form("/enter", &[]).await;
    client.get("/").await;
    assert_eq!(client.get("/_session").await.text().matches("was answered").count(), 2);
    client.set_cookie(COOKIE, &first);
    assert_eq!(client.get("/_session").await.text().matches("was answered").count(), 1);
}

#[tokio::test]
async fn the_end_of_a_session_is_told_to_whoever_has_none() {
    let client = developer(SessionState::Mirrored);
    client.post_form("/enter", &[]).await;
    client.post_form("/leave", &[]).await;
    let page = client.get("/_session").await.text();
    assert!(page.contains("ended the session") && page.contains("told to forget its cookie"), "{page}");
}

#[tokio::test]
async fn it_keeps_to_the_apps_own_policy_and_is_kept_by_no_cache() {
    let client = developer(SessionState::Cookie);
    let page = client.get("/_session").await;
    assert_eq!(page.header(&CACHE_CONTROL), Some("no-store"));
    let policy = page.header(&CONTENT_SECURITY_POLICY).unwrap();
    assert!(policy.starts_with("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
    let style = client.get("/_session/style.css").await;
    assert_eq!(style.header(&CONTENT_TYPE), Some("text/css; charset=utf-8"));
    assert!(client.get("/link").await.text().contains("href=\"&#x2f;_session\""));
}

#[tokio::test]
async fn an_app_may_have_that_path_itself() {
    let app = app().get("/_session", async |_| Ok(typed("text/plain", "mine")));
    let client = Client::with_settings(app, &crate::support::development()).unwrap();
    assert_eq!(client.get("/_session").await.text(), "mine");
}

#[tokio::test]
async fn what_the_app_runs_around_its_handlers_is_not_for_the_panel() {
    let app = app()
        .before_request(async |_| Ok(Some(redirect("/sign-in"))))
        .after_request(async |_, _| Ok(typed("text/plain", "hooked")));
    let client = Client::with_settings(app, &crate::support::development()).unwrap();
    assert_eq!(client.get("/").await.text(), "hooked");
    assert!(client.get("/_session").await.text().contains("What the server sees"));
    assert_eq!(client.get("/_session/style.css").await.status(), 200);
}
