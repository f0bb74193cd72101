//! Headers that tell browsers what a page may do.

use crate::support::{app, app_with_error_page, client_of, header};
use http::HeaderValue;
use waxseal::testing::{Client, TestResponse};
use waxseal::{App, Method, Request, Response, Result, SecurityHeaders, Settings, html};

const NAMES: [&str; 4] =
    ["content-security-policy", "x-content-type-options", "referrer-policy", "strict-transport-security"];

fn found(answer: &TestResponse) -> Vec<Option<&str>> {
    NAMES.iter().map(|name| header(answer, name)).collect()
}

#[tokio::test]
async fn every_answer_has_them() {
    let client = client_of(app_with_error_page());
    let expected = [
        Some(
            "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; \
             frame-ancestors 'none'; object-src 'none'",
        ),
        Some("nosniff"),
        Some("same-origin"),
        Some("max-age=31536000"),
    ];
    for path in ["/", "/name", "/nowhere", "/fail", "/panic", "/abort/403", "/%zz"] {
        assert_eq!(found(&client.get(path).await), expected, "{path}");
    }
    let mut refused = client.request(Method::POST, "/name", waxseal::Body::empty());
    refused.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
    assert_eq!(found(&client.send(refused).await), expected, "a refused request");
    let options = client.request(Method::OPTIONS, "/", waxseal::Body::empty());
    assert_eq!(found(&client.send(options).await), expected, "OPTIONS");
}

#[tokio::test]
async fn tls_alone_is_promised_by_an_app_that_has_it() {
    for (development, secure, promised) in
        [(false, None, true), (false, Some(false), false), (true, None, false), (true, Some(true), false)]
    {
        let session_cookie_name = Some("id".to_owned());
        let settings = Settings {
            development,
            session_cookie_secure: secure,
            session_cookie_name,
            ..Settings::default()
        };
        let client = Client::with_settings(app(), &settings).unwrap();
        let answer = client.get("/").await;
        assert_eq!(
            header(&answer, "strict-transport-security").is_some(),
            promised,
            "{development} {secure:?}"
        );
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn a_handler_is_not_overruled() {
    async fn framed(_: Request) -> Result<Response> {
        let mut page = html("");
        page.headers_mut()
            .insert(NAMES[0], HeaderValue::from_static("frame-ancestors https://friend.example"));
        Ok(page)
    }
    let answer = client_of(App::new("demo").get("/", framed)).get("/").await;
    assert_eq!(found(&answer)[..2], [Some("frame-ancestors https://friend.example"), Some("nosniff")]);
    assert_eq!(answer.headers().get_all(NAMES[0]).iter().count(), 1);
}

#[tokio::test]
async fn each_can_be_changed_or_left_out() {
    let headers = SecurityHeaders::default()
        .set("Content-Security-Policy", "default-src 'none'")
        .set("permissions-policy", "camera=()")
        .without("Referrer-Policy")
        .without("strict-transport-security");
    let answer = client_of(app().security_headers(headers)).get("/").await;
    assert_eq!(found(&answer), [Some("default-src 'none'"), Some("nosniff"), None, None]);
    assert_eq!(header(&answer, "permissions-policy"), Some("camera=()"));
    let answer = client_of(app().security_headers(SecurityHeaders::none())).get("/").await;
    assert_eq!(found(&answer), [None; 4]);
}

#[test]
fn a_header_that_is_none_is_refused_at_the_start() {
    for (name, value) in [("a b", "c"), ("", "c"), ("x-a", "b\r\nset-cookie: c=d"), ("x-a", "b\0")] {
        let headers = SecurityHeaders::default().set(name, value);
        let error = Client::new(app().security_headers(headers)).unwrap_err();
        assert!(error.to_string().starts_with("invalid header `"), "{error}");
        assert!(!format!("{error:?}").contains('\n'), "{error:?}");
    }
}
