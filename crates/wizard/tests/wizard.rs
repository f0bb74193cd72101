//! The wizard from sign-in to sign-out, without a browser.

#[path = "browser/cookie.rs"]
mod cookie;
mod program;
mod tutorial;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use http::header::{CACHE_CONTROL, CONTENT_TYPE, LOCATION, SET_COOKIE, VARY};
use http::{HeaderValue, Method};
use waxseal::testing::{Client, TestResponse};

const COOKIE: &str = "__Host-session";
const MERLIN: [(&str, &str); 2] = [("name", "Merlin the Wise"), ("magic_school", "Camelot Academy")];

fn client() -> Client {
    Client::new(wizard::app()).unwrap()
}

async fn merlin() -> Client {
    let client = client();
    assert_eq!(client.post_form("/wizard/create", &MERLIN).await.status(), 303);
    client
}

/// All headers that a session may add to a response.
fn traces(answer: &TestResponse) -> Vec<&str> {
    [SET_COOKIE, VARY, CACHE_CONTROL].iter().filter_map(|name| answer.header(name)).collect()
}

/// The page's text with each run of white space replaced by one space.
fn words(page: &str) -> String {
    page.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn the_form_leads_to_the_page_that_shows_it() {
    let client = client();
    let form = client.get("/").await;
    assert_eq!(form.status(), 200);
    assert!(words(&form.text()).contains("<form id=\"wizard\" method=\"post\" action=\"/wizard/create\">"));

    let created = client.post_form("/wizard/create", &MERLIN).await;
    assert_eq!((created.status().as_u16(), created.location()), (303, Some("/wizard/success")));
    assert_eq!(created.header(&VARY), Some("Cookie"));
    assert_eq!(created.header(&CACHE_CONTROL), Some("private, no-store"));
    let set_cookie = created.header(&SET_COOKIE).unwrap();
    assert!(set_cookie.starts_with("__Host-session="), "{set_cookie}");
    assert!(set_cookie.ends_with("; HttpOnly; SameSite=Lax; Secure; Path=/"), "{set_cookie}");

    let page = client.get("/wizard/success").await;
    assert_eq!(page.status(), 200);
    assert_eq!(traces(&page), ["Cookie", "private, no-store"]);
    assert!(page.text().contains("<dd id=\"name\">Merlin the Wise</dd>"), "{}", page.text());
    assert!(page.text().contains("<dd id=\"magic-school\">Camelot Academy</dd>"), "{}", page.text());
}

#[tokio::test]
async fn what_a_wizard_writes_is_text_and_nothing_else() {
    let client = client();
    let nasty = "<script>alert('x')</script>\"&{{ 7*7 }}";
    let escaped = "&lt;script&gt;alert(&#x27;x&#x27;)&lt;&#x2f;script&gt;&quot;&amp;{{ 7*7 }}";
    client.post_form("/wizard/create", &[("name", nasty), ("magic_school", nasty)]).await;
    let page = client.get("/wizard/success").await.text();
    assert_eq!(page.matches(escaped).count(), 2, "{page}");
    assert!(!page.contains("<script"), "{page}");

    // A form that is shown again escapes its values, too.
    let page = client.post_form("/wizard/create", &[("name", nasty)]).await.text();
    assert!(page.contains(&format!("value=\"{escaped}\"")) && !page.contains("<script"), "{page}");
}

#[tokio::test]
async fn only_the_two_fields_reach_the_session() {
    let client = client();
    let more =
        [("is_admin", "true"), ("_permanent", "1"), ("__proto__", "x"), ("name[]", "y"), ("session", "z")];
    client.post_form("/wizard/create", &[&MERLIN[..], &more].concat()).await;
    let session = client.session().await;
    assert_eq!(session.keys(), ["name", "magic_school"]);
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Merlin the Wise"));
    assert_eq!(session.get::<String>("magic_school").unwrap().as_deref(), Some("Camelot Academy"));
    assert!(!session.is_permanent());
}

#[tokio::test]
async fn names_are_kept_without_the_space_around_them() {
    let client = client();
    client.post_form("/wizard/create", &[("name", " \t Merlin\u{a0}"), ("magic_school", "Åbo\n")]).await;
    let session = client.session().await;
    assert_eq!(session.get::<String>("name").unwrap().as_deref(), Some("Merlin"));
    assert_eq!(session.get::<String>("magic_school").unwrap().as_deref(), Some("Åbo"));
}

#[tokio::test]
async fn a_form_that_will_not_do_comes_back_filled_in() {
    let (eighty, more) = ("é".repeat(80), "é".repeat(81));
    for (case, name, school, messages) in [
        ("nothing", None, None, &["Write down your name.", "Write down your school."][..]),
        ("no school", Some("Merlin"), None, &["Write down your school."]),
        ("no name", None, Some("Camelot"), &["Write down your name."]),
        ("an empty name", Some(""), Some("Camelot"), &["Write down your name."]),
        ("spaces", Some(" \t\u{3000}"), Some("Camelot"), &["Write down your name."]),
        ("a long name", Some(more.as_str()), Some("Camelot"), &["Use at most 80 characters for your name."]),
        ("a long school", Some("Merlin"), Some(&more), &["Use at most 80 characters for your school."]),
        ("just within", Some(eighty.as_str()), Some(&eighty), &[]),
    ] {
        let client = client();
        let fields = [("name", name), ("magic_school", school)];
        let sent: Vec<(&str, &str)> =
            fields.iter().filter_map(|(field, value)| Some((*field, (*value)?))).collect();
        let answer = client.post_form("/wizard/create", &sent).await;
        let page = answer.text();
        if messages.is_empty() {
            assert_eq!(answer.status(), 303, "{case}: {page}");
            continue;
        }
        assert_eq!(answer.status(), 422, "{case}");
        assert_eq!(traces(&answer), [""; 0], "{case}: the session was not touched");
        for message in messages {
            assert_eq!(page.matches(message).count(), 2, "{case}: above the form and at its field: {page}");
        }
        assert_eq!(page.matches("aria-invalid=\"true\"").count(), messages.len(), "{case}");
        for (field, value) in sent {
            let filled = format!("id=\"{field}\" name=\"{field}\" value=\"{value}\"");
            assert!(page.contains(&filled), "{case}: {filled} in {page}");
        }
    }
}

#[tokio::test]
async fn a_form_that_makes_no_sense_is_400() {
    let client = client();
    for (case, form, sentence) in [
        ("a broken escape", "name=%zz&magic_school=c", "write a percent sign as `%25`"),
        ("not UTF-8", "name=%ff&magic_school=c", "send it as UTF-8"),
    ] {
        let mut request = client.request(Method::POST, "/wizard/create", form.into());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        let answer = client.send(request).await;
        assert_eq!(answer.status(), 400, "{case}");
        assert!(answer.text().contains(sentence), "{case}: {}", answer.text());
        assert_eq!(answer.header(&SET_COOKIE), None, "{case}");
    }
}

#[tokio::test]
async fn starting_over_ends_the_session() {
    let client = merlin().await;
    let page = client.get("/wizard/success").await.text();
    assert!(page.contains("method=\"post\" action=\"/wizard/start-over\""), "{page}");
    let answer = client.post_form("/wizard/start-over", &[]).await;
    assert_eq!((answer.status().as_u16(), answer.location()), (303, Some("/")));
    let removal = answer.header(&SET_COOKIE).unwrap();
    assert!(removal.starts_with("__Host-session=; ") && removal.contains("; Max-Age=0"), "{removal}");
    assert_eq!(client.cookie(COOKIE), None);
    assert!(client.get("/wizard/success").await.text().contains("We have not met yet"));
    assert_eq!(client.get("/wizard/start-over").await.status(), 405, "a link ends nothing");
}

#[tokio::test]
async fn pages_that_ask_for_no_session_leave_no_trace_of_it() {
    let client = merlin().await;
    client.advance(std::time::Duration::from_secs(10 * 60));
    for path in ["/", "/nowhere"] {
        assert_eq!(traces(&client.get(path).await), [""; 0], "{path}");
    }
    let sheet = client.get("/static/wizard.css").await;
    assert_eq!(traces(&sheet), ["no-cache"], "kept, and asked for again by its tag");
    assert_eq!(sheet.header(&CONTENT_TYPE), Some("text/css; charset=utf-8"));
    assert!(sheet.text().contains("prefers-color-scheme"));
}

#[tokio::test]
async fn a_stranger_is_told_so_kindly() {
    let page = client().get("/wizard/success").await;
    assert_eq!((page.status().as_u16(), traces(&page)), (200, vec!["Cookie"]));
    assert!(page.text().contains("We have not met yet"), "{}", page.text());
    assert!(page.text().contains("href=\"/\">Introduce yourself</a>"), "{}", page.text());
}

#[tokio::test]
async fn the_cookie_can_be_neither_read_nor_changed() {
    let client = merlin().await;
    let token = client.cookie(COOKIE).unwrap();
    let words = MERLIN.iter().flat_map(|(field, value)| value.split(' ').chain([*field]));
    for word in words.filter(|word| word.len() > 3) {
        assert!(!cookie::can_be_read(&token, word), "{word}");
    }
    for (place, altered) in cookie::alterations(&token) {
        client.set_cookie(COOKIE, &altered);
        let page = client.get("/wizard/success").await;
        assert_eq!((page.status().as_u16(), traces(&page)), (200, vec!["Cookie"]), "{place}");
        assert!(page.text().contains("We have not met yet"), "{place}");
    }
    client.set_cookie(COOKIE, &token);
    assert!(client.get("/wizard/success").await.text().contains("Merlin the Wise"));
}

#[tokio::test]
async fn a_form_on_another_site_reaches_nothing() {
    let client = merlin().await;
    for path in ["/wizard/create", "/wizard/start-over"] {
        let mut request = client.request(Method::POST, path, "name=Mallory&magic_school=None".into());
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, kind);
        request.headers_mut().insert("sec-fetch-site", HeaderValue::from_static("cross-site"));
        let answer = client.send(request).await;
        assert_eq!((answer.status().as_u16(), answer.header(&SET_COOKIE)), (403, None), "{path}");
    }
    assert!(client.get("/wizard/success").await.text().contains("Merlin the Wise"));
}

/// Over a real socket, with the parts that a browser would do done by hand.
#[test]
fn the_wizard_over_a_socket() {
    let program = program::Program::start(&[("SECRET_KEY", &program::secret())], &["--port", "0"]);
    let form = "name=Merlin+the+Wise&magic_school=Camelot+Academy";
    let head = format!(
        "POST /wizard/create HTTP/1.1\r\nhost: wizard.example\r\ncontent-length: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\nconnection: close\r\n\r\n",
        form.len()
    );
    let created = exchange(program.address(), &(head + form));
    assert!(created.starts_with("HTTP/1.1 303 "), "{created}");
    assert_eq!(field(&created, LOCATION.as_str()), Some("/wizard/success"), "{created}");
    let set_cookie = field(&created, SET_COOKIE.as_str()).unwrap();
    let pair = set_cookie.split(';').next().unwrap();

    let get = |cookie: &str| {
        let head = "GET /wizard/success HTTP/1.1\r\nhost: wizard.example\r\nconnection: close\r\n";
        exchange(program.address(), &format!("{head}{cookie}\r\n"))
    };
    let page = get(&format!("cookie: {pair}\r\n"));
    assert!(page.contains("<dd id=\"name\">Merlin the Wise</dd>"), "{page}");
    assert!(get("").contains("We have not met yet"));
}

fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn field<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
