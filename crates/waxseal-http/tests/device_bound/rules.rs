//! The rules.

use std::time::Duration;

use http::header::{ALLOW, CACHE_CONTROL, SET_COOKIE, VARY};
use tokio::time::timeout;
use waxseal_http::{
    DeviceBinding, DevicePolicy, EndReason, SessionCookie, SessionEnded, SessionLayer, SetupError,
};
use waxseal_manager::SessionManager;

use crate::browser::{ALL, Browser, ON_SERVER, Site, State, challenge_of, has_offer, keyring};
use crate::log;
use crate::walk::both;

#[tokio::test]
async fn a_sign_in_is_bound_and_each_request_proves_it() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        let signed_in = browser.send(&site, "POST", "/login").await;
        assert!(has_offer(&signed_in), "{state:?}");
        assert_eq!(signed_in.headers()[CACHE_CONTROL], "private, no-store", "{state:?}");
        assert_eq!(browser.get(&site, "/device").await, "Offered", "{state:?}");

        let registered = browser.register(&site).await;
        assert_eq!(registered.status(), 200, "{state:?}");
        assert!(!registered.headers().contains_key("secure-session-challenge"), "{state:?}");
        assert!(registered.body().contains(r#"{"type":"exclude","path":"/static"}"#), "{state:?}");
        assert!(browser.get(&site, "/device").await.starts_with("Proven"), "{state:?}");
        assert_eq!(browser.clone().without_proof().get(&site, "/device").await, "Settling", "{state:?}");

        site.pass(59);
        assert_eq!(browser.without_proof().get(&site, "/").await, "albus", "{state:?}");
        site.pass(2);
        for (case, mut visitor) in
            [("without a proof", browser.without_proof()), ("with one", browser.clone())]
        {
            let owner = if case == "with one" { "albus" } else { "stranger" };
            assert_eq!(visitor.get(&site, "/").await, owner, "{state:?}, {case}");
            assert_eq!(visitor.clone().post(&site, "/act").await, owner, "{state:?}, {case}");
        }
        assert_eq!(browser.without_proof().get(&site, "/device").await, "Unproven", "{state:?}");
        // Three times 10 minutes, with a page in each.
        for _ in 0..3 {
            site.pass(590);
            let before = browser.device_cookie().unwrap();
            assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
            assert_ne!(browser.device_cookie().unwrap(), before, "{state:?}");
            assert_eq!(browser.post(&site, "/count").await, "albus", "{state:?}");
        }
        assert_eq!(browser.post(&site, "/logout").await, "bye", "{state:?}");
        assert!(browser.jar.is_empty(), "{state:?}: {:?}", browser.jar.keys());
        assert_eq!(browser.get(&site, "/").await, "stranger", "{state:?}");
        let ended = browser.refresh(&site).await;
        assert_eq!(
            (ended.status().as_u16(), ended.body().as_str()),
            (200, r#"{"continue":false}"#),
            "{state:?}"
        );
    }
}

#[tokio::test]
async fn a_binding_that_an_outer_clone_of_the_layer_does_not_have_is_refused_and_not_left_out() {
    async fn status(inner: &SessionLayer, outer: &SessionLayer) -> u16 {
        let inner = axum::Router::new().route("/", axum::routing::get(async || "")).layer(inner.clone());
        let mut app = axum::Router::new().nest("/admin", inner).layer(outer.clone());
        let request = http::Request::get("/admin").body(axum::body::Body::empty()).unwrap();
        tower_service::Service::call(&mut app, request).await.unwrap().status().as_u16()
    }
    let cookie = SessionCookie::builder().build().unwrap();
    let sessions = SessionManager::cookie(&keyring(&[1]), cookie.name(), "demo").unwrap();
    let plain = SessionLayer::new(sessions.with_device_tokens(&keyring(&[1])).unwrap(), cookie);
    let bound = |policy| plain.clone().device_bound(&DeviceBinding::new(policy)).unwrap();
    let (lax, strict) = (bound(DevicePolicy::Observe), bound(DevicePolicy::RequireAll));
    log::start();
    log::clear();
    for outer in [&plain, &lax] {
        assert_eq!(status(&strict, outer).await, 500);
        assert!(log::lines().pop().is_some_and(|line| line.contains("would have no effect")));
    }
    for inner in [&plain, &strict] {
        assert_eq!(status(inner, &strict).await, 200);
    }
}

#[tokio::test]
async fn a_page_that_shows_only_the_device_is_its_visitors_own() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.send(&site, "POST", "/login").await;
        browser.register(&site).await;
        let page = browser.send(&site, "GET", "/device").await;
        assert!(page.body().starts_with("Proven"), "{state:?}");
        assert_eq!(page.headers()[VARY], "Cookie", "{state:?}");
        assert!(page.headers()[CACHE_CONTROL].to_str().unwrap().starts_with("private"), "{state:?}");
    }
}

#[tokio::test]
async fn off_is_as_if_it_were_not_there() {
    for state in ALL {
        let (site, mut browser) = (Site::with(state, None), Browser::new(1));
        let signed_in = browser.send(&site, "POST", "/login").await;
        let names: Vec<_> = signed_in.headers().keys().map(|name| name.as_str()).collect();
        assert_eq!(names, ["vary", "cache-control", "set-cookie"], "{state:?}");
        site.pass(700);
        let later = browser.send(&site, "GET", "/").await;
        assert!(!has_offer(&later) && later.body() == "albus", "{state:?}");
        assert_eq!(browser.post(&site, "/_device/register").await, "albus", "a route like any other");
        assert_eq!(browser.get(&site, "/device").await, "Unbound", "{state:?}");
    }
}

#[tokio::test]
async fn an_offer_is_owed_after_another_sites_callback_and_made_twice_at_most() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        let callback = browser.with("sec-fetch-site", "cross-site").request("GET", "/login");
        let callback = site.send(callback).await;
        browser.keep(callback.headers());
        assert!(!has_offer(&callback), "{state:?}");
        let cross = browser.with("sec-fetch-site", "cross-site").send(&site, "GET", "/").await;
        assert!(!has_offer(&cross), "{state:?}");
        site.pass(10);
        let first = browser.send(&site, "GET", "/").await;
        assert!(has_offer(&first), "{state:?}");
        let first = browser.offer.clone();
        site.pass(59);
        assert!(!has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
        site.pass(1);
        assert!(has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
        assert_ne!(browser.offer, first, "{state:?}");
        site.pass(60);
        assert!(!has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
        // The newer offer makes the older worth nothing.
        let newer = std::mem::replace(&mut browser.offer, first);
        assert_eq!(browser.register(&site).await.status(), 403, "{state:?}");
        browser.offer = newer;
        assert_eq!(browser.register(&site).await.status(), 200, "{state:?}");
    }
}

#[tokio::test]
async fn an_offer_that_could_not_be_saved_is_not_made() {
    for state in ON_SERVER {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.post(&site, "/login").await;
        site.pass(58);
        // Confirmed, so that state `mirrored` shows the next page without asking.
        browser.get(&site, "/").await;
        site.pass(3);
        site.store.set_away(true);
        let page = browser.send(&site, "GET", "/").await;
        assert!(!has_offer(&page), "{state:?}");
        assert_eq!(page.body() == "albus", state == State::Mirrored, "{state:?}");
        site.store.set_away(false);
        assert!(has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
    }
}

#[tokio::test]
async fn parallel_pages_make_one_offer_and_fail_for_none() {
    for state in ALL {
        for is_owed in [false, true] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            let from = if is_owed { "cross-site" } else { "same-origin" };
            let signed_in = site.send(browser.with("sec-fetch-site", from).request("GET", "/login")).await;
            browser.keep(signed_in.headers());
            site.pass(61);
            let (mut one, mut two) = (browser.clone(), browser.clone());
            let (one, two) = tokio::join!(one.send(&site, "GET", "/count"), two.send(&site, "GET", "/count"));
            assert_eq!((one.body().as_str(), two.body().as_str()), ("albus", "albus"), "{state:?}");
            assert!(has_offer(&one) != has_offer(&two), "{state:?}, owed: {is_owed}");
        }
    }
}

/// An answer to a request from before an offer may be the last one that the browser takes in.
#[tokio::test]
async fn a_slow_answer_with_another_offer_does_not_strip_the_binding_from_a_cookie() {
    for state in [State::Cookie, State::Listed] {
        for is_offered in [false, true] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            let callback = browser.with("sec-fetch-site", "cross-site").request("GET", "/login");
            browser.keep(site.send(callback).await.headers());
            if is_offered {
                browser.get(&site, "/").await;
                site.pass(61);
            }
            let slow = browser.jar["__Host-session"].clone();
            assert!(has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
            browser.register(&site).await;
            browser.jar.insert("__Host-session".to_owned(), slow);
            assert_eq!(browser.clone().refresh(&site).await.status(), 200, "{state:?}: it keeps its key");
            site.pass(70);
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
            assert_eq!(browser.without_proof().get(&site, "/").await, "stranger", "{state:?}: it was healed");
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        }
    }
}

/// A page that left before the registration is answered a minute later, with a second offer. The proof that restores the
/// binding is the registration's, or a later one.
#[tokio::test]
async fn a_binding_that_is_restored_after_a_second_offer_does_not_settle_once_more() {
    for state in [State::Cookie, State::Listed] {
        for is_refreshed in [false, true] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.post(&site, "/login").await;
            let mut before = browser.clone();
            site.pass(30);
            browser.register(&site).await;
            site.pass(31);
            assert!(has_offer(&before.send(&site, "GET", "/").await), "{state:?}");
            browser.jar.insert("__Host-session".to_owned(), before.jar["__Host-session"].clone());
            site.pass(40);
            if is_refreshed {
                assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
            }
            assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
            let page = browser.without_proof().get(&site, "/").await;
            assert_eq!(page, "stranger", "{state:?}, refreshed: {is_refreshed}");
        }
    }
}

/// Without a list a second offer of a sign-in can be taken up, too: the browser has a key for each. It keeps the one that its
/// session names in the end, whichever answer comes last.
#[tokio::test]
async fn a_browser_that_has_taken_up_two_offers_keeps_the_key_that_its_cookie_names() {
    for is_second in [false, true] {
        let (site, mut browser) = (Site::new(State::Cookie), Browser::new(1));
        browser.post(&site, "/login").await;
        let mut before = browser.clone();
        browser.register(&site).await;
        site.pass(61);
        let late = before.send(&site, "GET", "/").await;
        assert!(has_offer(&late));
        browser.keep(late.headers());
        let first = browser.identifier.clone();
        let healed = site.send(browser.request("GET", "/")).await;
        assert_eq!(browser.register(&site).await.status(), 200);
        if !is_second {
            browser.keep(healed.headers());
        }
        let second = browser.identifier.clone();
        site.pass(661);
        for (identifier, goes_on) in [(first, !is_second), (second, is_second)] {
            browser.identifier = identifier;
            let answer = browser.refresh(&site).await;
            assert_eq!(answer.body(), if goes_on { "" } else { r#"{"continue":false}"# });
            assert_eq!(answer.status(), 200);
        }
        assert_eq!(browser.get(&site, "/").await, "albus", "second: {is_second}");
        assert_eq!(browser.without_proof().get(&site, "/").await, "stranger", "second: {is_second}");
    }
}

#[tokio::test]
async fn nobody_but_who_signs_in_gets_an_offer() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        assert!(!has_offer(&browser.send(&site, "POST", "/act").await), "{state:?}");
        site.pass(61);
        assert!(!has_offer(&browser.send(&site, "GET", "/").await), "{state:?}");
    }
}

#[tokio::test]
async fn an_answer_that_failed_carries_no_offer() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        let failed = browser.send(&site, "POST", "/fail").await;
        assert_eq!((failed.status().as_u16(), has_offer(&failed)), (500, false), "{state:?}");
        assert_eq!(browser.get(&site, "/").await, "stranger", "{state:?}");
    }
}

#[tokio::test]
async fn a_renewal_keeps_the_binding_and_a_sign_in_or_clear_drops_it() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(100);
        assert_eq!(browser.post(&site, "/renew").await, "albus", "{state:?}");
        assert!(browser.get(&site, "/device").await.starts_with("Proven"), "{state:?}");
        assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
        let old = browser.identifier.clone();
        browser.sign_in(&site).await;
        assert_ne!(browser.identifier, old, "{state:?}");
        assert_eq!(
            browser.jar.keys().filter(|name| name.contains('-')).count(),
            3,
            "{:?}",
            browser.jar.keys()
        );
        let newer = std::mem::replace(&mut browser.identifier, old);
        assert_eq!(browser.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}");
        browser.identifier = newer;
        assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
        assert_eq!(browser.post(&site, "/clear").await, "stranger", "{state:?}");
        assert!(browser.jar.is_empty(), "{state:?}");
        browser.sign_in(&site).await;
        let renewed = browser.send(&site, "POST", "/renew-empty").await;
        assert_eq!((renewed.body().as_str(), has_offer(&renewed)), ("stranger", false), "{state:?}");
        assert_eq!(browser.get(&site, "/device").await, "Unbound", "{state:?}");
        assert_eq!(browser.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}");
    }
}

/// The registration is refused, and its browser has no proof that could show the session under its new id.
#[tokio::test]
async fn a_registration_that_meets_a_renewal_leaves_nothing_that_hides_the_session() {
    for state in ALL {
        let mut refused = 0;
        for turns in 0..16 {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.post(&site, "/login").await;
            let mut early = browser.clone();
            let registration = early.register(&site);
            let renewal = browser.send(&site, "POST", "/renew");
            let (registered, _) = both(registration, renewal, u32::MAX << turns).await;
            if registered.status() == 200 {
                continue;
            }
            refused += 1;
            site.pass(70);
            for method in ["GET", "POST"] {
                let page = browser.send(&site, method, "/").await;
                assert_eq!(page.body(), "albus", "{state:?}, {method} after {turns} turns");
            }
        }
        assert!(refused > 0 || state == State::Cookie, "{state:?}");
    }
}

/// A refresh that left before the session's new id was in the jar, at the server that renewed it and at another.
#[tokio::test]
async fn a_refresh_that_races_a_renewal_costs_no_key() {
    for state in ALL {
        for renewal in ["/renew", "/login", "/permanent", "/end-others"] {
            if (state, renewal) == (State::Cookie, "/end-others") {
                continue;
            }
            for elsewhere in [false, true] {
                let (site, mut browser) = (Site::new(state), Browser::new(1));
                browser.sign_in(&site).await;
                site.pass(100);
                let mut behind = browser.clone();
                assert_eq!(browser.post(&site, renewal).await, "albus", "{state:?}, {renewal}");
                let site = if elsewhere { site.beside(Some(DevicePolicy::Require), 0) } else { site };
                let refreshed = behind.refresh(&site).await;
                let found = (refreshed.status().as_u16(), refreshed.body().as_str());
                assert_eq!(found, (200, ""), "{state:?}, {renewal}, elsewhere: {elsewhere}");
                if renewal != "/login" {
                    browser.jar.extend(behind.jar.into_iter().filter(|(name, _)| name != "__Host-session"));
                    site.pass(600);
                    assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}, {renewal}: by that proof");
                }
            }
        }
    }
}

#[tokio::test]
async fn endpoints_answer_posts_alone_and_grant_nothing() {
    for path in ["/_device/register", "/_device/refresh"] {
        let (site, mut browser) = (Site::new(State::Store), Browser::new(1));
        for method in ["GET", "OPTIONS", "PUT"] {
            let answer = browser.send(&site, method, path).await;
            assert_eq!((answer.status().as_u16(), &answer.headers()[ALLOW]), (405, &"POST".parse().unwrap()));
        }
        // Also from another site, as a browser's own request after a link may look.
        let answer = browser.with("sec-fetch-site", "cross-site").send(&site, "POST", path).await;
        assert_eq!(answer.status(), if path.ends_with("register") { 403 } else { 400 });
        for answer in [answer, browser.send(&site, "POST", path).await] {
            assert_eq!(answer.headers()[CACHE_CONTROL], "no-store");
            assert_eq!(answer.headers()["cross-origin-resource-policy"], "same-origin");
            assert!(!answer.headers().keys().any(|name| name.as_str().starts_with("access-control")));
            assert!(answer.body().is_empty() && !answer.headers().contains_key(SET_COOKIE));
        }
    }
}

/// Below a path, the layer is told what browsers see, and no proxy may take it off these two.
#[tokio::test]
async fn the_layer_answers_at_the_paths_that_browsers_see_and_at_no_others() {
    let (mut site, mut browser) = (Site::new(State::Store), Browser::new(1));
    let binding = DeviceBinding::new(DevicePolicy::Require).folder("/app/_device");
    site.layer = site.layer.device_bound(&binding).unwrap();
    let signed_in = browser.send(&site, "POST", "/login").await;
    let offer = signed_in.headers()["secure-session-registration"].to_str().unwrap();
    assert!(offer.contains(r#"path="/app/_device/register""#), "{offer}");
    let registration = browser.registration(&browser.offer.clone().unwrap());
    let registering = browser.with("secure-session-response", &registration);
    let taken_off = registering.clone().post(&site, "/_device/register").await;
    assert_eq!(taken_off, "albus", "a path of the app's like any other");
    assert_eq!(browser.get(&site, "/device").await, "Offered");
    let whole = registering.clone().send(&site, "POST", "/app/_device/register").await;
    assert_eq!(whole.status(), 200);
    assert!(whole.body().contains(r#""refresh_url":"/app/_device/refresh""#));
    browser.keep(whole.headers());
    assert!(browser.get(&site, "/device").await.starts_with("Proven"));
}

/// Browsers would send no session cookie with a registration, or none that is proven at another host.
#[test]
fn a_cookie_that_does_not_reach_the_endpoints_is_refused() {
    let set_up = |domain: Option<&str>, path: &str, folder: &str| {
        let mut cookie = SessionCookie::builder().name("shop").path(path);
        if let Some(domain) = domain {
            cookie = cookie.domain(domain);
        }
        let (cookie, keyring) = (cookie.build().unwrap(), keyring(&[1]));
        let sessions = SessionManager::cookie(&keyring, cookie.name(), "demo").unwrap();
        let sessions = sessions.with_device_tokens(&keyring).unwrap();
        let binding = DeviceBinding::new(DevicePolicy::Require).folder(folder);
        SessionLayer::new(sessions, cookie).device_bound(&binding).err()
    };
    for (path, folder, is_good) in [
        ("/", "/_device", true),
        ("/shop", "/shop/_device", true),
        ("/shop/", "/shop/_device", true),
        ("/shop", "/shop", true),
        ("/shop", "/_device", false),
        ("/shop", "/shopping", false),
        ("/shop/_device/register", "/shop/_device", false),
    ] {
        let error = set_up(None, path, folder);
        let is_path = matches!(error, Some(SetupError::DevicePath { .. }));
        assert_eq!((error.is_none(), is_path), (is_good, !is_good), "{path} {folder}: {error:?}");
    }
    let error = set_up(Some("example.org"), "/", "/_device");
    assert!(matches!(&error, Some(SetupError::DeviceDomain(domain)) if domain == "example.org"), "{error:?}");
}

#[tokio::test]
async fn a_repeated_registration_has_the_same_answer() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        let jar = browser.jar.clone();
        site.pass(5);
        assert_eq!(browser.register(&site).await.status(), 200, "{state:?}");
        assert_eq!(browser.jar.keys().collect::<Vec<_>>(), jar.keys().collect::<Vec<_>>(), "{state:?}");
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
    }
}

#[tokio::test]
async fn refreshes_go_on_without_session_cookie_and_store_and_end_with_the_session() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        // Another site's link: the Lax session cookie is withheld.
        let mut linked = browser.clone();
        linked.jar.remove("__Host-session");
        assert_eq!(linked.refresh(&site).await.status(), 200, "{state:?}");
        linked.jar.clear();
        assert_eq!(linked.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}");
        site.store.set_away(true);
        site.pass(600);
        let refreshed = browser.refresh(&site).await;
        assert_eq!((refreshed.status().as_u16(), refreshed.body().as_str()), (200, ""), "{state:?}");
        let lines = refreshed.headers().get_all(SET_COOKIE).iter();
        let names: Vec<_> = lines.map(|line| line.to_str().unwrap().split('=').next().unwrap()).collect();
        assert_eq!(names, [browser.device_cookie().unwrap().0], "{state:?}: the session's token stays");
        site.store.set_away(false);
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        if state != State::Cookie {
            let other = browser.clone().post(&site, "/logout").await;
            assert_eq!(other, "bye");
            assert_eq!(browser.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}");
        }
    }
}

#[tokio::test]
async fn a_stranger_ends_the_session_or_signs_in_in_its_place() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(61);
        // A page with a form does not displace the cookie.
        let mut without = browser.without_proof();
        let token = without.get(&site, "/form").await;
        assert_eq!(without.jar, browser.without_proof().jar, "{state:?}");
        assert!(!token.is_empty());
        assert_eq!(without.post(&site, "/login").await, "albus", "{state:?}");
        assert_ne!(without.jar, browser.without_proof().jar, "{state:?}");
        let owner = if state == State::Cookie { "albus" } else { "stranger" };
        assert_eq!(browser.get(&site, "/").await, owner, "the old session is over, {state:?}");

        let mut browser = Browser::new(2);
        browser.sign_in(&site).await;
        site.pass(61);
        assert_eq!(browser.without_proof().post(&site, "/logout").await, "bye", "{state:?}");
        assert_eq!(browser.get(&site, "/").await, owner, "{state:?}");
    }
}

/// Their names only look like those of device cookies.
#[tokio::test]
async fn other_cookies_of_the_app_stay_at_a_sign_in_and_a_sign_out() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        for (name, value) in [("__Host-session-language", "de"), ("__Host-session-settings", "")] {
            browser.jar.insert(name.to_owned(), (value.to_owned(), "/".to_owned()));
        }
        let own = browser.jar.clone();
        browser.sign_in(&site).await;
        browser.sign_in(&site).await;
        assert_eq!(
            browser.jar.len(),
            5,
            "{state:?}: a session, a proof, a presence: {:?}",
            browser.jar.keys()
        );
        assert_eq!(browser.post(&site, "/logout").await, "bye", "{state:?}");
        assert_eq!(browser.jar, own, "{state:?}");
    }
}

#[tokio::test]
async fn a_browser_that_could_not_refresh_is_not_signed_out_by_it() {
    for state in ALL {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(61);
        let skip = |reason: &str| {
            let identifier = browser.identifier.as_deref().unwrap();
            let header = format!(r#"{reason};session_identifier="{identifier}""#);
            browser.without_proof().with("secure-session-skipped", &header)
        };
        for reason in ["unreachable", "server_error"] {
            let mut visitor = skip(reason);
            for method in ["GET", "POST"] {
                let answer = visitor.send(&site, method, "/act").await;
                assert_eq!(answer.status(), 503, "{state:?}, {reason}");
                assert!(answer.headers().contains_key("retry-after"), "{state:?}, {reason}");
            }
            assert_eq!(visitor.jar, browser.without_proof().jar, "{state:?}, {reason}");
            assert_eq!(visitor.clone().post(&site, "/device").await, "", "{state:?}");
        }
        let mut visitor = skip("quota_exceeded");
        assert_eq!(visitor.get(&site, "/").await, "stranger", "{state:?}");
        assert_eq!(visitor.send(&site, "POST", "/act").await.status(), 503, "{state:?}");
        visitor.get(&site, "/form").await;
        assert_eq!(visitor.jar, browser.without_proof().jar, "{state:?}");
        assert_eq!(visitor.post(&site, "/login").await, "albus", "{state:?}");
        let owner = if state == State::Cookie { "albus" } else { "stranger" };
        assert_eq!(browser.clone().get(&site, "/").await, owner, "{state:?}");
    }
}

/// Whoever is not let through for want of signatures or of an answer can leave all the same, and the session is over.
#[tokio::test]
async fn a_browser_that_could_not_refresh_can_sign_out() {
    for state in ALL {
        for reason in ["quota_exceeded", "unreachable", "server_error"] {
            let (site, mut browser) = (Site::new(state), Browser::new(1));
            browser.sign_in(&site).await;
            site.pass(61);
            let identifier = browser.identifier.as_deref().unwrap();
            let skipped = format!(r#"{reason};session_identifier="{identifier}""#);
            let mut visitor = browser.without_proof().with("secure-session-skipped", &skipped);
            let left = visitor.send(&site, "POST", "/logout").await;
            assert_eq!((left.status().as_u16(), left.body().as_str()), (200, "bye"), "{state:?}, {reason}");
            assert!(visitor.jar.is_empty(), "{state:?}, {reason}: {:?}", visitor.jar.keys());
            assert_eq!(visitor.ask(&site).await.body(), r#"{"continue":false}"#, "{state:?}, {reason}");
            // Nothing ends a copy in state `cookie` without a list.
            let owner = if state == State::Cookie { "albus" } else { "stranger" };
            assert_eq!(browser.get(&site, "/").await, owner, "{state:?}, {reason}");
        }
    }
}

#[tokio::test]
async fn a_slow_answer_does_not_strip_the_binding_from_a_cookie() {
    for state in [State::Cookie, State::Listed] {
        let (site, mut browser) = (Site::new(state), Browser::new(1));
        browser.post(&site, "/login").await;
        let offered = browser.jar["__Host-session"].clone();
        browser.register(&site).await;
        browser.jar.insert("__Host-session".to_owned(), offered);
        site.pass(70);
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
        assert_eq!(browser.without_proof().get(&site, "/").await, "stranger", "{state:?}: it was healed");
        assert_eq!(browser.get(&site, "/").await, "albus", "{state:?}");
    }
}

#[tokio::test]
async fn policies_observe_and_require_all() {
    for state in ALL {
        let (site, mut browser) = (Site::with(state, Some(DevicePolicy::Observe)), Browser::new(1));
        browser.sign_in(&site).await;
        site.pass(100);
        assert_eq!(browser.without_proof().get(&site, "/").await, "albus", "{state:?}");
        assert_eq!(browser.without_proof().get(&site, "/device").await, "Unproven", "{state:?}");
        if state != State::Cookie {
            // Two keys for one offer are refused by any policy.
            let mut other = browser.stolen(9);
            other.offer = browser.offer.clone();
            assert_eq!(other.register(&site).await.status(), 403, "{state:?}");
            assert_eq!(browser.post(&site, "/").await, "stranger", "{state:?}");
        }

        let (site, mut browser) = (Site::with(state, Some(DevicePolicy::RequireAll)), Browser::new(1));
        browser.post(&site, "/login").await;
        site.pass(299);
        assert_eq!(browser.clone().get(&site, "/").await, "albus", "{state:?}");
        let mut bound = Browser::new(2);
        site.pass(1);
        assert_eq!(browser.get(&site, "/").await, "stranger", "{state:?}");
        bound.sign_in(&site).await;
        assert_eq!(bound.get(&site, "/").await, "albus", "{state:?}");
    }
}

/// By the layer, so for apps on any stack.
#[test]
fn the_layer_says_what_state_cookie_cannot_stop() {
    use DevicePolicy::{Observe, Require, RequireAll};
    log::start();
    for (state, policy, copies, keys) in [
        (State::Cookie, Some(Require), true, true),
        (State::Cookie, Some(RequireAll), false, true),
        (State::Cookie, Some(Observe), false, false),
        (State::Cookie, None, false, false),
        (State::Listed, Some(Require), false, false),
        (State::Store, Some(RequireAll), false, false),
        (State::Mirrored, Some(Require), false, false),
    ] {
        log::clear();
        let _ = Site::with(state, policy);
        let says =
            |words: &str| log::lines().iter().any(|line| line.starts_with("WARN") && line.contains(words));
        assert_eq!(
            says("a copy of a cookie from before its binding stays good"),
            copies,
            "{state:?}, {policy:?}"
        );
        assert_eq!(
            says("two keys that register for one sign-in are both bound"),
            keys,
            "{state:?}, {policy:?}"
        );
    }
}

#[tokio::test]
async fn a_challenge_is_good_for_a_minute_and_its_response_for_as_long() {
    let (site, mut browser) = (Site::new(State::Mirrored), Browser::new(1));
    browser.sign_in(&site).await;
    let challenge = challenge_of(&browser.ask(&site).await).unwrap();
    site.pass(59);
    assert_eq!(browser.respond(&site, &challenge).await.status(), 200);
    site.pass(1);
    let late = browser.respond(&site, &challenge).await;
    assert_eq!(late.status(), 403);
    assert!(challenge_of(&late).is_some_and(|fresh| fresh != challenge));
}

/// Rule 22: what is decided at the head stays for the request, until the proof that it brought runs out.
#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_the_proof_that_opened_it_runs_out() {
    const LOOK: Duration = Duration::from_secs(10);
    for state in ALL {
        for (policy, ends) in [(DevicePolicy::Require, true), (DevicePolicy::Observe, false)] {
            let (site, mut browser) = (Site::with(state, Some(policy)), Browser::new(1));
            browser.sign_in(&site).await;
            site.pass(100);
            let mut proven = open(&site, &browser).await;
            assert!(timeout(LOOK, &mut proven).await.is_err(), "{state:?}");
            site.pass(500);
            assert!(timeout(LOOK, &mut proven).await.is_err(), "{state:?}: good for a minute more");
            // The browser goes on proving itself; the stream has the proof of its head.
            assert_eq!(browser.refresh(&site).await.status(), 200, "{state:?}");
            site.pass(61);
            let over = timeout(LOOK, &mut proven).await.ok();
            assert_eq!(over, ends.then_some(EndReason::ProofExpired), "{state:?}, {policy:?}");
            let mut anew = open(&site, &browser).await;
            assert!(timeout(LOOK, &mut anew).await.is_err(), "{state:?}: opened anew, it is proven anew");
        }
    }
}

/// A thief who opens a stream before the browser registers does not keep it, and a browser that never registers reconnects
/// once.
#[tokio::test(start_paused = true)]
async fn a_stream_from_before_the_binding_ends_too() {
    const LOOK: Duration = Duration::from_secs(10);
    for state in ALL {
        for (policy, seconds) in [(DevicePolicy::Require, 960), (DevicePolicy::RequireAll, 300)] {
            let (site, mut browser) = (Site::with(state, Some(policy)), Browser::new(1));
            assert_eq!(browser.post(&site, "/login").await, "albus");
            let mut unbound = open(&site, &browser).await;
            site.pass(seconds - 1);
            assert!(timeout(LOOK, &mut unbound).await.is_err(), "{state:?}, {policy:?}");
            site.pass(1);
            assert_eq!(
                timeout(LOOK, &mut unbound).await,
                Ok(EndReason::ProofExpired),
                "{state:?}, {policy:?}"
            );
            let mut anew = open(&site, &browser).await;
            site.pass(600);
            assert!(timeout(LOOK, &mut anew).await.is_err(), "{state:?}, {policy:?}");
        }
    }
}

async fn open(site: &Site, browser: &Browser) -> SessionEnded {
    let request = browser.request("GET", "/");
    site.layer.session_of(request.method(), request.uri(), request.headers()).ended().await.unwrap()
}
