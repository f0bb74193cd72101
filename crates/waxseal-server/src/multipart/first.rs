//! Reads the first field of a form with files, before the rest of the form is read.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::HeaderValue;
use http_body::{Body as _, Frame, SizeHint};

use tokio::time::timeout;

use super::syntax::{boundary, from_multer, unescaped};
use crate::body::Body;
use crate::error::Error;

/// The field must end within this many bytes of the body. No more than these are kept in memory.
const MOST_BYTES: usize = 32 * 1024;

/// Returns name and value of the first part, if it is a field and ends within 32 KiB, and the body, which can then be
/// read from its beginning. No more of the body is read than needed.
///
/// `None` if the body is malformed. Reading the whole form then reports what is wrong with it.
///
/// # Errors
///
/// [`Error::ContentType`] if it is not a form with files, and the body's own errors, such as [`Error::Idle`].
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::HeaderValue;
/// use waxseal_server::{Body, Multipart, UploadLimits, multipart};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let kind = HeaderValue::from_static("multipart/form-data; boundary=owl");
/// let body = "--owl\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA map\r\n--owl--\r\n";
///
/// let idle = Duration::from_secs(15);
/// let (first, body) = multipart::first_field(Some(&kind), body.into(), idle).await?;
/// assert_eq!(first, Some(("title".to_owned(), "A map".to_owned())));
/// let form = Multipart::read(Some(&kind), body, UploadLimits::default(), idle).await?;
/// assert_eq!(form.field("title"), Some("A map"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub async fn first_field(
    content_type: Option<&HeaderValue>,
    body: Body,
    idle: Duration,
) -> Result<(Option<(String, String)>, Body), Error> {
    let boundary = boundary(content_type)?;
    let source =
        Source(Arc::new(Mutex::new(Buffered { body, read: VecDeque::new(), bytes: 0, ended: false })));
    let parts = multer::Multipart::new(Helpings { source: source.clone(), fed: false }, boundary);
    let first = match read(parts, idle).await {
        Ok(first) => first,
        // An error of the parser: the body is malformed.
        Err(Error::Multipart(_)) => None,
        Err(error) => return Err(error),
    };
    Ok((first, Body::boxed(source)))
}

async fn read(mut parts: multer::Multipart<'_>, idle: Duration) -> Result<Option<(String, String)>, Error> {
    let next = timeout(idle, parts.next_field()).await.map_err(|_| Error::Idle { idle })?;
    let Some(mut part) = next.map_err(from_multer)? else { return Ok(None) };
    let (Some(name), None) = (part.name().map(unescaped), part.file_name()) else { return Ok(None) };
    let mut value = Vec::new();
    loop {
        let piece = timeout(idle, part.chunk()).await.map_err(|_| Error::Idle { idle })?;
        match piece.map_err(from_multer)? {
            Some(piece) => value.extend_from_slice(&piece),
            None => return Ok(String::from_utf8(value).ok().map(|value| (name, value))),
        }
    }
}

/// A body, and the part of it that has already been read.
#[derive(Clone)]
struct Source(Arc<Mutex<Buffered>>);

struct Buffered {
    body: Body,
    read: VecDeque<Bytes>,
    bytes: usize,
    ended: bool,
}

impl Buffered {
    /// The next frame of the body. A body that has ended is not polled again, because not every body allows that.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        self.ended = frame.is_none();
        Poll::Ready(frame)
    }
}

impl Source {
    fn lock(&self) -> MutexGuard<'_, Buffered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The parser's source. The parser reads on until it has to wait, so it is made to wait after every frame.
struct Helpings {
    source: Source,
    fed: bool,
}

impl Stream for Helpings {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.fed) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let mut buffered = self.source.lock();
        loop {
            if buffered.bytes >= MOST_BYTES {
                return Poll::Ready(None);
            }
            match ready!(buffered.poll_body(cx)) {
                None => return Poll::Ready(None),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                Some(Ok(frame)) => {
                    let Ok(data) = frame.into_data() else { continue };
                    if data.is_empty() {
                        continue;
                    }
                    // The rest of a long frame is not given to the parser, but it is kept.
                    let helping = data.slice(..data.len().min(MOST_BYTES - buffered.bytes));
                    buffered.bytes += data.len();
                    buffered.read.push_back(data);
                    drop(buffered);
                    self.fed = true;
                    return Poll::Ready(Some(Ok(helping)));
                }
            }
        }
    }
}

/// Returns what was read first, then the rest.
impl http_body::Body for Source {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let mut buffered = self.lock();
        match buffered.read.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => buffered.poll_body(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        let buffered = self.lock();
        buffered.read.is_empty() && (buffered.ended || buffered.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let buffered = self.lock();
        let read = buffered.read.iter().map(|data| data.len() as u64).sum::<u64>();
        let rest = buffered.body.size_hint();
        let mut hint = SizeHint::new();
        hint.set_lower(read.saturating_add(rest.lower()));
        if let Some(upper) = rest.upper() {
            hint.set_upper(read.saturating_add(upper));
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::channel::Channel;

    use super::*;

    const IDLE: Duration = Duration::from_secs(15);
    const KIND: HeaderValue = HeaderValue::from_static("multipart/form-data; boundary=owl");

    fn part(head: &str, value: &str) -> String {
        format!("--owl\r\nContent-Disposition: form-data; {head}\r\n\r\n{value}\r\n")
    }

    /// A body in pieces of `bytes` bytes.
    fn in_pieces(text: &str, bytes: usize) -> Body {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(1);
        let pieces: Vec<_> = text.as_bytes().chunks(bytes).map(Bytes::copy_from_slice).collect();
        tokio::spawn(async move {
            for piece in pieces {
                if sender.send_data(piece).await.is_err() {
                    return;
                }
            }
        });
        Body::boxed(channel)
    }

    #[tokio::test]
    async fn the_first_field_is_found_and_the_body_is_whole() {
        let (token, file) =
            (part("name=\"token\"", "abc"), part("name=\"f\"; filename=\"f\"", &"x".repeat(100_000)));
        for (case, text, expected) in [
            ("first", format!("{token}{file}--owl--\r\n"), Some("abc")),
            ("alone", format!("{token}--owl--\r\n"), Some("abc")),
            ("after a file", format!("{file}{token}--owl--\r\n"), None),
            ("as a file", format!("{}--owl--\r\n", part("name=\"token\"; filename=\"t\"", "abc")), None),
            ("without a name", format!("{}--owl--\r\n", part("x=\"token\"", "abc")), None),
            ("too long", format!("{}--owl--\r\n", part("name=\"token\"", &"a".repeat(40_000))), None),
            ("nothing", "--owl--\r\n".to_owned(), None),
            ("no form", "token=abc".to_owned(), None),
            ("empty", String::new(), None),
            ("cut short", token.clone(), None),
        ] {
            for bytes in [1_000_000, 7_000, 11] {
                let (first, body) = first_field(Some(&KIND), in_pieces(&text, bytes), IDLE).await.unwrap();
                assert_eq!(first.map(|(_, value)| value).as_deref(), expected, "{case}, {bytes}");
                assert_eq!(body.collect(1_000_000, IDLE).await.unwrap(), text, "{case}, {bytes}");
            }
        }
    }

    #[tokio::test]
    async fn no_more_is_read_than_it_takes() {
        let (mut sender, channel) = Channel::<Bytes, Error>::new(1);
        let token = part("name=\"token\"", "abc") + "--owl\r\n";
        sender.send_data(Bytes::from(token)).await.unwrap();
        // The rest never comes.
        let (first, _body) = first_field(Some(&KIND), Body::boxed(channel), IDLE).await.unwrap();
        assert_eq!(first.unwrap().1, "abc");
        drop(sender);
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stands_still_is_given_up() {
        let (_sender, channel) = Channel::<Bytes, Error>::new(1);
        let error = first_field(Some(&KIND), Body::boxed(channel), IDLE).await.err().unwrap();
        assert_eq!(error.status().as_u16(), 408);
    }

    #[tokio::test]
    async fn what_it_says_of_its_length_stays() {
        let text = part("name=\"token\"", "abc");
        let (_, body) = first_field(Some(&KIND), text.clone().into(), IDLE).await.unwrap();
        assert_eq!(http_body::Body::size_hint(&body).exact(), Some(text.len() as u64));
    }
}
