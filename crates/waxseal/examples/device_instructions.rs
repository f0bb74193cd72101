//! Operations of device-bound sessions for `cargo xtask bench --device`, which times them, and for `--check`, which counts
//! their instructions as it does those of `instructions.rs`.

#![expect(clippy::print_stdout, reason = "a program answers on standard output")]

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Parser, ValueEnum};
use http::header::{COOKIE, HOST};
use http::{HeaderValue, Method};
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use waxseal::testing::{Client, TestResponse};
use waxseal::{App, Body, Request, Response, Route, SessionState, Settings, typed};

#[derive(Parser)]
struct Options {
    operation: Operation,
    iterations: u32,
    /// Prints the nanoseconds of one iteration
    #[arg(long)]
    time: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    /// A page of a visitor who is signed in, where device-bound sessions are off
    PageOff,
    /// The same where they are on, and the browser has registered no key
    PageUnbound,
    /// The same with a session that is bound, and a proof
    PageBound,
    /// A refresh: the request for a challenge, and the one with its answer
    Refresh,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let app = App::new("bench").route(Route::post("/sign-in", sign_in)).get("/", page);
    let app = if matches!(options.operation, Operation::PageOff) { app } else { app.device_bound() };
    // A copy that stays fresh, so that no store is measured.
    let settings =
        Settings { session_state: SessionState::Mirrored, session_freshness: 86_400, ..Settings::default() };
    let client = Client::with_settings(app, &settings)?;
    let signed_in = client.post_form("/sign-in", &[]).await;
    let requests = match options.operation {
        Operation::PageOff | Operation::PageUnbound => vec![Message::page(&client)?],
        Operation::PageBound => {
            bind(&client, &signed_in).await?;
            vec![Message::page(&client)?]
        }
        Operation::Refresh => bind(&client, &signed_in).await?.to_vec(),
    };
    // By now a request has to be proven. The client's clock stands still, so one answer to a challenge serves for all.
    client.advance(Duration::from_secs(if requests.len() == 1 { 61 } else { 0 }));
    let expected = [[200, 0], [403, 200]][requests.len() - 1];
    let start = Instant::now();
    for _ in 0..options.iterations {
        for (request, status) in requests.iter().zip(expected) {
            let response = client.service().answer(black_box(request.to_request())).await;
            assert_eq!(response.status(), status);
            black_box(response);
        }
    }
    if options.time {
        println!("{}", start.elapsed().as_nanos() / u128::from(options.iterations.max(1)));
    }
    Ok(())
}

async fn sign_in(request: Request) -> waxseal::Result<Response> {
    request.sign_in("user-7").await?;
    Ok(typed("text/plain", "hello"))
}

/// Shows the owner, so that a page that should be proven and is not fails.
async fn page(request: Request) -> waxseal::Result<Response> {
    match request.session().await?.owner() {
        Some(owner) => Ok(typed("text/plain", owner)),
        None => waxseal::abort(401),
    }
}

/// A request that can be sent any number of times.
#[derive(Clone)]
struct Message {
    method: Method,
    path: &'static str,
    fields: Vec<(&'static str, HeaderValue)>,
}

impl Message {
    fn page(client: &Client) -> Result<Self, Box<dyn Error>> {
        Ok(Self { method: Method::GET, path: "/", fields: vec![("cookie", cookies(client)?)] })
    }

    fn post(
        client: &Client,
        path: &'static str,
        fields: &[(&'static str, &str)],
    ) -> Result<Self, Box<dyn Error>> {
        let mut all = vec![("cookie", cookies(client)?)];
        for (name, value) in fields {
            all.push((name, HeaderValue::try_from(*value)?));
        }
        Ok(Self { method: Method::POST, path, fields: all })
    }

    fn to_request(&self) -> http::Request<Body> {
        let mut request = http::Request::new(Body::empty());
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = http::Uri::from_static(self.path);
        let headers = request.headers_mut();
        headers.insert(HOST, HeaderValue::from_static("localhost"));
        for (name, value) in &self.fields {
            headers.insert(*name, value.clone());
        }
        request
    }
}

/// All cookies in one field, as a refresh brings them.
fn cookies(client: &Client) -> Result<HeaderValue, Box<dyn Error>> {
    let pairs: Vec<_> =
        client.cookies().iter().map(|cookie| format!("{}={}", cookie.name, cookie.value)).collect();
    Ok(HeaderValue::try_from(pairs.join("; "))?)
}

/// Registers a key, and returns the two requests of a refresh.
async fn bind(client: &Client, signed_in: &TestResponse) -> Result<[Message; 2], Box<dyn Error>> {
    let key = SigningKey::from_slice(&[7; 32])?;
    let point = key.verifying_key().to_sec1_point(false);
    let [x, y] = [1, 33].map(|start| URL_SAFE_NO_PAD.encode(&point.as_bytes()[start..start + 32]));
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let offer = quoted(signed_in.headers()["secure-session-registration"].to_str()?, "challenge=\"");
    let header = format!(r#"{{"alg":"ES256","jwk":{jwk},"typ":"dbsc+jwt"}}"#);
    let response = sign(&key, &header, offer);
    let register = Message::post(client, "/_device/register", &[("secure-session-response", &response)])?;
    let registered = send(client, &register).await;
    let body = registered.text();
    let id = ("sec-secure-session-id", quoted(&body, r#""session_identifier":""#));
    let ask = Message::post(client, "/_device/refresh", &[id])?;
    let asked = send(client, &ask).await;
    let challenge = quoted(asked.headers()["secure-session-challenge"].to_str()?, "\"");
    let response = sign(&key, r#"{"alg":"ES256","typ":"dbsc+jwt"}"#, challenge);
    let fields = [id, ("secure-session-response", response.as_str())];
    Ok([ask, Message::post(client, "/_device/refresh", &fields)?])
}

/// Sends by the client, which keeps cookies.
async fn send(client: &Client, message: &Message) -> TestResponse {
    let mut request = message.to_request();
    request.headers_mut().remove(COOKIE);
    let (path, headers) = (message.path, std::mem::take(request.headers_mut()));
    let mut request = client.request(message.method.clone(), path, Body::empty());
    request.headers_mut().extend(headers);
    client.send(request).await
}

fn sign(key: &SigningKey, header: &str, challenge: &str) -> String {
    let claims = format!(r#"{{"jti":"{challenge}"}}"#);
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature: Signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

/// What stands between the quotes after `before`.
fn quoted<'a>(text: &'a str, before: &str) -> &'a str {
    text.split_once(before).and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}
