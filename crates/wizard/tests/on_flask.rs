//! A shop of which one part is in Flask and one part has moved to Waxseal, behind one address, with each version of Flask.
#![cfg(unix)]

#[path = "beside_flask/site.rs"]
mod site;
#[path = "beside_flask/twin.rs"]
mod twin;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

use site::Site;
use waxseal::SessionState;

/// A client that keeps cookies and follows redirects.
struct Client<'a> {
    site: &'a Site,
    cookies: BTreeMap<String, String>,
}

impl Client<'_> {
    fn new(site: &Site) -> Client<'_> {
        Client { site, cookies: BTreeMap::new() }
    }

    fn get(&mut self, path: &str) -> String {
        self.exchange(&format!("GET {path}"), "", "")
    }

    /// Sends a form. Returns the page after the redirect.
    fn post(&mut self, path: &str, form: &str) -> String {
        let origin = format!("Origin: http://127.0.0.1:{}\r\n", self.site.port());
        let more = format!(
            "{origin}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n",
            form.len()
        );
        let answer = self.exchange(&format!("POST {path}"), &more, form);
        let to = answer
            .lines()
            .find_map(|line| line.strip_prefix("location: ").or(line.strip_prefix("Location: ")));
        let to = to.unwrap_or_else(|| panic!("no redirect: {answer}"));
        let path = to.find("/old/").or(to.find("/new/")).map(|at| &to[at..]).expect("a path of the site");
        self.get(path.trim())
    }

    fn exchange(&mut self, line: &str, more: &str, body: &str) -> String {
        let port = self.site.port();
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let cookies = cookies.join("; ");
        let head = format!(
            "{line} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\nCookie: {cookies}\r\n{more}\r\n{body}"
        );
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.1 30"), "{line}: {answer}");
        self.keep(&answer);
        answer
    }

    fn keep(&mut self, answer: &str) {
        let sets = answer.lines().filter(|line| line.to_ascii_lowercase().starts_with("set-cookie: "));
        for set in sets {
            let (name, rest) = set["set-cookie: ".len()..].split_once('=').unwrap();
            let (value, attributes) = rest.split_once(';').unwrap();
            let is_removed = attributes.contains("Max-Age=0");
            match is_removed {
                true => _ = self.cookies.remove(name),
                false => _ = self.cookies.insert(name.to_owned(), value.to_owned()),
            }
        }
    }
}

fn user(page: &str) -> &str {
    page.split_once("<p id=\"user\">").unwrap_or_else(|| panic!("{page}")).1.split('<').next().unwrap()
}

fn cart(page: &str) -> Vec<&str> {
    page.split("<li>").skip(1).map(|item| item.split('<').next().unwrap()).collect()
}

/// Waits, because a sign-out here also refuses cookies that Flask signs in the same second.
fn next_second() {
    sleep(Duration::from_millis(1_100));
}

fn walk(site: &Site) {
    let mut client = Client::new(site);
    for path in ["/old/", "/new/"] {
        assert_eq!(user(&client.get(path)), "nobody", "{path}");
    }
    // Sign in at Flask.
    assert_eq!(user(&client.post("/old/sign-in", "name=albus&remember=yes")), "albus");
    for path in ["/new/", "/old/", "/new/", "/new/", "/old/"] {
        assert_eq!(user(&client.get(path)), "albus", "{path}");
    }
    // Both apps put something into the cart.
    client.post("/old/cart", "owl=Archimedes");
    assert_eq!(cart(&client.get("/new/")), ["Archimedes"]);
    let page = client.post("/new/cart", "owl=Hedwig");
    assert_eq!(cart(&page), ["Archimedes", "Hedwig"]);
    assert_eq!(cart(&client.get("/old/")), ["Archimedes", "Hedwig"]);
    assert!(client.get("/old/").contains("of Flask"), "what is Flask's alone stays");
    assert!(client.get("/old/types").contains("\"user_id\":\"int\""));
    // Sign out at Flask, and sign in as another user.
    assert_eq!(user(&client.post("/old/sign-out", "")), "nobody");
    assert_eq!(user(&client.get("/new/")), "nobody");
    assert!(cart(&client.get("/new/")).is_empty());
    assert_eq!(user(&client.post("/new/sign-in", "name=minerva")), "minerva");
    for path in ["/old/", "/new/", "/old/"] {
        assert_eq!(user(&client.get(path)), "minerva", "{path}");
    }
    assert!(client.get("/old/types").contains("\"user_id\":\"int\""));
    assert_eq!(user(&client.post("/old/sign-in", "name=albus")), "albus");
    assert_eq!(user(&client.get("/new/")), "albus");
    // Sign out here.
    assert_eq!(user(&client.post("/new/sign-out", "")), "nobody");
    for path in ["/old/", "/new/"] {
        assert_eq!(user(&client.get(path)), "nobody", "{path}");
    }
    next_second();
    assert_eq!(user(&client.post("/old/sign-in", "name=albus")), "albus");
    assert_eq!(user(&client.get("/new/")), "albus");
}

#[test]
#[ignore = "installs Flask"]
fn flask_and_its_twin_share_a_sign_in() {
    for python in site::pythons() {
        for state in [SessionState::Store, SessionState::Mirrored] {
            let site = Site::start(&python, state);
            walk(&site);
        }
    }
}

fn walk_remembered(site: &Site) {
    let mut client = Client::new(site);
    assert_eq!(user(&client.post("/old/sign-in", "name=albus&remember=yes")), "albus");
    assert!(client.cookies.contains_key("remember_token"), "{:?}", client.cookies);
    // As after closing the browser: Flask-Login signs the user in again, and so does Waxseal.
    client.cookies.remove("session");
    for path in ["/old/", "/new/"] {
        assert_eq!(user(&client.get(path)), "albus", "{path}");
    }
    assert_eq!(user(&client.post("/new/sign-out", "")), "nobody");
    next_second();
    for path in ["/old/", "/new/", "/old/", "/new/"] {
        assert_eq!(user(&client.get(path)), "nobody", "{path}: {:?}", client.cookies);
    }
    // Now sign in and out at Flask.
    assert_eq!(user(&client.post("/old/sign-in", "name=minerva&remember=yes")), "minerva");
    assert_eq!(user(&client.get("/new/")), "minerva");
    assert_eq!(user(&client.post("/old/sign-out", "")), "nobody");
    assert_eq!(user(&client.get("/new/")), "nobody");
}

#[test]
#[ignore = "installs Flask"]
fn a_sign_out_here_is_one_for_whom_flask_login_remembers() {
    for python in site::pythons() {
        let site = Site::of(&python, "login.py", twin::app_beside_flask_login(), SessionState::Mirrored);
        walk_remembered(&site);
    }
}
