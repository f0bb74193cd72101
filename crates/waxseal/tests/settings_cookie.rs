//! Settings of the session's cookie, by way of an app: what it sends, and what it refuses to start with.

mod support;

use support::{app, header};
use waxseal::testing::Client;
use waxseal::{SameSiteSetting, Settings, StartError};

/// What a browser is sent by an app with these settings.
async fn sent(settings: Settings) -> String {
    let client = Client::with_settings(app(), &settings).unwrap();
    let answer = client.post_form("/name", &[("name", "Merlin")]).await;
    let set_cookie = header(&answer, "set-cookie").unwrap().to_owned();
    let (name, rest) = set_cookie.split_once('=').unwrap();
    let (_, attributes) = rest.split_once(';').unwrap();
    format!("{name};{attributes}")
}

#[tokio::test]
async fn each_setting_shows_in_the_cookie() {
    let named = || Settings { session_cookie_name: Some("id".to_owned()), ..Settings::default() };
    for (settings, expected) in [
        (Settings::default(), "__Host-session; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (named(), "id; HttpOnly; SameSite=Lax; Secure; Path=/"),
        (
            Settings { session_cookie_domain: Some("example.org".to_owned()), ..named() },
            "id; HttpOnly; SameSite=Lax; Secure; Path=/; Domain=example.org",
        ),
        (
            Settings { session_cookie_path: "/shop".to_owned(), ..named() },
            "id; HttpOnly; SameSite=Lax; Secure; Path=/shop",
        ),
        (Settings { session_cookie_httponly: false, ..named() }, "id; SameSite=Lax; Secure; Path=/"),
        (Settings { session_cookie_secure: Some(false), ..named() }, "id; HttpOnly; SameSite=Lax; Path=/"),
        (
            Settings { session_cookie_samesite: SameSiteSetting::Strict, ..named() },
            "id; HttpOnly; SameSite=Strict; Secure; Path=/",
        ),
        (
            Settings { session_cookie_samesite: SameSiteSetting::None, ..named() },
            "id; HttpOnly; SameSite=None; Secure; Path=/",
        ),
        (
            Settings { session_cookie_partitioned: true, ..named() },
            "id; HttpOnly; SameSite=Lax; Partitioned; Secure; Path=/",
        ),
        (
            Settings { development: true, ..Settings::default() },
            "waxseal-dev-session; HttpOnly; SameSite=Lax; Path=/",
        ),
    ] {
        assert_eq!(sent(settings).await, expected);
    }
}

#[test]
fn combinations_that_browsers_refuse_are_refused_when_the_app_is_built() {
    let named = |name: &str| Settings { session_cookie_name: Some(name.to_owned()), ..Settings::default() };
    for (settings, said) in [
        (
            Settings { session_cookie_domain: Some("example.org".to_owned()), ..Settings::default() },
            "a cookie called \"__Host-session\" must have no Domain; change that, or its name",
        ),
        (Settings { session_cookie_path: "/shop".to_owned(), ..Settings::default() }, "must have the Path /"),
        (Settings { session_cookie_secure: Some(false), ..Settings::default() }, "must be Secure"),
        (Settings { session_cookie_secure: Some(false), ..named("__Secure-id") }, "must be Secure"),
        (Settings { session_cookie_httponly: false, ..named("__Http-id") }, "must be HttpOnly"),
        (
            Settings {
                session_cookie_secure: Some(false),
                session_cookie_samesite: SameSiteSetting::None,
                ..named("id")
            },
            "a cookie with SameSite=None must be Secure",
        ),
        (
            Settings { session_cookie_secure: Some(false), session_cookie_partitioned: true, ..named("id") },
            "a cookie with Partitioned must be Secure",
        ),
        (
            Settings {
                development: true,
                session_cookie_samesite: SameSiteSetting::None,
                ..Settings::default()
            },
            "a cookie with SameSite=None must be Secure",
        ),
        (Settings { development: true, ..named("__Host-session") }, "must be Secure"),
        (named("a b"), "\"a b\" is no cookie name"),
        (Settings { session_cookie_path: "shop".to_owned(), ..named("id") }, "is no path of a cookie"),
        (
            Settings { session_cookie_domain: Some("a;b".to_owned()), ..named("id") },
            "is no domain of a cookie",
        ),
        (Settings { session_lifetime: 0, ..Settings::default() }, "idle lifetime must be between 1 and"),
        (
            Settings { permanent_session_lifetime: u64::MAX, ..Settings::default() },
            "permanent idle lifetime must be between 1 and",
        ),
    ] {
        let error = Client::with_settings(app(), &settings).unwrap_err();
        assert!(matches!(error, StartError::Cookie(_) | StartError::Session(_)), "{error:?}");
        assert!(format!("{error:?}").contains(said), "{said}: {error:?}");
    }
}

#[tokio::test]
async fn activity_is_noted_now_and_then_or_with_each_request() {
    for (session_refresh_each_request, every_time) in [(false, false), (true, true)] {
        let settings = Settings { session_refresh_each_request, ..Settings::default() };
        let client = support::known(Client::with_settings(app(), &settings).unwrap()).await;
        for _ in 0..3 {
            client.advance(std::time::Duration::from_secs(1));
            assert_eq!(header(&client.get("/name").await, "set-cookie").is_some(), every_time);
            assert_eq!(header(&client.get("/").await, "set-cookie"), None, "no session is looked at");
        }
    }
}
