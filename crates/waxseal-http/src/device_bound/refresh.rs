//! Refreshes, in which a browser proves its device again.

use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use waxseal_device::{DeviceState, Error, Refresh, Refreshed, SessionSeen, Terms};
use waxseal_manager::session::backend::{Phase, ReadOnly};
use waxseal_manager::{Access, Opened, Snapshot, Visit};

use super::answers::{bare, json, values};
use super::gate::seconds;
use super::metrics::RefreshResult;
use super::tokens::Tokens;
use crate::cookies;
use crate::request_session::MAX_CANDIDATES;
use crate::session_cookie::field;
use crate::session_layer::SessionLayer;

const CHALLENGE: HeaderName = HeaderName::from_static("secure-session-challenge");

/// Answers a refresh.
pub(super) async fn refresh(layer: &SessionLayer, headers: &HeaderMap) -> Response<String> {
    let Some(bound) = layer.bound() else { return bare(StatusCode::NOT_FOUND) };
    let now = seconds(layer.now());
    let snapshot = layer.sessions().snapshot();
    let Some(tokens) = snapshot.device_tokens().map(Tokens) else { return bare(StatusCode::NOT_FOUND) };
    let terms = &bound.terms;
    let refresh = match Refresh::check(values(headers), &tokens, terms, now) {
        Ok(refresh) => refresh,
        Err(reason) => {
            tracing::info!(%reason, "device refresh refused");
            bound.metrics.refusal(reason);
            bound.metrics.refresh(RefreshResult::Refused);
            return bare(StatusCode::BAD_REQUEST);
        }
    };
    let decision = decide(layer, &snapshot, headers, terms, &refresh).await;
    bound.metrics.refresh(match decision {
        Refreshed::Ended => RefreshResult::Ended,
        Refreshed::Challenged => RefreshResult::Challenged,
        Refreshed::Proven(_) => RefreshResult::Proven,
    });
    answer(decision, &tokens, terms, &refresh, now).unwrap_or_else(|error| {
        tracing::error!(%error, "a device's refresh was not answered");
        bare(StatusCode::INTERNAL_SERVER_ERROR)
    })
}

fn answer(
    decision: Refreshed,
    tokens: &Tokens<'_>,
    terms: &Terms,
    refresh: &Refresh,
    now: u64,
) -> Result<Response<String>, Error> {
    Ok(match decision {
        Refreshed::Ended => {
            let mut response = json(Terms::ENDED.to_owned());
            for line in terms.removal(refresh.offer()) {
                response.headers_mut().append(SET_COOKIE, field(line));
            }
            response
        }
        Refreshed::Challenged => {
            let challenge = terms.challenge_header(tokens, refresh, now)?;
            let challenge = HeaderValue::try_from(challenge).expect("tokens are base64url");
            let mut response = bare(StatusCode::FORBIDDEN);
            response.headers_mut().insert(CHALLENGE, challenge);
            response
        }
        Refreshed::Proven(binding) => {
            let mut response = bare(StatusCode::OK);
            response.headers_mut().append(SET_COOKIE, field(terms.device_cookie(tokens, &binding, now)?));
            response
        }
    })
}

/// Decides by the sessions whose tokens the request brought. If there are several, it is enough that one lets the
/// browser go on.
async fn decide(
    layer: &SessionLayer,
    snapshot: &Snapshot<'_>,
    headers: &HeaderMap,
    terms: &Terms,
    refresh: &Refresh,
) -> Refreshed {
    let presence = terms.presence_cookie_name(refresh.offer());
    let is_present = cookies::values(headers, &presence).next().is_some();
    let without = if is_present { SessionSeen::Unknown } else { SessionSeen::SignedOut };
    let mut decision = None;
    for token in cookies::values(headers, layer.cookie().name()).take(MAX_CANDIDATES) {
        // Opened as for a change, so that the store is asked: a fresh copy may be behind its record, and must not end a
        // binding.
        let Ok(opened) = snapshot.open(token, Access::Change, layer.now()) else { continue };
        match refresh.decide(seen(layer, opened).await) {
            Refreshed::Ended => decision = Some(Refreshed::Ended),
            goes_on => return goes_on,
        }
    }
    decision.unwrap_or_else(|| refresh.decide(without))
}

/// What a refresh has to know about the session of a valid token. Asks the store, if there is one.
async fn seen(layer: &SessionLayer, opened: Opened<'_>) -> SessionSeen {
    let now = layer.now();
    // A browser must not lose its key because the store is away.
    let Ok(visit) = opened.load(now).await else { return SessionSeen::Unknown };
    match layer.sessions().was_renewed(&visit, now).await {
        Ok(false) => of_visit(&visit),
        // The new id may be on its way to the browser, and a renewal keeps the device.
        Ok(true) | Err(_) => SessionSeen::Unknown,
    }
}

fn of_visit(visit: &Visit) -> SessionSeen {
    let (session, content) = (visit.session(), visit.session().content());
    match session.phase() {
        // Shown as a new session, because the store is away.
        Phase::ReadOnly(ReadOnly::Outage) if content.is_blank() => SessionSeen::Unknown,
        _ if session.began_here() => SessionSeen::Gone,
        _ => match content.device_state().map(DeviceState::parse) {
            // Bound by another release, whose state is unknown here.
            Some(None) => SessionSeen::Unknown,
            state => SessionSeen::Living(state.flatten()),
        },
    }
}
