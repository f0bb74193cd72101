//! hyper alone, with a session sealed in a cookie by hand: the floor. It does nothing that this app does not need: one
//! key without an id, no times, no padding, no rotation, texts as the only values.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use base64::Engine;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;
use bytes::Bytes;
use chacha20::{R20, hchacha};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{COOKIE, HeaderValue, LOCATION, SET_COOKIE};
use hyper::{Method, Request, Response, StatusCode};
use minijinja::value::Object;
use minijinja::{Environment, Value, context};
use peers::{Error, run, serve, status, typed};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

const NONCE_BYTES: usize = 24;
const NAME: &str = "session=";

static TEXT: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

struct App {
    key: [u8; 32],
    random: SystemRandom,
    environment: Environment<'static>,
}

/// Keys and values, in the order of insertion.
#[derive(Debug, Default)]
struct Session(Vec<(String, String)>);

impl Object for Session {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let key = key.as_str()?;
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| Value::from(value.as_str()))
    }
}

fn main() -> Result<(), Error> {
    let mut environment = Environment::new();
    environment.add_template("success.html", peers::TEMPLATE)?;
    let (mut key, random) = ([0; 32], SystemRandom::new());
    random.fill(&mut key).map_err(|_| "no randomness")?;
    let app = Arc::new(App { key, random, environment });
    run(serve(move |request| answer(request, app.clone())))
}

async fn answer(request: Request<Incoming>, app: Arc<App>) -> Result<Response<Full<Bytes>>, Infallible> {
    Ok(match (request.method(), request.uri().path()) {
        (&Method::GET, "/plain") => typed("text/plain; charset=utf-8", Bytes::from_static(b"hello")),
        (&Method::GET, "/wizard/success") => {
            let session = Value::from_object(app.open(&request).unwrap_or_default());
            let template = app.environment.get_template("success.html").expect("it was added");
            let page = template.render(context! { session }).expect("two texts render");
            typed("text/html; charset=utf-8", page.into())
        }
        (&Method::POST, "/wizard/create") => {
            let mut session = app.open(&request).unwrap_or_default();
            let body = request.into_body().collect().await;
            let body = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
            for (key, value) in form_urlencoded::parse(&body) {
                session.insert(&key, value);
            }
            let mut response = status(StatusCode::SEE_OTHER);
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/wizard/success"));
            response.headers_mut().insert(SET_COOKIE, app.seal(&session));
            response
        }
        _ => status(StatusCode::NOT_FOUND),
    })
}

impl App {
    fn open(&self, request: &Request<Incoming>) -> Option<Session> {
        let cookies = request.headers().get(COOKIE)?.to_str().ok()?;
        let text = cookies.split("; ").find_map(|cookie| cookie.strip_prefix(NAME))?;
        let mut sealed = TEXT.decode(text).ok()?;
        let (nonce, ciphertext) = sealed.split_first_chunk_mut::<NONCE_BYTES>()?;
        let (key, nonce) = self.subkey(nonce);
        Session::parse(key.open_in_place(nonce, Aad::empty(), ciphertext).ok()?)
    }

    fn seal(&self, session: &Session) -> HeaderValue {
        let mut sealed = vec![0; NONCE_BYTES];
        self.random.fill(&mut sealed).expect("the system has randomness");
        let nonce = *sealed.first_chunk().expect("it is as long");
        session.write(&mut sealed);
        let (key, nonce) = self.subkey(&nonce);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::empty(), &mut sealed[NONCE_BYTES..])
            .expect("it is short");
        sealed.extend_from_slice(tag.as_ref());
        let mut line = String::with_capacity(sealed.len() * 4 / 3 + 64);
        line.push_str(NAME);
        TEXT.encode_string(&sealed, &mut line);
        line.push_str("; HttpOnly; SameSite=Lax; Secure; Path=/");
        HeaderValue::from_maybe_shared(Bytes::from(line)).expect("it is ASCII")
    }

    fn subkey(&self, nonce: &[u8; NONCE_BYTES]) -> (LessSafeKey, Nonce) {
        let (first, last) = nonce.split_first_chunk::<16>().expect("16 of 24 bytes");
        let key = hchacha::<R20>(&self.key.into(), first.into());
        let mut inner = [0; 12];
        inner[4..].copy_from_slice(last);
        let key = UnboundKey::new(&CHACHA20_POLY1305, &key).expect("it is 32 bytes");
        (LessSafeKey::new(key), Nonce::assume_unique_for_key(inner))
    }
}

impl Session {
    fn insert(&mut self, key: &str, value: Cow<'_, str>) {
        match self.0.iter_mut().find(|(name, _)| name == key) {
            Some((_, there)) => *there = value.into_owned(),
            None => self.0.push((key.to_owned(), value.into_owned())),
        }
    }

    fn write(&self, buffer: &mut Vec<u8>) {
        for text in self.0.iter().flat_map(|(key, value)| [key, value]) {
            let length = u16::try_from(text.len()).expect("a form is short");
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(text.as_bytes());
        }
    }

    fn parse(mut bytes: &[u8]) -> Option<Self> {
        let mut text = || -> Option<String> {
            let (length, rest) = bytes.split_first_chunk()?;
            let (text, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into())?;
            bytes = rest;
            String::from_utf8(text.to_vec()).ok()
        };
        let mut entries = Vec::new();
        while let Some(key) = text() {
            entries.push((key, text()?));
        }
        Some(Self(entries))
    }
}
