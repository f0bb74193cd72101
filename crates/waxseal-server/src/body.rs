//! The body of requests and of responses.

use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;

use crate::error::Error;
use crate::timeout::within;
use crate::traffic::{TRAFFIC, count};
use crate::waits::{Waiting, Waits};
use crate::watched::Watched;

/// The body of a request or of a response.
///
/// It is made `from` text, bytes, nothing, or what hyper received; only [`Body::boxed`] allocates. It is `Send` and
/// `Sync` whatever it contains.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::{Body, Error};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let idle = Duration::from_secs(15);
/// assert_eq!(Body::from("abracadabra").collect(1024, idle).await?, "abracadabra");
///
/// let error = Body::from("abracadabra").collect(4, idle).await.unwrap_err();
/// assert_eq!(error.status(), 413);
/// # Ok::<(), Error>(())
/// # }).unwrap();
/// ```
#[derive(Default)]
pub struct Body {
    kind: Kind,
    waits: Option<Waiting>,
}

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    Full(Bytes),
    Incoming(Incoming),
    /// The mutex is not for sharing: it makes the body `Sync`, so that a handler may hold its request by reference
    /// across an await.
    Boxed(Mutex<UnsyncBoxBody<Bytes, Error>>),
}

impl Body {
    /// An empty body.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// Wraps any other body: a stream, a file, a body of another crate. It is polled within the present `tracing` span. If it
    /// panics, it fails with [`Error::Panicked`].
    #[must_use]
    pub fn boxed<B>(body: B) -> Self
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        Kind::Boxed(Mutex::new(Watched::new(body.map_err(Error::from_boxed)).boxed_unsync())).into()
    }

    /// This body, and how long it is waited for: with a [timeout](crate::timeout_catching_panics) around the request, it
    /// tells a slow client from a slow handler.
    #[must_use]
    pub fn with_waits(self) -> (Self, Waits) {
        let waits = Waits::default();
        (Self { waits: Some(Waiting::new(waits.clone())), ..self }, waits)
    }

    /// The bytes, if the body already holds all of them. `None` for a stream, and for a body that is still being
    /// received.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Empty => Some(&[]),
            Kind::Full(bytes) => Some(bytes),
            Kind::Incoming(_) | Kind::Boxed(_) => None,
        }
    }

    /// Reads the whole body. Fails if it is larger than `limit` bytes, or if nothing comes for longer than `idle`.
    ///
    /// A body whose announced length is too large is refused unread. Memory grows with the bytes that were received,
    /// not with the announced length. Trailers are dropped.
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`], [`Error::Idle`], or the error that occurred while reading.
    pub async fn collect(mut self, limit: usize, idle: Duration) -> Result<Bytes, Error> {
        let too_large = || Error::TooLarge { limit: limit as u64 };
        let announced = http_body::Body::size_hint(&self).lower();
        if usize::try_from(announced).map_or(true, |announced| announced > limit) {
            return Err(too_large());
        }
        let mut first = Bytes::new();
        let mut all = BytesMut::new();
        let late = || Some(Err(Error::Idle { idle }));
        while let Some(frame) = within(idle, self.frame(), late).await {
            let Ok(data) = frame?.into_data() else { continue };
            // At most one of the two holds anything, so a body of a single frame is not copied.
            let so_far = first.len() + all.len();
            if data.len() > limit - so_far {
                return Err(too_large());
            }
            if so_far == 0 {
                first = data;
            } else {
                all.extend_from_slice(&std::mem::take(&mut first));
                all.extend_from_slice(&data);
            }
        }
        Ok(if all.is_empty() { first } else { all.freeze() })
    }
}

impl Kind {
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        use http_body::Body as _;
        match self {
            Kind::Empty => Poll::Ready(None),
            Kind::Full(_) => match std::mem::take(self) {
                Kind::Full(bytes) if !bytes.is_empty() => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                _ => Poll::Ready(None),
            },
            Kind::Incoming(incoming) => {
                let next = Pin::new(incoming).poll_frame(cx);
                next.map(|next| {
                    next.map(|frame| frame.map_err(Error::Read))
                        .inspect(|frame| count(&TRAFFIC.received, frame))
                })
            }
            Kind::Boxed(body) => {
                Pin::new(body.get_mut().unwrap_or_else(PoisonError::into_inner)).poll_frame(cx)
            }
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let polled = self.kind.poll_frame(cx);
        if let Some(waits) = &mut self.waits {
            waits.note(polled.is_pending());
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Empty => true,
            Kind::Full(bytes) => bytes.is_empty(),
            Kind::Incoming(incoming) => incoming.is_end_stream(),
            Kind::Boxed(body) => body.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Incoming(incoming) => incoming.size_hint(),
            Kind::Boxed(body) => body.lock().unwrap_or_else(PoisonError::into_inner).size_hint(),
        }
    }
}

impl From<Kind> for Body {
    fn from(kind: Kind) -> Self {
        Self { kind, waits: None }
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Kind::Full(bytes).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<Incoming> for Body {
    fn from(incoming: Incoming) -> Self {
        Kind::Incoming(incoming).into()
    }
}

/// Shows the kind and, if known, the length; never the content.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Empty => f.write_str("Body(empty)"),
            Kind::Full(bytes) => write!(f, "Body({} bytes)", bytes.len()),
            Kind::Incoming(_) => f.write_str("Body(incoming)"),
            Kind::Boxed(_) => f.write_str("Body(boxed)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use http_body_util::{Full, Limited, channel::Channel};
    use proptest::prelude::*;

    const IDLE: Duration = Duration::from_secs(15);

    #[test]
    fn a_body_goes_to_other_threads_and_is_shared_by_reference() {
        fn check<T: Send + Sync>() {}
        check::<Body>();
    }

    #[tokio::test]
    async fn every_source_gives_its_bytes() {
        for (case, body, expected) in [
            ("nothing", Body::from(()), ""),
            ("empty", Body::empty(), ""),
            ("empty text", Body::from(""), ""),
            ("static text", Body::from("ink"), "ink"),
            ("owned text", Body::from(String::from("ink")), "ink"),
            ("bytes", Body::from(Bytes::from_static(b"ink")), "ink"),
            ("vector", Body::from(b"ink".to_vec()), "ink"),
            ("boxed", Body::boxed(Full::new(Bytes::from_static(b"ink"))), "ink"),
            ("boxed twice", Body::boxed(Body::boxed(Body::from("ink"))), "ink"),
        ] {
            assert_eq!(http_body::Body::size_hint(&body).exact(), Some(expected.len() as u64), "{case}");
            assert_eq!(http_body::Body::is_end_stream(&body), expected.is_empty(), "{case}");
            assert_eq!(body.collect(3, IDLE).await.unwrap(), expected, "{case}");
        }
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_refused_unread() {
        struct Announced;
        impl http_body::Body for Announced {
            type Data = Bytes;
            type Error = Error;
            fn poll_frame(
                self: Pin<&mut Self>,
                _: &mut Context<'_>,
            ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
                panic!("was read")
            }
            fn size_hint(&self) -> SizeHint {
                SizeHint::with_exact(u64::MAX)
            }
        }
        let error = Body::boxed(Announced).collect(usize::MAX - 1, IDLE).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }));
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn bytes_are_counted_while_they_come() {
        for (limit, fits) in [(5, false), (6, true)] {
            let (mut sender, channel) = Channel::<Bytes, Error>::new(3);
            for piece in ["ab", "cd", "ef"] {
                sender.send_data(Bytes::from(piece)).await.unwrap();
            }
            drop(sender);
            let collected = Body::boxed(channel).collect(limit, IDLE).await;
            assert_eq!(collected.is_ok_and(|all| all == "abcdef"), fits, "limit {limit}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_frame_may_take_the_idle_time_and_none_may_take_longer() {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(1);
        tokio::spawn(async move {
            for seconds in [10, 10, 10, 20] {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                let _ = sender.send_data(Bytes::from_static(b"x")).await;
            }
        });
        let started = tokio::time::Instant::now();
        let error = Body::boxed(channel).collect(1024, IDLE).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT);
        assert_eq!(error.to_string(), "the body stood still for 15s; send it again");
        assert_eq!(started.elapsed().as_secs(), 45);
    }

    #[tokio::test]
    async fn errors_from_inside_keep_their_meaning() {
        let limited = Body::boxed(Limited::new(Body::from("abc"), 2));
        let error = limited.collect(1024, IDLE).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);

        let (sender, channel) = Channel::<Bytes, Error>::new(1);
        sender.abort(Error::TooLarge { limit: 7 });
        let error = Body::boxed(Body::boxed(channel)).collect(1024, IDLE).await.unwrap_err();
        assert!(matches!(error, Error::TooLarge { limit: 7 }));

        let (sender, channel) = Channel::<Bytes, std::io::Error>::new(1);
        sender.abort(std::io::Error::other("disk"));
        let error = Body::boxed(channel).collect(1024, IDLE).await.unwrap_err();
        assert_eq!(
            (error.status(), error.to_string().as_str()),
            (StatusCode::BAD_REQUEST, "the body failed")
        );
    }

    #[test]
    fn debug_shows_no_contents() {
        assert_eq!(format!("{:?} {:?}", Body::from("secret"), Body::empty()), "Body(6 bytes) Body(empty)");
    }

    proptest! {
        #[test]
        fn pieces_come_back_whole_or_not_at_all(pieces in proptest::collection::vec(".{0,9}", 0..9), limit in 0usize..60) {
            let whole = pieces.concat();
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let collected = runtime.block_on(async {
                let (mut sender, channel) = Channel::<Bytes, Error>::new(9);
                for piece in pieces {
                    sender.send_data(Bytes::from(piece)).await.unwrap();
                }
                drop(sender);
                Body::boxed(channel).collect(limit, IDLE).await
            });
            match collected {
                Ok(bytes) => prop_assert!(bytes == whole && whole.len() <= limit),
                Err(error) => prop_assert_eq!((error.status().as_u16(), whole.len() > limit), (413, true)),
            }
        }
    }
}
