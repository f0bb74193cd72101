//! The session panel of development: a page that shows a visitor's session, cookie and last requests.

use std::sync::LazyLock;

use http::HeaderValue;
use http::header::{CACHE_CONTROL, SET_COOKIE};
use minijinja::{Environment, Value, context};
use waxseal_crypto::{Limits, MAX_TEXT_BYTES, SealedParts, SignedParts, Times};
use waxseal_http::cookies;
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_manager::{Inspection, Parts, Visit};
use waxseal_server::Body;
use waxseal_session::SessionDebugView;
use waxseal_store::Lifespan;

use crate::error::Result;
use crate::json_view::Readable;
use crate::panel_log::{PanelLog, Trail};
use crate::request::Request;
use crate::response::{Response, html, typed};
use crate::route::Route;

/// The path of the panel.
pub(crate) const PATH: &str = "/_session";
const STYLE_PATH: &str = "/_session/style.css";

static PAGE: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut page = Environment::new();
    page.add_template("page.html", include_str!("panel/page.html")).expect("page.html is tested to compile");
    page
});

/// The routes of the panel.
pub(crate) fn routes() -> [Route; 2] {
    let style = async |_| Ok(typed("text/css; charset=utf-8", Body::from(include_str!("panel/style.css"))));
    [Route::get(PATH, show).name("session_panel").bare(), Route::get(STYLE_PATH, style).bare()]
}

/// Adds the changes of an answered request to the log, unless it never accessed its session.
pub(crate) fn note(log: &PanelLog, request: &Request, response: &Response) {
    let session = request.asked_session().and_then(|handle| handle.loaded());
    let Some(session) = session.filter(|session| session.is_accessed()) else { return };
    if request.path() == PATH {
        return;
    }
    let name = request.session_layer().cookie().name();
    let set = response.headers().get_all(SET_COOKIE).iter().rev().find_map(|header| {
        let value = header.to_str().ok()?.split(';').next()?;
        value.strip_prefix(name)?.strip_prefix('=').map(str::to_owned)
    });
    let (token, sent) = match set {
        None => (brought(request).map(|(value, _)| value), "The browser keeps its cookie.".to_owned()),
        Some(value) if value.is_empty() => (None, "The browser was told to forget its cookie.".to_owned()),
        Some(value) => {
            let sent = format!("The browser got a new cookie of {} bytes.", name.len() + value.len());
            (Some(value), sent)
        }
    };
    let trail = Trail {
        session: token.and_then(|token| public_id(request, &token)),
        request: format!("{} {}", request.method(), request.path()),
        status: response.status(),
        at: unix_seconds(request.now()),
        changes: session.look().changes,
        sent,
    };
    log.push(trail);
}

async fn show(request: Request) -> Result<Response> {
    let now = unix_seconds(request.now());
    let layer = request.session_layer();
    // Revalidated, because the store keeps the session's times. The page works without the store, too.
    let away = request.request_session().revalidate().await.err();
    let look = request.session().await.map(|session| session.look());
    let error = look.as_ref().err().map(ToString::to_string).or(away.map(|error| error.to_string()));
    let look = look.ok();
    let token = brought(&request);
    let inspection = token.as_ref().and_then(|(_, inspection)| inspection.as_ref());
    let id = inspection.and_then(Inspection::parts).map(|parts| parts.public_id());
    let trails = request.app().panel.as_ref().map(|panel| panel.trails(id.as_deref())).unwrap_or_default();
    let page = context! {
        app => request.app().name.as_str(),
        style => request.at_root(STYLE_PATH),
        cookie => layer.cookie().name(),
        error,
        entries => look.as_ref().map(entries),
        facts => facts(&request, look.as_ref(), inspection, now),
        token => token.as_ref().map(|(value, inspection)| shown_token(&request, value, inspection.as_ref())),
        trails => trails.into_iter().map(|trail| shown_trail(trail, now)).collect::<Vec<_>>(),
    };
    let rendered = PAGE.get_template("page.html").and_then(|template| template.render(page));
    let mut response = html(rendered.expect("the page uses only what it is given, which the tests show"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn entries(look: &SessionDebugView) -> Vec<Value> {
    let entries = look.entries.iter().map(|(key, value)| {
        let text = match value.decode::<Readable>() {
            Ok(value) => serde_json::to_string_pretty(&value).ok(),
            Err(error) => Some(format!("(cannot be read: {error})")),
        };
        context! {
            key,
            shape => value.shape(),
            bytes => value.bytes().len(),
            value => text.unwrap_or_else(|| "(cannot be read)".to_owned()),
        }
    });
    entries.collect()
}

/// Facts about the session, as names and values in the order in which they are shown.
fn facts(
    request: &Request,
    look: Option<&SessionDebugView>,
    token: Option<&Inspection>,
    now: u64,
) -> Vec<(&'static str, String)> {
    let app = request.app();
    let mut facts = vec![("State", app.state.to_owned()), ("Store", app.store.clone())];
    if let Some(parts) = token.and_then(Inspection::parts) {
        facts.push(("Public id", parts.public_id()));
    }
    if let Some(look) = look {
        facts.push(("Class", if look.permanent { "permanent" } else { "ordinary" }.to_owned()));
        facts.push(("Owner", look.owner.clone().unwrap_or_else(|| "nobody".to_owned())));
        if let Some(time) = look.signed_in {
            facts.push(("Signed in", format_time::moment(unix_seconds(time), now)));
        }
        if let Some(since) = request.bound_since() {
            let since = format_time::moment(unix_seconds(since), now);
            facts.push(("Device", format!("bound to this one, since {since}")));
        }
        facts.push(("Messages waiting", look.flashes.to_string()));
        facts.push(("Form tokens", if look.has_csrf_seed { "given out" } else { "none yet" }.to_owned()));
    }
    let life = request.request_session().visit().and_then(Visit::lifespan);
    let times = match life {
        Some(Lifespan { created, last_seen, expires, absolute_end }) => vec![
            ("Created", unix_seconds(created.into())),
            ("Last seen", unix_seconds(last_seen.into())),
            ("Ends if idle", unix_seconds(expires.into())),
            ("Ends at the latest", unix_seconds(absolute_end.into())),
        ],
        None => token.map(|token| token_times(token.times(), token.limits())).unwrap_or_default(),
    };
    facts.extend(times.into_iter().map(|(name, time)| (name, format_time::moment(time, now))));
    facts
}

fn token_times(times: Times, limits: Limits) -> Vec<(&'static str, u64)> {
    let mut shown = vec![("Created", times.created()), ("Sealed", times.sealed())];
    if times.idle().min(limits.idle) != Times::NO_IDLE {
        shown.push(("Ends if idle", times.idle_end(limits)));
    }
    shown.push(("Ends at the latest", times.absolute_end(limits)));
    shown
}

fn shown_token(request: &Request, value: &str, token: Option<&Inspection>) -> Value {
    let name = request.session_layer().cookie().name();
    let opens = match token {
        None => "It does not open: you are an anonymous visitor here. The log says why.".to_owned(),
        Some(token) => match (token.refused(), token.parts()) {
            (Some(reason), _) => format!("It opens no more: {reason}."),
            (None, Some(Parts::Session { .. })) => {
                "It opens. The whole session is in it, and nothing of it on the server.".to_owned()
            }
            (None, Some(Parts::Id { .. })) => {
                "It opens. An id is in it; the session is on the server.".to_owned()
            }
            (None, Some(Parts::Mirror { revision, has_copy: true, .. })) => {
                format!("It opens. A copy of the session is in it, of revision {}.", revision.counter())
            }
            (None, _) => "It opens. The session is too large for it and on the server alone.".to_owned(),
        },
    };
    context! {
        value,
        bytes => name.len() + value.len(),
        limit => MAX_TEXT_BYTES,
        opens,
        parts => shown_parts(value.as_bytes()),
    }
}

/// The parts of a sealed value or a signed token, as the format defines them; `None` if it is neither.
fn shown_parts(value: &[u8]) -> Option<Vec<Value>> {
    let mut offset = 0;
    let mut part = |name: &str, bytes: usize, text: String, about: &str| {
        let at = offset;
        offset += bytes;
        context! { name, offset => at, bytes, text, about }
    };
    if let Ok(parts) = SignedParts::of_text(value) {
        let minted = format_time::date(parts.minted.into());
        return Some(vec![
            part("version", 1, hex(&[parts.version]), "which format this is"),
            part("key id", 4, parts.key.to_string(), "which secret key signed it; public"),
            part("minted", 4, minted, "when it was made"),
            part("id", parts.payload_bytes, "random".to_owned(), "which session it is, and nothing else"),
            part(
                "MAC",
                16,
                hex(&parts.mac),
                "that it was this key, for this app and cookie, and that not one bit was changed",
            ),
        ]);
    }
    let parts = SealedParts::of_text(value).ok()?;
    let ciphertext = format!("{} blocks of 64 bytes", parts.ciphertext_bytes / 64);
    Some(vec![
        part("version", 1, hex(&[parts.version]), "which format this is"),
        part("key id", 4, parts.key.to_string(), "which secret key sealed it; public"),
        part(
            "commitment",
            32,
            hex(&parts.commitment),
            "that it was this key, for this app and cookie, and no other",
        ),
        part("nonce", 24, hex(&parts.nonce), "random, so that equal sessions look different"),
        part(
            "ciphertext",
            parts.ciphertext_bytes,
            ciphertext,
            "times and session, encrypted, the length rounded up",
        ),
        part("tag", 16, hex(&parts.tag), "that not one bit was changed"),
    ])
}

fn shown_trail(trail: Trail, now: u64) -> Value {
    let Trail { request, status, at, changes, sent, .. } = trail;
    let ago = format!("{} ago", format_time::span(now.saturating_sub(at)));
    context! { request, status => status.as_u16(), ago, changes, sent }
}

/// The session cookie that a request brought: the first that opens, or else the first.
fn brought(request: &Request) -> Option<(String, Option<Inspection>)> {
    let layer = request.session_layer();
    let name = layer.cookie().name();
    let values = cookies::pairs(request.headers()).filter(|(found, _)| *found == name.as_bytes());
    let mut found = values.map(|(_, value)| {
        let inspection = layer.sessions().inspect(value, request.now()).ok();
        (String::from_utf8_lossy(value).into_owned(), inspection)
    });
    let first = found.next()?;
    if first.1.is_some() { Some(first) } else { found.find(|(_, opened)| opened.is_some()).or(Some(first)) }
}

fn public_id(request: &Request, token: &str) -> Option<String> {
    let inspection = request.session_layer().sessions().inspect(token.as_bytes(), request.now()).ok()?;
    inspection.parts().map(|parts| parts.public_id())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
