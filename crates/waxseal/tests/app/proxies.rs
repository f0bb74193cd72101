//! Clients behind proxies, and an app below a path.

use http::{HeaderName, HeaderValue};
use waxseal::testing::{Client, TestResponse};
use waxseal::{App, Body, Method, ProxySettings, Request, Settings, context, folder, json, redirect};

use crate::support::header;

/// The address, scheme and host that the app sees.
type Seen = (Option<String>, String, String);

fn app() -> App {
    let seen = async |request: Request| {
        let address = request.remote_addr().map(|address| address.to_string());
        json(&(address, request.scheme().as_str(), request.host()))
    };
    App::new("demo").get("/", seen).post("/", seen)
}

fn client(app: App, trusted: &str, headers: &str, root: &str) -> Client {
    let proxies = ProxySettings {
        trusted_proxies: trusted.parse().unwrap(),
        forwarded_headers: headers.parse().unwrap(),
        root_path: root.parse().unwrap(),
        ..ProxySettings::default()
    };
    Client::with_settings(app, &Settings { proxies, ..Settings::default() }).unwrap()
}

async fn send(client: &Client, method: Method, path: &str, fields: &[(&str, &str)]) -> TestResponse {
    let mut request = client.request(method, path, Body::empty());
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
    }
    client.send(request).await
}

const TOLD: [(&str, &str); 3] =
    [("x-forwarded-for", "192.0.2.1"), ("x-forwarded-proto", "http"), ("x-forwarded-host", "a.example")];

#[tokio::test]
async fn a_trusted_proxys_word_counts_as_far_as_it_is_asked_and_nobody_elses() {
    for (from, headers, expected) in [
        ([10, 0, 0, 1], "for,proto", ("192.0.2.1", "http", "localhost")),
        ([10, 0, 0, 1], "for,proto,host", ("192.0.2.1", "http", "a.example")),
        ([10, 0, 0, 1], "for", ("192.0.2.1", "https", "localhost")),
        ([10, 0, 0, 1], "forwarded", ("10.0.0.1", "https", "localhost")),
        ([192, 0, 2, 9], "for,proto,host", ("192.0.2.9", "https", "localhost")),
    ] {
        let client = client(app(), "10.0.0.0/8", headers, "/").from_address(from);
        let (address, scheme, host) = send(&client, Method::GET, "/", &TOLD).await.json::<Seen>();
        assert_eq!(
            (address.as_deref(), &*scheme, &*host),
            (Some(expected.0), expected.1, expected.2),
            "{headers}"
        );
    }
    // Without settings, whoever it is.
    let client = Client::new(app()).unwrap();
    let seen = send(&client, Method::GET, "/", &TOLD).await.json::<Seen>();
    assert_eq!(seen, (Some("127.0.0.1".to_owned()), "https".to_owned(), "localhost".to_owned()));
}

#[tokio::test]
async fn the_origin_of_a_form_is_compared_with_what_the_visitor_sees() {
    let client = client(app(), "10.0.0.1", "for,proto,host", "/").from_address([10, 0, 0, 1]);
    for (origin, proto, host, status) in [
        ("http://a.example", "http", "a.example", 200),
        ("https://a.example", "http", "a.example", 403),
        ("https://a.example", "https", "a.example", 200),
        ("https://localhost", "https", "a.example", 403),
        ("https://evil.example", "https", "a.example", 403),
        ("https://evil.example", "https", "evil.example, a.example", 403),
        ("https://a.example", "https", "a b", 400),
    ] {
        let fields = [("origin", origin), ("x-forwarded-proto", proto), ("x-forwarded-host", host)];
        let answer = send(&client, Method::POST, "/", &fields).await;
        assert_eq!(answer.status(), status, "{fields:?}");
    }
    // Of anybody else, such a word opens nothing.
    let stranger = client.another().from_address([192, 0, 2, 9]);
    let fields = [("origin", "https://evil.example"), ("x-forwarded-host", "evil.example")];
    assert_eq!(send(&stranger, Method::POST, "/", &fields).await.status(), 403);
}

fn pages() -> App {
    App::new("demo")
        .templates(folder!("$CARGO_MANIFEST_DIR/tests/templates"))
        .static_folder("/static", folder!("$CARGO_MANIFEST_DIR/tests/static"))
        .get("/where", async |request: Request| request.render("where.html", context! {}).await)
        .get("/away", async |_: Request| Ok(redirect("/where?a=b")))
        .get("/away_named", async |request: Request| Ok(redirect(&request.url_for("where", &[])?)))
        .route(waxseal::Route::get("/named", async |request: Request| json(&request.path())).name("where"))
}

#[tokio::test]
async fn an_app_below_a_path_makes_and_knows_addresses_below_it() {
    let static_file = "/app/static/site.css";
    for (case, client) in [
        ("set", client(pages(), "", "for", "/app")),
        ("told", client(pages(), "127.0.0.1", "prefix", "/")),
        ("told in place of what is set", client(pages(), "127.0.0.1", "prefix", "/other")),
    ] {
        // Whoever tells a prefix takes it off; else both come.
        let fields: &[_] = if case == "set" { &[] } else { &[("x-forwarded-prefix", "/app/")] };
        let sent: &[_] = if case == "set" { &["", "/app"] } else { &[""] };
        for before in sent {
            let get = async |path: &str| send(&client, Method::GET, &format!("{before}{path}"), fields).await;
            let page = get("/where?x=1").await.text();
            let expected = "/where https://localhost/app/where?x=1 /app /app/named 127.0.0.1 https ";
            assert!(page.contains(expected) && page.contains(static_file), "{case}: {page}");
            assert_eq!(get("/away").await.location(), Some("/app/where?a=b"), "{case}");
            assert_eq!(get("/away_named").await.location(), Some("/app/named"), "{case}");
            assert_eq!(get("/named").await.json::<String>(), "/named", "{case}");
            assert_eq!(get("/static/site.css").await.status(), 200, "{case}");
        }
    }
    let client = client(pages(), "", "for", "/app");
    assert_eq!(client.get("/apple/where").await.status(), 404);
    // A prefix that nobody is asked for is nobody's.
    let told = send(&client, Method::GET, "/away", &[("x-forwarded-prefix", "/evil")]).await;
    assert_eq!(told.location(), Some("/app/where?a=b"));
}

#[tokio::test]
async fn the_cookie_is_the_hosts_whatever_the_path() {
    let app = App::new("demo").post("/enter", async |request: Request| {
        request.session().await?.insert("name", "Merlin")?;
        Ok(redirect("/"))
    });
    let client = client(app, "127.0.0.1", "prefix", "/app");
    let answer = send(&client, Method::POST, "/app/enter", &[]).await;
    let cookie = header(&answer, "set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-session=") && cookie.ends_with("; Path=/"), "{cookie}");
    assert_eq!(answer.location(), Some("/app/"));
}

#[tokio::test]
async fn the_panel_is_below_the_path_too() {
    let proxies = ProxySettings { root_path: "/app".parse().unwrap(), ..ProxySettings::default() };
    let settings = Settings { proxies, development: true, ..Settings::default() };
    let client = Client::with_settings(App::new("demo"), &settings).unwrap();
    let page = client.get("/app/_session").await.text();
    assert!(
        page.contains("href=\"/app/_session/style.css\"")
            || page.contains("&#x2f;app&#x2f;_session&#x2f;style.css"),
        "{page}"
    );
    assert_eq!(client.get("/app/_session/style.css").await.status(), 200);
}
