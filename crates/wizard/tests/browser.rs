//! The wizard in a real browser: headless Chromium, controlled through chromedriver.
//!
//! `cargo xtask test` runs this with both programs installed. To run it alone:
//! `cargo test -p wizard --features browser --test browser`. Screenshots are left in `target/screenshots`.

#[cfg(all(feature = "flask", unix))]
#[path = "browser/beside_flask.rs"]
mod beside_flask;
#[path = "browser/certificate.rs"]
mod certificate;
#[path = "browser/cookie.rs"]
mod cookie;
#[path = "browser/device_bound.rs"]
mod device_bound;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/features.rs"]
mod features;
#[path = "browser/looks.rs"]
mod looks;
#[path = "browser/post_office.rs"]
mod post_office;
mod program;
#[path = "browser/server.rs"]
mod server;
#[cfg(all(feature = "flask", unix))]
#[path = "beside_flask/site.rs"]
mod site;
#[path = "browser/tls_site.rs"]
mod tls_site;
#[cfg(all(feature = "flask", unix))]
#[path = "beside_flask/twin.rs"]
mod twin;

use driver::Browser;
use fantoccini::key::Key;
use post_office::PostOffice;
use server::Server;
use waxseal::SessionState;

const SECRET: &str = "eleven owls read the evening post by candlelight";
const OTHER_SECRET: &str = "twelve toads keep the morning watch at the ferry";
const COOKIE: &str = "waxseal-dev-session";

const NAME: &str = "<b>Merlin & Co</b>";
const SCHOOL: &str = "Caer Myrddin “Élan” ☽";

#[test]
fn a_wizard_is_known_by_the_sealed_cookie_alone() {
    let server = Server::start(SECRET);
    let browser = Browser::start();

    browser.open(&server.url("/wizard/success"));
    assert_stranger(&browser, "who never filled in the form");
    assert!(browser.cookie(COOKIE).is_none(), "a stranger gets no cookie");

    introduce(&browser, &server);
    assert_known(&browser, "after the form");
    assert!(!browser.source().contains("<b>Merlin"), "what was written is text, never markup");

    let sealed = browser.cookie(COOKIE).expect("the session is in a cookie");
    assert_eq!(sealed.http_only(), Some(true), "{sealed}");
    assert!(sealed.same_site().is_some_and(|policy| policy.is_lax()), "{sealed}");
    assert_eq!(sealed.path(), Some("/"), "{sealed}");
    let value = sealed.value();
    for word in ["Merlin", "Co</b>", "Myrddin", "Élan", "magic_school"] {
        assert!(!cookie::can_be_read(value, word), "{word:?} shows in {value}");
    }

    for (place, altered) in cookie::alterations(value) {
        browser.set_cookie(&sealed, &altered);
        browser.open(&server.url("/wizard/success"));
        assert_stranger(&browser, place);
        browser.set_cookie(&sealed, value);
        browser.open(&server.url("/wizard/success"));
        assert_known(&browser, "whose cookie is whole again");
    }

    let server = server.restart(SECRET);
    browser.open(&server.url("/wizard/success"));
    assert_known(&browser, "after a restart with the same secret");

    let server = server.restart(OTHER_SECRET);
    browser.open(&server.url("/wizard/success"));
    assert_stranger(&browser, "after a restart with another secret");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn starting_over_makes_a_stranger() {
    let server = Server::start(SECRET);
    let browser = Browser::start();
    introduce(&browser, &server);

    // Reached by tabbing backwards, past the link to the session panel.
    browser.press(&(Key::Shift + &Key::Tab));
    browser.press(&(Key::Shift + &Key::Tab));
    browser.press(&Key::Enter);
    browser.wait_for_path("/");
    assert!(browser.cookie(COOKIE).is_none(), "the cookie is gone");
    browser.open(&server.url("/wizard/success"));
    assert_stranger(&browser, "who started over");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

/// A browser keeps the old cookie in addition to the new one.
#[test]
fn after_a_change_of_the_cookies_attributes_a_visitor_can_sign_in_and_out() {
    let host = ["--session-cookie-name", "__Host-session", "--session-cookie-secure", "true"];
    let partitioned = [&host[..], &["--session-cookie-partitioned", "true"]].concat();
    for (case, name, before, now) in [
        ("partitioned", "__Host-session", &host[..], &partitioned[..]),
        ("a path", COOKIE, &["--session-cookie-path", "/wizard"], &[]),
        ("no path", COOKIE, &[], &["--session-cookie-path", "/wizard"]),
    ] {
        let server = Server::start_with(SECRET, before);
        let browser = Browser::start();
        introduce(&browser, &server);
        let old = browser.cookie(name).expect("the session is in a cookie");
        let server = server.restart_with(SECRET, now);
        let page = server.url("/wizard/success");
        browser.open(&page);
        assert_known(&browser, &format!("{case}: by the cookie from before"));

        // There are two: the new cookie was set in addition to the old one. The first page that is requested with both
        // deletes one.
        introduce(&browser, &server);
        browser.open(&page);
        assert_known(&browser, &format!("{case}: signed in beside the old cookie"));
        assert_eq!(browser.cookies_for(&page, name), 1, "{case}");

        browser.set_cookie(&old, old.value());
        assert_eq!(browser.cookies_for(&page, name), 2, "{case}: the browser keeps both");
        introduce(&browser, &server);
        assert_known(&browser, &format!("{case}: signed in with both"));
        assert_eq!(browser.cookies_for(&page, name), 1, "{case}");

        browser.set_cookie(&old, old.value());
        assert_eq!(browser.cookies_for(&page, name), 2, "{case}: the browser keeps both");
        browser.script("document.querySelector('form[action=\"/wizard/start-over\"] button').click()");
        browser.wait_for_path("/");
        assert_eq!(browser.cookies_for(&page, name), 0, "{case}");
        browser.open(&page);
        assert_stranger(&browser, &format!("{case}: who signed out with both"));
    }
}

#[test]
fn a_form_with_mistakes_comes_back_as_it_was_filled_in() {
    let server = Server::start(SECRET);
    let browser = Browser::start();
    let too_long = "å".repeat(81);
    let cases = [
        ("no name", "", "Avalon", &["name"][..]),
        ("no school", "Morgana", "", &["magic_school"]),
        ("a name of blanks", "   ", "Avalon", &["name"]),
        ("a name too long", &too_long, "Avalon", &["name"]),
        ("nothing right", "", &too_long, &["name", "magic_school"]),
    ];
    for (case, name, school, wrong) in cases {
        browser.open(&server.url("/"));
        // The browser itself would refuse to send these, so its checks are switched off.
        browser.script(
            "document.forms[0].noValidate = true;
             document.querySelectorAll('input').forEach(input => input.removeAttribute('maxlength'))",
        );
        fill_in(&browser, name, school);
        browser.wait_for_path("/wizard/create");

        assert_eq!(browser.status(), 422, "{case}");
        assert_eq!(browser.property("#name", "value").trim(), name.trim(), "{case}");
        assert_eq!(browser.property("#magic_school", "value"), school, "{case}");
        for field in ["name", "magic_school"] {
            let message = browser.texts(&format!("#{field}-error"));
            let marked =
                browser.count(&format!("#{field}[aria-invalid=true][aria-describedby~={field}-error]"));
            let linked = browser.count(&format!("[role=alert] a[href='#{field}']"));
            let expected = usize::from(wrong.contains(&field));
            assert_eq!((message.len(), marked, linked), (expected, expected, expected), "{case}: {field}");
            assert!(message.iter().all(|text| text.chars().any(char::is_alphabetic)), "{case}: {field}");
        }
        assert!(browser.cookie(COOKIE).is_none(), "{case}: nothing wrong reaches the session");
    }

    browser.open(&server.url("/"));
    fill_in(&browser, "", "");
    assert_eq!(browser.path(), "/", "the browser itself stops an empty form");
    fill_in(&browser, "Morgana", "Avalon");
    browser.wait_for_path("/wizard/success");
    assert_eq!(browser.texts("dd"), ["Morgana", "Avalon"]);
}

#[test]
fn every_page_is_pleasant_in_light_and_dark_wide_and_narrow() {
    let server = Server::start(SECRET);
    let browser = Browser::start();

    browser.open(&server.url("/"));
    looks::check(&browser, "form");
    looks::check_keyboard(&browser, "form");

    browser.open(&server.url("/wizard/success"));
    looks::check(&browser, "stranger");
    looks::check_keyboard(&browser, "stranger");

    browser.open(&server.url("/no/such/page"));
    assert_eq!(browser.status(), 404);
    looks::check(&browser, "not-found");

    browser.open(&server.url("/"));
    browser.script("document.forms[0].noValidate = true");
    fill_in(&browser, "", "");
    browser.wait_for_path("/wizard/create");
    looks::check(&browser, "mistakes");

    introduce(&browser, &server);
    looks::check(&browser, "success");
    looks::check_keyboard(&browser, "success");

    browser.open(&server.url("/"));
    fill_in(&browser, &"W".repeat(80), &"Unreasonably Long ".repeat(4));
    browser.wait_for_path("/wizard/success");
    looks::check(&browser, "success-long");
}

#[test]
fn messages_sign_in_upload_and_forged_forms_in_every_state() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let office = PostOffice::open(state);
        let browser = Browser::start();
        browser.open(&office.url("/"));
        let stranger = browser.cookie(COOKIE).expect("a form has a token, and so its visitor a session");

        sign_in(&browser, "Nimue");
        assert_eq!(browser.texts("h1"), ["Nimue’s counter"], "{state:?}");
        assert_eq!(browser.texts("[role=status]"), ["Hello, Nimue."], "{state:?}");
        browser.open(&office.url("/"));
        assert_eq!(browser.texts("[role=status]"), [""; 0], "{state:?}: it is said once");

        let known = browser.cookie(COOKIE).expect("a session");
        browser.set_cookie(&known, stranger.value());
        browser.open(&office.url("/"));
        assert_eq!(
            browser.texts("h1"),
            ["Post office"],
            "{state:?}: an id from before the sign-in is worth nothing"
        );
        browser.set_cookie(&known, known.value());

        browser.open(&office.url("/"));
        let letter = tempfile::NamedTempFile::with_suffix(".txt").unwrap();
        std::fs::write(letter.path(), "Dear Merlin").unwrap();
        browser.choose_file("#send [type=file]", letter.path());
        browser.script("document.querySelector('#send button').click()");
        browser.wait_for_text("[role=status]", "bytes sent.");
        let name = letter.path().file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(browser.texts("[role=status]"), [format!("{name}: 11 bytes sent.")], "{state:?}");

        for (form, forgery) in [
            ("#send", "document.querySelectorAll('[name=csrf_token]').forEach(field => field.value += 'A')"),
            ("#sign-in", "document.querySelectorAll('[name=csrf_token]').forEach(field => field.remove())"),
        ] {
            browser.open(&office.url("/"));
            browser.script(forgery);
            browser.script(&format!("document.querySelector('{form} button').click()"));
            browser.wait_for_text("h1", "403");
            assert_eq!(browser.status(), 403, "{state:?}, {form}");
        }
        browser.open(&office.url("/"));
        assert_eq!(browser.texts("h1"), ["Nimue’s counter"], "{state:?}: nothing of it was done");
        browser.script("document.querySelector('#sign-out button').click()");
        browser.wait_for_text("h1", "Post office");
    }
}

#[test]
fn a_form_in_a_tab_from_before_the_sign_in_says_to_reload() {
    let office = PostOffice::open(SessionState::Mirrored);
    let browser = Browser::start();
    browser.open(&office.url("/"));
    let old = browser.property("#sign-in [name=csrf_token]", "value");
    sign_in(&browser, "Nimue");
    browser.script_with(
        "document.querySelector('#sign-in [name=csrf_token]').value = arguments[0]",
        vec![old.into()],
    );
    browser.script("document.querySelector('#sign-in button').click()");
    browser.wait_for_text("h1", "403");
    assert!(browser.source().contains("reload the page"));
}

#[test]
fn the_session_panel_shows_both_sides_to_the_developer() {
    let server = Server::start(SECRET);
    let browser = Browser::start();
    browser.open(&server.url("/_session"));
    assert!(browser.source().contains("No entries."));
    looks::check(&browser, "panel-stranger");

    introduce(&browser, &server);
    // The page's last link.
    browser.press(&(Key::Shift + &Key::Tab));
    browser.press(&Key::Enter);
    browser.wait_for_path("/_session");
    let table = browser.texts("table th[scope=row]");
    assert_eq!(table[..2], ["name", "magic_school"], "{table:?}");
    assert_eq!(table[2..], ["version", "key id", "commitment", "nonce", "ciphertext", "tag"], "{table:?}");
    assert!(browser.source().contains("&lt;b&gt;Merlin"), "what was written is text, never markup");
    let token = browser.cookie(COOKIE).expect("a session");
    let size = format!("{} of 4096 bytes", COOKIE.len() + token.value().len());
    assert_eq!(browser.texts("#size"), [size]);
    let trails = browser.texts("#trails li");
    assert!(
        trails.iter().any(|trail| trail.contains("POST /wizard/create") && trail.contains("set \"name\"")),
        "{trails:?}"
    );
    assert!(browser.texts("#facts dd").contains(&"cookie".to_owned()));
    looks::check(&browser, "panel");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

fn sign_in(browser: &Browser, name: &str) {
    browser.script("document.querySelector('#sign-in [name=name]').focus()");
    browser.press(name);
    browser.press(&Key::Enter);
    browser.wait_for_text("h1", name);
}

/// Fills in the form with the keyboard alone and follows the redirect.
fn introduce(browser: &Browser, server: &Server) {
    browser.open(&server.url("/"));
    fill_in(browser, NAME, SCHOOL);
    browser.wait_for_path("/wizard/success");
}

/// Uses the keyboard alone: Tab to the name, type, Tab, type, Tab to the button, Enter.
fn fill_in(browser: &Browser, name: &str, school: &str) {
    let at_name = || browser.script("return document.activeElement.id") == "name";
    for _ in 0..3 {
        if !at_name() {
            browser.press(&Key::Tab);
        }
    }
    assert!(at_name(), "the name's field is near the top");
    browser.press(name);
    browser.press(&Key::Tab);
    browser.press(school);
    browser.press(&Key::Tab);
    browser.press(&Key::Enter);
}

fn assert_known(browser: &Browser, who: &str) {
    assert_eq!(browser.status(), 200, "a wizard {who}");
    assert_eq!(browser.texts("dd"), [NAME, SCHOOL], "a wizard {who}");
}

fn assert_stranger(browser: &Browser, who: &str) {
    assert_eq!(browser.status(), 200, "a stranger {who}");
    assert_eq!(browser.texts("dd"), Vec::<String>::new(), "a stranger {who}");
    assert_eq!(browser.texts("h1"), ["We have not met yet"], "a stranger {who}");
    assert_eq!(browser.count("main a[href='/']"), 1, "a stranger {who} is shown the way to the form");
}
