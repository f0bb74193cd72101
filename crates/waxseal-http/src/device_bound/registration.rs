//! Registrations, in which a browser takes up an offer.

use http::header::SET_COOKIE;
use http::{HeaderMap, Method, Response, StatusCode, Uri};
use waxseal_device::{DeviceState, Reason, Registered, Registration};
use waxseal_manager::{Error, Visit};

use super::answers::{bare, json, values};
use super::bound::Bound;
use super::gate::seconds;
use super::metrics::RegistrationResult;
use super::tokens::Tokens;
use crate::request_session::RequestSession;
use crate::session_cookie::field;
use crate::session_layer::SessionLayer;
use crate::status::status_of;

/// The most attempts to bind a session that other requests change at the same time. Each failed attempt means that
/// another request has written, so a few are enough.
const ATTEMPTS: usize = 8;

/// Answers a registration.
pub(super) async fn register(layer: &SessionLayer, target: &Uri, headers: &HeaderMap) -> Response<String> {
    let Some(bound) = layer.bound() else { return bare(StatusCode::NOT_FOUND) };
    let now = seconds(layer.now());
    let snapshot = layer.sessions().snapshot();
    let Some(tokens) = snapshot.device_tokens() else { return bare(StatusCode::NOT_FOUND) };
    let registration = match Registration::check(values(headers), &Tokens(tokens), now) {
        Ok(registration) => registration,
        Err(reason) => return refused(bound, reason),
    };
    for _ in 0..ATTEMPTS {
        match attempt(layer, bound, target, headers, &registration, now).await {
            Ok(Some(response)) => return response,
            Ok(None) => {}
            Err(error) => {
                forget(layer, &registration, &error).await;
                return failed(bound, &error);
            }
        }
    }
    failed(bound, &Error::Contended)
}

/// Decides by the session as it is now, and saves the decision. `None` if another request changed the session first.
async fn attempt(
    layer: &SessionLayer,
    bound: &Bound,
    target: &Uri,
    headers: &HeaderMap,
    registration: &Registration,
    now: u64,
) -> Result<Option<Response<String>>, Error> {
    let request = RequestSession::without_gate(layer.carrier().clone(), &Method::POST, target, headers);
    let session = request.load().await?;
    let visit = request.visit().expect("it was loaded above");
    let content = session.content();
    let state = match content.device_state().map(DeviceState::parse) {
        // Bound by another release.
        Some(None) => return Ok(Some(refused(bound, Reason::OtherOffer))),
        state => state.flatten(),
    };
    let decision = registration.decide(content.is_owned(), state, now);
    let noted = match decision {
        Registered::Bound(_) => note(layer, registration).await?,
        _ => Noted::Own,
    };
    let (mut response, result) = match decision {
        Registered::Refused(reason) => return Ok(Some(refused(bound, reason))),
        // The session is bound by another offer, which this copy of it does not know.
        Registered::Bound(_) if noted == Noted::OtherOffer => {
            return Ok(Some(refused(bound, Reason::OtherOffer)));
        }
        Registered::Repeated => {
            (granted(bound, visit, registration, content.permanent, now), RegistrationResult::Repeated)
        }
        Registered::Bound(state) if noted == Noted::Own => {
            session.bind_device(&state.to_bytes())?;
            (granted(bound, visit, registration, content.permanent, now), RegistrationResult::Bound)
        }
        Registered::Bound(_) | Registered::Conflict => {
            let public_id = visit.public_id().map(|id| id.to_string()).unwrap_or_default();
            tracing::warn!(public_id, "two devices hold the cookie of one session, which was ended");
            session.destroy()?;
            let mut response = bare(StatusCode::FORBIDDEN);
            for line in bound.terms.removal(registration.offer()) {
                response.headers_mut().append(SET_COOKIE, field(line));
            }
            (response, RegistrationResult::Conflict)
        }
    };
    match layer.finish(&request, &mut response).await {
        Ok(()) => {
            bound.metrics.registration(result);
            if result == RegistrationResult::Conflict {
                bound.metrics.refusal(Reason::OtherKey);
            }
            Ok(Some(response))
        }
        Err(Error::Contended | Error::Session(waxseal_session::Error::Conflict { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The binding that counts for a sign-in, as far as a list of revoked sessions knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noted {
    Own,
    /// Another key has taken up the same offer.
    OtherKey,
    /// Another offer of the sign-in was taken up.
    OtherOffer,
}

/// Notes the binding that the registration makes, unless the sign-in has one.
async fn note(layer: &SessionLayer, registration: &Registration) -> Result<Noted, Error> {
    let (series, binding) = (registration.offer().series(), registration.binding());
    let noted = layer.sessions().note_binding(*series.as_bytes(), binding.mark(), layer.now()).await?;
    Ok(match noted {
        mark if mark == binding.mark() => Noted::Own,
        mark if binding.has_offer_of(&mark) => Noted::OtherKey,
        _ => Noted::OtherOffer,
    })
}

/// Removes from the list of revoked sessions what a registration noted there that came too late. The session goes on
/// under another id, and the note would hide it.
async fn forget(layer: &SessionLayer, registration: &Registration, error: &Error) {
    use waxseal_session::Error::{Gone, Renewed};
    if !matches!(error, Error::Session(Gone | Renewed)) {
        return;
    }
    let (series, mark) = (registration.offer().series(), registration.binding().mark());
    let forgotten = layer.sessions().forget_binding(*series.as_bytes(), mark, layer.now()).await;
    if let Err(error) = forgotten {
        tracing::warn!(%error, "a session that was renewed while it was bound may have to be signed in to anew");
    }
}

/// The response to a valid registration.
fn granted(
    bound: &Bound,
    visit: &Visit,
    registration: &Registration,
    permanent: bool,
    now: u64,
) -> Response<String> {
    let Some(tokens) = visit.device_tokens().map(Tokens) else { return bare(StatusCode::NOT_FOUND) };
    let terms = &bound.terms;
    let made = terms
        .session_json(&tokens, registration, now)
        .and_then(|body| Ok((body, terms.device_cookie(&tokens, &registration.binding(), now)?)));
    let (body, device_cookie) = match made {
        Ok(made) => made,
        Err(error) => {
            tracing::error!(%error, "a device's registration was not answered");
            return bare(StatusCode::INTERNAL_SERVER_ERROR);
        }
    };
    // A permanent session's cookie may be renewed any number of times, but this cookie is set only once, so it gets the
    // longest lifetime.
    let lives = permanent.then(|| bound.longest_seconds.into());
    let presence_cookie = terms.presence_cookie(registration.offer(), lives);
    let mut response = json(body);
    for line in [device_cookie, presence_cookie] {
        response.headers_mut().append(SET_COOKIE, field(line));
    }
    response
}

fn refused(bound: &Bound, reason: Reason) -> Response<String> {
    tracing::info!(%reason, "device registration refused");
    bound.metrics.refusal(reason);
    bound.metrics.registration(RegistrationResult::Refused);
    bare(StatusCode::FORBIDDEN)
}

fn failed(bound: &Bound, error: &Error) -> Response<String> {
    use waxseal_session::Error::{Gone, Renewed};
    match error {
        // The session has ended meanwhile, for example by a sign-out.
        Error::Session(Gone | Renewed) => refused(bound, Reason::NotSignedIn),
        error => {
            tracing::info!(%error, "device registration failed");
            bound.metrics.registration(RegistrationResult::Unavailable);
            match status_of(error) {
                // The browser would give up after a 4xx.
                StatusCode::CONFLICT => bare(StatusCode::SERVICE_UNAVAILABLE),
                status => bare(status),
            }
        }
    }
}
