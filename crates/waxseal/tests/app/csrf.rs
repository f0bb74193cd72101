//! Tokens in forms: what brings one in, and that nothing goes round it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::SET_COOKIE;
use http::{HeaderName, HeaderValue};
use serde_json::json;
use waxseal::testing::{Client, Part, TestResponse};
use waxseal::{
    App, Body, Error, Method, Request, Response, Result, Route, SessionState, Settings, abort, redirect,
    typed,
};

const TOKEN: &str = "csrf_token";

fn text(text: impl Into<String>) -> Response {
    typed("text/plain", text.into())
}

async fn form(request: Request) -> Result<Response> {
    let fields: Vec<(String, String)> = request.form().await?;
    Ok(text(fields.into_iter().filter(|(name, _)| name != TOKEN).map(|(_, value)| value).collect::<String>()))
}

async fn upload(request: Request) -> Result<Response> {
    let mut form = request.multipart().await?;
    let length = form.take_file("letter").map_or(0, |letter| letter.len());
    Ok(text(format!("{} {length}", form.field("to").unwrap_or("nobody"))))
}

async fn sign_in(request: Request) -> Result<Response> {
    request.sign_in("user-7").await?;
    Ok(redirect("/"))
}

async fn page(request: Request) -> Result<Response> {
    request.render("form.html", waxseal::context! {}).await
}

fn app() -> App {
    App::new("demo")
        .csrf_tokens()
        .environment(|environment| {
            environment.add_template("form.html", "{{ csrf_field() }}{{ csrf_field() }}").unwrap();
        })
        .get("/", page)
        .get("/plain", async |_| Ok(text("no form")))
        .post("/form", form)
        .post("/upload", upload)
        .post("/body", async |request: Request| Ok(text(format!("{:?}", request.body().await?))))
        .post("/json", async |request: Request| Ok(text(request.json::<String>().await?)))
        .post("/sign-in", sign_in)
        .route(Route::new(Method::PUT, "/put", async |_: Request| Ok(text("put"))))
        .route(Route::new(Method::DELETE, "/delete", async |_: Request| Ok(text("deleted"))))
        .route(Route::post("/api", form).without_csrf_token())
        .route(Route::post("/hook", form).allow_cross_site())
}

fn client() -> Client {
    Client::new(app()).unwrap()
}

/// A request with a body of this type and these further headers.
async fn send(
    client: &Client,
    path: &str,
    kind: Option<&str>,
    body: Body,
    headers: &[(&str, &str)],
) -> TestResponse {
    let mut request = client.request(Method::POST, path, body);
    for (name, value) in kind.map(|kind| ("content-type", kind)).iter().chain(headers) {
        let name: HeaderName = name.parse().unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    client.send(request).await
}

#[tokio::test]
async fn a_form_from_a_page_of_the_session_goes_through() {
    let client = client();
    let page = client.get("/").await.text();
    let (_, token) = page.split_once("value=\"").unwrap();
    let token = token.split('"').next().unwrap();
    assert_eq!(page.matches(token).count(), 2, "an answer has one token");
    assert_ne!(client.get("/").await.text(), page, "and the next another");

    assert_eq!(client.post_form("/form", &[(TOKEN, token), ("a", "b")]).await.text(), "b");
    assert_eq!(client.post_form("/form", &[("a", "b"), (TOKEN, token)]).await.text(), "b");
    let parts = [
        Part::field(TOKEN, token),
        Part::field("to", "Merlin"),
        Part::file("letter", "l", "text/plain", "Dear"),
    ];
    assert_eq!(client.post_multipart("/upload", &parts).await.text(), "Merlin 4");
    let header = [("x-csrf-token", token)];
    let json = send(&client, "/json", Some("application/json"), "\"owl\"".into(), &header).await;
    assert_eq!(json.text(), "owl");
    let untyped = send(&client, "/body", None, "raw".into(), &header).await;
    assert_eq!(untyped.text(), "b\"raw\"");
}

#[tokio::test]
async fn without_the_sessions_token_no_handler_runs() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counts = ran.clone();
    let app = app().before_request(move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        async { Ok(None) }
    });
    let client = Client::new(app).unwrap();
    let token = client.csrf_token().await;
    let foreign = self::client().csrf_token().await;
    let urlencoded = Some("application/x-www-form-urlencoded");
    let good = format!("{TOKEN}={token}");
    let bad = format!("{TOKEN}={foreign}");
    for (case, kind, body) in [
        ("nothing", urlencoded, String::new()),
        ("another session's", urlencoded, bad.clone()),
        ("cut short", urlencoded, good[..good.len() - 1].to_owned()),
        ("longer", urlencoded, format!("{good}A")),
        ("twice", urlencoded, format!("{good}&{good}")),
        ("a bad one first", urlencoded, format!("{bad}&{good}")),
        ("a good one first", urlencoded, format!("{good}&{bad}")),
        ("in other letters", urlencoded, good.replace("csrf", "CSRF")),
        ("as text", Some("text/plain"), good.clone()),
        ("without a type", None, good.clone()),
        ("as another type", Some("application/x-www-form-urlencoded2"), good.clone()),
        ("as JSON", Some("application/json"), json!({ TOKEN: token }).to_string()),
        ("as no type at all", Some("; application/x-www-form-urlencoded"), good.clone()),
    ] {
        let answer = send(&client, "/body", kind, body.into(), &[]).await;
        assert_eq!(answer.status(), 403, "{case}: {}", answer.text());
        assert!(answer.header(&SET_COOKIE).is_none(), "{case}");
    }
    let query = send(&client, &format!("/body?{good}"), urlencoded, "a=b".into(), &[]).await;
    assert_eq!(query.status(), 403, "in the query");
    for (case, headers) in [
        ("a bad header beside a good field", &[("x-csrf-token", foreign.as_str())][..]),
        ("an empty header beside a good field", &[("x-csrf-token", "")]),
        ("two headers", &[("x-csrf-token", token.as_str()), ("x-csrf-token", token.as_str())]),
    ] {
        assert_eq!(
            send(&client, "/body", urlencoded, good.clone().into(), headers).await.status(),
            403,
            "{case}"
        );
    }
    assert_eq!(ran.load(Ordering::Relaxed), 0, "not even a hook has run");
}

#[tokio::test]
async fn files_do_not_go_round_it() {
    let client = client();
    let token = client.csrf_token().await;
    let file = Part::file("letter", "letter.txt", "text/plain", "Dear Merlin");
    for (case, parts) in [
        ("none", vec![file.clone()]),
        ("behind a file", vec![file.clone(), Part::field(TOKEN, &token)]),
        ("behind a field", vec![Part::field("to", "Merlin"), Part::field(TOKEN, &token), file.clone()]),
        ("as a file", vec![Part::file(TOKEN, "token.txt", "text/plain", token.clone()), file.clone()]),
        ("wrong, then right", vec![Part::field(TOKEN, "x"), Part::field(TOKEN, &token)]),
    ] {
        let answer = client.post_multipart("/upload", &parts).await;
        assert_eq!(answer.status(), 403, "{case}");
    }
    let answer = client.post_multipart("/upload", &[file]).await;
    assert!(answer.text().contains("before all others"), "{}", answer.text());
}

#[tokio::test]
async fn large_files_pass_through_the_check_unchanged() {
    let client = client();
    let token = client.csrf_token().await;
    let large = Part::file("letter", "large", "text/plain", Bytes::from(vec![b'x'; 1_500_000]));
    let answer = client.post_multipart("/upload", &[Part::field(TOKEN, &token), large]).await;
    assert_eq!(answer.text(), "nobody 1500000");
}

#[tokio::test]
async fn limits_of_bodies_hold_as_before() {
    let client = client();
    let large = format!("a={}", "x".repeat(3 << 20));
    let answer = send(&client, "/form", Some("application/x-www-form-urlencoded"), large.into(), &[]).await;
    assert_eq!(answer.status(), 413);
    let malformed =
        send(&client, "/form", Some("application/x-www-form-urlencoded"), "a=%".into(), &[]).await;
    assert_eq!(malformed.status(), 400);
    let boundless = send(&client, "/upload", Some("multipart/form-data"), "x".into(), &[]).await;
    assert_eq!(boundless.status(), 415);
}

#[tokio::test]
async fn every_unsafe_method_is_asked_and_no_header_makes_another_of_it() {
    let client = client();
    let token = client.csrf_token().await;
    for (method, path) in [(Method::PUT, "/put"), (Method::DELETE, "/delete")] {
        let request = client.request(method.clone(), path, Body::empty());
        assert_eq!(client.send(request).await.status(), 403, "{path}");
        let mut request = client.request(method, path, Body::empty());
        request.headers_mut().insert("x-csrf-token", token.parse().unwrap());
        assert_eq!(client.send(request).await.status(), 200, "{path}");
    }
    for header in ["x-http-method-override", "x-http-method", "x-method-override"] {
        let urlencoded = Some("application/x-www-form-urlencoded");
        let answer = send(&client, "/form", urlencoded, "_method=GET".into(), &[(header, "GET")]).await;
        assert_eq!(answer.status(), 403, "{header}");
    }
    let mut overridden = client.request(Method::GET, "/form", Body::empty());
    overridden.headers_mut().insert("x-http-method-override", "POST".parse().unwrap());
    assert_eq!(client.send(overridden).await.status(), 405);
}

#[tokio::test]
async fn routes_may_be_exempt_and_stay_closed_to_other_sites() {
    let client = client();
    assert_eq!(client.post_form("/api", &[("a", "b")]).await.text(), "b");
    let other_site = [("sec-fetch-site", "cross-site")];
    let urlencoded = Some("application/x-www-form-urlencoded");
    assert_eq!(send(&client, "/api", urlencoded, "a=b".into(), &other_site).await.status(), 403);
    assert_eq!(send(&client, "/hook", urlencoded, "a=b".into(), &other_site).await.text(), "b");
}

#[tokio::test]
async fn a_sign_in_makes_older_forms_worthless() {
    let client = client();
    let before = client.csrf_token().await;
    assert_eq!(client.post_form("/sign-in", &[(TOKEN, &before)]).await.status(), 303);
    let refused = client.post_form("/form", &[(TOKEN, &before)]).await;
    assert_eq!(refused.status(), 403);
    assert!(refused.text().contains("reload the page"), "{}", refused.text());
    let after = client.csrf_token().await;
    assert_eq!(client.post_form("/form", &[(TOKEN, &after)]).await.status(), 200);
}

#[tokio::test]
async fn a_visitor_gets_a_session_with_the_first_form_and_not_before() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let client =
            Client::with_settings(app(), &Settings { session_state: state, ..Settings::default() }).unwrap();
        assert!(client.get("/plain").await.header(&SET_COOKIE).is_none(), "{state:?}");
        assert!(client.post_form("/form", &[]).await.header(&SET_COOKIE).is_none(), "{state:?}");
        assert!(client.get("/").await.header(&SET_COOKIE).is_some(), "{state:?}");
        assert!(client.get("/plain").await.header(&SET_COOKIE).is_none(), "{state:?}");
        let token = client.csrf_token().await;
        assert_eq!(client.post_form("/form", &[(TOKEN, &token)]).await.status(), 200, "{state:?}");
    }
}

#[tokio::test]
async fn the_page_for_a_refusal_may_be_the_apps_own() {
    let app = app().error_handler(403, async |_, _| Ok(text("the form was too old")));
    let answer = Client::new(app).unwrap().post_form("/form", &[]).await;
    assert_eq!((answer.status().as_u16(), answer.text().as_str()), (403, "the form was too old"));
}

#[tokio::test]
async fn what_has_no_route_is_asked_for_nothing() {
    let client = client();
    assert_eq!(client.post_form("/nowhere", &[]).await.status(), 404);
    assert_eq!(client.post_form("/", &[]).await.status(), 405);
}

#[tokio::test]
async fn an_app_without_tokens_has_no_fields_for_them_either() {
    let app = App::new("demo")
        .environment(|environment| environment.add_template("form.html", "{{ csrf_field() }}").unwrap())
        .get("/", page)
        .post("/form", form)
        .post("/abort", async |_| abort(400));
    let client = Client::with_settings(app, &crate::support::development()).unwrap();
    assert_eq!(client.post_form("/form", &[("a", "b")]).await.text(), "b");
    let answer = client.get("/").await;
    assert_eq!(answer.status(), 500);
    assert!(answer.text().contains("App::csrf_tokens()"), "{}", answer.text());
}

#[tokio::test]
async fn the_page_of_a_request_from_another_site_displaces_no_session() {
    async fn count(request: Request, response: Response) -> Result<Response> {
        request.session().await?.add("pages", 1)?;
        Ok(response)
    }
    async fn flashing(request: Request, _: Error) -> Result<Response> {
        request.flash("error", "not from here").await?;
        Ok(text("refused"))
    }
    fn with_form() -> App {
        let form = "{{ csrf_field() }}";
        app().environment(|environment| environment.add_template("error.html", form).unwrap())
    }
    type Case = (&'static str, fn() -> App);
    let cases: [Case; 3] = [
        ("its form", with_form),
        ("a message", || app().error_handler(403, flashing)),
        ("a hook", || app().after_request(count)),
    ];
    for (case, app) in cases {
        for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
            let settings = Settings { session_state: state, ..Settings::default() };
            let client = Client::with_settings(app(), &settings).unwrap();
            client.csrf_token().await;
            for (method, path, name, value) in [
                (Method::POST, "/form", "sec-fetch-site", "cross-site"),
                (Method::POST, "/nowhere", "sec-fetch-site", "cross-site"),
                (Method::GET, "/", "host", "not a host"),
            ] {
                let mut request = client.request(method, path, Body::empty());
                request.headers_mut().insert(name, HeaderValue::from_static(value));
                let answer = client.send(request).await;
                assert!(answer.status().is_client_error(), "{case}, {state:?}, {path}");
                assert!(answer.header(&SET_COOKIE).is_none(), "{case}, {state:?}, {path}");
            }
        }
    }
}
