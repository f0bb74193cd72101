//! Sessions that are bound to devices, as an app has them.

use std::time::Duration;

use http::header::{LOCATION, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use waxseal::testing::{Client, TestResponse};
use waxseal::{
    App, Body, Device, DeviceBound, Method, ProxySettings, Request, Response, Result, SessionState, Settings,
    abort, redirect, typed,
};

use crate::support::device_key::{Key, quoted};
use crate::support::log;

async fn sign_in(request: Request) -> Result<Response> {
    request.sign_in("user-7").await?;
    Ok(redirect("/"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}

async fn home(request: Request) -> Result<Response> {
    let device = match request.device().await? {
        Device::Proven(_) => "proven".to_owned(),
        other => format!("{other:?}"),
    };
    let owner = request.session().await?.owner().unwrap_or_default();
    Ok(typed("text/plain", format!("{owner} {device} {}", request.session().await?.is_device_bound())))
}

async fn pay(request: Request) -> Result<Response> {
    request.prove_within(Duration::from_secs(120)).await?;
    Ok(typed("text/plain", "paid"))
}

pub(crate) fn app() -> App {
    App::new("demo")
        .csrf_tokens()
        .before_request(|request: Request| async move {
            // A hook that knows no path of the browser's own.
            if request.path().starts_with("/_device") { abort(418) } else { Ok(None) }
        })
        .route(waxseal::Route::post("/sign-in", sign_in).without_csrf_token())
        .get("/", home)
        .get("/pay", pay)
        .route(waxseal::Route::post("/sign-out", sign_out).without_csrf_token())
        .route(waxseal::Route::post("/pay", pay).without_csrf_token())
}

fn client(app: App) -> Client {
    let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
    Client::with_settings(app, &settings).unwrap()
}

async fn call(client: &Client, path: &str, headers: &[(&'static str, &str)]) -> TestResponse {
    send(client, Method::POST, path, headers).await
}

async fn send(client: &Client, method: Method, path: &str, headers: &[(&'static str, &str)]) -> TestResponse {
    let mut request = client.request(method, path, Body::empty());
    for (name, value) in headers {
        request.headers_mut().insert(HeaderName::from_static(name), HeaderValue::try_from(*value).unwrap());
    }
    client.send(request).await
}

pub(crate) const STATES: [SessionState; 3] =
    [SessionState::Cookie, SessionState::Store, SessionState::Mirrored];

/// Signs in and registers; returns the session identifier.
pub(crate) async fn bind(client: &Client, key: &Key, folder: &str) -> String {
    bind_below(client, key, folder, "", folder).await
}

/// Signs in below `root`, and registers at `folder`, which browsers see as `told`.
async fn bind_below(client: &Client, key: &Key, told: &str, root: &str, folder: &str) -> String {
    let signed_in = client.post_form(&format!("{root}/sign-in"), &[]).await;
    let offer = signed_in.headers()["secure-session-registration"].to_str().unwrap().to_owned();
    assert!(offer.contains(&format!("path=\"{told}/register\"")), "{offer}");
    let response = key.register(quoted(&offer, "challenge=\""));
    let registered =
        call(client, &format!("{folder}/register"), &[("secure-session-response", &response)]).await;
    assert_eq!(registered.status(), 200, "neither hook nor form token is asked");
    quoted(&registered.text(), r#""session_identifier":""#).to_owned()
}

pub(crate) async fn refresh(client: &Client, key: &Key, identifier: &str) -> u16 {
    refresh_at(client, key, identifier, "/_device/refresh").await
}

async fn refresh_at(client: &Client, key: &Key, identifier: &str, path: &str) -> u16 {
    let asked = call(client, path, &[("sec-secure-session-id", identifier)]).await;
    assert_eq!(asked.status(), 403);
    let challenge = asked.headers()["secure-session-challenge"].to_str().unwrap().to_owned();
    let response = key.refresh(quoted(&challenge, "\""));
    let headers = [("sec-secure-session-id", identifier), ("secure-session-response", response.as_str())];
    call(client, path, &headers).await.status().as_u16()
}

#[tokio::test]
async fn one_line_binds_sessions_and_a_payment_asks_for_a_fresh_proof() {
    let (client, key) = (client(app().device_bound()), Key::new(7));
    assert_eq!(client.get("/").await.text(), " Unbound false");
    assert_eq!(client.get("/pay").await.status(), 403, "no proof can be had");
    let identifier = bind(&client, &key, "/_device").await;
    assert_eq!(client.get("/").await.text(), "user-7 proven true");
    assert_eq!(client.get("/pay").await.text(), "paid");

    client.advance(Duration::from_secs(200));
    assert_eq!(client.post_form("/pay", &[]).await.status(), 403);
    let first = client.get("/pay?to=albus").await;
    assert_eq!(
        (first.status().as_u16(), &first.headers()[LOCATION]),
        (307, &"/pay?to=albus".parse().unwrap())
    );
    let removal = first.headers()[SET_COOKIE].to_str().unwrap();
    assert!(removal.starts_with("__Host-session-") && removal.contains("Max-Age=0"), "{removal}");
    // A browser that could not prove itself is not sent in a circle.
    assert_eq!(client.get("/pay?to=albus").await.status(), 403);
    assert_eq!(refresh(&client, &key, &identifier).await, 200);
    assert_eq!(client.get("/pay?to=albus").await.text(), "paid");

    client.advance(Duration::from_secs(661));
    assert_eq!(client.get("/").await.text(), " Unproven false");
    assert_eq!(refresh(&client, &key, &identifier).await, 200);
    assert_eq!(client.get("/").await.text(), "user-7 proven true");
}

/// At the root, and below a path that the proxy takes off or not.
#[tokio::test]
async fn a_payment_is_sent_through_a_fresh_proof_in_each_state_and_below_a_path() {
    for state in STATES {
        for (root, arrives) in [("", ""), ("/app", "/app"), ("/app", "")] {
            let case = format!("{state:?}, {root:?}, {arrives:?}");
            let root_path = if root.is_empty() { "/" } else { root }.parse().unwrap();
            let proxies = ProxySettings { root_path, ..ProxySettings::default() };
            let settings = Settings { session_state: state, proxies, ..Settings::default() };
            let client = Client::with_settings(app().device_bound(), &settings).unwrap();
            let (key, folder) = (Key::new(7), format!("{arrives}/_device"));
            let identifier = bind_below(&client, &key, &format!("{root}/_device"), arrives, &folder).await;
            client.advance(Duration::from_secs(200));
            let page = format!("{arrives}/pay?to=albus");
            let first = client.get(&page).await;
            assert_eq!(first.status(), 307, "{case}");
            assert_eq!(first.headers()[LOCATION], format!("{root}/pay?to=albus"), "{case}");
            let removals = first.headers().get_all(SET_COOKIE).iter().map(|line| line.to_str().unwrap());
            // The session's own cookie may come along, since the page depends on it.
            let removals: Vec<_> = removals.filter(|line| line.starts_with("__Host-session-")).collect();
            assert!(
                matches!(removals[..], [line] if line.contains("Path=/;") && line.contains("Max-Age=0")),
                "{case}: {removals:?}"
            );
            assert_eq!(client.get(&page).await.status(), 403, "{case}: not in a circle");
            let refreshed = refresh_at(&client, &key, &identifier, &format!("{folder}/refresh")).await;
            assert_eq!(refreshed, 200, "{case}");
            assert_eq!(client.get(&page).await.text(), "paid", "{case}");
        }
    }
}

/// Without it, such a browser would be sent in a circle: it comes back without having refreshed.
#[tokio::test]
async fn a_browser_that_says_that_it_cannot_refresh_is_not_sent_to_prove_itself() {
    for state in STATES {
        let settings = Settings { session_state: state, ..Settings::default() };
        let client = Client::with_settings(app().device_bound(), &settings).unwrap();
        let identifier = bind(&client, &Key::new(7), "/_device").await;
        let skipped = ["quota_exceeded", "server_error", "unreachable"]
            .map(|reason| format!("{reason};session_identifier=\"{identifier}\""));
        let others = "unreachable;session_identifier=\"another\"".to_owned();
        for (age, status) in [(100, 200), (200, 403)] {
            client.advance(Duration::from_secs(100));
            for skipped in skipped.iter().chain([&others]) {
                let headers = [("secure-session-skipped", skipped.as_str())];
                let answer = send(&client, Method::GET, "/pay", &headers).await;
                assert_eq!(answer.status(), status, "{state:?}, {age} s, {skipped}");
                assert!(!answer.headers().contains_key(LOCATION), "{state:?}, {skipped}");
                let mut lines = answer.headers().get_all(SET_COOKIE).iter();
                let is_proof = |line: &http::HeaderValue| line.as_bytes().starts_with(b"__Host-session-");
                assert!(!lines.any(is_proof), "{state:?}: its proof stays, {skipped}");
            }
        }
        assert_eq!(client.get("/").await.text(), "user-7 proven true", "{state:?}");
    }
}

/// Apps that leave it off, or are told to, answer as if there were no such thing: byte for byte, but for what is sealed.
#[tokio::test]
async fn off_every_answer_has_the_bytes_that_it_has_without_device_binding() {
    const ANSWERS: &str = "\
GET /: 200
content-type: text/plain
vary: Cookie
(security fields)
 Unbound false
POST /sign-in: 303
location: /
vary: Cookie
cache-control: private, no-store
set-cookie: __Host-session=...; HttpOnly; SameSite=Lax; Secure; Path=/
(security fields)

GET /: 200
content-type: text/plain
vary: Cookie
cache-control: private, no-store
(security fields)
user-7 Unbound false
POST /_device/register: 418
content-type: text/html; charset=utf-8
(security fields)
an error page
POST /sign-out: 303
location: /
vary: Cookie
cache-control: private, no-store
set-cookie: __Host-session=; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/; Max-Age=0
set-cookie: __Host-session=; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT
(security fields)

";
    // Nothing of state `cookie` can be ended, so what another setting has left is removed with it.
    const TWIN: &str =
        "set-cookie: __Host-session=; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/; Max-Age=0\n";
    for (state, twin) in
        [(SessionState::Cookie, TWIN), (SessionState::Store, ""), (SessionState::Mirrored, "")]
    {
        let never = Settings { session_state: state, ..Settings::default() };
        let told = Settings { device_bound: Some(DeviceBound::Off), ..never.clone() };
        for (app, settings) in [(app(), &never), (app().device_bound(), &told)] {
            let client = Client::with_settings(app, settings).unwrap();
            let mut said = String::new();
            for (method, path) in [
                (Method::GET, "/"),
                (Method::POST, "/sign-in"),
                (Method::GET, "/"),
                (Method::POST, "/_device/register"),
                (Method::POST, "/sign-out"),
            ] {
                client.advance(Duration::from_secs(61));
                let answer = client.send(client.request(method.clone(), path, Body::empty())).await;
                said += &format!("{method} {path}: {}\n", bytes_of(&answer));
            }
            assert_eq!(said, ANSWERS.replace(TWIN, twin), "{state:?}, {:?}", settings.device_bound);
        }
    }
}

/// Status, fields and text of an answer, without the token and the request's id; the fields of each answer's end in short.
fn bytes_of(answer: &TestResponse) -> String {
    const SECURITY: &str = "\
content-security-policy: default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; \
object-src 'none'
x-content-type-options: nosniff
referrer-policy: same-origin
strict-transport-security: max-age=31536000
x-request-id: ...";
    let mut lines = vec![answer.status().as_u16().to_string()];
    for (name, value) in answer.headers() {
        let value = value.to_str().unwrap();
        lines.push(match value.split_once("__Host-session=") {
            _ if name == "x-request-id" => "x-request-id: ...".to_owned(),
            Some(("", rest)) if !rest.starts_with(';') => {
                format!("{name}: __Host-session=...;{}", rest.split_once(';').unwrap().1)
            }
            _ => format!("{name}: {value}"),
        });
    }
    lines.push(if answer.status().is_client_error() { "an error page".to_owned() } else { answer.text() });
    lines.join("\n").replace(SECURITY, "(security fields)")
}

#[tokio::test]
async fn settings_come_before_the_app() {
    for (setting, offers) in
        [(None, true), (Some(DeviceBound::Off), false), (Some(DeviceBound::Observe), true)]
    {
        let settings = Settings { device_bound: setting, ..Settings::default() };
        let client = Client::with_settings(app().device_bound(), &settings).unwrap();
        let signed_in = client.post_form("/sign-in", &[]).await;
        assert_eq!(signed_in.headers().contains_key("secure-session-registration"), offers, "{setting:?}");
    }
    let client = client(app());
    let signed_in = client.post_form("/sign-in", &[]).await;
    assert!(!signed_in.headers().contains_key("secure-session-registration"), "off unless chosen");
    assert_eq!(call(&client, "/_device/refresh", &[]).await.status(), 418, "a path like any other");
}

#[tokio::test]
async fn the_paths_of_browsers_can_lie_elsewhere() {
    let (client, key) = (client(app().device_bound().device_path("/shop/device")), Key::new(7));
    bind(&client, &key, "/shop/device").await;
    assert_eq!(client.get("/").await.text(), "user-7 proven true");
}

/// Below a path, browsers are told the paths that they see, whether the proxy takes its own off or not.
#[tokio::test]
async fn an_app_below_a_path_is_bound_there() {
    let proxies = ProxySettings { root_path: "/app".parse().unwrap(), ..ProxySettings::default() };
    for stripped in ["", "/app"] {
        let settings = Settings { proxies: proxies.clone(), ..Settings::default() };
        let (client, key) = (Client::with_settings(app().device_bound(), &settings).unwrap(), Key::new(7));
        let signed_in = client.post_form("/app/sign-in", &[]).await;
        let offer = signed_in.headers()["secure-session-registration"].to_str().unwrap().to_owned();
        assert!(offer.contains(r#"path="/app/_device/register""#), "{offer}");
        let response = key.register(quoted(&offer, "challenge=\""));
        let arrives_at = format!("{}/_device/register", if stripped.is_empty() { "/app" } else { "" });
        let registered = call(&client, &arrives_at, &[("secure-session-response", &response)]).await;
        assert_eq!(registered.status(), 200, "{arrives_at}");
        assert!(registered.text().contains(r#""refresh_url":"/app/_device/refresh""#));
        let presence = registered.headers().get_all(SET_COOKIE).iter().find_map(|line| {
            let line = line.to_str().unwrap();
            line.contains("-on=1").then(|| line.to_owned())
        });
        assert!(presence.unwrap().contains("Path=/app/_device/refresh;"));
        assert_eq!(client.get("/app/").await.text(), "user-7 proven true");
    }
}

#[tokio::test]
async fn a_template_that_reads_the_session_can_say_that_it_is_bound() {
    const PAGE: &str = "{{ session['theme'] }}{% if session_is_bound %}bound{% else %}not bound{% endif %}";
    async fn show(request: Request) -> Result<Response> {
        request.render("page.html", waxseal::context! {}).await
    }
    let app = app().device_bound().get("/page", show);
    let app = app.environment(|environment| environment.add_template("page.html", PAGE).unwrap());
    let (client, key) = (client(app), Key::new(7));
    assert_eq!(client.get("/page").await.text(), "not bound");
    bind(&client, &key, "/_device").await;
    assert_eq!(client.get("/page").await.text(), "bound");
}

#[tokio::test]
async fn a_visitor_is_told_that_the_session_is_bound_and_since_when() {
    async fn list(request: Request) -> Result<Response> {
        let own = request.own_sessions().await?;
        let since = request.device_bound_since().await?;
        Ok(typed(
            "text/plain",
            format!("{:?} {:?} {}", own[0].bound_since, own[1].bound_since, since.is_some()),
        ))
    }
    let (client, key) = (client(app().device_bound().get("/list", list)), Key::new(7));
    client.another().post_form("/sign-in", &[]).await;
    bind(&client, &key, "/_device").await;
    let text = client.get("/list").await.text();
    assert!(text.starts_with("Some(\"20") && text.ends_with("UTC\") None true"), "{text}");
}

#[tokio::test]
async fn neither_log_nor_page_has_anything_of_tokens_and_headers() {
    log::start();
    let (client, key) = (client(app().device_bound()), Key::new(7));
    log::clear();
    let signed_in = client.post_form("/sign-in", &[]).await;
    let offer = signed_in.headers()["secure-session-registration"].to_str().unwrap().to_owned();
    let offer = quoted(&offer, "challenge=\"").to_owned();
    let identifier = bind(&client, &key, "/_device").await;
    // Another key, and what is no good to either endpoint.
    let other = Key::new(8);
    let responses = [other.register(&offer), other.refresh(&offer), "secret-response".to_owned()];
    for response in &responses {
        for path in ["/_device/register", "/_device/refresh"] {
            let headers =
                [("secure-session-response", response.as_str()), ("sec-secure-session-id", &identifier)];
            assert!(call(&client, path, &headers).await.text().is_empty(), "{path}");
        }
    }
    assert_eq!(refresh(&client, &key, &identifier).await, 200);
    client.advance(Duration::from_secs(661));
    let skipped = format!("server_error;session_identifier=\"{identifier}\"");
    let page = call(&client, "/sign-in", &[("secure-session-skipped", &skipped)]).await.text();
    let lines = log::lines().join("\n");
    assert!(lines.contains("device registration refused reason="), "{lines}");
    assert!(lines.contains("device refresh refused reason="), "{lines}");
    let cookies = client.cookies();
    let tokens = cookies.iter().map(|cookie| cookie.value.as_str()).filter(|value| value.len() > 1);
    for secret in tokens.chain([offer.as_str(), &identifier]).chain(responses.iter().map(String::as_str)) {
        assert!(!lines.contains(secret) && !page.contains(secret), "{secret} in {lines} {page}");
    }
}

/// Said at the start, once, where the state cannot see everything.
#[test]
fn state_cookie_says_what_it_cannot_stop() {
    log::start();
    for (state, store, device_bound, is_said) in [
        (SessionState::Cookie, None, DeviceBound::Require, true),
        (SessionState::Cookie, Some("memory:"), DeviceBound::Require, false),
        (SessionState::Cookie, None, DeviceBound::RequireAll, false),
        (SessionState::Cookie, None, DeviceBound::Off, false),
        (SessionState::Mirrored, None, DeviceBound::Require, false),
    ] {
        log::clear();
        let settings = Settings {
            session_state: state,
            session_store: store.map(|store| store.parse().unwrap()),
            device_bound: Some(device_bound),
            ..Settings::default()
        };
        Client::with_settings(app(), &settings).unwrap();
        let said =
            log::lines().iter().any(|line| line.contains("a copy of a cookie from before its binding"));
        assert_eq!(said, is_said, "{state:?}, {store:?}, {device_bound:?}");
    }
}

#[test]
fn what_it_cannot_work_with_is_refused_at_the_start() {
    let plain = Settings { session_cookie_name: Some("id".to_owned()), ..Settings::default() };
    let forwarded_headers = "for,prefix".parse().unwrap();
    let proxies = ProxySettings { forwarded_headers, ..ProxySettings::default() };
    let told = Settings { proxies, ..Settings::default() };
    for (case, settings, word) in [
        ("not Secure", Settings { session_cookie_secure: Some(false), ..plain.clone() }, "Secure"),
        ("not HttpOnly", Settings { session_cookie_httponly: false, ..plain.clone() }, "HttpOnly"),
        ("Partitioned", Settings { session_cookie_partitioned: true, ..plain.clone() }, "Partitioned"),
        ("too long", Settings { device_bound_for: Some(3_601), ..plain.clone() }, "3601"),
        ("told a path", told, "--root-path"),
    ] {
        let error = Client::with_settings(app().device_bound(), &settings).expect_err(case);
        assert!(format!("{error:?}").contains(word), "{case}: {error:?}");
    }
    let development = Settings { development: true, ..Settings::default() };
    assert!(Client::with_settings(app().device_bound(), &development).is_ok());
}
