//! The wizard behind a real nginx, below a path.
#![cfg(unix)]

#[cfg(target_os = "linux")]
mod behind;
mod program;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use program::{Program, secret};
use store_tests::front::Front;

/// The configuration that `docs/settings.md` recommends, with `upstream` as the app, and more lines.
fn location(upstream: &str, more: &str) -> String {
    let page = include_str!("../../../docs/settings.md");
    let (_, rest) = page.split_once("```nginx\n").expect("it is on the page");
    let mut text = rest.split("```").next().expect("the first part").to_owned();
    for (there, here) in [
        ("proxy_pass http://127.0.0.1:5000;", &*format!("proxy_pass {upstream}; {more}")),
        // This nginx has no TLS.
        ("X-Forwarded-Proto $scheme", "X-Forwarded-Proto https"),
    ] {
        assert!(text.contains(there), "the page has {there:?} no more: {text}");
        text = text.replace(there, here);
    }
    text
}

fn wizard(arguments: &[&str]) -> Program {
    let arguments = [&["--port=0", "--trusted-proxies=127.0.0.1"], arguments].concat();
    Program::start(&[("SECRET_KEY", &secret())], &arguments)
}

/// Sends one request and returns the whole response, head and body.
fn exchange(port: u16, request: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

fn get(port: u16, path: &str, more: &str) -> String {
    exchange(
        port,
        &format!("GET {path} HTTP/1.1\r\nHost: wizard.example:8443\r\nConnection: close\r\n{more}\r\n"),
    )
}

fn post(port: u16, path: &str, origin: &str, form: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: wizard.example:8443\r\nConnection: close\r\nOrigin: {origin}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        form.len()
    );
    exchange(port, &(head + form))
}

fn field<'a>(answer: &'a str, name: &str) -> &'a str {
    let (head, _) = answer.split_once("\r\n\r\n").unwrap();
    let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
    line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(": ").unwrap().1
}

/// A visitor fills in the form and is recognised, as in the tutorial.
fn walk(nginx: &Front) {
    let page = get(nginx.port, "/app/", "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("action=\"/app/wizard/create\""), "{page}");
    assert!(page.contains("href=\"/app/static/wizard.css\""), "{page}");
    assert!(get(nginx.port, "/app/static/wizard.css", "").starts_with("HTTP/1.1 200"));

    let form = "name=Merlin&magic_school=Avalon";
    let foreign = post(nginx.port, "/app/wizard/create", "https://evil.example", form);
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let answer = post(nginx.port, "/app/wizard/create", "https://wizard.example:8443", form);
    assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
    assert_eq!(field(&answer, "location"), "/app/wizard/success");
    let cookie = field(&answer, "set-cookie");
    assert!(cookie.starts_with("__Host-session=") && cookie.contains("Path=/"), "{cookie}");

    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    let page = get(nginx.port, "/app/wizard/success", &cookie);
    assert!(page.contains("Merlin") && page.contains("Avalon"), "{page}");
    let missing = get(nginx.port, "/app/nowhere", "");
    assert!(missing.starts_with("HTTP/1.1 404") && missing.contains("href=\"/app/\""), "{missing}");
}

#[test]
fn below_a_path_that_nginx_passes_on() {
    let wizard = wizard(&["--root-path=/app"]);
    walk(&Front::nginx(&location(&format!("http://{}", wizard.address()), "")));
}

#[test]
fn below_a_path_that_nginx_takes_off() {
    let wizard = wizard(&["--root-path=/app"]);
    walk(&Front::nginx(&location(&format!("http://{}/", wizard.address()), "")));
}

#[test]
fn below_a_path_that_nginx_tells() {
    let wizard = wizard(&["--forwarded-headers=for,proto,prefix"]);
    let told = "proxy_set_header X-Forwarded-Prefix /app;";
    walk(&Front::nginx(&location(&format!("http://{}/", wizard.address()), told)));
}

#[test]
fn over_a_unix_socket() {
    let folder = program::folder();
    let path = folder.path().join("app.sock");
    let arguments = ["--trusted-proxies=unix", "--root-path=/app", "--unix-socket", path.to_str().unwrap()];
    let mut wizard = Program::spawn(folder.clone(), &[("SECRET_KEY", &secret())], &arguments);
    wizard.hear("server on unix:");
    walk(&Front::nginx(&location(&format!("http://unix:{}:", path.display()), "")));
}

#[test]
fn over_connections_that_nginx_keeps() {
    let wizard = wizard(&["--root-path=/app"]);
    let kept = "proxy_http_version 1.1; proxy_set_header Connection '';";
    walk(&Front::nginx(&location(&format!("http://{}", wizard.address()), kept)));
}

/// Uses the files of `docs/deploying.md` with addresses that only Linux has.
#[cfg(target_os = "linux")]
#[test]
fn behind_nginx_nothing_is_answered_after_a_refused_request() {
    behind::attacks::hold(store_tests::front::Kind::Nginx);
}

#[cfg(target_os = "linux")]
#[test]
fn the_largest_cookie_arrives_behind_nginx() {
    behind::large_heads::arrive(store_tests::front::Kind::Nginx);
}

#[cfg(target_os = "linux")]
#[test]
fn two_servers_below_a_path_as_documented() {
    let plan = behind::Plan { kind: store_tests::front::Kind::Nginx, store: None, root: "/app", more: &[] };
    let site = behind::Site::start(plan);
    behind::load::Visitor::new(&site.client, plan.root, "Merlin").look().unwrap();
}

/// The seconds that a page gives behind these words.
fn seconds(page: &str, words: &str) -> Duration {
    let (_, rest) = page.split_once(words).unwrap_or_else(|| panic!("the recipe says {words:?}"));
    let number = rest.split('s').next().expect("the first part");
    Duration::from_secs(number.parse().unwrap_or_else(|_| panic!("{words:?} in seconds, found {number:?}")))
}

const DEPLOYING: &str = include_str!("../../../docs/deploying.md");

/// Or they hang up, and the app counts no failure. Caddy waits without end.
#[test]
fn proxies_wait_longer_than_a_request_may_take() {
    let longest = waxseal::Limits::default().request_time;
    let settings = include_str!("../../../docs/settings.md");
    for (page, words) in [
        (DEPLOYING, "proxy_read_timeout "),
        (settings, "proxy_read_timeout "),
        (DEPLOYING, "timeout server "),
    ] {
        assert!(seconds(page, words) > longest, "{words}");
    }
}

/// Or they send a form on a connection that the app is just closing. HAProxy closes half of its idle connections every
/// five seconds.
#[test]
fn proxies_keep_connections_for_less_time_than_the_app_does() {
    let kept = waxseal::Limits::default().keep_alive_time;
    for words in ["keepalive_timeout ", " keepalive "] {
        // The other number of that name is one of connections.
        let page = DEPLOYING.replace("keepalive 32;", "");
        assert!(seconds(&page, words) < kept, "{words}");
    }
}
