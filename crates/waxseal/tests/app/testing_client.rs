//! The client without a socket: what it does as a browser would.

use std::time::Duration;

use crate::support::client_of;
use waxseal::testing::Client;
use waxseal::{App, Request, Response, Result, StatusCode, redirect, redirect_as, redirect_to, typed};

fn app() -> App {
    async fn say(request: Request) -> Result<Response> {
        let body = String::from_utf8_lossy(&request.body().await?).into_owned();
        Ok(typed("text/plain", format!("{} {} {body}", request.method(), request.path())))
    }
    async fn temporary(_: Request) -> Result<Response> {
        Ok(redirect_as(StatusCode::TEMPORARY_REDIRECT, "/said"))
    }
    App::new("demo")
        .get("/said", say)
        .post("/said", say)
        .get("/see-other", async |_| Ok(redirect("/twice?a=b")))
        .post("/see-other", async |_| Ok(redirect("/twice?a=b")))
        .get("/twice", async |_| Ok(redirect("/said")))
        .post("/temporary", temporary)
        .get("/circle", async |_| Ok(redirect("/circle")))
        .get("/away", async |_| Ok(redirect_to("https://elsewhere.example/")))
}

#[tokio::test]
async fn redirects_are_followed_as_a_browser_does() {
    let client = client_of(app()).follow_redirects();
    for (path, expected) in
        [("/see-other", "GET /said "), ("/temporary", "POST /said a=b"), ("/said", "POST /said a=b")]
    {
        let answer = client.post_form(path, &[("a", "b")]).await;
        assert_eq!((answer.path(), answer.text().as_str()), ("/said", expected), "{path}");
    }
    let away = client.get("/away").await;
    assert_eq!((away.status().as_u16(), away.path()), (303, "/away"), "another site is not gone to");
    let client = client_of(app());
    assert_eq!(client.get("/see-other").await.location(), Some("/twice?a=b"), "unless asked for");
}

#[tokio::test]
#[should_panic(expected = "more than 20 redirects, the last to /circle")]
async fn a_circle_of_redirects_ends() {
    client_of(app()).follow_redirects().get("/circle").await;
}

#[tokio::test]
async fn a_session_can_be_arranged_and_looked_at() {
    async fn count(request: Request) -> Result<Response> {
        let session = request.session().await?;
        session.add("visits", 1)?;
        Ok(typed("text/plain", session.get::<u32>("visits")?.unwrap_or_default().to_string()))
    }
    let client = Client::new(App::new("demo").get("/", count)).unwrap();
    client.with_session(|session| session.insert("visits", 41)).await.unwrap();
    assert_eq!(client.get("/").await.text(), "42");
    let visits = client.with_session(|session| session.get::<u32>("visits")).await;
    assert_eq!(visits.unwrap(), Some(42));
    client.advance(Duration::from_secs(30 * 60));
    assert!(client.session().await.is_new(), "the clock moves for it too");
    client.with_session(waxseal::Session::destroy).await.unwrap();
    assert_eq!(client.get("/").await.text(), "1");
}

/// What a page says of its cookies, and what its request brought.
fn cookie_app() -> App {
    async fn said(request: Request) -> Result<Response> {
        let mut response = typed(
            "text/plain",
            request.headers().get(http::header::COOKIE).map_or(Vec::new(), |it| it.as_bytes().to_vec()),
        );
        for set_cookie in request.query::<Vec<(String, String)>>()?.into_iter().map(|(_, text)| text) {
            let set_cookie = http::HeaderValue::from_bytes(set_cookie.as_bytes()).unwrap();
            response.headers_mut().append(http::header::SET_COOKIE, set_cookie);
        }
        Ok(response)
    }
    App::new("demo").get("/", said).get("/admin", said).get("/admin/{page}", said)
}

async fn say(client: &Client, path: &str, set_cookie: &str) {
    let escaped: String = set_cookie.bytes().map(|byte| format!("%{byte:02x}")).collect();
    assert_eq!(client.get(&format!("{path}?say={escaped}")).await.status(), 200, "{set_cookie}");
}

#[tokio::test]
async fn cookies_go_where_a_browser_sends_them() {
    let client = client_of(cookie_app());
    say(&client, "/", "admin=1; Path=/admin").await;
    say(&client, "/", "evil=1; Domain=evil.example").await;
    say(&client, "/", "soon=1; Max-Age=10").await;
    say(&client, "/", "date=1; Expires=Thu, 01 Jan 2099 00:00:00 GMT").await;
    say(&client, "/", "theme").await;
    say(&client, "/", "name=ü").await;
    say(&client, "/admin/x", "here=1").await;
    assert_eq!(client.get("/").await.text(), "soon=1; date=1; theme; name=ü");
    assert_eq!(client.get("/admin/y").await.text(), "admin=1; here=1; soon=1; date=1; theme; name=ü");
    assert_eq!((client.cookie("admin").as_deref(), client.cookie("evil")), (Some("1"), None));
    client.advance(Duration::from_secs(10));
    assert_eq!(client.get("/").await.text(), "date=1; theme; name=ü");
    say(&client, "/", "date=; max-age=0").await;
    say(&client, "/", "name=; Expires=Thu, 01 Jan 1970 00:00:00 GMT").await;
    assert_eq!(client.get("/").await.text(), "theme");
    client.set_cookie("planted", "1");
    assert_eq!(client.get("/admin").await.text(), "admin=1; here=1; theme; planted=1");
    assert_eq!(client.another().get("/").await.text(), "");
}

#[tokio::test]
async fn secure_and_its_prefixes_are_for_clients_over_tls() {
    let secure = ["__Host-a=1; Secure; Path=/", "__Secure-a=1; Secure; Path=/", "a=1; Secure; Path=/"];
    let over_tls = client_of(cookie_app());
    let plain = Client::with_settings(cookie_app(), &crate::support::development()).unwrap();
    for set_cookie in secure {
        say(&over_tls, "/", set_cookie).await;
        say(&plain, "/", set_cookie).await;
        say(&over_tls, "/", &set_cookie.replacen("a=", "b=", 1).replace("; Secure", "")).await;
    }
    assert_eq!(over_tls.get("/").await.text(), "__Host-a=1; __Secure-a=1; a=1; b=1");
    assert_eq!(plain.get("/").await.text(), "");
}

#[tokio::test]
async fn a_domain_is_shared_by_the_hosts_below_it() {
    let client = client_of(cookie_app()).at_host("www.example.org:8080");
    say(&client, "/", "all=1; Domain=example.org").await;
    say(&client, "/", "one=1").await;
    let client = client.at_host("shop.example.org");
    assert_eq!(client.get("/").await.text(), "all=1");
    let client = client.at_host("example.org");
    assert_eq!(client.get("/").await.text(), "all=1");
    let client = client.at_host("[::1]:80");
    assert_eq!(client.get("/").await.text(), "");
}

#[tokio::test]
async fn a_session_below_a_path_can_be_arranged() {
    let settings = waxseal::Settings {
        session_cookie_name: Some("id".to_owned()),
        session_cookie_path: "/admin".to_owned(),
        ..waxseal::Settings::default()
    };
    async fn visits(request: Request) -> Result<Response> {
        Ok(typed("text/plain", format!("{:?}", request.session().await?.get::<u32>("visits")?)))
    }
    let app = App::new("demo").get("/", visits).get("/admin", visits);
    let client = Client::with_settings(app, &settings).unwrap();
    client.with_session(|session| session.insert("visits", 1)).await.unwrap();
    assert_eq!(client.session().await.get::<u32>("visits").unwrap(), Some(1));
    assert_eq!(client.get("/admin").await.text(), "Some(1)");
    assert_eq!(client.get("/").await.text(), "None");
}

#[tokio::test]
async fn a_cookie_that_flask_wrote_is_read_as_flask_reads_it() {
    async fn read(request: Request) -> Result<Response> {
        request.render("x.html", waxseal::context! { x => request.cookie("x") }).await
    }
    let app = App::new("demo")
        .environment(|environment| {
            environment.add_template("x.html", "{{ x }} {{ request.cookies.x }}").unwrap()
        })
        .get("/", read);
    let client = client_of(app);
    for (sent, read) in [("\"a b\"", "a b"), ("\"a\\054b\"", "a,b"), ("\"\\303\\274\"", "ü"), ("a b", "a b")]
    {
        client.set_cookie("x", sent);
        assert_eq!(client.get("/").await.text(), format!("{read} {read}"), "{sent}");
    }
}

/// Run by the next test alone, in a process of its own.
#[tokio::test]
#[ignore = "fails on purpose"]
async fn a_test_that_fails() {
    let app =
        App::new("demo").get("/", async |_| Err("out of ink")?).get("/lost", async |_| waxseal::abort(404));
    let client = Client::new(app).unwrap();
    assert_eq!(client.get("/lost").await.status(), 404);
    assert_eq!(client.get("/").await.status(), 200);
}

#[test]
fn a_failing_test_says_why_a_request_failed() {
    let program = std::env::current_exe().unwrap();
    let args = ["--exact", "testing_client::a_test_that_fails", "--ignored"];
    let output = std::process::Command::new(program).args(args).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!output.status.success(), "{said}");
    let cause =
        "GET /: 500 Internal Server Error: out of ink, at crates/waxseal/tests/app/testing_client.rs:";
    assert!(said.contains(cause) && !said.contains("GET /lost"), "{said}");
}
