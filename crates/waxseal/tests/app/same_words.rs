//! Words that Flask has, and what they mean there.

use crate::support::{client_of, development, log};
use http::header::{ACCEPT_LANGUAGE, USER_AGENT};
use http::{HeaderValue, Method};
use serde::Deserialize;
use waxseal::testing::{Client, Part};
use waxseal::{
    App, Cookie, Request, Response, ResponseExt, Result, Route, SameSite, SecurityHeaders, Settings, context,
    html, redirect, redirect_to, typed,
};

fn text(text: impl Into<waxseal::Body>) -> Response {
    typed("text/plain", text)
}

#[derive(Deserialize)]
struct Spell {
    name: String,
    tags: Vec<String>,
}

#[tokio::test]
async fn an_address_has_an_anchor_and_may_be_whole() {
    async fn links(request: Request) -> Result<Response> {
        let link = |arguments: &[(&str, &str)]| request.url_for("links", arguments);
        assert!(
            link(&[("_method", "POST")]).unwrap_err().to_string().contains("it knows _anchor and _external")
        );
        Ok(text(
            [
                link(&[("q", "1"), ("_anchor", "a/b")])?,
                link(&[("_external", "true")])?,
                link(&[("_external", "false")])?,
            ]
            .join(" "),
        ))
    }
    let client = client_of(App::new("demo").get("/links", links));
    assert_eq!(client.get("/links").await.text(), "/links?q=1#a%2Fb https://localhost/links /links");
    let answer = client.get("http://shop.example.org:8080/links").await;
    assert_eq!(answer.text(), "/links?q=1#a%2Fb http://shop.example.org:8080/links /links");
}

#[tokio::test]
async fn of_a_repeated_field_the_first_counts_and_a_list_has_all() {
    async fn spell(request: Request) -> Result<Response> {
        let Spell { name, tags } = request.form().await?;
        let again: Vec<(String, String)> = request.form().await?;
        Ok(text(format!("{name} {tags:?} {}", again.len())))
    }
    let client = client_of(App::new("demo").post("/", spell));
    let fields = [("name", "lumos"), ("tags", "a"), ("name", "nox"), ("tags", "b")];
    assert_eq!(client.post_form("/", &fields).await.text(), "lumos [\"a\", \"b\"] 4");
}

#[tokio::test]
async fn a_missing_slash_is_added_and_one_too_many_is_not_taken_off() {
    async fn page(request: Request) -> Result<Response> {
        Ok(text(request.path().to_owned()))
    }
    let app = App::new("demo")
        .get("/projects/", page)
        .get("/about", page)
        .get("/files/{*rest}", page)
        .post("/{name}/pets/", page);
    let client = client_of(app.before_request(async |request: Request| {
        request.g().set("before", true);
        Ok(None)
    }));
    for (method, path, status, location) in [
        ("GET", "/projects", 308, Some("/projects/")),
        ("GET", "/projects?a=b%20c", 308, Some("/projects/?a=b%20c")),
        ("HEAD", "/projects", 308, Some("/projects/")),
        ("GET", "/projects/", 200, None),
        ("GET", "/about/", 404, None),
        ("GET", "/files", 404, None),
        ("GET", "/files/", 404, None),
        ("POST", "/projects", 404, None),
        ("POST", "/T%20R/pets", 308, Some("/T%20R/pets/")),
        ("GET", "/T%20R/pets", 404, None),
        ("POST", "//evil.example/pets", 404, None),
        ("GET", "//evil.example", 404, None),
    ] {
        let mut request = client.request(method.parse().unwrap(), "/", waxseal::Body::empty());
        let mut uri = http::uri::Parts::default();
        uri.path_and_query = Some(path.parse().unwrap());
        *request.uri_mut() = http::Uri::from_parts(uri).unwrap();
        let answer = client.send(request).await;
        assert_eq!((answer.status().as_u16(), answer.location()), (status, location), "{method} {path}");
        assert_eq!(answer.request().g().get("before"), Some(true), "{method} {path}: hooks run");
    }
    let client = client.follow_redirects();
    assert_eq!(client.get("/projects?a=b").await.path(), "/projects/?a=b");
}

#[tokio::test]
async fn a_redirect_encodes_what_an_address_cannot_hold() {
    let app = App::new("demo")
        .get("/", async |_| Ok(redirect("/wizard/Tom Riddle?tab=Eulen für alle")))
        .get("/wrong", async |_| Ok(redirect("//evil.example")))
        .error_handler(500, async |_, error| Ok(text(error.to_string())));
    let client = client_of(app);
    assert_eq!(client.get("/").await.location(), Some("/wizard/Tom%20Riddle?tab=Eulen%20f%C3%BCr%20alle"));
    let answer = client.get("/wrong").await;
    assert_eq!((answer.status().as_u16(), answer.location()), (500, None));
    assert!(
        answer.text().contains("redirect takes a path of this app, found \"//evil.example\""),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_template_sees_the_form_and_the_headers() {
    fn app(source: &'static str) -> App {
        async fn read(request: Request) -> Result<Response> {
            if request.headers()["content-type"] == "application/x-www-form-urlencoded" {
                request.form::<Vec<(String, String)>>().await?;
            } else if request.method() == Method::POST {
                request.multipart().await?;
            }
            request.render("page.txt", context! {}).await
        }
        let app = App::new("demo").environment(move |all| all.add_template("page.txt", source).unwrap());
        app.post("/", read)
            .post("/unread", async |request: Request| request.render("page.txt", context! {}).await)
    }
    let form = "{{ request.form['name'] }} {{ request.form.get('other', 'none') }} {{ request.form.getlist('name') }}";
    let client = client_of(app(form));
    let expected = "lumos none ['lumos', 'nox']";
    let fields = [("name", "lumos"), ("name", "nox")];
    assert_eq!(client.post_form("/", &fields).await.text(), expected);
    let parts = fields.map(|(name, value)| Part::field(name, value));
    assert_eq!(client.post_multipart("/", &parts).await.text(), expected);
    assert_eq!(client.post_form("/unread", &fields).await.text(), " none []", "no handler has read it");

    let headers = "{{ request.headers['User-Agent'] }} {{ request.headers.get('x-none', '-') }} {{ request.headers.Cookie }}.";
    let client = client_of(app(headers)).with_header(USER_AGENT, HeaderValue::from_static("Owl/1"));
    client.set_cookie("__Host-session", "secret");
    assert_eq!(client.post_form("/", &[]).await.text(), "Owl/1 - .");
}

#[tokio::test]
async fn an_app_has_cookies_of_its_own() {
    async fn set(request: Request) -> Result<Response> {
        request.session().await?.insert("name", "Merlin")?;
        let mut response = text(request.cookie("theme").unwrap_or_default());
        response.set_cookie(Cookie::new("theme", "dark; \"blau ü\""))?;
        response.set_cookie(Cookie::new("here", "1").path("/shop").secure(true))?;
        response.delete_cookie("old")?;
        Ok(response)
    }
    let app = App::new("demo").get("/", set).get("/wrong", async |_| {
        let mut response = html("");
        response.set_cookie(Cookie::new("a;b", ""))?;
        Ok(response)
    });
    let client = client_of(app);
    client.set_cookie("old", "1");
    client.get("/").await;
    assert_eq!(client.get("/").await.text(), "dark; \"blau ü\"");
    let mut kept: Vec<_> = client.cookies().into_iter().map(|kept| (kept.name, kept.path)).collect();
    kept.sort();
    let expected = [("__Host-session", "/"), ("here", "/shop"), ("theme", "/")];
    assert_eq!(kept, expected.map(|(name, path)| (name.to_owned(), path.to_owned())));
    assert_eq!(client.get("/wrong").await.status(), 500);
}

/// Without an error, the cookie would be missing in browsers alone, and in no test.
#[tokio::test]
async fn a_cookie_that_browsers_drop_is_500_with_a_sentence() {
    async fn answer(cookie: Cookie) -> (u16, String) {
        log::clear();
        let app = App::new("demo").get("/", move |_| {
            let cookie = cookie.clone();
            async move {
                let mut response = html("");
                response.set_cookie(cookie)?;
                Ok(response)
            }
        });
        (client_of(app).get("/").await.status().as_u16(), log::lines().join("\n"))
    }
    let new = |name| Cookie::new(name, "1");
    for (cookie, said) in [
        (new("a").same_site(SameSite::None), "the cookie \"a\" has to be Secure, as SameSite=None demands"),
        (new("a").partitioned(true), "the cookie \"a\" has to be Secure, as Partitioned demands"),
        (
            new("__Host-a").path("/shop"),
            "the cookie \"__Host-a\" has to have the Path /, as its name demands",
        ),
        (new("__host-a").domain("example.org"), "\"__host-a\" has to have no Domain"),
        (new("__Host-a").secure(false), "\"__Host-a\" has to be Secure"),
        (new("__Secure-a").secure(false), "\"__Secure-a\" has to be Secure"),
        (new("__Http-a").secure(false), "\"__Http-a\" has to be Secure"),
        (new("__http-a").http_only(false), "\"__http-a\" has to be HttpOnly"),
        (new("__Host-Http-a").http_only(false), "\"__Host-Http-a\" has to be HttpOnly"),
        (Cookie::new("a", &"x".repeat(4096)), "the cookie \"a\" has 4097 bytes of name and quoted value"),
        (Cookie::new("a", &"ü".repeat(512)), "the cookie \"a\" has 4099 bytes"),
    ] {
        let (status, lines) = answer(cookie.clone()).await;
        assert!(status == 500 && lines.contains(said), "{cookie:?}: {status} {lines}");
    }
    for cookie in [
        new("a").same_site(SameSite::None).secure(true),
        new("__Host-a"),
        new("__Http-a"),
        new("__Host-Http-a"),
        new("__Secure-a").path("/shop").domain("example.org").http_only(false),
        new("__Hostel").path("/shop"),
        Cookie::new("a", &"x".repeat(4095)),
    ] {
        assert_eq!(answer(cookie.clone()).await.0, 200, "{cookie:?}");
    }
}

#[tokio::test]
async fn a_client_has_a_jar_headers_and_several_hosts() {
    async fn where_from(request: Request) -> Result<Response> {
        let header =
            |name| request.headers().get(name).map_or("-", |value: &HeaderValue| value.to_str().unwrap());
        let (scheme, host) = (request.scheme().as_str(), request.host());
        Ok(text(format!("{scheme} {host} {} {:?}", header(ACCEPT_LANGUAGE), request.cookie("theme"))))
    }
    let client = client_of(App::new("demo").get("/", where_from).get("/on", async |_| Ok(redirect("/"))));
    let client =
        client.with_header(ACCEPT_LANGUAGE, HeaderValue::from_static("la")).at_host("www.example.org");
    client.keep_cookie("theme=dark; Domain=example.org; Max-Age=60; Secure");
    client.keep_cookie("refused=1; Domain=evil.example");
    let kept = client.cookies();
    assert_eq!(
        (kept.len(), kept[0].domain.as_str(), kept[0].secure, kept[0].host_only),
        (1, "example.org", true, false)
    );
    assert!(kept[0].expires.is_some());
    for (path, expected) in [
        ("/", "https www.example.org la Some(\"dark\")"),
        ("http://www.example.org/", "http www.example.org la None"),
        ("https://shop.example.org/", "https shop.example.org la Some(\"dark\")"),
        ("https://other.example/", "https other.example la None"),
    ] {
        assert_eq!(client.get(path).await.text(), expected, "{path}");
    }
    client.delete_cookie("theme");
    assert_eq!(client.cookies(), []);
    let client = client.follow_redirects();
    assert_eq!(client.get("http://shop.example.org/on").await.text(), "http shop.example.org la None");
    let there = client.request_context("http://shop.example.org/x?y=z");
    assert_eq!(
        (there.host().as_str(), there.path(), there.arg("y").as_deref()),
        ("shop.example.org", "/x", Some("z"))
    );
}

#[tokio::test]
async fn what_the_policy_drops_is_in_the_log_of_development() {
    const PAGE: &str =
        "<!doctype html>\n<p>hello\n<script>\n  alert('hello')\n</script>\n<script src=\"/a.js\"></script>";
    let app = || {
        App::new("demo")
            .get("/", async |_| Ok(html(PAGE)))
            .post("/pay", async |_| Ok(redirect_to("https://pay.example/now?a=b")))
            .route(Route::get("/fine", async |_| Ok(html("<script src=a.js></script>"))))
    };
    let advice = async |app: App, settings: Settings| -> Vec<String> {
        log::start();
        let client = Client::with_settings(app, &settings).unwrap();
        log::clear();
        client.get("/").await;
        client.get("/fine").await;
        client.post_form("/pay", &[]).await;
        log::lines()
    };
    let lines = advice(app(), development()).await;
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].contains("drops the script in line 3 of this page, `alert('hello')`"), "{}", lines[0]);
    assert!(lines[0].contains("request=\"GET /\""), "{}", lines[0]);
    assert!(lines[1].contains("name https://pay.example in form-action"), "{}", lines[1]);
    assert_eq!(advice(app(), Settings::default()).await, [""; 0], "in production nobody reads pages");
    let policy = "default-src 'self'; script-src 'unsafe-inline'; form-action 'self' https://pay.example";
    let allowed = app().security_headers(SecurityHeaders::default().set("content-security-policy", policy));
    assert_eq!(advice(allowed, development()).await, [""; 0]);
}

#[tokio::test]
async fn a_file_configures_the_app() {
    async fn show(request: Request) -> Result<Response> {
        let pages: Vec<u32> = request.config("PAGES")?;
        request.render("page.txt", context! { pages }).await
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("demo.conf");
    std::fs::write(&path, "WAXSEAL_PORT=1\nGREETING=good day\nPAGES=[1, 2]\n").unwrap();
    let app = || {
        let page = "{{ config.GREETING }} {{ pages }} {{ config.SITE }}{{ config.WAXSEAL_PORT }}";
        let app = App::new("demo").environment(move |all| all.add_template("page.txt", page).unwrap());
        app.config("GREETING", "hello").config("SITE", "Hogwarts").get("/", show)
    };
    let settings = Settings { config: Some(path.clone()), ..Settings::default() };
    let client = Client::with_settings(app(), &settings).unwrap();
    assert_eq!(client.get("/").await.text(), "good day [1, 2] Hogwarts");
    std::fs::write(&path, "SECRET_KEY=abc").unwrap();
    let error = Client::with_settings(app(), &settings).unwrap_err().to_string();
    assert!(
        error.contains("line 1: SECRET_KEY does not belong here") && error.contains("--config"),
        "{error}"
    );
}
