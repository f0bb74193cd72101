//! Static files, built into the program or from a folder.

use std::collections::HashMap;
use std::fmt::Write;
use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{ACCEPT_RANGES, CACHE_CONTROL, CONTENT_RANGE, CONTENT_TYPE, ETAG};
use http::{HeaderMap, HeaderValue, Method, Response};
use http_body::{Frame, SizeHint};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncSeekExt, ReadBuf};

use crate::body::Body;
use crate::range::wanted;

/// How many bytes of a file are read at a time: as much as a disk reads efficiently, and little enough for each
/// connection to hold.
const PIECE_BYTES: usize = 64 * 1024;

/// Static files under names like `css/site.css`: built into the program, or read from a folder on request.
///
/// Each response has a `Content-Type` by the extension of the name, an `ETag`, and `Accept-Ranges`. `If-None-Match`
/// (304) and `Range` with a single range (206, 416) are supported. Browsers ask each time whether their copy is still
/// valid, unless [`max_age`](Self::max_age) is set.
///
/// A name cannot lead out of the folder. No file is found for a name with an empty part, `.`, `..`, a backslash or a
/// colon, for a name with a part that begins with a dot (`.git`, `.env`), or for a symbolic link to something outside
/// the folder.
///
/// # Example
///
/// ```
/// use http::{HeaderMap, Method};
/// use waxseal_server::StaticFiles;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let files = StaticFiles::built_in([("css/site.css".to_owned(), &b"body { color: teal }"[..])]);
/// let answer = files.answer(&Method::GET, "css/site.css", &HeaderMap::new()).await.unwrap();
/// assert_eq!(answer.headers()["content-type"], "text/css; charset=utf-8");
/// assert!(files.answer(&Method::GET, "../secret", &HeaderMap::new()).await.is_none());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct StaticFiles {
    source: Source,
    cache_control: HeaderValue,
}

#[derive(Debug, Clone)]
enum Source {
    BuiltIn(HashMap<String, (Bytes, HeaderValue)>),
    Folder(PathBuf),
}

impl StaticFiles {
    /// Files that are part of the program, as pairs of a name (with `/` between its parts) and bytes.
    ///
    /// The `ETag` is a hash of the bytes, so it is the same on every server.
    pub fn built_in(files: impl IntoIterator<Item = (String, &'static [u8])>) -> Self {
        let tagged = files.into_iter().map(|(name, bytes)| {
            let hash = Sha256::digest(bytes);
            let hex = hash[..16].iter().fold(String::new(), |mut hex, byte| {
                let _ = write!(hex, "{byte:02x}");
                hex
            });
            (name, (Bytes::from_static(bytes), tag(&hex)))
        });
        Self::new(Source::BuiltIn(tagged.collect()))
    }

    /// Files in a folder, read on request: for development, or for files that are installed at run time.
    ///
    /// The `ETag` is made from a file's modification time and length.
    ///
    /// # Errors
    ///
    /// If the folder does not exist.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let folder = folder.canonicalize()?;
        match folder.is_dir() {
            true => Ok(Self::new(Source::Folder(folder))),
            false => Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder")),
        }
    }

    fn new(source: Source) -> Self {
        Self { source, cache_control: HeaderValue::from_static("no-cache") }
    }

    /// Lets browsers use their copy for this long without asking. A changed file then needs another name for them to
    /// see it.
    ///
    /// Shared caches may keep a copy, too (`public`). In an app made with `waxseal`, a file in an answer for which the visitor's
    /// session was read is `private`.
    #[must_use]
    pub fn max_age(mut self, time: Duration) -> Self {
        let value = format!("public, max-age={}", time.as_secs());
        self.cache_control = HeaderValue::try_from(value).expect("words and digits fit into a header");
        self
    }

    /// The response to a GET or HEAD request with these headers for the file `name`. `None` if there is no such file.
    ///
    /// For HEAD, the server leaves out the body.
    pub async fn answer(&self, method: &Method, name: &str, headers: &HeaderMap) -> Option<Response<Body>> {
        if !is_plain(name) {
            return None;
        }
        let (etag, length, opened) = match &self.source {
            Source::BuiltIn(files) => {
                let (bytes, etag) = files.get(name)?;
                (etag.clone(), bytes.len() as u64, Opened::BuiltIn(bytes.clone()))
            }
            Source::Folder(folder) => open(folder, name).await?,
        };
        let wanted = wanted(method, headers, &etag, length);
        let mut response = Response::new(Body::empty());
        *response.status_mut() = wanted.status();
        response.extensions_mut().insert(OfFolder(self.cache_control.clone()));
        let headers = response.headers_mut();
        headers.insert(ETAG, etag);
        headers.insert(CACHE_CONTROL, self.cache_control.clone());
        if let Some(range) = wanted.content_range(length) {
            headers.insert(CONTENT_RANGE, range);
        }
        if let Some(part) = wanted.bytes(length) {
            headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
            headers.insert(CONTENT_TYPE, content_type(name));
            *response.body_mut() = opened.body(part).await.ok()?;
        }
        Some(response)
    }

    /// Keeps a file out of shared caches: makes the `Cache-Control` that [`answer`](Self::answer) gave it `private`. Another one,
    /// which a handler has set since, is left as it is.
    pub fn keep_private<B>(response: &mut Response<B>) {
        let Some(OfFolder(given)) = response.extensions_mut().remove() else { return };
        if let Some(age) = given.as_bytes().strip_prefix(b"public, ")
            && response.headers().get(CACHE_CONTROL) == Some(&given)
        {
            let value = HeaderValue::from_bytes(&[b"private, ", age].concat());
            response.headers_mut().insert(CACHE_CONTROL, value.expect("it was a part of a value"));
        }
    }
}

/// The `Cache-Control` of a file's response, in its extensions.
#[derive(Clone)]
struct OfFolder(HeaderValue);

/// Returns `true` if a name has nothing that a file system could interpret as leading out of the folder, or as hidden.
fn is_plain(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.');
    name.split('/').all(plain) && !name.contains(['\\', ':', '\0'])
}

fn tag(text: &str) -> HeaderValue {
    HeaderValue::try_from(format!("\"{text}\"")).expect("hexadecimal digits fit into a header")
}

/// The content type of a file, by the extension of its name. Text is UTF-8.
fn content_type(name: &str) -> HeaderValue {
    let guess = mime_guess::from_path(name).first_or_octet_stream();
    let text = guess.type_() == "text" || guess.essence_str() == "application/json";
    let value = if text { format!("{}; charset=utf-8", guess.essence_str()) } else { guess.to_string() };
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("application/octet-stream"))
}

enum Opened {
    BuiltIn(Bytes),
    File(File),
}

/// Opens a regular file that really is below `folder`.
async fn open(folder: &Path, name: &str) -> Option<(HeaderValue, u64, Opened)> {
    // Symbolic links are resolved here; the result must be in the folder.
    let path = tokio::fs::canonicalize(folder.join(name)).await.ok()?;
    if !path.starts_with(folder) || !tokio::fs::metadata(&path).await.ok()?.is_file() {
        return None;
    }
    let file = File::open(&path).await.ok()?;
    let metadata = file.metadata().await.ok().filter(std::fs::Metadata::is_file)?;
    let time = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let etag = tag(&format!("{:x}-{:x}", time.as_nanos(), metadata.len()));
    Some((etag, metadata.len(), Opened::File(file)))
}

impl Opened {
    async fn body(self, part: Range<u64>) -> io::Result<Body> {
        match self {
            Self::BuiltIn(bytes) => {
                let (start, end) = (usize::try_from(part.start), usize::try_from(part.end));
                let (Ok(start), Ok(end)) = (start, end) else {
                    return Err(io::ErrorKind::InvalidInput.into());
                };
                Ok(bytes.slice(start..end).into())
            }
            Self::File(mut file) => {
                if part.start > 0 {
                    file.seek(SeekFrom::Start(part.start)).await?;
                }
                Ok(Body::boxed(Pieces { file, left: part.end - part.start }))
            }
        }
    }
}

/// A part of a file, read piece by piece as it is sent.
struct Pieces {
    file: File,
    left: u64,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        let size = usize::try_from(self.left).unwrap_or(usize::MAX).min(PIECE_BYTES);
        let mut piece = vec![0; size];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut self.file).poll_read(cx, &mut buffer))?;
        let read = buffer.filled().len();
        if read == 0 {
            // The head has announced more, so only an error tells the browser.
            let cut =
                io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter while it was sent");
            return Poll::Ready(Some(Err(cut)));
        }
        piece.truncate(read);
        self.left -= read as u64;
        Poll::Ready(Some(Ok(Frame::data(piece.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
