//! Device-bound sessions in a real Chromium, over TLS that it trusts and with software keys.
//!
//! Chromium makes six signatures for a site within some minutes, registrations included, so each test has a separate
//! profile for each state. For the browser, a removed device cookie is the same as an expired one. Where that is
//! enough, no test waits for the expiry; elsewhere the states wait in parallel.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::{self, Scope};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use store_tests::front::{Front, Kind, nginx_configuration};

use crate::driver::Browser;
use crate::program::{Program, secret};
use crate::tls_site::{ELSEWHERE, HOST, Home, STATES, Site, State};

/// The shortest proof time that an app can choose.
const SHORT: Duration = Duration::from_secs(5);
/// A proof time longer than a test.
const LONG: Duration = Duration::from_secs(600);
const LIMIT: Duration = Duration::from_secs(60);
const REFRESH: &str = "POST /_device/refresh ";
const PAGE: &str = "/wizard/success";

/// Waits until `look` finds something.
fn wait<T>(what: &str, look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < LIMIT, "no {what} after {LIMIT:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Runs `visit` in each state, one after the other.
fn in_each_state(proof_time: Duration, visit: impl Fn(Site) + Sync) {
    STATES.into_iter().for_each(|state| thread::scope(|scope| try_in(scope, state, proof_time, &visit)));
}

/// Runs `visit` in all states at the same time, for tests that mostly wait.
fn side_by_side(proof_time: Duration, visit: impl Fn(Site) + Sync) {
    thread::scope(|scope| STATES.into_iter().for_each(|state| try_in(scope, state, proof_time, &visit)));
}

/// Runs `visit` in a thread that is named after the state, so that a failure shows the state.
fn try_in<'scope>(
    scope: &'scope Scope<'scope, '_>,
    state: State,
    proof_time: Duration,
    visit: &'scope (impl Fn(Site) + Sync),
) {
    let visit = move || visit(Site::start(state, proof_time));
    thread::Builder::new().name(state.name.to_owned()).spawn_scoped(scope, visit).unwrap();
}

fn device_cookie(browser: &Browser) -> Option<(String, String)> {
    let cookies = browser.cookies();
    let found = cookies.iter().find(|one| one.name().starts_with("__Host-session-"))?;
    Some((found.name().to_owned(), found.value().to_owned()))
}

/// Signs in with the form at `url`, and waits for the registration. The cookie of a short proof may have expired then.
fn sign_in(browser: &Browser, url: &str) {
    browser.open(url);
    browser.wait_for_path("/");
    crate::fill_in(browser, "Merlin", "Caer Myrddin");
    browser.wait_for_path(PAGE);
    // The presence cookie comes with the device cookie, goes to refreshes alone, and outlives each proof.
    wait("registration", || {
        let cookies = cookies_at(browser, &format!("{url}_device/refresh"));
        cookies.iter().any(|cookie| cookie["name"].as_str().unwrap().ends_with("-on")).then_some(())
    });
}

/// The cookies that the browser sends to `url`, with their attributes.
fn cookies_at(browser: &Browser, url: &str) -> Vec<Value> {
    let found = browser.devtools("Network.getCookies", json!({ "urls": [url] }));
    found["cookies"].as_array().unwrap().clone()
}

fn sign_out(browser: &Browser) {
    browser.click("form.again button");
    browser.wait_for_path("/");
}

/// Removes the device cookie, as its expiry does.
fn forget_proof(browser: &Browser, url: &str) {
    let (name, _) = device_cookie(browser).expect("it is proven");
    browser.devtools("Network.deleteCookies", json!({ "name": name, "url": url }));
}

/// Opens a page that the browser requests after a refresh.
fn open_proven(browser: &Browser, url: &str) {
    // The driver does not wait for a page that waits for a refresh, and the page before it may have the same text.
    browser.script("document.body.replaceChildren()");
    browser.open(url);
    browser.wait_for_text("dd", "Merlin");
}

/// The wizard's program behind nginx: sign-in, registration, three refreshes, sign-out.
#[test]
fn behind_nginx_a_session_is_bound_refreshed_and_ended_in_each_state() {
    for state in STATES {
        let home = Home::new();
        let chosen = format!("--session-state={:?}", state.setting).to_lowercase();
        let store = state.store.map(|url| format!("--session-store={url}"));
        let mut arguments = vec![
            "--port=0",
            "--trusted-proxies=127.0.0.1",
            "--device-bound=require",
            "--admin-address=127.0.0.1:0",
            &chosen,
        ];
        arguments.extend(store.as_deref());
        let wizard = Program::start(&[("SECRET_KEY", &secret())], &arguments);
        let state = state.name;
        let nginx = Front::start(Kind::Nginx, |port, _| {
            let (certified, wizard) = (home.path().display(), wizard.address());
            nginx_configuration(&format!(
                "server {{
                   listen 127.0.0.1:{port} ssl;
                   ssl_certificate {certified}/site.pem; ssl_certificate_key {certified}/site.key;
                   location / {{
                     proxy_pass http://{wizard};
                     proxy_set_header Host $http_host;
                     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                     proxy_set_header X-Forwarded-Proto https;
                   }}
                 }}"
            ))
        });
        let url = |path: &str| format!("https://{HOST}:{}{path}", nginx.port);
        let browser = home.browser();
        sign_in(&browser, &url("/"));
        let mut proof = device_cookie(&browser).expect("it is proven");
        for _ in 0..3 {
            forget_proof(&browser, &url("/"));
            open_proven(&browser, &url(PAGE));
            let fresh = wait("fresh proof", || device_cookie(&browser));
            assert_eq!(fresh.0, proof.0, "{state}");
            assert_ne!(std::mem::replace(&mut proof, fresh), proof, "{state}");
        }
        sign_out(&browser);
        assert_eq!(browser.cookies().len(), 0, "{state}");
        browser.open(&url(PAGE));
        browser.wait_for_path(PAGE);
        assert!(!browser.source().contains("Merlin"), "{state}");
        assert_eq!(device_cookie(&browser), None, "{state}");

        let metrics = metrics(wizard.admin_address());
        for (line, count) in [
            (r#"waxseal_device_offers_total"#, 1),
            (r#"waxseal_device_registrations_total{result="bound"}"#, 1),
            (r#"waxseal_device_refreshes_total{result="proven"}"#, 3),
            (r#"waxseal_device_requests_total{proof="missing"}"#, 0),
        ] {
            assert!(
                metrics.lines().any(|found| found == format!("{line} {count}")),
                "{state}: {line} in {metrics}"
            );
        }
    }
}

fn metrics(address: SocketAddr) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The browser itself deletes the cookie when it expires, and refreshes before it sends any other request.
#[test]
fn at_the_end_of_a_proof_all_requests_wait_for_one_refresh_also_by_another_sites_link() {
    side_by_side(SHORT, |site| {
        let browser = site.home.browser();
        sign_in(&browser, &site.url("/"));
        let end = || wait("end of the proof", || device_cookie(&browser).is_none().then_some(()));
        // A proof of so few seconds may be refreshed before it expires, for something that the page loads late. That
        // refresh brings the cookie.
        let after_the_end = || {
            let mut refreshes = site.requests(REFRESH);
            refreshes.retain(|head| !has(head, "__host-session-"));
            refreshes
        };
        end();
        let before = after_the_end().len();
        let five = format!(
            "const done = arguments[arguments.length - 1];
             Promise.all([1, 2, 3, 4, 5].map(() => fetch('{PAGE}').then(page => page.text())))
               .then(pages => done(pages.filter(page => page.includes('Merlin')).length))"
        );
        let start = Instant::now();
        assert_eq!(browser.script_later(&five), 5);
        // On a busy machine a new proof may end before it is used, and no sooner than after its time.
        let most = 1 + start.elapsed().as_secs() / SHORT.as_secs();
        let mut refreshes = after_the_end().split_off(before);
        // Each refresh answers one challenge. Both may have been sent already, by a refresh that began before the end.
        refreshes.retain(|head| has(head, "secure-session-response:"));
        assert!(refreshes.len() as u64 <= most, "one refresh for the five, or {most}: {refreshes:#?}");

        end();
        browser.open(&site.url_at(ELSEWHERE, "/"));
        let before = after_the_end().len();
        browser.script(&format!(
            "const link = document.createElement('a'); link.href = '{}';
             document.body.append(link); link.click()",
            site.url(PAGE)
        ));
        browser.wait_for_text("dd", "Merlin");
        let refreshes = after_the_end().split_off(before);
        assert!(!refreshes.is_empty());
        for refresh in refreshes {
            assert!(has(&refresh, "-on=1"), "the presence cookie comes: {refresh}");
            assert!(!has(&refresh, "__host-session="), "the session cookie is withheld: {refresh}");
        }
        assert!(site.requests("GET /").iter().all(|head| !has(head, "secure-session-skipped")));
    });
}

/// Chromium makes six signatures within some minutes. Sessions that are over cost none except for their registrations,
/// because the browser is told to stop, once. When it makes no more signatures, it says so, and its visitor can still
/// sign in.
#[test]
fn signed_out_sessions_cost_no_signatures_and_without_any_left_a_visitor_can_sign_in() {
    in_each_state(LONG, |site| {
        let browser = site.home.browser();
        for session in 1..=5 {
            sign_in(&browser, &site.url("/"));
            sign_out(&browser);
            browser.open(&site.url(PAGE));
            browser.wait_for_path(PAGE);
            assert!(!browser.source().contains("Merlin"));
            let refreshes = site.requests(REFRESH);
            assert!(refreshes.len() <= session, "one for each session at most: {refreshes:#?}");
            assert!(refreshes.iter().all(|head| !has(head, "secure-session-response")), "nothing is signed");
        }
        // The sixth signature.
        sign_in(&browser, &site.url("/"));
        forget_proof(&browser, &site.url("/"));
        open_proven(&browser, &site.url(PAGE));
        let page = site.requests(&format!("GET {PAGE} ")).pop().unwrap();
        assert!(has(&page, "secure-session-skipped: quota_exceeded"), "{page}");
        assert!(device_cookie(&browser).is_none(), "the first minute after the binding needs no proof");
        browser.open(&site.url("/"));
        browser.wait_for_path("/");
        crate::fill_in(&browser, "Nimue", "Avalon");
        browser.wait_for_path(PAGE);
        browser.wait_for_text("dd", "Nimue");
        let form = site.requests("POST /wizard/create ").pop().unwrap();
        assert!(has(&form, "secure-session-skipped: quota_exceeded"), "{form}");
    });
}

/// Ignores case, since names of header fields may be in any case.
fn has(head: &str, text: &str) -> bool {
    head.to_ascii_lowercase().contains(text)
}

#[test]
fn a_jar_that_is_copied_to_another_profile_shows_nothing_after_its_time() {
    side_by_side(SHORT, |site| {
        // The thief starts first, since the copy is worth something for a minute alone.
        let (thief, browser) = (site.home.browser(), site.home.browser());
        sign_in(&browser, &site.url("/"));
        let mut jar = cookies_at(&browser, &site.url("/_device/refresh"));
        // On a busy machine the browser may have removed it by now.
        jar.push(newest_device_cookie(&site));
        let copied = Instant::now();
        let tomorrow = std::time::SystemTime::now() + Duration::from_secs(86_400);
        let tomorrow = tomorrow.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        for cookie in jar {
            let (name, value) = (&cookie["name"], &cookie["value"]);
            let path = &cookie["path"];
            // Without a domain, as the prefix of these names requires. The thief's copies do not expire.
            let copy = json!({ "name": name, "value": value, "path": path, "url": site.url("/"), "secure": true,
            "httpOnly": true, "expires": tomorrow });
            assert_eq!(thief.devtools("Network.setCookie", copy)["success"], true, "{name}");
        }
        thief.open(&site.url(PAGE));
        assert_eq!(thief.texts("dd"), ["Merlin", "Caer Myrddin"], "this much is not stopped");
        // The proof's five seconds, plus the minute by which clocks may differ.
        thread::sleep((SHORT + Duration::from_secs(62)).saturating_sub(copied.elapsed()));
        thief.open(&site.url(PAGE));
        assert_eq!(thief.texts("h1"), ["We have not met yet"]);
        assert!(!thief.source().contains("Merlin"));
        assert!(device_cookie(&thief).is_some(), "its device cookie is there, and worth nothing");
        open_proven(&browser, &site.url(PAGE));
    });
}

/// The device cookie that the site set last.
fn newest_device_cookie(site: &Site) -> Value {
    let answers = site.answers();
    let mut lines = answers.iter().flat_map(|head| head.lines()).rev();
    let line = lines.find_map(|line| line.strip_prefix("set-cookie: __Host-session-")).expect("it was set");
    let (tag, value) = line.split(';').next().unwrap().split_once('=').unwrap();
    json!({ "name": format!("__Host-session-{tag}"), "value": value, "path": "/" })
}

/// A script of the page itself has an offer, as one that reads the headers of its own requests may have, and a key of
/// its own. If its registration were accepted, two keys would hold the session, and it would be ended.
#[test]
fn a_script_of_the_page_cannot_register_a_key() {
    in_each_state(LONG, |site| {
        let browser = site.home.browser();
        sign_in(&browser, &site.url("/"));
        let answers = site.answers();
        let offer =
            answers.iter().find_map(|head| head.split_once("challenge=\"")).expect("an offer was made").1;
        let offer = offer.split('"').next().unwrap();
        for (case, send) in [
            ("cors", "fetch(path, { method: 'POST', mode: 'cors', headers }).then(it => it.status)"),
            (
                "same-origin",
                "fetch(path, { method: 'POST', mode: 'same-origin', headers }).then(it => it.status)",
            ),
            ("no-cors", "fetch(path, { method: 'POST', mode: 'no-cors', headers }).then(it => it.status)"),
            (
                "XMLHttpRequest",
                "new Promise(done => { const it = new XMLHttpRequest(); it.onload = () => done(it.status);
                   it.open('POST', path); it.setRequestHeader('Secure-Session-Response', response); it.send() })",
            ),
        ] {
            assert_eq!(browser.script_later(&registration(offer, send)), 403, "{case}");
            open_proven(&browser, &site.url(PAGE));
        }
    });
}

/// A script that generates a key, makes a registration for it, and sends that.
fn registration(offer: &str, send: &str) -> String {
    format!(
        "const done = arguments[arguments.length - 1];
         const text = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes)))
           .replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
         const json = value => text(new TextEncoder().encode(JSON.stringify(value)));
         (async () => {{
           const use = {{ name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }};
           const keys = await crypto.subtle.generateKey(use, true, ['sign']);
           const {{ crv, kty, x, y }} = await crypto.subtle.exportKey('jwk', keys.publicKey);
           const head = json({{ alg: 'ES256', jwk: {{ crv, kty, x, y }}, typ: 'dbsc+jwt' }});
           const signed = head + '.' + json({{ jti: '{offer}' }});
           const signature = await crypto.subtle.sign(use, keys.privateKey, new TextEncoder().encode(signed));
           const response = signed + '.' + text(signature);
           const path = '/_device/register', headers = {{ 'Secure-Session-Response': response }};
           return {send};
         }})().then(done, error => done(String(error)))"
    )
}
