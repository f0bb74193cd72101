//! What the session's cookie says to browsers, as the settings have it.

mod support;

use waxseal::testing::Client;
use waxseal::{SameSiteSetting, Settings};

use support::{app, development, header};

async fn set_cookie(settings: &Settings) -> String {
    let client = Client::with_settings(app(), settings).unwrap();
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
        session_cookie_samesite: SameSiteSetting::None,
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
        session_cookie_samesite: SameSiteSetting::Strict,
        ..Settings::default()
    };
    assert_eq!(set_cookie(&settings).await, "id; HttpOnly; SameSite=Strict; Path=/");
}

#[test]
fn settings_that_browsers_refuse_together_do_not_start() {
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
            Settings { session_cookie_samesite: SameSiteSetting::None, ..development() },
            "a cookie with SameSite=None must be Secure",
        ),
        ("no lifetime", Settings { session_lifetime: 0, ..Settings::default() }, "a session's idle lifetime"),
    ] {
        let error = Client::with_settings(app(), &settings).unwrap_err();
        // What a `main` prints that returns it.
        assert!(format!("{error:?}").contains(said), "{case}: {error:?}");
    }
}
