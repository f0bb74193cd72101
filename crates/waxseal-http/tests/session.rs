//! Sessions over HTTP: when one is opened and committed, and what the answer says about it.

mod support;

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::body::Body;
use http::header::{CACHE_CONTROL, COOKIE, SET_COOKIE, VARY};
use http::{HeaderValue, Response, StatusCode};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::SessionCookie;
use waxseal_session::Session;

use support::{ALL_STACKS, MINUTE, Site, Stack, log, ok};

/// All that a session may add to an answer's head.
fn traces(response: &Response<Body>) -> Vec<&str> {
    let headers = response.headers();
    [SET_COOKIE, VARY, CACHE_CONTROL]
        .iter()
        .flat_map(|name| headers.get_all(name))
        .map(|value| value.to_str().unwrap())
        .collect()
}

fn all(response: &Response<Body>, name: http::HeaderName) -> Vec<&str> {
    response.headers().get_all(name).iter().map(|value| value.to_str().unwrap()).collect()
}

async fn text(response: Response<Body>) -> String {
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn name_of(session: &Session) -> String {
    session.get("name").unwrap().unwrap_or_else(|| "stranger".to_owned())
}

#[tokio::test]
async fn a_session_follows_its_visitor_on_every_stack() {
    for stack in ALL_STACKS {
        let site = Site::new().on(stack);
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        let seen = site.get(&token, |session| ok(name_of(&session))).await;
        assert_eq!(all(&seen, VARY), ["Cookie"], "{stack:?}");
        assert_eq!(all(&seen, CACHE_CONTROL), ["private, no-store"], "{stack:?}");
        assert_eq!(all(&seen, SET_COOKIE), [""; 0], "{stack:?}: nothing changed");
        assert_eq!(text(seen).await, "Merlin", "{stack:?}");

        let untouched = site.send(site.request("GET").header(COOKIE, site.cookie(&token)), |_| ok("")).await;
        assert_eq!(traces(&untouched), [""; 0], "{stack:?}");
    }
}

#[tokio::test]
async fn a_session_that_is_loaded_and_not_looked_at_leaves_no_trace() {
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    assert_eq!(traces(&site.get(&token, |_| ok("")).await), [""; 0]);
}

#[tokio::test]
async fn every_read_varies_for_strangers_and_friends() {
    type Read = fn(&Session);
    let reads: [(&str, Read); 10] = [
        ("get", |session| drop(session.get::<String>("name").unwrap())),
        ("get of a missing key", |session| drop(session.get::<String>("missing").unwrap())),
        ("contains_key", |session| _ = session.contains_key("missing")),
        ("len", |session| _ = session.len()),
        ("is_empty", |session| _ = session.is_empty()),
        ("keys", |session| drop(session.keys())),
        ("iter", |session| drop(session.iter())),
        ("is_new", |session| _ = session.is_new()),
        ("is_permanent", |session| _ = session.is_permanent()),
        ("remove of a missing key", |session| _ = session.remove("missing").unwrap()),
    ];
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    for (case, read) in reads {
        let read_and_answer = move |session| {
            read(&session);
            ok("")
        };
        let friend = site.get(&token, read_and_answer).await;
        assert_eq!(traces(&friend), ["Cookie", "private, no-store"], "{case}");
        let stranger = site.get("", read_and_answer).await;
        assert_eq!(traces(&stranger), ["Cookie"], "{case}: nothing of a stranger's is private");
    }
}

#[tokio::test]
async fn vary_says_cookie_once() {
    for (handlers_own, expected) in [
        (&[][..], &["Cookie"][..]),
        (&["Accept"], &["Accept, Cookie"]),
        (&["Accept-Encoding", "Origin"], &["Accept-Encoding, Origin, Cookie"]),
        (&["", "Accept-Encoding"], &["Accept-Encoding, Cookie"]),
        (&["Accept", "*"], &["Accept", "*"]),
        (&["Accept-Encoding, cookie"], &["Accept-Encoding, cookie"]),
        (&["Accept", "COOKIE"], &["Accept", "COOKIE"]),
        (&["*"], &["*"]),
        (&["X-Cookie"], &["X-Cookie, Cookie"]),
    ] {
        let site = Site::new();
        let answer = site.get("", move |session| {
            let mut response = ok(session.len().to_string());
            for value in handlers_own {
                response.headers_mut().append(VARY, HeaderValue::from_static(value));
            }
            response
        });
        assert_eq!(all(&answer.await, VARY), expected);
    }
}

#[tokio::test]
async fn an_answer_with_a_session_cookie_is_never_public() {
    // What the handler says, what goes out after a read, and what with a Set-Cookie.
    for (handlers_own, read, set) in [
        ("", "private, no-store", "private, no-store"),
        ("public, max-age=60", "public, max-age=60", "private, no-store"),
        ("public, private", "public, private", "private, no-store"),
        ("no-store, Public", "no-store, Public", "private, no-store"),
        ("max-age=60", "max-age=60", "private, no-store"),
        ("no-cache", "no-cache", "private, no-store"),
        ("s-maxage=60, immutable", "s-maxage=60, immutable", "private, no-store"),
        ("private=\"x-name\"", "private=\"x-name\"", "private, no-store"),
        ("private", "private", "private"),
        ("max-age=60, Private", "max-age=60, Private", "max-age=60, Private"),
        ("no-store", "no-store", "no-store"),
    ] {
        let site = Site::new();
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        let own = move |body: String| {
            let mut response = ok(body);
            if !handlers_own.is_empty() {
                response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static(handlers_own));
            }
            response
        };
        let answer = site.get(&token, move |session| own(name_of(&session))).await;
        assert_eq!(all(&answer, CACHE_CONTROL), [read], "read under {handlers_own:?}");
        let answer = site
            .get(&token, move |session| {
                session.insert("name", "Morgana").unwrap();
                own(String::new())
            })
            .await;
        assert_eq!(all(&answer, CACHE_CONTROL), [set], "written under {handlers_own:?}");
        assert_eq!(all(&answer, SET_COOKIE).len(), 1);
    }
}

#[tokio::test]
async fn nothing_is_sent_when_nothing_changed() {
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let same = site.get(&token, |session| {
        session.insert("name", "Merlin").unwrap();
        ok("")
    });
    assert_eq!(all(&same.await, SET_COOKIE), [""; 0], "the same value");
    let emptied = site.get("", |session| {
        session.insert("name", "Merlin").unwrap();
        session.remove("name").unwrap();
        ok("")
    });
    assert_eq!(all(&emptied.await, SET_COOKIE), [""; 0], "a stranger's session that stayed empty");
}

#[tokio::test]
async fn a_server_error_drops_changes_and_never_a_goodbye() {
    fn broken() -> Response<Body> {
        let mut response = ok("");
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }
    for stack in ALL_STACKS {
        let site = Site::new().on(stack);
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        let failed = site.get(&token, |session| {
            session.insert("name", "Morgana").unwrap();
            session.renew().unwrap();
            broken()
        });
        assert_eq!(traces(&failed.await), ["Cookie", "private, no-store"], "{stack:?}");
        let failed = site.get(&token, |session| {
            session.insert("name", "Morgana").unwrap();
            session.destroy().unwrap();
            broken()
        });
        let failed = failed.await;
        assert!(all(&failed, SET_COOKIE)[0].starts_with("__Host-session=; "), "{stack:?}");
        let refused = site.get(&token, |session| {
            session.insert("name", "Morgana").unwrap();
            let mut response = ok("");
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            response
        });
        assert_eq!(all(&refused.await, SET_COOKIE).len(), 1, "{stack:?}: 4xx is no failure of ours");
    }
}

#[tokio::test]
async fn removal_repeats_the_attributes_that_were_set() {
    let builder = SessionCookie::builder().name("id").domain("example.org").path("/shop").partitioned(true);
    for cookie in [SessionCookie::builder(), SessionCookie::development(), builder] {
        let site = Site::with_cookie(cookie.build().unwrap());
        let set = site.get("", |session| {
            session.insert("name", "Merlin").unwrap();
            session.set_permanent(true).unwrap();
            ok("")
        });
        let removed = site.get("", |session| {
            session.destroy().unwrap();
            ok("")
        });
        let attributes = |response: &Response<Body>| -> Vec<String> {
            let header = all(response, SET_COOKIE)[0].split("; ").skip(1);
            header
                .filter(|a| !a.starts_with("Max-Age=") && !a.starts_with("Expires="))
                .map(str::to_owned)
                .collect()
        };
        assert_eq!(attributes(&set.await), attributes(&removed.await));
    }
}

#[tokio::test]
async fn any_bad_cookie_is_a_stranger_and_one_line_in_the_log() {
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let merlin = |session: &Session| session.insert("name", "Merlin").unwrap();
    let other_key = Site::new().token(merlin).await;
    let sibling = |cookie: &str, audience: &str| Site::of(&site.keyring, cookie, audience);
    let other_name = sibling("__Host-other", "demo").token(merlin).await;
    let other_app = sibling("__Host-session", "shop").token(merlin).await;
    let future = site.later(120 * MINUTE).token(merlin).await;
    let expired = site.earlier(31 * MINUTE).token(merlin).await;

    for (case, value, reason) in [
        ("empty", &b""[..], "length is not that of a sealed value"),
        ("one letter", b"A", "base64url"),
        ("10 KB", &[b'A'; 10_240], "longer than"),
        ("not UTF-8", b"\xff\xfe\x80", "base64url"),
        ("quoted", format!("\"{token}\"").as_bytes(), "base64url"),
        ("padded", format!("{token}=").as_bytes(), "base64url"),
        ("cut short", &token.as_bytes()[..token.len() - 4], ""),
        ("twice the same", &[token.as_bytes(), token.as_bytes()].concat(), ""),
        ("another key", other_key.as_bytes(), "is not in the key ring"),
        ("another name", other_name.as_bytes(), "commitment differs"),
        ("another app", other_app.as_bytes(), "commitment differs"),
        ("from the future", future.as_bytes(), "in the future"),
        ("expired", expired.as_bytes(), "idle time has run out"),
    ] {
        log::clear();
        let cookie = [b"__Host-session=", value].concat();
        let request = site.request("GET").header(COOKIE, HeaderValue::from_bytes(&cookie).unwrap());
        let answer = site.send(request, |session| ok(name_of(&session.ready().unwrap()))).await;
        assert_eq!(answer.status(), StatusCode::OK, "{case}");
        assert_eq!(traces(&answer), ["Cookie"], "{case}");
        assert_eq!(text(answer).await, "stranger", "{case}");

        let lines = log::lines();
        assert_eq!(lines.len(), 1, "{case}: {lines:?}");
        assert!(
            lines[0].contains("session cookie refused") && lines[0].contains(reason),
            "{case}: {lines:?}"
        );
        let secret = value.windows(12).any(|part| lines[0].as_bytes().windows(12).any(|found| found == part));
        assert!(!secret, "{case}: {lines:?}");
    }
}

#[tokio::test]
async fn a_cookie_altered_anywhere_is_a_stranger() {
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    for position in 0..token.len() {
        let mut altered = token.clone().into_bytes();
        altered[position] = if altered[position] == b'A' { b'B' } else { b'A' };
        let altered = String::from_utf8(altered).unwrap();
        log::clear();
        let answer = site.get(&altered, |session| ok(name_of(&session))).await;
        assert_eq!((answer.status(), traces(&answer)), (StatusCode::OK, vec!["Cookie"]), "at {position}");
        assert_eq!(text(answer).await, "stranger", "at {position}");
        assert_eq!(log::lines().len(), 1, "at {position}");
    }
}

#[tokio::test]
async fn of_several_cookies_the_one_that_is_good_counts() {
    let site = Site::new();
    let merlin = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let morgana = site.token(|session| session.insert("name", "Morgana").unwrap()).await;
    let (good, other, junk) = (merlin.as_str(), morgana.as_str(), "AAAA");
    // How many lines are logged, and how many Set-Cookie: that of the one that counts, and one that removes any other.
    for (case, values, name, lines, sets) in [
        ("one", &[good][..], "Merlin", 0, 0),
        ("one sent twice", &[good, good], "Merlin", 0, 0),
        ("a bad one before", &[junk, good], "Merlin", 1, 0),
        ("a bad one after", &[good, junk], "Merlin", 1, 0),
        ("a bad one, twice", &[junk, junk, good], "Merlin", 1, 0),
        ("two good ones", &[good, other], "Merlin", 1, 2),
        ("two good ones and one twice", &[good, good, other], "Merlin", 1, 2),
        ("two good ones and a bad one", &[good, junk, other], "Merlin", 2, 2),
        ("the fourth", &["", "A", "AB", good], "Merlin", 3, 0),
        ("a fifth", &["", "A", "AB", "ABC", good], "stranger", 4, 0),
        ("a hundred", &[junk; 100], "stranger", 1, 0),
    ] {
        for fields in ["; ", "\n"] {
            log::clear();
            let pairs: Vec<String> = values.iter().map(|value| site.cookie(value)).collect();
            let request =
                pairs.join(fields).split('\n').fold(site.request("GET"), |r, f| r.header(COOKIE, f));
            let answer = site.send(request, |session| ok(name_of(&session.ready().unwrap()))).await;
            assert_eq!(all(&answer, SET_COOKIE).len(), sets, "{case}");
            assert_eq!(text(answer).await, name, "{case}");
            assert_eq!(log::lines().len(), lines, "{case}: {:?}", log::lines());
        }
    }
}

#[tokio::test]
async fn activity_is_noted_after_a_twentieth_of_the_idle_time() {
    let site = Site::new();
    let ordinary = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let permanent = site
        .token(|session| {
            session.insert("name", "Merlin").unwrap();
            session.set_permanent(true).unwrap();
        })
        .await;
    // 30 minutes and 31 days.
    let (short, long) = (Duration::from_secs(90), Duration::from_secs(31 * 24 * 60 * 60 / 20));
    for (case, token, share, attribute) in
        [("ordinary", &ordinary, short, "Path=/"), ("permanent", &permanent, long, "Max-Age=2678400")]
    {
        let second = Duration::from_secs(1);
        let early = site.later(share - second).get(token, |session| ok(name_of(&session))).await;
        assert_eq!(all(&early, SET_COOKIE), [""; 0], "{case}");
        let untouched = site.later(share).get(token, |_| ok("")).await;
        assert_eq!(traces(&untouched), [""; 0], "{case}");
        let due = site.later(share).get(token, |session| ok(name_of(&session))).await;
        assert!(all(&due, SET_COOKIE)[0].ends_with(attribute), "{case}: {:?}", all(&due, SET_COOKIE));
        assert_eq!(all(&due, CACHE_CONTROL), ["private, no-store"], "{case}");
    }
    let site = site.later(short);
    let failed = site.get(&ordinary, |session| {
        let mut response = ok(name_of(&session));
        *response.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
        response
    });
    assert_eq!(all(&failed.await, SET_COOKIE), [""; 0], "not by a request that failed");
}

#[tokio::test]
async fn max_age_runs_to_the_earlier_end() {
    let site = Site::new();
    let mut token = site
        .token(|session| {
            session.insert("name", "Merlin").unwrap();
            session.set_permanent(true).unwrap();
        })
        .await;
    let day = 24 * 60 * MINUTE;
    // Visits every 30 days; the absolute end is the 180th.
    for (days, left) in [(30, 31), (60, 31), (90, 31), (120, 31), (150, 30), (179, 1)] {
        let visit = site.later(days * day).get(&token, |session| ok(name_of(&session))).await;
        let header = all(&visit, SET_COOKIE)[0].to_owned();
        assert!(header.ends_with(&format!("; Max-Age={}", left * 24 * 60 * 60)), "day {days}: {header}");
        token = Site::token_in(&visit);
        assert_eq!(text(visit).await, "Merlin", "day {days}");
    }
    let over = site.later(180 * day).get(&token, |session| ok(name_of(&session))).await;
    assert_eq!(text(over).await, "stranger");
}

#[tokio::test]
async fn a_cross_site_request_neither_opens_nor_sets_a_session() {
    for stack in ALL_STACKS {
        let site = Site::new().on(stack);
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        for (case, method, fields, status) in [
            ("cross-site", "POST", &[("sec-fetch-site", "cross-site")][..], 403),
            ("same-site", "PUT", &[("sec-fetch-site", "same-site")], 403),
            ("a foreign origin", "DELETE", &[("origin", "https://evil.example")], 403),
            ("a sandboxed frame", "PATCH", &[("origin", "null")], 403),
            ("plain HTTP", "POST", &[("origin", "http://a.example")], 403),
            ("the same origin", "POST", &[("origin", "https://a.example")], 200),
            ("no browser", "POST", &[], 200),
            ("a link from elsewhere", "GET", &[("sec-fetch-site", "cross-site")], 200),
        ] {
            log::clear();
            let site = site.later(5 * MINUTE);
            let mut request = site.request(method).header(COOKIE, site.cookie(&token));
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            let answer = site.send(request, |session| {
                session.ready().unwrap().insert("visited", true).unwrap();
                ok("")
            });
            let answer = answer.await;
            assert_eq!(answer.status(), status, "{case} on {stack:?}");
            assert_eq!(all(&answer, SET_COOKIE).len(), usize::from(status == 200), "{case} on {stack:?}");
            if status == 403 {
                assert_eq!(traces(&answer), [""; 0], "{case} on {stack:?}");
                assert_eq!(log::lines().len(), 1, "{case} on {stack:?}: {:?}", log::lines());
            }
        }
    }
}

#[tokio::test]
async fn an_unsafe_request_needs_a_valid_host_only_to_compare_its_origin_with() {
    let site = Site::new();
    for (case, hosts, status) in [
        ("none", &[][..], 403),
        ("two", &["a.example", "a.example"], 400),
        ("no host", &["a b"], 400),
        ("one", &["a.example"], 200),
    ] {
        for (origin, status) in [(None, 200), (Some("https://a.example"), status)] {
            let mut request = http::Request::builder().method("POST").uri("/");
            for host in hosts {
                request = request.header("host", *host);
            }
            if let Some(origin) = origin {
                request = request.header("origin", origin);
            }
            let answer = site.send(request, |_| ok("")).await;
            assert_eq!((answer.status().as_u16(), traces(&answer)), (status, vec![]), "{case}, {origin:?}");
        }
    }
}

#[tokio::test]
async fn a_handlers_error_passes_through() {
    let site = Site::new();
    for stack in [Stack::Hyper, Stack::Tower] {
        let failed = site.fail(stack, |session| session.insert("name", "Merlin").unwrap()).await;
        assert_eq!(failed.unwrap_err().to_string(), "out of ink", "{stack:?}");
    }
}

#[tokio::test]
async fn the_handlers_own_cookies_stay_each_in_its_line_and_ours_is_the_last() {
    for stack in ALL_STACKS {
        let site = Site::new().on(stack);
        let answer = site.get("", |session| {
            session.insert("name", "Merlin").unwrap();
            let mut response = ok("");
            for line in ["a=1; Path=/", "b=2, 3; Path=/", "__Host-session=theirs; Secure; Path=/"] {
                response.headers_mut().append(SET_COOKIE, HeaderValue::from_static(line));
            }
            response
        });
        let answer = answer.await;
        let sets = all(&answer, SET_COOKIE);
        assert_eq!(sets[..2], ["a=1; Path=/", "b=2, 3; Path=/"], "{stack:?}");
        // A browser does what the last line for a cookie says.
        let token = sets[3].strip_prefix("__Host-session=").unwrap().split(';').next().unwrap().to_owned();
        assert_eq!(
            text(site.get(&token, |session| ok(name_of(&session))).await).await,
            "Merlin",
            "{stack:?}"
        );
    }
}

#[tokio::test]
async fn a_handler_that_a_time_limit_ends_half_way_changes_nothing() {
    use axum::response::IntoResponse;

    for status in [StatusCode::REQUEST_TIMEOUT, StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT]
    {
        let site = Site::new();
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        let handler = |axum::Extension(session): axum::Extension<waxseal_http::RequestSession>| async move {
            session.load().await.unwrap().insert("name", "Morgana").unwrap();
            std::future::pending::<()>().await;
        };
        // As tower-http's TimeoutLayer does it, at once.
        let limit = axum::middleware::from_fn(
            move |request: axum::extract::Request, next: axum::middleware::Next| async move {
                let mut answer = std::pin::pin!(next.run(request));
                match std::future::poll_fn(|cx| std::task::Poll::Ready(answer.as_mut().poll(cx))).await {
                    std::task::Poll::Ready(answer) => answer,
                    std::task::Poll::Pending => status.into_response(),
                }
            },
        );
        let mut router = axum::Router::new()
            .route("/", axum::routing::any(handler))
            .layer(limit)
            .layer(site.layer.clone());
        let request =
            site.request("POST").header(COOKIE, site.cookie(&token)).body(axum::body::Body::empty());
        let answer =
            tower_service::Service::call(&mut router, request.unwrap()).await.unwrap().map(Body::new);
        assert_eq!((answer.status(), all(&answer, SET_COOKIE).len()), (status, 0));
        assert_eq!(all(&answer, VARY), ["Cookie"], "{status}");
    }
}

#[tokio::test]
async fn what_answers_for_a_failed_handler_may_still_write() {
    for status in [200, 303, 404, 408, 500, 503] {
        let site = Site::new();
        let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
        let request = site.request("POST").header(COOKIE, site.cookie(&token));
        let answer = site.send(request, move |handle| {
            let session = handle.ready().unwrap();
            session.insert("name", "Morgana").unwrap();
            handle.rollback();
            assert_eq!(name_of(&session), "Merlin");
            session.insert("sorry", true).unwrap();
            Response::builder().status(status).body(Body::empty()).unwrap()
        });
        let token = Site::token_in(&answer.await);
        let seen = site
            .get(&token, |session| ok(format!("{} {:?}", name_of(&session), session.get::<bool>("sorry"))));
        assert_eq!(text(seen.await).await, "Merlin Ok(Some(true))", "{status}");
    }
}

#[tokio::test]
async fn a_session_is_closed_once_the_head_has_left() {
    let site = Site::new();
    for (case, touch) in [("written before", true), ("only loaded before", false)] {
        let (send, kept) = std::sync::mpsc::channel();
        let answer = site.get("", move |session| {
            if touch {
                session.insert("name", "Merlin").unwrap();
            }
            send.send(session).unwrap();
            ok("")
        });
        assert_eq!(all(&answer.await, SET_COOKIE).len(), usize::from(touch), "{case}");
        let late = kept.recv().unwrap();
        assert!(matches!(late.insert("late", 1), Err(waxseal_session::Error::Sent)), "{case}");
        assert_eq!(name_of(&late), if touch { "Merlin" } else { "stranger" }, "{case}");
    }
}

/// `#[tracing::instrument]` prints each argument of a handler.
#[tokio::test]
async fn the_debug_form_of_a_requests_session_has_no_cookie() {
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let cookie = format!("{}; theirs=secret", site.cookie(&token));
    let request =
        http::Request::builder().header(COOKIE, &cookie).header("host", "a.example").body(()).unwrap();
    let session = site.layer.session_of(request.method(), request.uri(), request.headers());
    for loaded in [false, true] {
        let shown = format!("{session:?} {:#?}", axum::Extension(session.clone()));
        assert!(!shown.contains(&token[..20]) && !shown.contains("secret"), "{shown}");
        assert_eq!(shown.contains("entries: 1"), loaded, "{shown}");
        session.load().await.unwrap();
    }
}

/// As in a stream or a socket, whose handler passes its session on without loading it.
#[tokio::test]
async fn a_session_that_is_loaded_only_after_the_head_has_left_can_be_read_and_not_written() {
    use waxseal_session::Error::Sent;
    type Late = std::pin::Pin<Box<dyn Future<Output = Result<(), waxseal_manager::Error>>>>;
    type Act = fn(waxseal_http::RequestSession) -> Late;
    let acts: [(&str, Act); 5] = [
        ("load", |late| Box::pin(async move { Ok(late.load().await?.insert("late", 1)?) })),
        ("ready", |late| Box::pin(async move { Ok(late.ready().unwrap().insert("late", 1)?) })),
        ("sign out", |late| Box::pin(async move { late.destroy().await })),
        ("sign in", |late| Box::pin(async move { late.sign_in("merlin", None).await })),
        ("sign out a loaded one", |late| Box::pin(async move { Ok(late.load().await?.destroy()?) })),
    ];
    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    for (case, act) in acts {
        let (send, kept) = std::sync::mpsc::channel();
        let request = site.request("GET").header(COOKIE, site.cookie(&token));
        let answer = site.send(request, move |session| {
            send.send(session).unwrap();
            ok("")
        });
        assert!(traces(&answer.await).is_empty(), "{case}");
        let late = kept.recv().unwrap();
        support::log::clear();
        let refused = act(late.clone()).await;
        assert!(matches!(refused, Err(waxseal_manager::Error::Session(Sent))), "{case}: {refused:?}");
        assert_eq!(support::log::lines().len(), 1, "{case}: {:?}", support::log::lines());
        assert_eq!(name_of(&late.load().await.unwrap()), "Merlin", "{case}");
    }
}

/// As by a client that hangs up, or by a time limit outside of the layer.
#[tokio::test]
async fn a_request_that_is_dropped_refuses_what_its_tasks_write() {
    for (case, loads) in [("loaded", true), ("not loaded", false)] {
        let site = Site::new();
        let (send, kept) = std::sync::mpsc::channel();
        let handler = move |axum::Extension(session): axum::Extension<waxseal_http::RequestSession>| async move {
            if loads {
                session.load().await.unwrap().insert("name", "Merlin").unwrap();
            }
            send.send(session).unwrap();
            std::future::pending::<()>().await;
        };
        let mut router =
            axum::Router::new().route("/", axum::routing::any(handler)).layer(site.layer.clone());
        let request = site.request("GET").body(axum::body::Body::empty()).unwrap();
        let answer = tower_service::Service::call(&mut router, request);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(1), answer).await.is_err());
        let late = kept.recv().unwrap().load().await.unwrap();
        assert!(matches!(late.insert("late", 1), Err(waxseal_session::Error::Sent)), "{case}");
        assert!(matches!(late.destroy(), Err(waxseal_session::Error::Sent)), "{case}");
    }
}

#[tokio::test]
async fn finishing_twice_seals_once_and_still_says_vary() {
    let site = Site::new();
    let handle = site.layer.session_of(&http::Method::GET, &http::Uri::default(), &http::HeaderMap::new());
    handle.load().await.unwrap().insert("name", "Merlin").unwrap();
    let (mut first, mut second) = (ok(""), ok(""));
    site.layer.finish(&handle, &mut first).await.unwrap();
    site.layer.finish(&handle, &mut second).await.unwrap();
    assert_eq!(all(&first, SET_COOKIE).len(), 1);
    assert_eq!(traces(&second), ["Cookie", "private, no-store"]);
}

#[tokio::test]
async fn a_session_sealed_with_an_old_key_is_sealed_again_with_the_new_one() {
    let old = || SecretKey::from_bytes([7; 32]);
    let site = Site::of(&Keyring::new(old()), "__Host-session", "demo");
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let rotated = Keyring::new(SecretKey::generate().unwrap()).with_fallback(old()).unwrap();
    let site = Site::of(&rotated, "__Host-session", "demo").later(MINUTE);
    let answer = site.get(&token, |session| ok(name_of(&session))).await;
    let resealed = Site::token_in(&answer);
    assert_eq!(text(answer).await, "Merlin");
    let answer = site.get(&resealed, |session| ok(name_of(&session))).await;
    assert_eq!(all(&answer, SET_COOKIE), [""; 0]);
    assert_eq!(text(answer).await, "Merlin");
}

#[test]
#[should_panic(expected = "sessions and cookie must have one name")]
fn sessions_for_another_cookies_name_are_a_mistake_found_at_once() {
    let keyring = Keyring::new(SecretKey::generate().unwrap());
    let sessions = waxseal_manager::SessionManager::cookie(&keyring, "session", "demo").unwrap();
    let _ = waxseal_http::SessionLayer::new(sessions, SessionCookie::builder().build().unwrap());
}

/// The cookie as bytes on a wire, with hyper's own parser before it.
#[tokio::test]
async fn raw_hyper_serves_sessions_over_a_socket() {
    use hyper::service::service_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use waxseal_http::RequestSession;

    let site = Site::new();
    let token = site.token(|session| session.insert("name", "Merlin").unwrap()).await;
    let handler = service_fn(|request: http::Request<hyper::body::Incoming>| async move {
        let session = request.extensions().get::<RequestSession>().expect("the layer put it there").clone();
        Ok::<_, Infallible>(ok(name_of(&session.load().await.expect("nothing to fail"))))
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, service) = (listener.local_addr().unwrap(), site.layer.layer(handler));
    tokio::spawn(async move {
        loop {
            let socket = hyper_util::rt::TokioIo::new(listener.accept().await.unwrap().0);
            let http = hyper::server::conn::http1::Builder::new();
            tokio::spawn(http.serve_connection(socket, service.clone()));
        }
    });

    for (case, cookie, name) in [
        ("good", token.as_bytes().to_vec(), "Merlin"),
        ("not UTF-8", b"\xff\xfe".to_vec(), "stranger"),
        ("10 KB", vec![b'A'; 10_240], "stranger"),
    ] {
        let mut client = tokio::net::TcpStream::connect(address).await.unwrap();
        let head = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncookie: __Host-session=";
        client.write_all(&[&head[..], &cookie, b"\r\n\r\n"].concat()).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with(name), "{case}: {answer}");
        assert!(
            answer.contains("\r\nvary: Cookie\r\n") && !answer.contains("set-cookie"),
            "{case}: {answer}"
        );
    }
}
