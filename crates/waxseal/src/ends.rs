//! Answers that end with their session.

use std::mem;

use waxseal_server::EventStream;

use crate::request::Request;
use crate::response::Response;

/// Has the answer end with the session of its request if it is a stream of events and the request has looked at its
/// session. Browsers open such a stream anew, and are then who they are.
pub(crate) fn with_its_session(request: &Request, response: &mut Response) {
    if response.extensions().get::<EventStream>().is_none() {
        return;
    }
    let Some(ended) = request.asked_session().and_then(|session| session.end_if_accessed()) else {
        return;
    };
    let end = async move {
        let reason = ended.await;
        tracing::debug!(%reason, "a stream of events ends with its session");
    };
    let body = mem::take(response.body_mut());
    *response.body_mut() = body.ended_by(end);
}
