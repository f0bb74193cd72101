//! What the session's cookie says to browsers, as the settings have it.

use waxseal::testing::Client;
use waxseal::{SameSite, Settings};

use crate::support::{app, development, header, known};

async fn set_cookie(settings: &Settings) -> String {
    let host = settings.session_cookie_domain.as_deref().unwrap_or("localhost");
    let client = Client::with_settings(app(), settings).unwrap().at_host(host);
    let answer = client.post_form("/name", &[("name", "Merlin")]).await;
    let cookie = header(&answer, "set-cookie").unwrap().to_owned();
    let (name, rest) = cookie.split_once('=').unwrap();
    let (token, attributes) = rest.split_once("; ").unwrap();
    assert!(token.len() > 100 && client.cookie(name).as_deref() == Some(token));
    assert_eq!(client.get("/name").await.text().trim(), "<p>Merlin</p>");
    format!("{name}; {attributes}")
}

#[tokio::test]
async fn in_production_the_cookie_is_this_hosts_alone_and_over_tls() {
    let expected = "__Host-session; HttpOnly; SameSite=Lax; Secure; Path=/";
    assert_eq!(set_cookie(&Settings::default()).await, expected);
}

#[tokio::test]
async fn in_development_it_travels_over_plain_http_under_a_name_of_its_own() {
    assert_eq!(set_cookie(&development()).await, "waxseal-dev-session; HttpOnly; SameSite=Lax; Path=/");
}

#[tokio::test]
async fn every_setting_reaches_the_cookie() {
    let settings = Settings {
        session_cookie_name: Some("id".to_owned()),
        session_cookie_domain: Some("example.org".to_owned()),
        session_cookie_path: "/name".to_owned(),
        session_cookie_httponly: false,
        session_cookie_samesite: SameSite::None,
        session_cookie_partitioned: true,
        ..Settings::default()
    };
    assert_eq!(
        set_cookie(&settings).await,
        "id; SameSite=None; Partitioned; Secure; Path=/name; Domain=example.org"
    );
    let settings = Settings {
        session_cookie_name: Some("id".to_owned()),
        session_cookie_secure: Some(false),
        session_cookie_samesite: SameSite::Strict,
        ..Settings::default()
    };
    assert_eq!(set_cookie(&settings).await, "id; HttpOnly; SameSite=Strict; Path=/");
}

#[test]
fn settings_that_browsers_refuse_together_do_not_start() {
    let named = |name: &str| Settings { session_cookie_name: Some(name.to_owned()), ..Settings::default() };
    for (case, settings, said) in [
        (
            "__Host- without Secure",
            Settings { session_cookie_secure: Some(false), ..Settings::default() },
            "a cookie called \"__Host-session\" must be Secure; change that, or its name",
        ),
        (
            "__Host- with a domain",
            Settings { session_cookie_domain: Some("example.org".to_owned()), ..Settings::default() },
            "must have no Domain",
        ),
        (
            "SameSite=None over plain HTTP",
            Settings { session_cookie_samesite: SameSite::None, ..development() },
            "a cookie with SameSite=None must be Secure",
        ),
        (
            "__Host- below a path",
            Settings { session_cookie_path: "/shop".to_owned(), ..Settings::default() },
            "must have the Path /",
        ),
        (
            "__Host- in development",
            Settings { development: true, ..named("__Host-session") },
            "must be Secure",
        ),
        (
            "__Secure- without Secure",
            Settings { session_cookie_secure: Some(false), ..named("__Secure-id") },
            "must be Secure",
        ),
        (
            "__Http- for scripts",
            Settings { session_cookie_httponly: false, ..named("__Http-id") },
            "must be HttpOnly",
        ),
        (
            "Partitioned without Secure",
            Settings { session_cookie_secure: Some(false), session_cookie_partitioned: true, ..named("id") },
            "a cookie with Partitioned must be Secure",
        ),
        ("no name", named("a b"), "\"a b\" is no cookie name"),
        (
            "no path",
            Settings { session_cookie_path: "shop".to_owned(), ..named("id") },
            "is no path of a cookie",
        ),
        (
            "no domain",
            Settings { session_cookie_domain: Some("a;b".to_owned()), ..named("id") },
            "is no domain of a cookie",
        ),
        (
            "a lifetime beyond the format's",
            Settings { permanent_session_lifetime: u64::MAX, ..Settings::default() },
            "a session's permanent idle lifetime",
        ),
        ("no lifetime", Settings { session_lifetime: 0, ..Settings::default() }, "a session's idle lifetime"),
    ] {
        let error = Client::with_settings(app(), &settings).unwrap_err();
        // What a `main` prints that returns it.
        assert!(format!("{error:?}").contains(said), "{case}: {error:?}");
    }
}

#[tokio::test]
async fn activity_is_noted_now_and_then_or_with_each_request() {
    for (session_refresh_each_request, every_time) in [(false, false), (true, true)] {
        let settings = Settings { session_refresh_each_request, ..Settings::default() };
        let client = known(Client::with_settings(app(), &settings).unwrap()).await;
        for _ in 0..3 {
            client.advance(std::time::Duration::from_secs(1));
            assert_eq!(header(&client.get("/name").await, "set-cookie").is_some(), every_time);
            assert_eq!(header(&client.get("/").await, "set-cookie"), None, "no session is looked at");
        }
        client.with_session(|session| session.set_permanent(true)).await.unwrap();
        client.advance(std::time::Duration::from_secs(1));
        assert_eq!(
            header(&client.get("/name").await, "set-cookie").is_some(),
            every_time,
            "a permanent one, too"
        );
        assert_eq!(header(&client.get("/").await, "set-cookie"), None, "no session is looked at");
    }
}
