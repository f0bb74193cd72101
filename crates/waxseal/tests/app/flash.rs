//! Messages for the next page, through an app.

use std::time::Duration;

use http::header::{CACHE_CONTROL, SET_COOKIE, VARY};
use waxseal::testing::Client;
use waxseal::{
    App, MemoryStore, Request, Response, Result, SessionState, Settings, abort, context, redirect, typed,
};
use waxseal_store::testing::FaultyStore;

const PAGE: &str = "{% for category, message in get_flashed_messages(with_categories=true) %}\
    <p class=\"{{ category }}\">{{ message }}</p>{% endfor %}";

async fn send(request: Request) -> Result<Response> {
    let to: Vec<(String, String)> = request.form().await?;
    request.flash("success", format!("Sent to {}.", to[0].1)).await?;
    Ok(redirect("/"))
}

async fn page(request: Request) -> Result<Response> {
    request.render("page.html", context! {}).await
}

async fn in_handler(request: Request) -> Result<Response> {
    let flashes = request.session().await?.flashed_messages(&["success"]);
    Ok(typed("text/plain", flashes.into_iter().map(|flash| flash.message).collect::<String>()))
}

/// Renders the messages, and fails then.
async fn failing(request: Request) -> Result<Response> {
    request.render("page.html", context! {}).await?;
    abort(500)
}

async fn lost(request: Request) -> Result<Response> {
    request.flash("error", "This page is lost.").await?;
    abort(404)
}

fn app() -> App {
    App::new("demo")
        .environment(|environment| environment.add_template("page.html", PAGE).unwrap())
        .get("/", page)
        .get("/handler", in_handler)
        .get("/failing", failing)
        .get("/lost", lost)
        .get("/quiet", async |_| Ok(typed("text/plain", "quiet")))
        .post("/send", send)
}

fn in_every_state() -> impl Iterator<Item = (SessionState, Client)> {
    [SessionState::Cookie, SessionState::Store, SessionState::Mirrored].into_iter().map(|session_state| {
        let settings = Settings { session_state, ..Settings::default() };
        (session_state, Client::with_settings(app(), &settings).unwrap())
    })
}

#[tokio::test]
async fn a_message_is_on_the_page_after_the_redirect_and_on_no_other() {
    for (state, client) in in_every_state() {
        assert_eq!(client.post_form("/send", &[("to", "<b>Merlin")]).await.location(), Some("/"));
        assert_eq!(client.get("/quiet").await.text(), "quiet");
        let page = client.get("/").await;
        assert_eq!(page.text(), "<p class=\"success\">Sent to &lt;b&gt;Merlin.</p>", "{state:?}");
        assert_eq!(page.header(&CACHE_CONTROL), Some("private, no-store"), "{state:?}");
        assert_eq!(page.header(&VARY), Some("Cookie"), "{state:?}");
        assert_eq!(client.get("/").await.text(), "", "{state:?}");
    }
}

#[tokio::test]
async fn a_handler_reads_them_too() {
    for (state, client) in in_every_state() {
        client.post_form("/send", &[("to", "Merlin")]).await;
        assert_eq!(client.get("/handler").await.text(), "Sent to Merlin.", "{state:?}");
        assert_eq!(client.get("/handler").await.text(), "", "{state:?}");
    }
}

#[tokio::test]
async fn a_page_that_failed_has_shown_none() {
    for (state, client) in in_every_state() {
        client.post_form("/send", &[("to", "Merlin")]).await;
        assert_eq!(client.get("/failing").await.status(), 500, "{state:?}");
        assert_eq!(client.get("/").await.text(), "<p class=\"success\">Sent to Merlin.</p>", "{state:?}");
    }
}

#[tokio::test]
async fn an_error_below_500_keeps_its_message() {
    for (state, client) in in_every_state() {
        assert_eq!(client.get("/lost").await.status(), 404, "{state:?}");
        assert_eq!(client.get("/").await.text(), "<p class=\"error\">This page is lost.</p>", "{state:?}");
    }
}

#[tokio::test]
async fn a_visitor_without_messages_gets_no_session() {
    for (state, client) in in_every_state() {
        let page = client.get("/").await;
        assert_eq!((page.text().as_str(), page.header(&SET_COOKIE)), ("", None), "{state:?}");
    }
}

#[tokio::test]
async fn a_test_arranges_them() {
    let client = Client::new(app()).unwrap();
    client.with_session(|session| session.flash("info", "arranged")).await.unwrap();
    assert_eq!(client.session().await.flashed_messages(&[])[0].message, "arranged");
    assert_eq!(client.get("/").await.text(), "<p class=\"info\">arranged</p>");
}

/// State `mirrored` over a store that can be sent away.
fn mirrored() -> (Client, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new());
    let app = app()
        .csrf_tokens()
        .environment(|environment| environment.add_template("form.html", "{{ csrf_field() }}").unwrap())
        .get("/form", async |request: Request| request.render("form.html", context! {}).await)
        .session_store(store.clone());
    let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
    (Client::with_settings(app, &settings).unwrap(), store)
}

/// The copy is older than the window and younger than the grace, or still fresh.
const AGES: [(&str, Duration); 2] = [("old", Duration::from_secs(10)), ("fresh", Duration::ZERO)];

#[tokio::test]
async fn while_the_store_is_away_messages_are_shown_and_stay() {
    for (copy, age) in AGES {
        let (client, store) = mirrored();
        client.with_session(|session| session.flash("info", "arranged")).await.unwrap();
        client.advance(age);
        store.set_away(true);
        for _ in 0..2 {
            let page = client.get("/").await;
            assert_eq!(
                (page.status().as_u16(), page.text().as_str()),
                (200, "<p class=\"info\">arranged</p>"),
                "{copy}"
            );
            assert_eq!(page.header(&SET_COOKIE), None, "{copy}");
        }
        store.set_away(false);
        assert_eq!(client.get("/").await.text(), "<p class=\"info\">arranged</p>", "{copy}");
        assert_eq!(client.get("/").await.text(), "", "{copy}");
    }
}

#[tokio::test]
async fn while_the_store_is_away_forms_are_shown_and_cannot_be_sent() {
    for (copy, age) in AGES {
        let (client, store) = mirrored();
        client.with_session(|session| session.insert("name", "Merlin")).await.unwrap();
        client.advance(age);
        store.set_away(true);
        let page = client.get("/form").await;
        assert_eq!((page.status().as_u16(), page.header(&SET_COOKIE)), (200, None), "{copy}");
        let token = page.text().split('"').nth(5).unwrap().to_owned();
        let fields = [("csrf_token", token.as_str()), ("to", "Merlin")];
        assert_eq!(client.post_form("/send", &fields).await.status(), 503, "{copy}");
        store.set_away(false);
        assert_eq!(
            client.post_form("/send", &fields).await.status(),
            403,
            "{copy}: nobody could note its seed"
        );
    }
    let (client, store) = mirrored();
    store.set_away(true);
    let page = client.get("/form").await;
    assert_eq!((page.status().as_u16(), page.header(&SET_COOKIE)), (200, None), "a stranger's");
}
