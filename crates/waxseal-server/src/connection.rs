//! One connection: hyper's settings for it, its service, and how it ends.

use std::error::Error;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body::Body as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::TokioIo;
use metrics::Counter;
use tokio::sync::watch;

use crate::body::Body;
use crate::framing::Framing;
#[cfg(feature = "websocket")]
use crate::lease::Lease;
use crate::limits::Limits;
use crate::phase::Phase;
use crate::sent::SentBody;
use crate::socket::Socket;
use crate::sse::EventStream;

/// How long a connection without a request may stay open once the server was told to stop. A request that is on its way
/// by then is answered.
const LULL: Duration = Duration::from_millis(250);
/// hyper's own lower bound for a connection's buffer.
const HYPER_MIN_BUFFER_BYTES: usize = 8192;
/// hyper allocates room for as many fields as are allowed. With a limit such as `usize::MAX`, meant as no limit, it
/// would panic.
const MAX_HEAD_FIELDS: usize = 4096;
/// How many fields hyper has room for without allocating. If it is given any limit, it allocates for each head.
const HYPER_DEFAULT_FIELDS: usize = 100;

/// hyper's connection.
#[cfg(not(feature = "websocket"))]
pub(crate) type Driven<S> = http1::Connection<TokioIo<Socket>, S>;
/// hyper's connection, which may become a WebSocket.
#[cfg(feature = "websocket")]
pub(crate) type Driven<S> = http1::UpgradeableConnection<TokioIo<Socket>, S>;

/// hyper's settings for connections within `limits`.
pub(crate) fn http(limits: &Limits) -> http1::Builder {
    let mut http = http1::Builder::new();
    if limits.head_fields > HYPER_DEFAULT_FIELDS {
        http.max_headers(limits.head_fields.min(MAX_HEAD_FIELDS));
    }
    // Any time makes hyper ask the connection's timer, which knows the real ones.
    http.header_read_timeout(Duration::ZERO)
        .max_header_size(limits.head)
        .max_buf_size(limits.head.max(HYPER_MIN_BUFFER_BYTES))
        .keep_alive(true)
        .half_close(false);
    http
}

/// The checks of a head that hyper has accepted.
pub(crate) struct Checks {
    /// The most header fields. hyper has already dropped repeated `Content-Length` fields, so they count once.
    pub(crate) most: usize,
    pub(crate) framing: Framing,
    /// Counts connections that end with a refused head.
    pub(crate) malformed: Counter,
    /// `true` if the bytes of responses are counted.
    pub(crate) counts_bytes: bool,
}

impl Checks {
    /// The status for a head that is refused. `None` if the head is accepted.
    fn refusal(&self, request: &Request<Incoming>) -> Option<StatusCode> {
        let is_followed = self.framing.begin_body(request.body().size_hint().exact());
        let status = match request.headers() {
            headers if headers.len() > self.most => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            headers if !is_followed || !has_one_coding(headers) => StatusCode::BAD_REQUEST,
            _ => return None,
        };
        self.malformed.increment(1);
        Some(status)
    }
}

/// Returns `true` if a body is only chunked, or has no transfer coding. hyper also accepts `gzip, chunked`, which
/// nothing here decodes, and `chunked` twice, which a proxy may interpret differently.
fn has_one_coding(headers: &HeaderMap) -> bool {
    let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
    codings.next().is_none_or(|coding| coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
        && codings.next().is_none()
}

/// Wraps `service` for one connection.
///
/// Heads that fail the `checks` are refused. The connection is closed after a response if the server is no longer
/// `serving`, or if the client uses HTTP/1.0 and the response's length is unknown. Event streams end when the server
/// finishes: they are never complete, and browsers open them again by themselves.
pub(crate) fn one_by_one<S>(
    service: S,
    checks: Checks,
    serving: watch::Receiver<Phase>,
    #[cfg(feature = "websocket")] lease: Lease,
) -> impl Service<Request<Incoming>, Response = Response<SentBody>, Error = S::Error, Future: Send> + Send
where
    S: Service<Request<Incoming>, Response = Response<Body>> + Send,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let shared = Arc::new((checks, serving));
    service_fn(move |request: Request<Incoming>| {
        #[cfg(feature = "websocket")]
        let request = lease.along_with(request);
        let is_old = request.version() == Version::HTTP_10;
        let shared = Arc::clone(&shared);
        let refusal = shared.0.refusal(&request);
        let answer = refusal.map_or_else(|| Ok(service.call(request)), Err);
        async move {
            let (checks, serving) = &*shared;
            let refused = answer.is_err();
            let mut response = match answer {
                Ok(answer) => answer.await?,
                Err(status) => {
                    let mut response = Response::new(Body::empty());
                    *response.status_mut() = status;
                    response
                }
            };
            let is_last = is_old && has_no_length(&response);
            // A connection that is no longer HTTP ends by itself.
            let is_other = response.status() == StatusCode::SWITCHING_PROTOCOLS;
            if is_other {
                checks.framing.end();
            }
            if refused || is_last || !is_other && serving.has_changed().unwrap_or(true) {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                if is_old {
                    // Without this, hyper would also announce that it keeps the connection open.
                    *response.version_mut() = Version::HTTP_10;
                }
            }
            let is_event_stream = response.extensions().get::<EventStream>().is_some();
            Ok(response.map(|body| {
                let body = if is_event_stream { body.ended_by(finishing(serving)) } else { body };
                SentBody { body, is_counted: checks.counts_bytes }
            }))
        }
    })
}

/// Completes when the server lets connections finish what they do.
fn finishing(phase: &watch::Receiver<Phase>) -> impl Future<Output = ()> + use<> {
    let mut phase = phase.clone();
    async move {
        let _ = phase.wait_for(|phase| *phase >= Phase::Finishing).await;
    }
}

/// Returns `true` if only chunks or the end of the connection mark the end of the body.
fn has_no_length(response: &Response<Body>) -> bool {
    response.body().size_hint().exact().is_none() && !response.headers().contains_key(CONTENT_LENGTH)
}

/// Drives a connection until it ends, or until the server stops. A server that was dropped counts as abandoned.
pub(crate) async fn run<S>(connection: Driven<S>, mut phase: watch::Receiver<Phase>) -> hyper::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<SentBody>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connection = pin!(connection);
    if let Some(result) = drive(connection.as_mut(), &mut phase).await {
        return result;
    }
    let mut abandoned = pin!(phase.wait_for(|phase| *phase == Phase::Abandoned));
    tokio::select! {
        biased;
        result = connection.as_mut() => return result,
        _ = &mut abandoned => return Ok(()),
        () = tokio::time::sleep(LULL) => {}
    }
    connection.as_mut().graceful_shutdown();
    tokio::select! {
        result = connection.as_mut() => result,
        _ = abandoned => Ok(()),
    }
}

/// Drives a connection until the server finishes. Returns the connection's result if it ends before that.
async fn drive<S>(
    mut connection: Pin<&mut Driven<S>>,
    phase: &mut watch::Receiver<Phase>,
) -> Option<hyper::Result<()>>
where
    S: Service<Request<Incoming>, Response = Response<SentBody>>,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let news = phase.clone();
    let mut finishing = pin!(phase.wait_for(|phase| *phase >= Phase::Finishing));
    let mut waits = false;
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(Some(result));
        }
        // After the first poll it wakes this task when the phase changes. Polling it again for each request before that
        // would only cost time.
        if waits && !news.has_changed().unwrap_or(true) {
            return Poll::Pending;
        }
        waits = true;
        finishing.as_mut().poll(cx).map(|_| None)
    })
    .await
}
