//! The wizard in a real browser, below `/app/` of a real nginx.
//!
//! `cargo xtask test` runs this with all programs installed.

#[path = "browser/certificate.rs"]
mod certificate;
#[allow(dead_code, reason = "each test binary uses its own part")]
#[path = "browser/driver.rs"]
mod driver;
mod program;

use certificate::certify;
use driver::Browser;
use fantoccini::key::Key;
use program::{Program, secret};
use store_tests::front::{Front, Kind, nginx_configuration};

/// The site's host. The browser is given its address.
const HOST: &str = "wizards.example";

/// The wizard in production, behind an nginx with TLS; the browser's home trusts its certificate.
struct Site {
    _wizard: Program,
    nginx: Front,
    home: std::path::PathBuf,
}

impl Site {
    /// Starts the wizard with these flags, and nginx with more lines for the location. `taken_off` is appended to the
    /// address that nginx passes requests to.
    fn start(flags: &[&str], taken_off: &str, more: &str) -> Self {
        let all = [&["--port=0", "--trusted-proxies=127.0.0.1", "--session-state=mirrored"], flags].concat();
        let wizard = Program::start(&[("SECRET_KEY", &secret())], &all);
        let to = format!("http://{}{taken_off}", wizard.address());
        let home = std::sync::Mutex::default();
        let nginx = Front::start(Kind::Nginx, |port, folder| {
            certify(folder, &[HOST]);
            *home.lock().unwrap() = folder.to_owned();
            nginx_configuration(&format!(
                "server {{
                   listen 127.0.0.1:{port} ssl;
                   ssl_certificate site.pem; ssl_certificate_key site.key;
                   location /app/ {{
                     proxy_pass {to};
                     proxy_set_header Host $http_host;
                     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
                     proxy_set_header X-Forwarded-Proto $scheme;
                     {more}
                   }}
                 }}"
            ))
        });
        Self { _wizard: wizard, nginx, home: home.into_inner().unwrap() }
    }

    fn browser(&self) -> Browser {
        let resolver = format!("--host-resolver-rules=MAP {HOST} 127.0.0.1");
        Browser::start_with(&[resolver], Some(&self.home))
    }

    fn url(&self, path: &str) -> String {
        format!("https://{HOST}:{}{path}", self.nginx.port)
    }
}

/// Fills in the form with the keyboard alone.
fn introduce(browser: &Browser) {
    browser.script("document.querySelector('#name').focus()");
    browser.press("Merlin");
    browser.press(&Key::Tab);
    browser.press("Avalon");
    browser.press(&Key::Tab);
    browser.press(&Key::Enter);
    browser.wait_for_path("/app/wizard/success");
    assert_eq!(browser.texts("dd"), ["Merlin", "Avalon"]);
}

/// Asserts that the page's style sheet was loaded and has rules.
fn assert_styled(browser: &Browser) {
    let rules = browser.script("return [...document.styleSheets].map(sheet => sheet.cssRules.length)");
    let rules = rules.as_array().unwrap();
    assert!(!rules.is_empty() && rules.iter().all(|count| count.as_u64() > Some(3)), "{rules:?}");
}

/// A visitor signs in, is recognised, looks at the list of sessions, and signs out, using only the links and forms of
/// the pages.
fn visit(site: &Site) {
    let browser = site.browser();
    browser.open(&site.url("/app/"));
    assert_styled(&browser);
    introduce(&browser);
    assert_styled(&browser);
    let cookie = browser.cookie("__Host-session").expect("a session");
    assert_eq!((cookie.path(), cookie.secure()), (Some("/"), Some(true)), "{cookie}");

    browser.click("p.aside a");
    browser.wait_for_path("/app/wizard/sessions");
    assert_eq!(browser.status(), 200);
    browser.open(&site.url("/app/wizard/success"));
    browser.click("header a");
    browser.wait_for_path("/app/");

    browser.open(&site.url("/app/wizard/success"));
    browser.click("form.again button");
    browser.wait_for_path("/app/");
    browser.open(&site.url("/app/wizard/success"));
    assert_eq!(browser.texts("h1"), ["We have not met yet"]);
    browser.click("main a.button");
    browser.wait_for_path("/app/");
    assert_eq!(browser.complaints(), Vec::<String>::new());

    browser.open(&site.url("/app/nowhere"));
    assert_eq!(browser.status(), 404);
    assert_styled(&browser);
    browser.click("main a");
    browser.wait_for_path("/app/");
}

#[test]
fn a_visitor_finds_all_below_a_path_that_is_a_setting() {
    visit(&Site::start(&["--root-path=/app"], "", ""));
}

#[test]
fn a_visitor_finds_all_below_a_path_that_nginx_tells() {
    let told = "proxy_set_header X-Forwarded-Prefix /app;";
    visit(&Site::start(&["--forwarded-headers=for,proto,prefix"], "/", told));
}

/// In development requests must not have a proxy's headers, so nginx adds none.
#[test]
fn the_panel_is_below_the_path_as_well() {
    let flags = ["--port=0", "--development", "--root-path=/app"];
    let wizard = Program::start(&[("SECRET_KEY", &secret())], &flags);
    let to = format!("http://{}", wizard.address());
    let nginx =
        Front::nginx(&format!("location /app/ {{ proxy_pass {to}; proxy_set_header Host $http_host; }}"));
    let browser = Browser::start();
    browser.open(&format!("http://localhost:{}/app/", nginx.port));
    introduce(&browser);
    browser.click("footer a");
    browser.wait_for_path("/app/_session");
    assert_styled(&browser);
    let trails = browser.texts("#trails li");
    assert!(trails.iter().any(|trail| trail.contains("POST /wizard/create")), "{trails:?}");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}
