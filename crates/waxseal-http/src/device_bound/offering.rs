//! Offers to bind a session, and the removal of bindings, which any response can carry.

use http::header::{CACHE_CONTROL, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use waxseal_device::{DeviceState, Error, Offer, Terms};
use waxseal_manager::Visit;
use waxseal_manager::session::backend::{OfferSaved, Phase};

use super::gate::DeviceRequest;
use super::tokens::Tokens;
use crate::session_cookie::field;
use crate::status::is_failure;

/// The most bindings of earlier sessions whose cookies one response removes.
const MAX_REMOVALS: usize = 8;
/// The header of an offer.
const REGISTRATION: HeaderName = HeaderName::from_static("secure-session-registration");

/// What a response tells the browser about its device, once the session is committed.
pub(crate) struct Offering {
    offer: Option<(Offer, OfferSaved)>,
    signs_in: bool,
    now: u64,
}

impl Offering {
    /// Puts an offer into the session, if one is due with this response.
    pub(crate) fn prepare(
        request: &DeviceRequest,
        visit: &Visit,
        status: StatusCode,
        is_head: bool,
        now: u64,
    ) -> Self {
        let session = visit.session();
        let signs_in = session.has_signed_in();
        let due = match is_failure(status) || is_head {
            true => Ok(None),
            false if signs_in => DeviceState::at_sign_in(request.site(), now).map(Some),
            false => next(request, visit, now),
        };
        let offer = match due {
            Ok(Some(state)) => match session.offer_device(&state.to_bytes()) {
                Ok(saved) => state.offer().map(|offer| (offer, saved)),
                Err(error) => {
                    tracing::debug!(%error, "no offer to bind the session to its device");
                    None
                }
            },
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "no offer to bind the session to its device");
                None
            }
        };
        Self { offer, signs_in, now }
    }

    /// Adds the headers that are due after the commit.
    pub(crate) fn complete(self, request: &DeviceRequest, visit: &Visit, headers: &mut HeaderMap) {
        if self.signs_in || visit.session().has_ended() {
            for line in removals(request, visit) {
                headers.append(SET_COOKIE, line);
            }
        }
        let Some((offer, saved)) = self.offer else { return };
        // An offer that was not saved could not be taken up.
        if !visit.was_saved() || !saved.is_kept() {
            request.bound.recent_offers.take_back(offer.series());
            return;
        }
        let Some(tokens) = visit.device_tokens() else { return };
        match request.bound.terms.registration_header(&Tokens(tokens), &offer, self.now) {
            Ok(value) => {
                request.bound.metrics.offer();
                headers.insert(
                    REGISTRATION,
                    HeaderValue::try_from(value).expect("a token has no odd characters"),
                );
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-store"));
            }
            Err(error) => tracing::warn!(%error, "no offer to bind the session to its device"),
        }
    }
}

/// The offer that is due after the sign-in's response: one that is still owed, or a second one.
fn next(request: &DeviceRequest, visit: &Visit, now: u64) -> Result<Option<DeviceState>, Error> {
    let session = visit.session();
    let content = session.content();
    let is_open = matches!(session.phase(), Phase::Open | Phase::RolledBack);
    if !session.is_accessed() || !is_open || !content.is_owned() {
        return Ok(None);
    }
    match (content.device_state().and_then(DeviceState::parse), content.signed_in()) {
        (Some(state), Some(signed_in)) => {
            let next = state.next_offer(request.site(), signed_in, now)?;
            Ok(next.filter(|next| request.bound.recent_offers.begin(next.series(), now)))
        }
        _ => Ok(None),
    }
}

/// `Set-Cookie` lines that remove the device cookies of sessions that are over.
fn removals(request: &DeviceRequest, visit: &Visit) -> Vec<HeaderValue> {
    let terms: &Terms = &request.bound.terms;
    let mut lines: Vec<[String; 2]> = request.offers().iter().map(|offer| terms.removal(offer)).collect();
    let tokens = visit.device_tokens().map(Tokens);
    let of = |(name, value): (&str, &[u8])| terms.removal_of(tokens.as_ref()?, name, value);
    for removal in request.cookies().filter_map(of) {
        if lines.len() < MAX_REMOVALS && !lines.contains(&removal) {
            lines.push(removal);
        }
    }
    lines.into_iter().flatten().map(field).collect()
}
