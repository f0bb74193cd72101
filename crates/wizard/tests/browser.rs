//! The wizard in a real browser: headless Chromium, led through chromedriver.
//!
//! `cargo xtask test` runs this with both programs in place. Alone:
//! `cargo test -p wizard --features browser --test browser`. Screenshots are left in `target/screenshots`.

#[path = "browser/cookie.rs"]
mod cookie;
#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/features.rs"]
mod features;
#[path = "browser/looks.rs"]
mod looks;
mod program;
#[path = "browser/server.rs"]
mod server;

use driver::Browser;
use fantoccini::key::Key;
use server::Server;

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

    // The last control of the page, reached backwards.
    browser.press(&(Key::Shift + &Key::Tab));
    browser.press(&Key::Enter);
    browser.wait_for_path("/");
    assert!(browser.cookie(COOKIE).is_none(), "the cookie is gone");
    browser.open(&server.url("/wizard/success"));
    assert_stranger(&browser, "who started over");
    assert_eq!(browser.complaints(), Vec::<String>::new());
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
        // The browser would stop these itself, so its own checks are lifted.
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

/// Fills the form by keyboard alone and follows the redirect.
fn introduce(browser: &Browser, server: &Server) {
    browser.open(&server.url("/"));
    fill_in(browser, NAME, SCHOOL);
    browser.wait_for_path("/wizard/success");
}

/// With the keyboard alone: Tab to the name, write, Tab, write, Tab to the button, Enter.
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
