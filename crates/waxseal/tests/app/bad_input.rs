//! What bad input gets, without a socket.

use http::HeaderValue;
use http::header::{CONTENT_TYPE, COOKIE, HOST};
use waxseal::testing::{self, Client};
use waxseal::{Body, Limits, Method};

use crate::support::{
    CANARY, app, app_with_error_page, client, client_of, developer, header, known, log, traces,
};

const COOKIE_NAME: &str = "__Host-session";

#[tokio::test]
async fn any_cookie_is_a_stranger_at_worst() {
    let client = known(client()).await;
    let good = client.cookie(COOKIE_NAME).unwrap();
    let foreign = known(crate::support::client()).await.cookie(COOKIE_NAME).unwrap();
    let altered = format!("{}{}", &good[..good.len() - 1], if good.ends_with('A') { 'B' } else { 'A' });
    for (case, value) in [
        ("empty", b"".to_vec()),
        ("10 KB", vec![b'x'; 10_240]),
        ("not UTF-8", b"\xff\xfe".to_vec()),
        ("altered", altered.into_bytes()),
        ("from another key", foreign.into_bytes()),
        ("separators", b"=,\"'\\".to_vec()),
        ("markup", b"<script>".to_vec()),
    ] {
        log::clear();
        let mut request = client.request(Method::GET, "/name", Body::empty());
        let cookie = [COOKIE_NAME.as_bytes(), b"=", &value].concat();
        request.headers_mut().insert(COOKIE, HeaderValue::from_bytes(&cookie).unwrap());
        let answer = client.send(request).await;
        assert_eq!((answer.status().as_u16(), traces(&answer)), (200, vec!["Cookie"]), "{case}");
        assert_eq!(answer.text().trim(), "<p>stranger</p>", "{case}");
        let lines = log::lines();
        assert_eq!(lines.len(), 1, "{case}: {lines:?}");
        assert!(lines[0].starts_with("INFO session cookie refused reason="), "{case}: {lines:?}");
    }
    assert_eq!(client.get("/name").await.text().trim(), format!("<p>{CANARY}</p>"));
}

#[tokio::test]
async fn a_session_ends_when_its_time_is_over() {
    let client = known(client()).await;
    client.advance(std::time::Duration::from_secs(31 * 60));
    log::clear();
    let answer = client.get("/name").await;
    assert_eq!(answer.text().trim(), "<p>stranger</p>");
    assert_eq!(log::lines(), ["INFO session cookie refused reason=idle time has run out"]);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413() {
    let client = client_of(app().limits(Limits::default().body(10)));
    for (bytes, status) in [(10, 200), (11, 413), (1_000_000, 413)] {
        let request = client.request(Method::POST, "/count", vec![b'x'; bytes].into());
        let answer = client.send(request).await;
        assert_eq!(answer.status(), status, "{bytes} bytes");
        assert!(status == 200 || answer.text().contains("larger than 10 bytes"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_malformed_form_is_400_with_a_sentence() {
    let client = client();
    for (case, form, status, sentence) in [
        ("good", &b"name=Tom+Riddle"[..], 303, ""),
        ("more than asked for", b"name=Tom&is_admin=1", 303, ""),
        (
            "a percent sign alone",
            b"name=100%",
            400,
            "a `%` at byte 8 has no two hexadecimal digits behind it",
        ),
        ("half an escape", b"name=%4", 400, "write a percent sign as `%25`"),
        ("no hexadecimal digits", b"name=%zz", 400, "write a percent sign as `%25`"),
        ("not UTF-8, escaped", b"name=%ff", 400, "not UTF-8 once decoded; send it as UTF-8"),
        ("not UTF-8, raw", b"name=\xff", 400, "not UTF-8 once decoded; send it as UTF-8"),
        ("a field twice, whose first counts", b"name=Ann&name=b", 303, ""),
        ("no field", b"", 400, "missing field `name`"),
        ("another field", b"title=Lord", 400, "missing field `name`"),
        ("too many fields", &b"a=&".repeat(1001), 400, "more than 1000 fields; send fewer"),
    ] {
        let mut request = client.request(Method::POST, "/name", form.to_vec().into());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let answer = client.send(request).await;
        assert_eq!(answer.status(), status, "{case}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{case}: {}", answer.text());
        assert_eq!(header(&answer, "set-cookie").is_some(), status == 303, "{case}");
    }
}

#[tokio::test]
async fn another_kind_of_body_is_415() {
    let client = client();
    for kind in ["", "text/plain", "application/json", "multipart/form-data; boundary=x"] {
        let mut request = client.request(Method::POST, "/name", "name=Tom".into());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        let answer = client.send(request).await;
        assert_eq!(answer.status(), 415, "{kind:?}");
        assert!(answer.text().contains("application&#x2f;x-www-form-urlencoded"), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_malformed_escape_in_the_address_is_400_with_a_sentence() {
    let client = client();
    for (path, status, sentence) in [
        ("/wizard/Tom%20Riddle", 200, "Tom Riddle"),
        ("/wizard/%", 400, "the path has a `%` without two hexadecimal digits at byte 8"),
        ("/wizard/%zz", 400, "write a percent sign as `%25`"),
        ("/wizard/%ff", 400, "`name` in the path is not UTF-8 once decoded"),
        ("/%", 400, "the path has a `%` without two hexadecimal digits at byte 1"),
        ("/search?words=a+b%21", 200, "a b! 1"),
        ("/search?words=%", 400, "a `%` at byte 6 has no two hexadecimal digits behind it"),
        ("/search?words=%C3", 400, "not UTF-8 once decoded"),
        ("/search?page=1", 400, "missing field `words`"),
        ("/search?words=a&page=x", 400, "the field `page` does not fit: invalid digit found in string"),
        ("/search?words=a&page=70000", 400, "the field `page` does not fit: number too large"),
        ("/search", 400, "missing field `words`"),
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), status, "{path}: {}", answer.text());
        assert!(answer.text().contains(sentence), "{path}: {}", answer.text());
    }
}

#[tokio::test]
async fn an_unknown_path_is_404_and_a_wrong_method_405_with_allow() {
    let client = client();
    for (method, path, status, allow) in [
        ("GET", "/nowhere", 404, None),
        ("GET", "/name/", 404, None),
        ("GET", "//name", 404, None),
        ("OPTIONS", "/nowhere", 404, None),
        ("DELETE", "/name", 405, Some("GET, HEAD, OPTIONS, POST")),
        ("GET", "/sign-out", 405, Some("OPTIONS, POST")),
        ("HEAD", "/sign-out", 405, Some("OPTIONS, POST")),
        ("BREW", "/", 405, Some("GET, HEAD, OPTIONS")),
        ("POST", "/put", 405, Some("OPTIONS, PUT")),
        ("OPTIONS", "/name", 204, Some("GET, HEAD, OPTIONS, POST")),
    ] {
        let request = client.request(method.parse().unwrap(), path, Body::empty());
        let answer = client.send(request).await;
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(header(&answer, "allow"), allow, "{method} {path}");
        assert_eq!(traces(&answer), [""; 0], "{method} {path}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let client = known(client()).await;
    for path in ["/", "/name", "/nowhere", "/fail", "/wizard/%"] {
        let get = client.get(path).await;
        let head = client.send(client.request(Method::HEAD, path, Body::empty())).await;
        let without_id = |answer: &testing::TestResponse| {
            let mut headers = answer.headers().clone();
            assert!(headers.remove("x-request-id").is_some(), "{path}");
            (answer.status(), headers)
        };
        assert_eq!(without_id(&head), without_id(&get), "{path}");
        assert!(head.bytes().is_empty() && !get.bytes().is_empty(), "{path}");
    }
}

#[tokio::test]
async fn a_request_is_for_one_valid_host() {
    for client in [client(), developer()] {
        for (case, hosts) in [
            ("none", &[][..]),
            ("two", &["localhost", "localhost"]),
            ("empty", &[""]),
            ("a list", &["localhost, evil.example"]),
            ("a user", &["user@localhost"]),
            ("a port that is none", &["localhost:http"]),
            ("markup", &["<b>"]),
        ] {
            let mut request = client.request(Method::GET, "/name", Body::empty());
            request.headers_mut().remove(HOST);
            for host in hosts {
                request.headers_mut().append(HOST, HeaderValue::from_static(host));
            }
            let answer = client.send(request).await;
            assert_eq!(answer.status(), 400, "{case}");
            assert!(answer.text().contains("send") && !answer.text().contains("<b>"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn development_answers_to_this_machine_alone() {
    let (developer, client) = (developer(), client());
    for (name, value, refused) in [
        ("host", "localhost:5000", None),
        ("host", "app.localhost", None),
        ("host", "127.0.0.1:5000", None),
        ("host", "[::1]", None),
        ("host", "evil.example", Some(421)),
        ("host", "localhost.evil.example", Some(421)),
        ("host", "192.168.0.7:5000", Some(421)),
        ("forwarded", "for=192.0.2.1", Some(403)),
        ("x-forwarded-for", "192.0.2.1", Some(403)),
        ("x-forwarded-proto", "https", Some(403)),
        ("via", "1.1 proxy", Some(403)),
    ] {
        let ask = async |client: &Client| {
            let mut request = client.request(Method::GET, "/name", Body::empty());
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            client.send(request).await
        };
        let answer = ask(&developer).await;
        assert_eq!(answer.status(), refused.unwrap_or(200), "{name}: {value}");
        assert!(refused.is_none() || answer.text().contains("development mode"), "{}", answer.text());
        assert_eq!(ask(&client).await.status(), 200, "{name}: {value} in production");
    }
}

#[tokio::test]
async fn a_cross_site_form_is_403_and_sets_nothing() {
    for client in [known(client()).await, client_of(app_with_error_page()), developer()] {
        for (case, name, value) in [
            ("a form elsewhere", "sec-fetch-site", "cross-site"),
            ("a sibling host", "sec-fetch-site", "same-site"),
            ("an older browser", "origin", "https://evil.example"),
            ("a sandboxed frame", "origin", "null"),
        ] {
            for (path, status) in [("/name", 403), ("/nowhere", 403), ("/hook", 200)] {
                let mut request = client.request(Method::POST, path, "name=Mallory".into());
                request.headers_mut().insert(name, HeaderValue::from_static(value));
                let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
                request.headers_mut().insert(CONTENT_TYPE, kind);
                let answer = client.send(request).await;
                assert_eq!(answer.status(), status, "{case}, {path}");
                if status == 403 {
                    assert_eq!(header(&answer, "set-cookie"), None, "{case}, {path}");
                    assert!(answer.text().contains("from a page of this site"), "{}", answer.text());
                }
            }
        }
        assert_ne!(client.session().await.get::<String>("name").unwrap().as_deref(), Some("Mallory"));
    }
}
