//! A shop of which one part is in Flask and one part has moved to Waxseal, in a browser.

use waxseal::SessionState;

use crate::driver::Browser;
use crate::site::{Site, pythons};

fn assert_user(browser: &Browser, name: &str, when: &str) {
    assert_eq!(browser.texts("#user"), [name], "{when}");
}

fn sign_in(browser: &Browser, name: &str) {
    browser.click("#name");
    browser.press(name);
    browser.click("#sign-in");
    browser.wait_for_text(".message", "Welcome");
}

fn put(browser: &Browser, owl: &str) {
    browser.click("#owl");
    browser.press(owl);
    browser.click("#add");
    browser.wait_for_text("#cart", owl);
}

#[test]
fn flask_and_its_twin_share_a_sign_in_in_a_browser() {
    // The newest version of Flask.
    let Some(python) = pythons().pop() else { return };
    let site = Site::start(&python, SessionState::Mirrored);
    let url = |path: &str| format!("http://127.0.0.1:{}{path}", site.port());
    let browser = Browser::start();

    browser.open(&url("/old/"));
    assert_user(&browser, "nobody", "at first");
    sign_in(&browser, "albus");
    for turn in 0..3 {
        browser.click("#other");
        browser.wait_for_path("/new/");
        assert_user(&browser, "albus", &format!("here, turn {turn}"));
        put(&browser, &format!("Hedwig {turn}"));
        browser.click("#other");
        browser.wait_for_path("/old/");
        assert_user(&browser, "albus", &format!("at Flask, turn {turn}"));
        put(&browser, &format!("Errol {turn}"));
    }
    assert_eq!(browser.count("#cart li"), 6);

    browser.click("#sign-out");
    browser.wait_for_text("#user", "nobody");
    browser.open(&url("/new/"));
    assert_user(&browser, "nobody", "here, after a sign-out at Flask");
    assert_eq!(browser.count("#cart li"), 0);

    sign_in(&browser, "minerva");
    browser.click("#other");
    browser.wait_for_path("/old/");
    assert_user(&browser, "minerva", "at Flask, after a sign-in here");
    browser.click("#other");
    browser.wait_for_path("/new/");
    browser.click("#sign-out");
    browser.wait_for_text("#user", "nobody");
    browser.open(&url("/old/"));
    assert_user(&browser, "nobody", "at Flask, after a sign-out here");
}
