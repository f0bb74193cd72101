//! WebSockets and their visitor's session, with a real client.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{COOKIE, HOST, ORIGIN, SET_COOKIE};
use http::{HeaderName, HeaderValue};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message as Frame};
use waxseal::{
    App, AppService, Body, LimitSettings, Request, Response, Result, Route, SessionState, Settings, html,
};
use waxseal_crypto::{Keyring, SecretKey};

#[path = "../../examples/chat.rs"]
#[expect(dead_code, reason = "its main function")]
mod chat;

/// When a test gives up.
const PATIENCE: Duration = Duration::from_secs(10);

async fn greet(request: Request) -> Result<Response> {
    request
        .websocket(async move |mut socket: waxseal::WebSocket| {
            let owner = socket.session().owner().unwrap_or("stranger".to_owned());
            let theme = socket.session().get::<String>("theme").unwrap().unwrap_or_default();
            while let Some(message) = socket.receive().await {
                let text = format!("{} {owner} {theme}", message.as_text().unwrap_or_default());
                if socket.send(text).await.is_err() {
                    break;
                }
            }
        })
        .await
}

async fn echo(request: Request) -> Result<Response> {
    request
        .websocket(|mut socket| async move {
            while let Some(message) = socket.receive().await {
                if socket.send(message).await.is_err() {
                    break;
                }
            }
        })
        .await
}

async fn sign_in(request: Request) -> Result<Response> {
    request.session().await?.insert("theme", "dark")?;
    request.sign_in("user-7").await?;
    Ok(html("in"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(html("out"))
}

struct Site {
    service: AppService,
    address: SocketAddr,
}

impl Site {
    async fn start(session_state: SessionState) -> Self {
        let app = App::new("demo")
            .get("/socket", greet)
            .get("/echo", echo)
            .route(Route::get("/open", greet).name("open").allow_cross_site())
            .post("/in", sign_in)
            .post("/out", sign_out);
        Self::of(app, session_state).await
    }

    async fn of(app: App, session_state: SessionState) -> Self {
        Self::with(app, Settings { session_state, ..Settings::default() }).await
    }

    async fn with(app: App, settings: Settings) -> Self {
        let keyring = Keyring::new(SecretKey::generate().unwrap());
        let service = app.service(&settings, &keyring).await.unwrap();
        let server = waxseal_server::HttpServer::bind(([127, 0, 0, 1], 0)).await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(server.serve(service.clone(), std::future::pending()));
        Self { service, address }
    }

    /// Sends a form, and returns the cookie of the answer.
    async fn post(&self, path: &str, cookie: &str) -> String {
        let request = http::Request::post(path).header(HOST, "app.example").header(COOKIE, cookie);
        let response = self.service.answer(request.body(Body::empty()).unwrap()).await;
        assert_eq!(response.status(), 200);
        let line = response.headers().get(SET_COOKIE).map(|line| line.to_str().unwrap()).unwrap_or_default();
        line.split(';').next().unwrap().to_owned()
    }

    async fn open(
        &self,
        path: &str,
        headers: &[(HeaderName, &str)],
    ) -> Result<WebSocketStream<TcpStream>, Error> {
        let mut request = format!("ws://app.example{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name, HeaderValue::try_from(*value).unwrap());
        }
        let stream = TcpStream::connect(self.address).await.unwrap();
        Ok(tokio_tungstenite::client_async(request, stream).await?.0)
    }
}

async fn say(socket: &mut WebSocketStream<TcpStream>, word: &str) -> String {
    socket.send(Frame::text(word)).await.unwrap();
    let answer = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    answer.into_text().unwrap().as_str().to_owned()
}

#[tokio::test]
async fn a_socket_sees_its_visitors_session_and_is_closed_with_it() {
    for state in [SessionState::Cookie, SessionState::Store, SessionState::Mirrored] {
        let site = Site::start(state).await;
        let cookie = site.post("/in", "").await;
        let mut own = site.open("/socket", &[(COOKIE, &cookie)]).await.unwrap();
        let mut strangers = site.open("/socket", &[]).await.unwrap();
        assert_eq!(say(&mut own, "hello").await, "hello user-7 dark", "{state:?}");
        assert_eq!(say(&mut strangers, "hello").await, "hello stranger ", "{state:?}");
        assert_eq!(say(&mut site.open("/echo", &[]).await.unwrap(), "hello").await, "hello", "{state:?}");
        site.post("/out", &cookie).await;
        let Some(Ok(Frame::Close(Some(frame)))) = timeout(PATIENCE, own.next()).await.unwrap() else {
            panic!("{state:?}: it is closed");
        };
        assert_eq!((frame.code, frame.reason.as_str()), (CloseCode::Policy, "the session was ended"));
        assert_eq!(say(&mut strangers, "still").await, "still stranger ", "{state:?}");
    }
}

#[tokio::test]
async fn a_setting_limits_messages() {
    let limits = LimitSettings { ws_max_size: 4.try_into().ok(), ..LimitSettings::default() };
    let site =
        Site::with(App::new("demo").get("/echo", echo), Settings { limits, ..Settings::default() }).await;
    let mut socket = site.open("/echo", &[(ORIGIN, "https://app.example")]).await.unwrap();
    socket.send(Frame::text("1234")).await.unwrap();
    assert_eq!(timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap(), Frame::text("1234"));
    socket.send(Frame::text("12345")).await.unwrap();
    let Frame::Close(Some(close)) = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap() else {
        panic!("it is closed");
    };
    assert_eq!(close.code, CloseCode::Size);
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket() {
    const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
    let site = Site::start(SessionState::Cookie).await;
    for (case, path, headers, opens) in [
        ("no browser", "/socket", vec![], true),
        ("a page of its own", "/socket", vec![(SITE, "same-origin")], true),
        ("an older browser", "/socket", vec![(ORIGIN, "https://app.example")], true),
        ("another site", "/socket", vec![(ORIGIN, "https://evil.example")], false),
        ("a sandbox", "/socket", vec![(ORIGIN, "null")], false),
        ("another site, as browsers say", "/socket", vec![(SITE, "cross-site")], false),
        ("a sibling host", "/socket", vec![(SITE, "same-site")], false),
        ("another site, allowed", "/open", vec![(ORIGIN, "https://evil.example")], true),
    ] {
        match site.open(path, &headers).await {
            Ok(mut socket) => {
                assert!(opens, "{case}");
                assert_eq!(say(&mut socket, "hello").await, "hello stranger ", "{case}");
            }
            Err(Error::Http(refused)) => assert!(!opens && refused.status() == 403, "{case}: {refused:?}"),
            Err(error) => panic!("{case}: {error}"),
        }
    }
}

#[tokio::test]
async fn a_page_where_a_socket_is_says_what_to_send() {
    let site = Site::start(SessionState::Cookie).await;
    let request = http::Request::get("/socket").header(HOST, "app.example").body(Body::empty()).unwrap();
    let response = site.service.answer(request).await;
    assert_eq!(response.status(), 426);
    assert_eq!(response.headers()["sec-websocket-version"], "13");
}

#[tokio::test]
async fn the_example_lets_people_talk_until_they_leave() {
    let site = Site::of(chat::app(), SessionState::Cookie).await;
    let client = |body: &str, cookie: &str| {
        let request = http::Request::builder().header(HOST, "app.example").header(COOKIE, cookie);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        (request, body.to_owned())
    };
    // A form's token is of the session that the page with the form has begun.
    let token_of = async |cookie: &str| {
        let (request, _) = client("", cookie);
        let page = site.service.answer(request.uri("/").body(Body::empty()).unwrap()).await;
        let cookie = match page.headers().get(SET_COOKIE) {
            Some(line) => line.to_str().unwrap().split(';').next().unwrap().to_owned(),
            None => cookie.to_owned(),
        };
        let page = page.into_body().collect(usize::MAX, PATIENCE).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        let (_, token) = page.split_once("value=\"").unwrap();
        (cookie, token.split('"').next().unwrap().to_owned())
    };
    let post = async |path: &str, fields: &str, cookie: &str| {
        let (cookie, token) = match path {
            "/leave" => (cookie.to_owned(), "none".to_owned()),
            _ => token_of(cookie).await,
        };
        let (request, body) = client(&format!("csrf_token={token}&{fields}"), &cookie);
        let answer = site.service.answer(request.uri(path).method("POST").body(body.into()).unwrap()).await;
        assert_eq!(answer.status(), 303, "{path}");
        let line = answer.headers()[SET_COOKIE].to_str().unwrap().to_owned();
        line.split(';').next().unwrap().to_owned()
    };
    let refused = site.open("/talk", &[]).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 401));

    let (gandalf, merlin) =
        (post("/come-in", "name=Gan%07dalf", "").await, post("/come-in", "name=Merlin", "").await);
    let mut first = site.open("/talk", &[(COOKIE, &gandalf)]).await.unwrap();
    assert_eq!(hear(&mut first).await, "Gandalf comes in");
    let mut second = site.open("/talk", &[(COOKIE, &merlin)]).await.unwrap();
    for socket in [&mut first, &mut second] {
        assert_eq!(hear(socket).await, "Merlin comes in");
    }
    second.send(Frame::text("Who is there?")).await.unwrap();
    for socket in [&mut first, &mut second] {
        assert_eq!(hear(socket).await, "Merlin: Who is there?");
    }
    post("/leave", "", &merlin).await;
    assert_eq!(hear(&mut first).await, "Merlin leaves");
    let last = timeout(PATIENCE, second.next()).await.unwrap();
    assert!(matches!(last, Some(Ok(Frame::Close(Some(_))))), "{last:?}");
}

async fn hear(socket: &mut WebSocketStream<TcpStream>) -> String {
    let heard = timeout(PATIENCE, socket.next()).await.unwrap().unwrap().unwrap();
    heard.into_text().unwrap().as_str().to_owned()
}
