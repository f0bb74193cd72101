//! Responses that end with their session.

use std::mem;

use waxseal_server::EventStream;

use crate::request::Request;
use crate::response::Response;

/// If the response is an event stream and the request has accessed its session, makes the stream end when the session
/// ends. Browsers then open the stream again, with the cookie that they have by then.
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
