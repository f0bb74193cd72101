//! Operations for `cargo xtask bench --check`, which counts the instructions of this program under callgrind: twice,
//! with different numbers of iterations, so that what the start-up takes cancels out.
//!
//! ```text
//! valgrind --tool=callgrind target/release/examples/instructions open 1000 --keys 40
//! ```

#![expect(clippy::print_stdout, reason = "a program answers on standard output")]

use std::error::Error;
use std::hint::black_box;
use std::time::SystemTime;

use clap::{Parser, ValueEnum};
use http::{HeaderValue, Method, header};
use waxseal::{App, Body, Request, Response, SessionState, Settings, context, folder, redirect};
use waxseal_crypto::{Context, Keyring, Limits, SecretKey, Times};
use waxseal_manager::{Access, Outcome, SessionManager};
use waxseal_templates::Templates;

#[derive(Parser)]
struct Options {
    operation: Operation,
    iterations: u32,
    /// Keys in the session
    #[arg(long, default_value_t = 2)]
    keys: usize,
    /// Bytes of one more value in the session
    #[arg(long, default_value_t = 0)]
    bytes: usize,
    /// Secret keys in the ring; the last of them seals the cookie
    #[arg(long, default_value_t = 1)]
    ring: u8,
}

#[derive(Clone, Copy, ValueEnum)]
enum Operation {
    /// Prints the processor features that the cipher and the hash look for
    Processor,
    /// Seals bytes into text
    Seal,
    /// Opens that text
    Open,
    /// Decodes the last key's value
    Get,
    /// Puts a value under the last key
    Insert,
    /// Renders the page of an open session
    Render,
    /// Opens a session, inserts a value, commits
    Commit,
    /// Answers GET /wizard/success
    Read,
    /// The same in state mirrored, from a fresh copy
    ReadMirrored,
    /// The same in state store, from a record in memory
    ReadStored,
    /// Answers POST /wizard/create without a cookie
    Write,
}

const COOKIE: &str = "__Host-session";
const AUDIENCE: &str = "bench";
const TEMPLATE: &str = "success.html";

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(&options))
}

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
    let now = SystemTime::now();
    let keys = key_names(options.keys);
    let last = keys.last().ok_or("a session without keys")?.as_str();
    let (sealing, ring) = (keyring(options.ring..=options.ring)?, keyring(1..=options.ring)?);

    let sealing_sessions = SessionManager::cookie(&sealing, COOKIE, AUDIENCE)?;
    // What is read from a store may be larger than a cookie.
    let small = Options { keys: 2, bytes: 0, ..*options };
    let sealed = if matches!(options.operation, Operation::ReadStored) { &small } else { options };
    let token = token_of(&sealing_sessions, sealed, now).await?;
    let sessions = SessionManager::cookie(&ring, COOKIE, AUDIENCE)?;
    let session = sessions.open(token.as_bytes(), Access::Read, now)?.load(now).await?;

    let iterations = 0..options.iterations;
    match options.operation {
        Operation::Processor => println!("{}", processor()),
        Operation::Seal | Operation::Open => {
            let context = Context::new("session")?.with_name(COOKIE)?;
            let (sealing, sealer) = (sealing.sealer(&context), ring.sealer(&context));
            // As long as the session of these keys and bytes.
            let payload = vec![b'p'; (token.len() * 3 / 4).saturating_sub(97 + 32)];
            let times = Times::new(1_000, 1_000, 1_800, 43_200);
            let text = sealing.seal_text(&payload, times)?;
            for _ in iterations {
                match options.operation {
                    Operation::Seal => drop(black_box(sealer.seal_text(black_box(&payload), times)?)),
                    _ => {
                        drop(black_box(sealer.open_text(black_box(text.as_bytes()), 1_500, Limits::NONE)?))
                    }
                }
            }
        }
        Operation::Get => {
            for _ in iterations {
                black_box(session.get::<String>(black_box(last))?);
            }
        }
        Operation::Insert => {
            for at in iterations {
                session.insert(black_box(last), ["Merlin", "Mimir"][at as usize % 2])?;
            }
        }
        Operation::Render => {
            let templates = Templates::embedded(&folder!("$CARGO_MANIFEST_DIR/examples/templates"))?;
            for _ in iterations {
                let session = session.clone();
                black_box(templates.render(TEMPLATE, context! {}, move || Some(session.clone()))?);
            }
        }
        Operation::Commit => {
            for _ in iterations {
                let session =
                    sessions.open(black_box(token.as_bytes()), Access::Read, now)?.load(now).await?;
                session.insert(last, "Mimir")?;
                // As the servers do.
                match sessions.commit_at_once(&session, || now) {
                    Some(ended) => _ = black_box(ended),
                    None => _ = black_box(sessions.commit(&session, now).await?),
                }
            }
        }
        Operation::Read | Operation::ReadMirrored | Operation::ReadStored | Operation::Write => {
            let app = App::new(AUDIENCE)
                .templates(folder!("$CARGO_MANIFEST_DIR/examples/templates"))
                .post("/wizard/create", create_wizard)
                .get("/wizard/success", success);
            let session_state = match options.operation {
                Operation::ReadMirrored => SessionState::Mirrored,
                Operation::ReadStored => SessionState::Store,
                _ => SessionState::Cookie,
            };
            // A copy that stays fresh however slowly valgrind goes.
            let settings = Settings { session_state, session_freshness: 86_400, ..Settings::default() };
            let service = app.service(&settings, &ring).await?;
            let token = match session_state {
                SessionState::Cookie => token,
                _ => token_of(service.sessions().sessions(), options, now).await?,
            };
            let cookie = HeaderValue::try_from(format!("{COOKIE}={token}"))?;
            for _ in iterations {
                let request = match options.operation {
                    Operation::Write => write(),
                    _ => read(cookie.clone()),
                };
                let response = service.answer(black_box(request)).await;
                assert!(!response.status().is_client_error() && !response.status().is_server_error());
                black_box(response);
            }
        }
    }
    Ok(())
}

/// A token of a session of so many keys and bytes, in whatever state.
async fn token_of(
    sessions: &SessionManager,
    options: &Options,
    now: SystemTime,
) -> Result<String, Box<dyn Error>> {
    let (session, keys) = (sessions.create(), key_names(options.keys));
    session.extend(keys.iter().zip(["Merlin", "Hogwarts"].into_iter().chain(std::iter::repeat(""))))?;
    if options.bytes > 0 {
        session.insert("value", "v".repeat(options.bytes))?;
    }
    match sessions.commit(&session, now).await? {
        Outcome::Set { token, .. } => Ok(token),
        _ => Err("a new session was not sealed".into()),
    }
}

async fn create_wizard(request: Request) -> waxseal::Result<Response> {
    let fields: Vec<(String, String)> = request.form().await?;
    request.session().await?.extend(fields)?;
    Ok(redirect("/wizard/success"))
}

async fn success(request: Request) -> waxseal::Result<Response> {
    request.render(TEMPLATE, context! {}).await
}

fn read(cookie: HeaderValue) -> http::Request<Body> {
    let mut request = request(Method::GET, "/wizard/success", Body::empty());
    request.headers_mut().insert(header::COOKIE, cookie);
    request
}

fn write() -> http::Request<Body> {
    let mut request =
        request(Method::POST, "/wizard/create", Body::from("name=Merlin&magic_school=Hogwarts"));
    let form = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, form);
    request
}

fn request(method: Method, path: &'static str, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = http::Uri::from_static(path);
    request.headers_mut().insert(header::HOST, HeaderValue::from_static("localhost"));
    request
}

/// The two keys that the page shows, then as many short ones as asked for.
fn key_names(count: usize) -> Vec<String> {
    let letters = || (b'a'..=b'z').map(char::from);
    let pairs = letters().flat_map(|first| letters().map(move |second| format!("{first}{second}")));
    // As many as are asked for, the two letters at their end.
    let short = (0..).flat_map(move |round: usize| {
        let before = if round == 0 { String::new() } else { round.to_string() };
        pairs.clone().map(move |pair| format!("{before}{pair}"))
    });
    let shown = ["name", "magic_school"].map(str::to_owned);
    shown.into_iter().chain(short).take(count).collect()
}

fn keyring(mut keys: std::ops::RangeInclusive<u8>) -> Result<Keyring, Box<dyn Error>> {
    let key = |first| SecretKey::from_bytes([first; 32]);
    let first = keys.next().ok_or("a ring without keys")?;
    keys.try_fold(Keyring::new(key(first)), |ring, next| Ok(ring.with_fallback(key(next))?))
}

fn processor() -> String {
    #[cfg(target_arch = "x86_64")]
    let features = {
        let (sha, avx2) = (is_x86_feature_detected!("sha"), is_x86_feature_detected!("avx2"));
        [("sha", sha), ("avx2", avx2), ("sse4.1", is_x86_feature_detected!("sse4.1"))]
    };
    #[cfg(not(target_arch = "x86_64"))]
    let features: [(&str, bool); 0] = [];
    let has = features.iter().filter(|(_, has)| *has).map(|(name, _)| *name);
    std::iter::once(std::env::consts::ARCH).chain(has).collect::<Vec<&str>>().join(" ")
}
