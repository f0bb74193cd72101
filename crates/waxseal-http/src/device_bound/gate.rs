//! The proof of its device that a request brings.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use waxseal_device::{DeviceState, Offer, Proof, SkipReason, Terms};
use waxseal_manager::{DeviceGate, DeviceQuestion, DeviceVerdict, Visit};

use super::bound::Bound;
use super::device::Device;
use super::policy::DevicePolicy;
use super::tokens::Tokens;
use crate::clock::Clock;
use crate::cookies;

/// The seconds after a sign-in by which a session has to be bound under [`DevicePolicy::RequireAll`].
const UNBOUND_SECONDS: u64 = 300;
/// The seconds after a sign-in within which a session may become bound: offers are made for ten minutes, each can be
/// taken up for five, and a binding settles for one.
const BINDING_SECONDS: u64 = 16 * 60;
/// The most sessions whose device cookies are removed: as many as tokens are tried.
const MAX_OFFERS: usize = 4;

/// The headers of one request that concern its device. It is the gate that judges the request's sessions.
pub(crate) struct DeviceRequest {
    pub(crate) bound: Arc<Bound>,
    clock: Clock,
    cookies: Vec<HeaderValue>,
    skipped: Vec<HeaderValue>,
    site: Option<HeaderValue>,
    /// The offers by which sessions of this request are bound; `None` for a session that another release has bound. A
    /// session may be judged several times: each time that its token is opened.
    judged: Mutex<Vec<Option<Offer>>>,
}

impl DeviceRequest {
    pub(crate) fn new(bound: Arc<Bound>, clock: Clock, headers: &HeaderMap) -> Self {
        let all = |name| headers.get_all(name).iter().cloned().collect();
        Self {
            bound,
            clock,
            cookies: headers.get_all(COOKIE).iter().cloned().collect(),
            skipped: all("secure-session-skipped"),
            site: headers.get("sec-fetch-site").cloned(),
            judged: Mutex::default(),
        }
    }

    /// `Sec-Fetch-Site`, if it was sent.
    pub(crate) fn site(&self) -> Option<&[u8]> {
        self.site.as_ref().map(HeaderValue::as_bytes)
    }

    /// The offers by which sessions of this request are bound.
    pub(crate) fn offers(&self) -> Vec<Offer> {
        self.judged.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten().copied().collect()
    }

    /// The names and values of the request's cookies.
    pub(crate) fn cookies(&self) -> impl Iterator<Item = (&str, &[u8])> {
        let pairs = self.cookies.iter().flat_map(|field| cookies::pairs_in(field.as_bytes()));
        pairs.filter_map(|(name, value)| Some((str::from_utf8(name).ok()?, value)))
    }

    /// What the request has proven about its session's device.
    pub(crate) fn device(&self, visit: &Visit) -> Device {
        if visit.is_unproven() {
            return Device::Unproven;
        }
        let (content, Some(tokens)) = (visit.session().content(), visit.device_tokens()) else {
            return Device::Unbound;
        };
        let Some(state) = content.device_state() else { return Device::Unbound };
        let Some(state) = DeviceState::parse(state) else { return Device::Unproven };
        match (self.proof(&Tokens(tokens), &state), state) {
            (Proof::Proven { since, .. }, _) => Device::Proven(UNIX_EPOCH + Duration::from_secs(since)),
            (Proof::Settling { .. }, _) => Device::Settling,
            (Proof::Skipped(_) | Proof::Unproven, _) => Device::Unproven,
            (Proof::Unbound, DeviceState::Offered { .. }) => Device::Offered,
            (Proof::Unbound, _) => Device::Unbound,
        }
    }

    /// The time until which the request may see its session. It is the end of the device's proof or, for a session that
    /// is not bound, the time by which it may have been or must be bound. `None` if there is no such limit.
    pub(crate) fn shown_until(&self, visit: &Visit) -> Option<SystemTime> {
        if self.bound.policy == DevicePolicy::Observe || visit.is_unproven() {
            return None;
        }
        let content = visit.session().content();
        let signed_in = content.signed_in().filter(|_| content.is_owned())?;
        let tokens = Tokens(visit.device_tokens()?);
        let proof = match content.device_state() {
            None => Proof::Unbound,
            Some(state) => self.proof(&tokens, &DeviceState::parse(state)?),
        };
        let until = match proof {
            Proof::Proven { until, .. } | Proof::Settling { until } => until,
            Proof::Unbound if self.bound.policy == DevicePolicy::RequireAll => signed_in + UNBOUND_SECONDS,
            Proof::Unbound if content.device_state().is_some() => signed_in + BINDING_SECONDS,
            _ => return None,
        };
        let is_over = proof == Proof::Unbound && self.now() >= until;
        (!is_over).then(|| UNIX_EPOCH + Duration::from_secs(until))
    }

    /// The `Set-Cookie` line that removes the device cookie of this visit's session, if an offer was made to it.
    pub(crate) fn removal(&self, visit: &Visit) -> Option<String> {
        let offer = DeviceState::parse(visit.session().content().device_state()?)?.offer()?;
        let [device, _] = self.bound.terms.removal(&offer);
        Some(device)
    }

    /// Returns `true` if the browser says that it could not refresh.
    pub(crate) fn has_skipped(&self) -> bool {
        !self.skipped.is_empty()
    }

    fn proof(&self, tokens: &Tokens<'_>, state: &DeviceState) -> Proof {
        let terms: &Terms = &self.bound.terms;
        let own = match state {
            DeviceState::Bound { binding, .. } => Some(terms.device_cookie_name(&binding.offer)),
            _ => None,
        };
        let is_tried = |name: &str| match &own {
            Some(own) => name == own,
            None => terms.is_device_cookie_name(name),
        };
        let values = self.cookies().filter(|(name, _)| is_tried(name)).map(|(_, value)| value);
        let skipped = self.skipped.iter().map(HeaderValue::as_bytes);
        terms.proof(tokens, state, values, skipped, self.now())
    }

    fn now(&self) -> u64 {
        seconds(self.clock.now())
    }

    /// Records a bound session of this request, and counts it once.
    fn note(&self, offer: Option<Offer>, proof: Proof) {
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        if judged.len() < MAX_OFFERS && !judged.contains(&offer) {
            judged.push(offer);
            self.bound.metrics.request(proof);
        }
    }

    /// The verdict on a session that is not bound.
    fn of_unbound(&self, session: &DeviceQuestion<'_>) -> DeviceVerdict {
        let signed_in = session.signed_in.unwrap_or(0);
        let is_late = || self.now() >= signed_in.saturating_add(UNBOUND_SECONDS);
        match self.bound.policy {
            DevicePolicy::RequireAll if session.is_owned && is_late() => DeviceVerdict::Anonymous,
            _ => DeviceVerdict::AsItIs,
        }
    }
}

impl DeviceGate for DeviceRequest {
    fn judge(&self, session: DeviceQuestion<'_>) -> DeviceVerdict {
        let Some(bytes) = session.state else { return self.of_unbound(&session) };
        let state = DeviceState::parse(bytes);
        // A state that cannot be parsed was written by another release, and counts as that of a bound session.
        let proof = state.map_or(Proof::Unproven, |state| self.proof(&Tokens(session.tokens), &state));
        if proof != Proof::Unbound {
            self.note(state.and_then(|state| state.offer()), proof);
        }
        match proof {
            Proof::Proven { binding, since, .. } => match state {
                // A response that arrived after the registration has put the older token into the browser. Its offer may
                // have been made after the binding, and the proof may be a later one, so the binding counts from the
                // sign-in. Otherwise it would settle once more.
                Some(DeviceState::Offered { at, .. } | DeviceState::Owed { at, .. }) => {
                    let earliest = since.min(session.signed_in.unwrap_or(since));
                    let at = u32::try_from(earliest).map_or(at, |earliest| earliest.min(at));
                    DeviceVerdict::Heal(DeviceState::Bound { at, binding }.to_bytes())
                }
                _ => DeviceVerdict::AsItIs,
            },
            Proof::Settling { .. } => DeviceVerdict::AsItIs,
            Proof::Unbound => match (self.of_unbound(&session), state) {
                // The copy may have any offer of its sign-in, or none yet.
                (DeviceVerdict::AsItIs, Some(state)) if self.bound.policy != DevicePolicy::Observe => {
                    DeviceVerdict::UnlessTakenUp(*state.series().as_bytes())
                }
                (verdict, _) => verdict,
            },
            _ if self.bound.policy == DevicePolicy::Observe => DeviceVerdict::AsItIs,
            Proof::Skipped(SkipReason::QuotaExceeded) => DeviceVerdict::Kept,
            Proof::Skipped(_) => DeviceVerdict::Away,
            Proof::Unproven => DeviceVerdict::Anonymous,
        }
    }
}

/// When a visit's session was bound to a device; `None` if it is not bound.
pub(crate) fn bound_since(visit: &Visit) -> Option<SystemTime> {
    match DeviceState::parse(visit.session().content().device_state()?)? {
        DeviceState::Bound { at, .. } => Some(UNIX_EPOCH + Duration::from_secs(at.into())),
        _ => None,
    }
}

/// The whole seconds since 1970.
pub(crate) fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
