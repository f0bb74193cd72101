//! The page that explains an error to whoever writes the app, and to nobody else.

use crate::support::{CANARY, client_of, developer, header, known};
use http::HeaderValue;
use waxseal::testing::Client;
use waxseal::{App, Body, Error, Method, Request, Response, Result};

async fn read_number(request: Request) -> Result<Response> {
    let number: u32 = request.param("number")?.parse()?; // the line that fails
    Err(Error::status(503).message(format!("there is no wizard {number}")))
}

fn app() -> App {
    App::new("demo").get("/wizards/{number}", read_number).get("/panic", async |_| panic!("out of ink"))
}

/// Where this file says something for the first time.
fn line_of(text: &str) -> usize {
    1 + include_str!("developer_page.rs").lines().position(|line| line.contains(text)).unwrap()
}

fn development(app: App) -> Client {
    Client::with_settings(app, &crate::support::development()).unwrap()
}

#[tokio::test]
async fn a_developer_sees_the_code_that_failed_and_the_request() {
    let client = development(app());
    let mut request = client.request(Method::GET, "/wizards/merlin?page=2&x='%3C", Body::empty());
    for (name, value) in [
        ("user-agent", "Owl/1.0 <b>"),
        ("authorization", "Bearer secret-bearer"),
        ("proxy-authorization", "Basic secret-basic"),
        ("cookie", "theme=secret-theme"),
    ] {
        request.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    let answer = client.send(request).await;
    assert_eq!(answer.status(), 500);
    let page = answer.text();
    for shown in [
        "<h1>500 at GET &#x2f;wizards&#x2f;merlin</h1>",
        "invalid digit found in string",
        &format!("tests&#x2f;app&#x2f;developer_page.rs, line {}", line_of("// the line that fails")),
        "<mark>    let number: u32 = request.param(&quot;number&quot;)?.parse()?; &#x2f;&#x2f; the line that fails</mark>",
        "<dd>&#x2f;wizards&#x2f;{number}, called read_number</dd>",
        "<dd>page=2&amp;x=&#x27;%3C</dd>",
        "<dt>user-agent</dt><dd>Owl&#x2f;1.0 &lt;b&gt;</dd>",
        "<dt>cookie</dt><dd>(not shown)</dd>",
        "<dt>authorization</dt><dd>(not shown)</dd>",
    ] {
        assert!(page.contains(shown), "{shown}: {page}");
    }
    assert!(!page.contains("secret-"), "{page}");
    assert!(!page.contains("<script"), "{page}");
    assert!(
        header(&answer, "content-security-policy")
            .unwrap()
            .starts_with("default-src 'none'; style-src 'sha256-")
    );
}

#[tokio::test]
async fn an_abort_is_found_and_a_panic_has_no_line() {
    let client = development(app());
    let page = client.get("/wizards/7").await.text();
    let place = format!("developer_page.rs, line {}", line_of("Error::status(503)"));
    assert!(page.contains(&place) && page.contains("there is no wizard 7"), "{page}");
    let page = client.get("/panic").await.text();
    assert!(page.contains("the request&#x27;s handler panicked") && !page.contains(", line "), "{page}");
}

#[tokio::test]
async fn a_visitor_sees_nothing_of_the_code() {
    let client = client_of(app());
    for path in ["/wizards/merlin", "/wizards/7", "/panic"] {
        let page = client.get(path).await.text();
        for hidden in ["developer_page", "digit", "wizard", "number", "ink", "host"] {
            assert!(!page.contains(hidden), "{path}: {hidden} in {page}");
        }
    }
}

#[tokio::test]
async fn nobody_elses_request_reaches_the_developers_page() {
    let client = development(app());
    for (name, value, status) in
        [("host", "evil.example", 421), ("x-forwarded-for", "192.0.2.1", 403), ("via", "1.1 proxy", 403)]
    {
        let mut request = client.request(Method::GET, "/wizards/merlin", Body::empty());
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let answer = client.send(request).await;
        assert_eq!(answer.status(), status, "{name}");
        assert!(!answer.text().contains("developer_page"), "{name}: {}", answer.text());
    }
}

#[tokio::test]
async fn no_value_of_the_session_is_on_it() {
    let client = known(developer()).await;
    for path in ["/fail", "/panic", "/mistyped", "/too-large", "/broken?sum"] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 500, "{path}");
        assert!(answer.text().contains("The request") && !answer.text().contains(CANARY), "{path}");
    }
}
