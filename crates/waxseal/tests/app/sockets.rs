//! What bad input and bad manners get over a socket, under short limits.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use waxseal::{App, Limits, Request, Response, Result, Settings};
use waxseal_crypto::{Keyring, SecretKey};

use crate::support::app;

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// Longer than anything takes here, unless the test waits for it.
const SHORT: Duration = Duration::from_millis(300);

async fn start(app: App, limits: Limits) -> SocketAddr {
    let keyring = Keyring::new(SecretKey::generate().unwrap());
    let service = app.limits(limits).service(&Settings::default(), &keyring).await.unwrap();
    let server =
        waxseal_server::HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap().limits(service.limits());
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(service, std::future::pending()));
    address
}

async fn connect(address: SocketAddr, bytes: &str) -> TcpStream {
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(bytes.as_bytes()).await.unwrap();
    client
}

/// All that comes until the server closes the connection.
async fn exchange(address: SocketAddr, bytes: &str) -> String {
    let (mut client, mut answer) = (connect(address, bytes).await, Vec::new());
    tokio::time::timeout(PATIENCE, client.read_to_end(&mut answer)).await.expect("closed in time").unwrap();
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, fields: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{fields}\r\n{body}")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n")
}

fn statuses(answers: &str) -> Vec<&str> {
    answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect()
}

#[tokio::test]
async fn each_limit_has_its_answer() {
    let sizes = Limits::default().body(1000).head(2000);
    let still = start(app(), sizes.body_idle(SHORT)).await;
    let slow = start(app(), sizes.request_time(SHORT)).await;
    let address = start(app(), sizes).await;
    let chunked = |body: &str| post("/count", "transfer-encoding: chunked\r\n", body);
    for (case, request, status) in [
        ("a head over the limit", get(&format!("/{}", "x".repeat(3000))), "431"),
        (
            "a cookie over the limit of the head",
            get("/").replace("\r\n\r\n", &format!("\r\ncookie: {}\r\n\r\n", "x".repeat(3000))),
            "431",
        ),
        ("a body announced over the limit", post("/count", "content-length: 1001\r\n", ""), "413"),
        ("chunks over the limit", chunked(&format!("3e9\r\n{}\r\n0\r\n\r\n", "x".repeat(1001))), "413"),
        ("chunks within it", chunked("5\r\nhello\r\n5\r\nagain\r\n0\r\n\r\n"), "200"),
        ("a chunk that is none", chunked("zz\r\nhello\r\n0\r\n\r\n"), "400"),
        ("a body that stops coming", post("/count", "content-length: 10\r\n", "hello"), "408"),
        ("a chunk that stops coming", chunked("5\r\nhel"), "408"),
        ("a handler that never ends", get("/stuck"), "503"),
        ("a panic", get("/panic"), "500"),
        ("no Host", get("/").replace("host: a\r\n", ""), "400"),
        ("two Hosts", get("/").replace("host: a\r\n", "host: a\r\nhost: a\r\n"), "400"),
        ("no HTTP", "hello\r\n\r\n".to_owned(), "400"),
        ("an unknown path", get("/nowhere"), "404"),
        ("a wrong method", post("/", "content-length: 0\r\n", ""), "405"),
    ] {
        let address = match status {
            "408" => still,
            "503" => slow,
            _ => address,
        };
        let answer = exchange(address, &request).await;
        assert_eq!(statuses(&answer), [status], "{case}: {answer}");
        assert!(!answer.contains("set-cookie"), "{case}: {answer}");
    }
}

#[tokio::test]
async fn a_body_may_not_drip_longer_than_the_whole_time() {
    let address = start(app(), Limits::default().request_time(SHORT)).await;
    let client = connect(address, &post("/count", "content-length: 900\r\n", "")).await;
    let (mut read, mut write) = client.into_split();
    let dripping = tokio::spawn(async move {
        // Often enough for the idle time; the whole time ends it.
        while write.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, read.read_to_string(&mut answer)).await.expect("in time").unwrap();
    assert_eq!(statuses(&answer), ["408"], "{answer}");
    dripping.abort();
}

#[tokio::test]
async fn a_handler_that_is_slow_with_what_it_has_read_is_not_the_clients_fault() {
    async fn stuck(request: Request) -> Result<Response> {
        request.body().await?;
        std::future::pending().await
    }
    let address = start(App::new("demo").post("/stuck", stuck), Limits::default().request_time(SHORT)).await;
    let answer = exchange(address, &post("/stuck", "content-length: 5\r\n", "hello")).await;
    assert_eq!(statuses(&answer), ["503"], "{answer}");
}

#[tokio::test]
async fn each_form_of_a_target_has_its_answer() {
    let app = App::new("demo")
        .get("/a", async |_| Ok(waxseal::html("a")))
        .post("/b", async |_| waxseal::abort(404));
    let address = start(app, Limits::default()).await;
    for (line, status, allow) in [
        ("OPTIONS *", "204", Some("GET, HEAD, OPTIONS, POST")),
        ("OPTIONS /a", "204", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS http://a/a", "204", Some("GET, HEAD, OPTIONS")),
        ("OPTIONS /nowhere", "404", None),
        ("OPTIONS http://a/*", "404", None),
        ("GET http://a/a", "200", None),
        ("GET http://b/a", "400", None),
        ("GET *", "400", None),
        ("HEAD *", "400", None),
        ("CONNECT a:80", "405", Some("GET, HEAD, OPTIONS, POST")),
    ] {
        let host = if line.ends_with(":80") { "a:80" } else { "a" };
        let request = format!("{line} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n");
        let answer = exchange(address, &request).await;
        assert_eq!(statuses(&answer), [status], "{line}: {answer}");
        assert_eq!(answer.lines().find_map(|line| line.strip_prefix("allow: ")), allow, "{line}: {answer}");
    }
}

#[tokio::test]
async fn a_panic_is_for_its_request_only() {
    let address = start(app(), Limits::default()).await;
    let requests = "GET /panic HTTP/1.1\r\nhost: a\r\n\r\n".repeat(2) + &get("/");
    let answers = exchange(address, &requests).await;
    assert_eq!(statuses(&answers), ["500", "500", "200"], "{answers}");
    assert!(answers.ends_with("hello"), "{answers}");
}

#[tokio::test]
async fn pipelined_requests_have_a_session_each() {
    let address = start(app(), Limits::default()).await;
    let form = "content-type: application/x-www-form-urlencoded\r\ncontent-length: 11\r\n";
    let requests = post("/name", form, "name=Merlin").replace("connection: close\r\n", "") + &get("/name");
    let answers = exchange(address, &requests).await;
    assert_eq!(statuses(&answers), ["303", "200"], "{answers}");
    assert_eq!(answers.matches("set-cookie: __Host-session=").count(), 1, "{answers}");
    assert!(answers.contains("<p>stranger</p>"), "{answers}");
}

#[tokio::test]
async fn a_body_that_nobody_reads_spoils_nothing() {
    let address = start(app(), Limits::default()).await;
    let unread = post("/ignore", "content-length: 5\r\n", "GET /").replace("connection: close\r\n", "");
    let answers = exchange(address, &(unread + &get("/"))).await;
    assert_eq!(statuses(&answers), ["200", "200"], "{answers}");
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let address = start(app(), Limits::default()).await;
    for path in ["/", "/name", "/nowhere", "/fail"] {
        let without_date = |answer: String| -> Vec<String> {
            let head = answer.split_once("\r\n\r\n").expect("a head").0;
            let differs = |line: &str| line.starts_with("date: ") || line.starts_with("x-request-id: ");
            head.lines().filter(|line| !differs(line)).map(str::to_owned).collect()
        };
        let head = exchange(address, &get(path).replace("GET", "HEAD")).await;
        assert!(head.ends_with("\r\n\r\n"), "{path}: {head}");
        let get = exchange(address, &get(path)).await;
        assert!(!get.ends_with("\r\n\r\n"), "{path}: {get}");
        assert_eq!(without_date(head), without_date(get), "{path}");
    }
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_request() {
    struct Ends(Arc<Notify>);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.notify_one();
        }
    }
    let (began, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begin, end) = (began.clone(), ended.clone());
    let app = App::new("demo").get("/", move |_| {
        let (begin, end) = (begin.clone(), Ends(end.clone()));
        async move {
            begin.notify_one();
            std::future::pending::<()>().await;
            drop(end);
            unreachable!("nothing wakes it")
        }
    });
    // With the usual limits: it is the hang-up that ends it.
    let address = start(app, Limits::default()).await;
    let client = connect(address, &get("/")).await;
    tokio::time::timeout(PATIENCE, began.notified()).await.expect("it begins");
    drop(client);
    tokio::time::timeout(PATIENCE, ended.notified()).await.expect("it ends");
}
