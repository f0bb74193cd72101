//! Uploads: `multipart/form-data`, fields to memory and files to disk.

mod file_name;
mod first;
mod intake;
mod upload;

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use multer::Field;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::excerpt::excerpt;
use crate::{Body, BodyError, FormError, forms};
use intake::{Allowance, Intake};

pub use file_name::safe_file_name;
pub use first::first_field;
pub use upload::Upload;

/// Bytes of one part's head: a name, a file's name, a type. Each end that a parser looks for costs a look at all that
/// came so far, so there is no room for a long one.
const MAX_HEAD_BYTES: u64 = 8 * 1024;
/// RFC 2046 §5.1.1.
const MAX_BOUNDARY_BYTES: usize = 70;

/// What an upload may cost, in bytes and parts.
///
/// | | default | beyond it |
/// |---|---|---|
/// | the whole body | 2 MiB | 413 |
/// | one file | as much as the body | 413 |
/// | one field that is no file | 256 KiB | 413 |
/// | parts, fields and files together | 1,000 | 400 |
/// | the head of a part | 8 KiB, fixed | 400 |
///
/// # Example
///
/// ```
/// use waxseal_server::multipart::Limits;
///
/// let limits = Limits::default().total(50 << 20).file(10 << 20).parts(20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    total: u64,
    file: u64,
    field: u64,
    parts: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { total: 2 << 20, file: u64::MAX, field: 256 << 10, parts: forms::MAX_FIELDS }
    }
}

impl Limits {
    /// Bytes of the whole body.
    #[must_use]
    pub fn total(mut self, bytes: u64) -> Self {
        self.total = bytes;
        self
    }

    /// Bytes of one file.
    #[must_use]
    pub fn file(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }

    /// Bytes of one field that is no file; they are kept in memory.
    #[must_use]
    pub fn field(mut self, bytes: u64) -> Self {
        self.field = bytes;
        self
    }

    /// Parts, fields and files together.
    #[must_use]
    pub fn parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }
}

/// A form with files, read whole: fields and small files in memory, other files in temporary ones that are gone when
/// dropped.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::HeaderValue;
/// use waxseal_server::{Body, multipart::{Limits, Multipart}};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let kind = HeaderValue::from_static("multipart/form-data; boundary=owl");
/// let body = "--owl\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA map\r\n\
///     --owl\r\nContent-Disposition: form-data; name=\"map\"; filename=\"../map.png\"\r\n\
///     Content-Type: image/png\r\n\r\n(a picture)\r\n--owl--\r\n";
///
/// let idle = Duration::from_secs(15);
/// let mut form = Multipart::read(Some(&kind), Body::from(body), Limits::default(), idle).await?;
/// assert_eq!(form.field("title"), Some("A map"));
/// let map = form.take_file("map").expect("a file was sent");
/// assert_eq!((map.len(), map.safe_name().as_deref()), (11, Some("map.png")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// The format: RFC 7578.
#[derive(Debug, Default)]
pub struct Multipart {
    fields: Vec<(String, String)>,
    files: Vec<(String, Upload)>,
}

impl Multipart {
    /// Reads a body within `limits`, of which each part's head and each piece comes within `idle`.
    ///
    /// A file input in which nothing was chosen, which browsers send as a file without a name or a byte, is left out.
    ///
    /// # Errors
    ///
    /// [`MultipartError`]: another content type is answered 415, too much 413, what is malformed 400. Files that were
    /// on disk by then are gone.
    pub async fn read(
        content_type: Option<&HeaderValue>,
        body: Body,
        limits: Limits,
        idle: Duration,
    ) -> Result<Self, MultipartError> {
        let boundary = boundary(content_type)?;
        let announced = http_body::Body::size_hint(&body).lower();
        if announced > limits.total {
            return Err(MultipartError::TooLarge { what: Part::Body, limit: limits.total });
        }
        let allowance = Allowance::new(limits.total);
        let mut parts = multer::Multipart::new(Intake::new(body, allowance.clone()), boundary);
        let mut form = Self::default();
        loop {
            allowance.head(MAX_HEAD_BYTES);
            let part = timeout(idle, parts.next_field()).await.map_err(|_| BodyError::Idle { idle })?;
            let Some(part) = part.map_err(MultipartError::from_multer)? else { return Ok(form) };
            allowance.rest();
            if form.fields.len() + form.files.len() == limits.parts {
                return Err(MultipartError::TooManyParts { limit: limits.parts });
            }
            form.take(part, limits, idle).await?;
        }
    }

    async fn take(&mut self, part: Field<'_>, limits: Limits, idle: Duration) -> Result<(), MultipartError> {
        let name = part.name().map(unescaped).ok_or(MultipartError::NoName)?;
        let mut pieces = Pieces { part, limit: 0, read: 0, idle };
        match pieces.part.file_name().map(unescaped) {
            None => {
                pieces.limit = limits.field;
                let mut value = Vec::new();
                while let Some(piece) = pieces.next(Part::Field, &name).await? {
                    value.extend_from_slice(&piece);
                }
                let value = String::from_utf8(value);
                let value = value.map_err(|_| MultipartError::NotUtf8 { name: excerpt(name.as_bytes()) })?;
                self.fields.push((name, value));
            }
            Some(file_name) => {
                pieces.limit = limits.file;
                let content_type = pieces.part.content_type().map(ToString::to_string);
                let mut writer = upload::Writer::default();
                while let Some(piece) = pieces.next(Part::File, &name).await? {
                    writer.write(&piece).await.map_err(MultipartError::Disk)?;
                }
                let upload = writer.finish(file_name, content_type).await.map_err(MultipartError::Disk)?;
                if !(upload.file_name().is_empty() && upload.is_empty()) {
                    self.files.push((name, upload));
                }
            }
        }
        Ok(())
    }

    /// The first field of this name that is no file.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The fields that are no files, decoded into a `T` as a form's are.
    ///
    /// # Errors
    ///
    /// [`FormError`] if they are no `T`.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, FormError> {
        forms::from_pairs(&self.fields)
    }

    /// Takes the first file of this name out of the form.
    #[must_use]
    pub fn take_file(&mut self, name: &str) -> Option<Upload> {
        let at = self.files.iter().position(|(found, _)| found == name)?;
        Some(self.files.remove(at).1)
    }

    /// All files, each with the name of its field, in the order they came.
    #[must_use]
    pub fn into_files(self) -> Vec<(String, Upload)> {
        self.files
    }
}

/// A part's bytes, counted.
struct Pieces<'a> {
    part: Field<'a>,
    limit: u64,
    read: u64,
    idle: Duration,
}

impl Pieces<'_> {
    async fn next(&mut self, what: Part, name: &str) -> Result<Option<bytes::Bytes>, MultipartError> {
        let idle = self.idle;
        let piece = timeout(idle, self.part.chunk()).await.map_err(|_| BodyError::Idle { idle })?;
        let piece = piece.map_err(MultipartError::from_multer)?;
        self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.read > self.limit {
            let limit = self.limit;
            return Err(MultipartError::PartTooLarge { what, name: excerpt(name.as_bytes()), limit });
        }
        Ok(piece)
    }
}

/// A name as it was before the browser escaped it for the part's head: line ends and quotes, and nothing else.
///
/// <https://html.spec.whatwg.org/multipage/form-control-infrastructure.html#multipart-form-data>
fn unescaped(name: &str) -> String {
    // One pass: what an escape leaves behind is no part of the next.
    let mut pieces = name.split('%');
    let mut text = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let escape = piece.get(..2).and_then(|digits| match digits {
            "0A" => Some('\n'),
            "0D" => Some('\r'),
            "22" => Some('"'),
            _ => None,
        });
        text.push(escape.unwrap_or('%'));
        text.push_str(if escape.is_some() { &piece[2..] } else { piece });
    }
    text
}

fn boundary(content_type: Option<&HeaderValue>) -> Result<String, MultipartError> {
    let found = content_type.map_or(&b"nothing"[..], HeaderValue::as_bytes);
    let wrong = || MultipartError::ContentType(excerpt(found));
    let boundary = multer::parse_boundary(std::str::from_utf8(found).map_err(|_| wrong())?);
    let boundary = boundary.map_err(|_| wrong())?;
    if boundary.is_empty() || boundary.len() > MAX_BOUNDARY_BYTES || boundary.ends_with(' ') {
        return Err(wrong());
    }
    Ok(boundary)
}

/// What was too large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Part {
    /// The whole body.
    Body,
    /// A file.
    File,
    /// A field that is no file.
    Field,
}

impl std::fmt::Display for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Body => "body",
            Self::File => "file",
            Self::Field => "field",
        })
    }
}

/// Why a form with files cannot be read. Each text quotes at most 60 printable characters of the request at a time.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MultipartError {
    /// Another kind of body, or no usable boundary.
    #[error("the body is `{0}`; send the form as `multipart/form-data` with a boundary")]
    ContentType(String),
    /// The body is larger than allowed.
    #[error("the {what} is larger than {limit} bytes; send less")]
    TooLarge {
        /// What.
        what: Part,
        /// The bytes allowed.
        limit: u64,
    },
    /// A part is larger than allowed.
    #[error("the {what} `{name}` is larger than {limit} bytes; send less")]
    PartTooLarge {
        /// What.
        what: Part,
        /// The field's name.
        name: String,
        /// The bytes allowed.
        limit: u64,
    },
    /// More parts than allowed.
    #[error("there are more than {limit} parts; send fewer")]
    TooManyParts {
        /// The parts allowed.
        limit: usize,
    },
    /// A part without a name.
    #[error("a part has no name; send `Content-Disposition: form-data; name=\"…\"`")]
    NoName,
    /// A field's value is no text.
    #[error("the field `{name}` is not UTF-8; send it as UTF-8, or as a file")]
    NotUtf8 {
        /// The field.
        name: String,
    },
    /// A part's head without an end.
    #[error("the head of a part is longer than {MAX_HEAD_BYTES} bytes, or a boundary is missing")]
    Head,
    /// No `multipart/form-data` inside, or the end is missing.
    #[error("the body is no complete `multipart/form-data`")]
    Malformed(#[source] multer::Error),
    /// The body could not be read.
    #[error(transparent)]
    Body(#[from] BodyError),
    /// A file could not be kept.
    #[error("an uploaded file could not be kept in a temporary file")]
    Disk(#[source] std::io::Error),
}

impl MultipartError {
    /// 415 for another content type, 413 for too much, 408 for a body that stood still, 500 if the disk failed, 400
    /// otherwise.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::ContentType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLarge { .. } | Self::PartTooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Body(error) => error.status(),
            Self::Disk(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Our own errors went through the parser as the stream's.
    fn from_multer(error: multer::Error) -> Self {
        match error {
            multer::Error::StreamReadFailed(inner) => match inner.downcast::<Self>() {
                Ok(ours) => *ours,
                Err(inner) => Self::Malformed(multer::Error::StreamReadFailed(inner)),
            },
            error => Self::Malformed(error),
        }
    }
}
