//! What a visitor, a developer and the log are told when something fails.

use std::error::Error as StdError;

use anyhow::Context;
use waxseal::{App, Error, Request, Response, Result, html};
use waxseal_session::ValueError;

use crate::support::{CANARY, app_with_error_page, client, client_of, developer, header, known, log, traces};

#[tokio::test]
async fn a_failing_handler_is_one_line_in_the_log_and_nothing_on_the_page() {
    let client = known(client()).await;
    log::clear();
    let answer = client.get("/fail").await;
    assert_eq!(answer.status(), 500);
    assert!(answer.text().contains("500 Internal Server Error"), "{}", answer.text());
    for part in ["shelf", "book", CANARY] {
        assert!(!answer.text().contains(part), "{part}");
    }
    assert_eq!(
        log::lines(),
        ["ERROR 500 Internal Server Error: the shelf \"restricted\" is empty: \
          no such book\\r\\n2026-01-01T00:00:00Z  INFO all is well request=\"GET /fail\""]
    );
    assert_eq!(traces(&answer), ["Cookie", "private, no-store"], "no change is kept");
    assert_eq!(client.session().await.get::<String>("name").unwrap().as_deref(), Some(CANARY));
}

#[tokio::test]
async fn a_sign_out_counts_even_if_the_request_fails() {
    let client = known(client()).await;
    let answer = client.post_form("/sign-out", &[]).await;
    assert_eq!(answer.status(), 500);
    assert!(header(&answer, "set-cookie").unwrap().starts_with("__Host-session=; "));
    assert!(client.session().await.is_new());
}

#[tokio::test]
async fn a_panic_is_500_and_drops_what_the_request_changed() {
    let client = known(client()).await;
    for answer in [client.get("/panic").await, client.post_form("/panic", &[]).await] {
        assert_eq!(answer.status(), 500);
        assert!(!answer.text().contains("ink"), "{}", answer.text());
        assert_eq!(header(&answer, "set-cookie"), None);
    }
    let lines = log::lines().join("\n");
    assert!(lines.contains("panic=\"out of ink\"") && lines.contains("request=\"POST /panic\""), "{lines}");
    assert_eq!(client.get("/name").await.text().trim(), format!("<p>{CANARY}</p>"));
}

#[tokio::test]
async fn a_developer_sees_where_a_template_failed_and_no_value_of_the_session() {
    let developer = known(developer()).await;
    for (kind, line) in [
        ("sum", 2),
        ("number", 3),
        ("call", 4),
        ("method", 5),
        ("filter", 6),
        ("test", 7),
        ("range", 8),
        ("round", 9),
        ("loop", 10),
        ("unpack", 11),
        ("macro", 12),
        ("missing", 13),
    ] {
        log::clear();
        let answer = developer.get(&format!("/broken?{kind}")).await;
        let page = answer.text();
        assert_eq!(answer.status(), 500, "{kind}");
        let source = format!("<mark>{{% if kind == &#x27;{kind}&#x27; %}}");
        assert!(
            page.contains(&source) && page.contains(&format!("<h2>broken.html, line {line}</h2>")),
            "{kind}: {page}"
        );
        assert!(page.contains(&format!("template broken.html, line {line}: ")), "{kind}: {page}");
        let lines = log::lines();
        assert_eq!(lines.len(), 1, "{kind}: {lines:?}");
        assert!(lines[0].contains(&format!("template broken.html, line {line}: ")), "{kind}: {lines:?}");
        for secret in [CANARY, "7777777", "7_777_777"] {
            assert!(!page.contains(secret) && !lines[0].contains(secret), "{kind}: {page} {lines:?}");
        }
    }
}

#[tokio::test]
async fn a_visitor_in_production_sees_nothing_of_a_template() {
    let client = known(client()).await;
    let answer = client.get("/broken?sum").await;
    assert_eq!(answer.status(), 500);
    assert!(!answer.text().contains("broken.html") && !answer.text().contains("kind"), "{}", answer.text());
}

#[tokio::test]
async fn a_value_of_another_type_and_one_too_large_say_no_value() {
    for client in [known(client()).await, known(developer()).await] {
        for (path, said) in [
            ("/mistyped?number", "session[\"name\"]: what is stored is text, and no "),
            ("/mistyped?letter", "session[\"name\"]: what is stored is text, and no "),
            ("/mistyped?choice", "session[\"name\"]: what is stored is text, and no "),
            ("/too-large", "largest: \"essay\" (21012 bytes)"),
        ] {
            log::clear();
            let answer = client.get(path).await;
            assert_eq!(answer.status(), 500, "{path}");
            let lines = log::lines();
            assert_eq!(lines.len(), 1, "{path}: {lines:?}");
            assert!(lines[0].contains(said), "{path}: {lines:?}");
            assert!(!answer.text().contains(CANARY) && !lines[0].contains(CANARY), "{path}: {lines:?}");
        }
        assert_eq!(client.session().await.get::<String>("name").unwrap().as_deref(), Some(CANARY));
    }
}

#[tokio::test]
async fn what_a_page_echoes_is_escaped() {
    for client in [client(), client_of(app_with_error_page()), developer()] {
        let page = client.get("/abort/404").await;
        assert_eq!(page.status(), 404);
        assert!(page.text().contains("a &lt;b&gt;reason&lt;&#x2f;b&gt;"), "{}", page.text());
        assert_eq!(header(&page, "content-type"), Some("text/html; charset=utf-8"));
    }
    let page = developer().get("/abort/\"onload='x'").await;
    assert!(page.text().contains("&quot;onload=&#x27;x&#x27;"), "{}", page.text());
}

#[tokio::test]
async fn an_app_may_bring_its_own_error_page_which_reads_the_session() {
    let client = known(client_of(app_with_error_page())).await;
    for (path, status, heading) in [
        ("/nowhere", 404, "Ours: 404 Not Found"),
        ("/abort/451", 451, "Ours: 451 Unavailable For Legal Reasons"),
        ("/abort/499", 499, "Ours: 499 Error"),
        ("/abort/500", 500, "Ours: 500 Internal Server Error"),
        ("/fail", 500, "Ours: 500 Internal Server Error"),
    ] {
        let page = client.get(path).await;
        assert_eq!(page.status(), status, "{path}");
        assert!(page.text().contains(heading), "{path}: {}", page.text());
        assert_eq!(page.text().contains("reason"), status < 500 && path != "/nowhere", "{path}");
        assert_eq!(traces(&page), ["Cookie", "private, no-store"], "{path}");
    }
}

#[tokio::test]
async fn a_refused_request_sees_nobodys_session_on_its_error_page() {
    let client = known(client_of(app_with_error_page())).await;
    // Long enough for a mere read to be followed by a new Set-Cookie.
    client.advance(std::time::Duration::from_secs(5 * 60));
    for (case, name, value, status) in [
        ("cross-site", "sec-fetch-site", "same-site", 403),
        ("a foreign origin", "origin", "https://evil.example", 403),
        ("a host that is none", "host", "a b", 400),
    ] {
        for path in ["/name", "/nowhere", "/"] {
            let mut request = client.request(waxseal::Method::POST, path, waxseal::Body::empty());
            request.headers_mut().insert(name, value.parse().unwrap());
            let answer = client.send(request).await;
            assert_eq!(answer.status(), status, "{case} {path}");
            assert!(answer.text().contains("stranger"), "{case} {path}: {}", answer.text());
            assert_eq!(header(&answer, "set-cookie"), None, "{case} {path}");
        }
    }
    let page = client.get("/nowhere").await;
    assert!(page.text().contains(CANARY) && header(&page, "set-cookie").is_some(), "{}", page.text());
}

#[tokio::test]
async fn mistakes_of_the_app_say_what_to_do_in_the_log() {
    let client = client();
    for (path, said) in [
        ("/twice", "the body was read before; keep what it gave"),
        ("/parameter", "this route has no parameter {nothing}"),
        ("/elsewhere?next=//evil.example", "redirect takes a path of this app"),
        ("/abort/teapot", "invalid digit found in string"),
    ] {
        log::clear();
        assert_eq!(client.get(path).await.status(), 500, "{path}");
        let lines = log::lines();
        assert!(lines.len() == 1 && lines[0].contains(said), "{path}: {lines:?}");
    }
    assert_eq!(client.get("/abort/200").await.status(), 500, "no status of an error");
}

type Boxed = Box<dyn StdError + Send + Sync>;

/// What a handler of an app without one error type of its own meets.
async fn any_kind(request: Request) -> Result<Response> {
    let session = request.session().await?;
    let missing = || session.get::<u32>("name").map(drop);
    match request.param("kind")? {
        "anyhow" => Err(anyhow::anyhow!("out of ink"))?,
        "anyhow-of-an-error" => Err(anyhow::Error::from(std::io::Error::other("out of ink")))?,
        "boxed" => Err(Boxed::from("out of ink"))?,
        "boxed-error" => Err(Boxed::from(std::io::Error::other("out of ink")))?,
        "text" => Err("out of ink")?,
        "context" => missing().context("looking up the name")?,
        "of-ours" => missing().map_err(anyhow::Error::from)?,
        _ => session.insert("name", "Merlin").map_err(Boxed::from)?,
    }
    Ok(html("well"))
}

#[tokio::test]
async fn a_question_mark_takes_any_error() {
    let client = known(client_of(crate::support::app().get("/any/{kind}", any_kind))).await;
    for (kind, said) in [
        ("anyhow", "out of ink"),
        ("anyhow-of-an-error", "out of ink"),
        ("boxed", "out of ink"),
        ("boxed-error", "out of ink"),
        ("text", "out of ink"),
        ("context", "looking up the name: session[\"name\"]: what is stored is text, and no u32"),
        ("of-ours", "session[\"name\"]: what is stored is text, and no u32"),
    ] {
        log::clear();
        let answer = client.get(&format!("/any/{kind}")).await;
        assert_eq!(answer.status(), 500, "{kind}");
        assert!(
            !["out of ink", "looking up", "stored is"].iter().any(|text| answer.text().contains(text)),
            "{kind}"
        );
        let line = format!("ERROR 500 Internal Server Error: {said} request=\"GET /any/{kind}\"");
        assert_eq!(log::lines(), [line], "{kind}");
    }
    assert_eq!(client.get("/any/thing").await.status(), 200);
}

/// However an error of ours was packed, its status is found, and its text is the visitor's.
#[test]
fn an_error_of_ours_keeps_its_status_inside_another() {
    let malformed = || waxseal_server::forms::parse_query::<Vec<(String, String)>>("a=%zz").unwrap_err();
    let plain = Error::from(malformed());
    assert_eq!(plain.status_code(), 400);
    for (case, error, line) in [
        ("anyhow", Error::from(anyhow::Error::from(malformed())), plain.to_string()),
        ("a box", Error::from(Boxed::from(malformed())), plain.to_string()),
        (
            "anyhow with a context",
            Error::from(anyhow::Error::from(malformed()).context("reading the form")),
            plain.to_string().replacen("Request: ", "Request: reading the form: ", 1),
        ),
    ] {
        assert_eq!(error.status_code(), 400, "{case}");
        assert!(error.downcast_ref::<waxseal_server::Error>().is_some(), "{case}");
        assert_eq!(error.to_string(), line, "{case}");
    }
    let error = Error::from(anyhow::Error::from(ValueError::TooDeep).context("storing it"));
    assert_eq!(error.status_code(), 500);
    assert!(error.downcast_ref::<ValueError>().is_some());
}

#[tokio::test]
async fn a_store_that_is_away_is_503_also_behind_a_context() {
    let away = async |_: Request| {
        Err(waxseal_session::Error::Unconfirmed).context("greeting the visitor")?;
        Ok(html("well"))
    };
    let answer = client_of(App::new("demo").get("/", away)).get("/").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, Some("5")));
}

/// What an operator looks for when visitors report it, and what anybody may send, is told apart by its level.
#[tokio::test]
async fn a_refused_cross_site_request_is_a_line_at_info_and_a_missing_page_is_none() {
    let client = client();
    log::clear();
    assert_eq!(client.get("/nowhere").await.status(), 404);
    assert_eq!(log::lines(), [""; 0]);
    let mut request = client.request(waxseal::Method::POST, "/name", waxseal::Body::empty());
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(client.send(request).await.status(), 403);
    let lines = log::lines();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("INFO 403 Forbidden: the request comes from `https://evil.example`"), "{line}");
    assert!(line.ends_with("request=\"POST /name\""), "{line}");
}

#[tokio::test]
async fn a_panic_in_the_error_page_is_an_answer() {
    let broken = |_: &Request| -> bool { panic!("out of paper") };
    let app = app_with_error_page().context_processor("status_text", broken);
    let app = app.environment(|environment| {
        environment.add_template("error.html", "{{ status_text }}").unwrap();
    });
    let client = client_of(app);
    for (path, status) in [("/nowhere", 404), ("/fail", 500)] {
        log::clear();
        let answer = client.get(path).await;
        assert_eq!(answer.status(), status, "{path}");
        assert!(answer.text().contains(&status.to_string()), "{path}: {}", answer.text());
        let lines = log::lines().concat();
        assert!(lines.contains("out of paper") && lines.contains("the error page itself failed"), "{lines}");
    }
}

/// The change of a session is made again, by the commit, when another request has changed the session meanwhile.
#[tokio::test]
async fn a_panic_in_the_commit_is_an_answer() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    let tries = Arc::new(AtomicUsize::new(0));
    let counted = tries.clone();
    let late = move |request: Request| {
        let tries = counted.clone();
        async move {
            let change = move |count: &mut u32| {
                assert_eq!(tries.fetch_add(1, Ordering::Relaxed), 0, "out of patience");
                *count += 1;
            };
            request.session().await?.update("count", change)?;
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
            Result::Ok(html("counted"))
        }
    };
    let settings =
        waxseal::Settings { session_state: waxseal::SessionState::Store, ..waxseal::Settings::default() };
    log::start();
    let client =
        waxseal::testing::Client::with_settings(crate::support::app().get("/late", late), &settings).unwrap();
    let client = known(client).await;
    log::clear();
    let (answer, other) = tokio::join!(client.get("/late"), client.post_form("/name", &[("name", "Tom")]));
    assert_eq!((answer.status().as_u16(), other.status().as_u16()), (500, 303));
    assert_eq!(tries.load(Ordering::Relaxed), 2, "the commit made the change again");
    let lines = log::lines().concat();
    assert!(lines.contains("out of patience") && lines.contains("GET /late"), "{lines}");
    let session = client.session().await;
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Tom"));
    assert_eq!(session.get::<u32>("count").unwrap(), None);
}
