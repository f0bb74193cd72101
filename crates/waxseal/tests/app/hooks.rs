//! Hooks around handlers, and handlers for errors.

use std::sync::{Arc, Mutex};

use crate::support::{client_of, header, log, traces};
use http::HeaderValue;
use waxseal::testing::Client;
use waxseal::{
    App, Error, MemoryStore, Method, Request, Response, Result, SessionState, Settings, StatusCode, abort,
    redirect, typed,
};
use waxseal_store::testing::FaultyStore;

fn text(text: impl Into<waxseal::Body>) -> Response {
    typed("text/plain", text)
}

async fn index(_: Request) -> Result<Response> {
    Ok(text("index"))
}

/// Notes what runs, in order.
fn noting() -> (Arc<Mutex<Vec<String>>>, App) {
    let notes = Arc::new(Mutex::new(Vec::new()));
    let note = |word: &'static str| {
        let notes = notes.clone();
        move |request: &Request| notes.lock().unwrap().push(format!("{word} {}", request.path()))
    };
    let (first, second, handler, last, but_one) =
        (note("first"), note("second"), note("handler"), note("last"), note("last but one"));
    let app = App::new("demo")
        .before_request(move |request| {
            first(&request);
            async { Ok(None) }
        })
        .before_request(move |request: Request| {
            second(&request);
            async move { if request.path() == "/early" { Ok(Some(text("early"))) } else { Ok(None) } }
        })
        .after_request(move |request, response| {
            last(&request);
            async { Ok(response) }
        })
        .after_request(move |request, response| {
            but_one(&request);
            async { Ok(response) }
        })
        .get("/{name}", move |request| {
            handler(&request);
            async { Ok(text("handled")) }
        });
    (notes, app)
}

#[tokio::test]
async fn hooks_run_in_the_order_of_flask() {
    let (notes, app) = noting();
    let client = client_of(app);
    assert_eq!(client.get("/a").await.text(), "handled");
    assert_eq!(client.get("/early").await.text(), "early");
    assert_eq!(client.get("/no/where").await.status(), 404);
    assert_eq!(
        *notes.lock().unwrap(),
        [
            "first /a",
            "second /a",
            "handler /a",
            "last but one /a",
            "last /a",
            "first /early",
            "second /early",
            "last but one /early",
            "last /early",
            "first /no/where",
            "second /no/where",
            "last but one /no/where",
            "last /no/where",
        ]
    );
}

#[tokio::test]
async fn a_refused_request_runs_no_hook_before_it() {
    let (notes, app) = noting();
    let client = client_of(app);
    let mut request = client.request(Method::POST, "/a", waxseal::Body::empty());
    request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(client.send(request).await.status(), 403);
    assert_eq!(*notes.lock().unwrap(), ["last but one /a", "last /a"]);
}

#[tokio::test]
async fn a_hook_may_read_and_change_the_session() {
    async fn known_only(request: Request) -> Result<Option<Response>> {
        let session = request.session().await?;
        Ok(if session.contains_key("user") { None } else { Some(redirect("/sign-in")) })
    }
    async fn count(request: Request, response: Response) -> Result<Response> {
        request.session().await?.add("pages", 1)?;
        Ok(response)
    }
    let client = client_of(App::new("demo").before_request(known_only).after_request(count).get("/", index));
    let answer = client.get("/").await;
    assert_eq!((answer.status().as_u16(), answer.location()), (303, Some("/sign-in")));
    client.with_session(|session| session.insert("user", "Merlin")).await.unwrap();
    assert_eq!(client.get("/").await.text(), "index");
    assert_eq!(client.session().await.get::<u32>("pages").unwrap(), Some(2));
}

#[tokio::test]
async fn what_a_hook_fails_with_is_the_answer() {
    async fn closed(request: Request) -> Result<Option<Response>> {
        if request.path() == "/" {
            Err(Error::status(503).header(http::header::RETRY_AFTER, 60.into()))
        } else {
            Ok(None)
        }
    }
    async fn broken(request: Request, response: Response) -> Result<Response> {
        match request.path() {
            "/after" => Err(std::io::Error::other("no ink").into()),
            "/panic" => panic!("out of ink"),
            _ => Ok(response),
        }
    }
    let client =
        client_of(App::new("demo").before_request(closed).after_request(broken).get("/{name}", index));
    let answer = client.get("/").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, Some("60")));
    for path in ["/after", "/panic"] {
        log::clear();
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 500, "{path}");
        let last = log::lines().pop().unwrap();
        assert!(
            last.starts_with("ERROR 500 ") && last.contains(&format!("request=\"GET {path}\"")),
            "{last}"
        );
    }
}

fn with_error_handlers() -> App {
    async fn not_found(request: Request, _: Error) -> Result<Response> {
        Ok(text(format!("nothing at {}", request.path())))
    }
    async fn conflict(_: Request, error: Error) -> Result<Response> {
        let mut response = text(error.to_string());
        *response.status_mut() = StatusCode::GONE;
        Ok(response)
    }
    async fn internal(_: Request, _: Error) -> Result<Response> {
        Ok(text("our fault"))
    }
    async fn fails(_: Request, _: Error) -> Result<Response> {
        abort(501)
    }
    App::new("demo")
        .error_handler(404, not_found)
        .error_handler(405, not_found)
        .error_handler(409, conflict)
        .error_handler(410, fails)
        .error_handler(500, async |_, _| Ok(text("overruled")))
        .error_handler(500, internal)
        .get("/", index)
        .get("/panic", async |_| panic!("out of ink"))
        .get("/fail", async |_| Err(std::io::Error::other("secret cause").into()))
        .get("/abort/{status}", async |request: Request| abort(request.param_as("status")?))
}

#[tokio::test]
async fn a_handler_answers_errors_of_its_status() {
    let client = client_of(with_error_handlers());
    for (path, status, body) in [
        ("/nowhere", 404, "nothing at /nowhere"),
        ("/abort/404", 404, "nothing at /abort/404"),
        ("/abort/409", 410, "409 Conflict"),
        ("/fail", 500, "our fault"),
        ("/panic", 500, "our fault"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.text().as_str()), (status, body), "{path}");
        assert_eq!(traces(&answer), [""; 0], "{path}");
    }
    assert!(client.get("/abort/403").await.text().contains("403 Forbidden"), "others keep their page");
    assert!(client.get("/abort/410").await.text().contains("501 Not Implemented"), "one that fails itself");
    let answer = client.send(client.request(Method::PUT, "/", waxseal::Body::empty())).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "allow")), (405, Some("GET, HEAD, OPTIONS")));
}

/// An app that answers each error by itself, with a route or a hook for each place where one can be born.
fn with_errors_from_everywhere(store: &FaultyStore<MemoryStore>) -> App {
    async fn before(request: Request) -> Result<Option<Response>> {
        if request.path() == "/before" { abort(403) } else { Ok(None) }
    }
    async fn after(request: Request, response: Response) -> Result<Response> {
        match request.path() {
            "/after" | "/after-all" => abort(403),
            "/after-panic" => panic!("out of ink"),
            "/after-stuck" => std::future::pending().await,
            _ => Ok(response),
        }
    }
    async fn write(request: Request) -> Result<Response> {
        request.session().await?.insert("name", "Merlin")?;
        Ok(text("written"))
    }
    let away = store.clone();
    let app = App::new("demo")
        .templates(waxseal::folder!("$CARGO_MANIFEST_DIR/tests/templates"))
        .static_folder("/static", waxseal::folder!("$CARGO_MANIFEST_DIR/tests/static"))
        .session_store(store.clone())
        .limits(waxseal::Limits::default().body(10))
        .csrf_tokens()
        .before_request(before)
        .after_request(after)
        .get("/panic", async |_| panic!("out of ink"))
        .get("/stuck", async |_| std::future::pending().await)
        .get("/template", async |request: Request| request.render("none.html", waxseal::context! {}).await)
        .get("/lost", move |request: Request| {
            let away = away.clone();
            async move {
                let answer = write(request).await;
                away.set_away(true);
                answer
            }
        })
        .post("/form", index)
        .post("/open", write)
        .route(
            waxseal::Route::new(Method::POST, "/body", async |request: Request| {
                request.body().await?;
                Ok(text("small"))
            })
            .allow_cross_site(),
        )
        .get("/{name}", index);
    [400, 403, 404, 405, 413, 500, 503].into_iter().fold(app, |app, status| {
        app.error_handler(status, async |_, error: Error| {
            Ok(text(format!("the app's own {}", error.status_code().as_u16())))
        })
    })
}

#[tokio::test(start_paused = true)]
async fn an_error_is_the_apps_wherever_it_was_born() {
    log::start();
    for session_state in [SessionState::Store, SessionState::Mirrored, SessionState::Cookie] {
        let store = FaultyStore::new(MemoryStore::new());
        let settings = Settings { session_state, ..Settings::default() };
        let client = Client::with_settings(with_errors_from_everywhere(&store), &settings).unwrap();
        let request = |method: Method, path: &str| client.request(method, path, waxseal::Body::empty());
        let mut cross_site = request(Method::POST, "/open");
        cross_site.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        let mut bad_host = request(Method::GET, "/a");
        bad_host.headers_mut().append("host", HeaderValue::from_static("other.example"));
        for (case, request, status) in [
            ("before a handler", request(Method::GET, "/before"), 403),
            ("after a handler", request(Method::GET, "/after"), 403),
            ("a panic after a handler", request(Method::GET, "/after-panic"), 500),
            ("no time after a handler", request(Method::GET, "/after-stuck"), 503),
            ("after an error", request(Method::DELETE, "/after-all"), 403),
            ("a panic", request(Method::GET, "/panic"), 500),
            ("no time", request(Method::GET, "/stuck"), 503),
            ("a template", request(Method::GET, "/template"), 500),
            ("no form token", request(Method::POST, "/form"), 403),
            ("another site", cross_site, 403),
            ("a bad host", bad_host, 400),
            ("a bad path", request(Method::GET, "/%zz"), 400),
            ("no route", request(Method::GET, "/no/where"), 404),
            ("no method", request(Method::DELETE, "/panic"), 405),
            ("no file", request(Method::GET, "/static/none.css"), 404),
            ("a large body", client.request(Method::POST, "/body", "more than ten bytes".into()), 413),
            ("a session that cannot be saved", request(Method::GET, "/lost"), 503),
        ] {
            if case.contains("saved") && session_state == SessionState::Cookie {
                continue; // It is saved in the answer itself.
            }
            let answer = client.send(request).await;
            let said = format!("the app's own {status}");
            assert_eq!(
                (answer.status().as_u16(), answer.text()),
                (status, said),
                "{case}, {session_state:?}"
            );
        }
    }
}

#[tokio::test]
async fn what_could_not_be_saved_is_said_also_if_the_handler_wants_to_write() {
    for state in [SessionState::Store, SessionState::Mirrored] {
        log::start();
        let store = FaultyStore::new(MemoryStore::new());
        let away = store.clone();
        let app = App::new("demo")
            .session_store(store)
            .error_handler(503, async |request: Request, _| {
                request.flash("error", "Try again.").await?;
                Ok(redirect("/"))
            })
            .get("/lost", move |request: Request| {
                let away = away.clone();
                async move {
                    request.session().await?.insert("name", "Merlin")?;
                    away.set_away(true);
                    Ok(text("written"))
                }
            });
        let settings = Settings { session_state: state, ..Settings::default() };
        let answer = Client::with_settings(app, &settings).unwrap().get("/lost").await;
        assert_eq!(answer.status(), 503, "{state:?}: {}", answer.text());
        assert!(header(&answer, "retry-after").is_some(), "{state:?}");
    }
}

#[tokio::test]
async fn errors_of_error_handlers_and_hooks_go_in_no_circle() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let (noted, hooked) = (calls.clone(), calls.clone());
    let app = App::new("demo")
        .after_request(move |_, _| {
            hooked.lock().unwrap().push("hook");
            async { abort(403) }
        })
        .error_handler(403, move |_, _| {
            noted.lock().unwrap().push("handler");
            async { abort(403) }
        })
        .get("/", index);
    let answer = client_of(app).get("/").await;
    assert!(answer.status() == 403 && answer.text().contains("403 Forbidden"), "{}", answer.text());
    assert_eq!(*calls.lock().unwrap(), ["hook", "handler"]);
}

#[tokio::test]
async fn while_developing_a_server_error_is_explained_in_spite_of_a_handler() {
    let settings = Settings { development: true, ..Settings::default() };
    let client = Client::with_settings(with_error_handlers(), &settings).unwrap();
    assert!(client.get("/fail").await.text().contains("secret cause"));
    assert_eq!(client.get("/nowhere").await.text(), "nothing at /nowhere");
}

#[tokio::test]
async fn abort_answers_early() {
    async fn number(request: Request) -> Result<Response> {
        let number: u8 = request.param_as("number")?;
        let name = if number == 7 { "seven" } else { abort(404)? };
        Ok(text(name))
    }
    let client = client_of(App::new("demo").get("/{number}", number));
    assert_eq!(client.get("/7").await.text(), "seven");
    for path in ["/8", "/256", "/-1", "/x"] {
        assert_eq!(client.get(path).await.status(), 404, "{path}");
    }
}

#[test]
#[should_panic(expected = "an error handler is for a status from 400 to 599")]
fn an_error_handler_for_no_error_is_a_mistake() {
    let _ = App::new("demo").error_handler(200, async |_, _| Ok(text("")));
}
