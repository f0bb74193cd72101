//! What is left of a request that failed: nothing that it changed, and all that answers in its place did.

use std::sync::Arc;
use std::time::Duration;

use http::header::SET_COOKIE;
use tokio::sync::Notify;
use waxseal::testing::{Client, TestResponse};
use waxseal::{
    App, Body, Error, Limits, MemoryStore, Method, Request, Response, Result, SessionState, Settings,
    StatusCode, abort, context, redirect, typed,
};
use waxseal_store::testing::FaultyStore;

fn text(text: impl Into<Body>) -> Response {
    typed("text/plain", text)
}

/// What the session holds, the messages that wait among it.
async fn show(request: Request) -> Result<Response> {
    let session = request.session().await?;
    let messages: Vec<_> = session.flashed_messages(&[]).into_iter().map(|flash| flash.message).collect();
    let name: String = session.get("name")?.unwrap_or_default();
    Ok(text(format!("{name} {:?} {}", session.owner(), messages.join(", "))))
}

/// Changes all that can be changed, and then fails in the way of its path.
async fn fail(request: Request) -> Result<Response> {
    change(&request).await?;
    match request.param("how")? {
        "error" => Err(std::io::Error::other("out of ink").into()),
        "panic" => panic!("out of ink"),
        "answer" => Ok(answer(500)),
        "template" => request.render("broken.html", context! {}).await,
        "stuck" => std::future::pending().await,
        "late" => abort(408),
        "refused" => abort(404),
        how => Ok(text(how.to_owned())),
    }
}

async fn change(request: &Request) -> Result<()> {
    let session = request.session().await?;
    session.insert("name", "Morgana")?;
    assert!(session.flashed_messages(&[]).len() <= 1);
    session.flash("info", "from the handler")?;
    request.sign_in("morgana").await
}

fn answer(status: u16) -> Response {
    let mut response = text("");
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

/// Answers for what failed: with what it sees of the session, in a header, and a message.
async fn sorry(request: Request, error: Error) -> Result<Response> {
    let session = request.session().await?;
    let seen = format!("{:?} {:?}", session.get::<String>("name")?, session.owner());
    session.flash("error", "sorry")?;
    let mut response = match request.arg("then").as_deref() {
        Some("redirect") => redirect("/"),
        Some("status") => answer(418),
        Some("page") => text(error.to_string()),
        Some("fail") => abort(502)?,
        _ => answer(error.status_code().as_u16()),
    };
    response.headers_mut().insert("x-seen", seen.try_into().unwrap());
    Ok(response)
}

fn app() -> App {
    let mut app = App::new("demo")
        .environment(|environment| environment.add_template("broken.html", "{{ nothing.at.all }}").unwrap())
        .limits(Limits::default().request_time(Duration::from_secs(1)))
        .before_request(async |request: Request| {
            if request.path() == "/before" {
                change(&request).await?;
                return abort(500);
            }
            Ok(None)
        })
        .after_request(async |request: Request, response| match request.path() {
            "/fail/after" => abort(500),
            "/fail/after-panic" => panic!("out of ink"),
            "/fail/after-answer" => Ok(answer(500)),
            _ => Ok(response),
        })
        .get("/", show)
        .post("/before", show)
        .post("/fail/{how}", fail);
    for status in [404, 408, 500, 503] {
        app = app.error_handler(status, sorry);
    }
    app
}

/// In each state, and in `cookie` with a list of what was ended.
fn everywhere(app: impl Fn() -> App) -> impl Iterator<Item = (String, Client, FaultyStore<MemoryStore>)> {
    let states = [SessionState::Cookie, SessionState::Store, SessionState::Mirrored];
    let places = states.map(|state| (state, true)).into_iter().chain([(SessionState::Cookie, false)]);
    places.map(move |(session_state, has_store)| {
        let settings = Settings { session_state, session_strict: true, ..Settings::default() };
        let store = FaultyStore::new(MemoryStore::new());
        let app = if has_store { app().session_store(store.clone()) } else { app() };
        let client = Client::with_settings(app, &settings).unwrap();
        (format!("{session_state:?}, a store: {has_store}"), client, store)
    })
}

async fn arrange(client: &Client) {
    client
        .with_session(|session| {
            session.insert("name", "Merlin").unwrap();
            session.flash("info", "waits").unwrap();
        })
        .await;
}

fn seen(answer: &TestResponse) -> &str {
    answer.headers()["x-seen"].to_str().unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_a_failed_handler_changed_is_dropped_and_its_error_handlers_message_is_kept() {
    for how in ["error", "panic", "answer", "template", "stuck", "late"] {
        for (then, status) in [("redirect", 303), ("status", 418), ("page", 0), ("same", 0)] {
            for (case, client, _) in everywhere(app) {
                let case = format!("{case}, {how}, {then}");
                arrange(&client).await;
                let failed = client.post_form(&format!("/fail/{how}?then={then}"), &[]).await;
                // No error, so no error handler.
                if how != "answer" {
                    assert_eq!(seen(&failed), "Some(\"Merlin\") None", "{case}");
                    assert!(status == 0 || failed.status() == status, "{case}: {}", failed.status());
                }
                let messages = if how == "answer" { "waits" } else { "waits, sorry" };
                assert_eq!(client.get("/").await.text(), format!("Merlin None {messages}"), "{case}");
                assert_eq!(client.get("/").await.text(), "Merlin None ", "{case}");
            }
        }
    }
}

#[tokio::test]
async fn what_a_failed_hook_changed_is_dropped() {
    for path in ["/before", "/fail/after", "/fail/after-panic", "/fail/after-answer"] {
        for (case, client, _) in everywhere(app) {
            arrange(&client).await;
            let failed = client.post_form(path, &[]).await;
            assert_eq!(failed.status(), 500, "{case}, {path}");
            let page = client.get("/").await.text();
            assert!(page.starts_with("Merlin None waits"), "{case}, {path}: {page}");
            assert!(!page.contains("from the handler"), "{case}, {path}: {page}");
        }
    }
}

#[tokio::test]
async fn what_failed_twice_has_changed_nothing() {
    for (case, client, _) in everywhere(app) {
        arrange(&client).await;
        let failed = client.post_form("/fail/error?then=fail", &[]).await;
        assert_eq!(failed.status(), 502, "{case}");
        assert_eq!(client.get("/").await.text(), "Merlin None waits", "{case}");
    }
}

#[tokio::test]
async fn an_error_of_the_visitors_keeps_what_was_changed() {
    for (case, client, _) in everywhere(app) {
        arrange(&client).await;
        let refused = client.post_form("/fail/refused", &[]).await;
        assert_eq!(
            (refused.status().as_u16(), seen(&refused)),
            (404, "Some(\"Morgana\") Some(\"morgana\")"),
            "{case}"
        );
        let page = client.get("/").await.text();
        assert_eq!(page, "Morgana Some(\"morgana\") from the handler, sorry", "{case}");
    }
}

#[tokio::test]
async fn an_error_handler_may_begin_a_session() {
    for (case, client, _) in everywhere(app) {
        let failed = client.post_form("/fail/error", &[]).await;
        assert_eq!((failed.status().as_u16(), seen(&failed)), (500, "None None"), "{case}");
        assert_eq!(client.get("/").await.text(), " None sorry", "{case}");
    }
}

/// Waits for two requests of one visitor to meet.
struct Gate {
    arrived: Notify,
    go_on: Notify,
}

fn meeting(gate: &Arc<Gate>, store: FaultyStore<MemoryStore>) -> App {
    let (gate, back) = (gate.clone(), store.clone());
    let app = App::new("demo")
        .get("/", show)
        .post("/slow", move |request: Request| {
            let gate = gate.clone();
            async move {
                request.session().await?.insert("name", "Morgana")?;
                gate.arrived.notify_one();
                gate.go_on.notified().await;
                Ok(redirect("/"))
            }
        })
        .post("/quick", async |request: Request| {
            request.session().await?.insert("name", "Nimue")?;
            Ok(redirect("/"))
        })
        .error_handler(409, sorry);
    app.error_handler(503, move |request: Request, error| {
        if request.arg("back").is_some() {
            back.set_away(false);
        }
        sorry(request, error)
    })
    .session_store(store)
}

fn on_the_server(gate: &Arc<Gate>) -> impl Iterator<Item = (SessionState, Client, FaultyStore<MemoryStore>)> {
    [SessionState::Store, SessionState::Mirrored].into_iter().map(|session_state| {
        let settings = Settings { session_state, session_strict: true, ..Settings::default() };
        let store = FaultyStore::new(MemoryStore::new());
        (session_state, Client::with_settings(meeting(gate, store.clone()), &settings).unwrap(), store)
    })
}

#[tokio::test]
async fn the_app_answers_for_a_session_that_another_request_has_changed() {
    let gate = Arc::new(Gate { arrived: Notify::new(), go_on: Notify::new() });
    for (state, client, _) in on_the_server(&gate) {
        arrange(&client).await;
        let (slow, _) = tokio::join!(client.post_form("/slow?then=redirect", &[]), async {
            gate.arrived.notified().await;
            client.post_form("/quick", &[]).await;
            gate.go_on.notify_one();
        });
        assert_eq!(
            (slow.status().as_u16(), seen(&slow)),
            (303, "Some(\"Merlin\") None"),
            "{state:?}: as it came"
        );
        assert_eq!(client.get("/").await.text(), "Nimue None waits, sorry", "{state:?}");
    }
}

#[tokio::test]
async fn the_app_answers_for_a_session_that_the_store_could_not_take() {
    let gate = Arc::new(Gate { arrived: Notify::new(), go_on: Notify::new() });
    for (state, client, store) in on_the_server(&gate) {
        for (query, messages) in [("", "waits"), ("?back=yes", "waits, sorry")] {
            arrange(&client).await;
            let path = format!("/slow{query}");
            let (slow, _) = tokio::join!(client.post_form(&path, &[]), async {
                gate.arrived.notified().await;
                store.set_away(true);
                gate.go_on.notify_one();
            });
            let case = format!("{state:?}, {query}");
            assert_eq!(slow.status(), 503, "{case}");
            let sets = slow.headers().get_all(SET_COOKIE).iter().count();
            // In state `store` the browser has all it needs.
            assert_eq!(sets > 0, !query.is_empty() && state == SessionState::Mirrored, "{case}");
            store.set_away(false);
            assert_eq!(client.get("/").await.text(), format!("Merlin None {messages}"), "{case}");
        }
    }
}

#[tokio::test]
async fn a_head_request_takes_no_message_and_counts_what_its_handler_counts() {
    let counting = || {
        App::new("demo").get("/", show).get("/count", async |request: Request| {
            let session = request.session().await?;
            session.add("count", 1)?;
            let messages = session.flashed_messages(&[]).len();
            Ok(text(format!("{messages} {:?}", session.get::<u32>("count")?)))
        })
    };
    for (case, client, _) in everywhere(counting) {
        arrange(&client).await;
        for path in ["/", "/count", "/"] {
            let head = client.send(client.request(Method::HEAD, path, Body::empty())).await;
            assert_eq!(head.status(), 200, "{case}, {path}");
        }
        assert_eq!(client.get("/count").await.text(), "1 Some(2)", "{case}");
        assert_eq!(client.get("/").await.text(), "Merlin None ", "{case}");
    }
}

#[tokio::test]
async fn a_head_request_begins_no_session_for_a_form() {
    let with_form = || {
        App::new("demo")
            .csrf_tokens()
            .environment(|environment| environment.add_template("form.html", "{{ csrf_field() }}").unwrap())
            .get("/", async |request: Request| request.render("form.html", context! {}).await)
    };
    for (case, client, _) in everywhere(with_form) {
        let head = client.send(client.request(Method::HEAD, "/", Body::empty())).await;
        assert_eq!((head.status().as_u16(), head.header(&SET_COOKIE)), (200, None), "{case}");
        assert!(client.get("/").await.header(&SET_COOKIE).is_some(), "{case}");
    }
}

/// One time for the whole request, and not one for each function that it passes.
#[tokio::test(start_paused = true)]
async fn a_request_whose_every_part_is_stuck_ends_two_seconds_after_its_time() {
    async fn forever<T>() -> Result<T> {
        std::future::pending().await
    }
    let stuck = || {
        let app = App::new("demo").limits(Limits::default().request_time(Duration::from_secs(10)));
        let app = app.get("/", async |_| forever().await).get("/quick", async |_| Ok(text("done")));
        app.error_handler(503, async |_, _| forever().await)
            .after_request(async |_, _| forever().await)
            .after_request(async |_, _| forever().await)
            .teardown_request(async |_, _| forever().await)
            .teardown_request(async |_, _| forever().await)
    };
    for (place, client, _) in everywhere(stuck) {
        for path in ["/", "/quick"] {
            let began = tokio::time::Instant::now();
            let answer = client.get(path).await;
            assert_eq!(answer.status(), 503, "{place}: {path}");
            let took = began.elapsed();
            assert!(
                (Duration::from_secs(12)..Duration::from_millis(12_100)).contains(&took),
                "{place}: {took:?}"
            );
        }
    }
}
