//! Errors of requests, each with the status of its answer.

use std::io;
use std::time::Duration;

use http::StatusCode;
use http_body_util::LengthLimitError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// Describes a request that cannot be read or answered: what was found, and what to send instead.
///
/// Texts are for the person who sent the request. They quote at most 60 printable ASCII characters of it at a time.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal_server::{Body, Error};
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let error = Body::from("abracadabra").collect(4, Duration::from_secs(15)).await.unwrap_err();
/// assert!(matches!(error, Error::TooLarge { limit: 4 }));
/// assert_eq!(error.status(), 413);
/// # });
/// ```
// One concrete type, also for bodies: with a boxed error, limiting combinators over a body stop being general enough for
// handlers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `%` in the path without two hexadecimal digits behind it.
    #[error(
        "the path has a `%` without two hexadecimal digits at byte {offset}; write a percent sign as `%25`"
    )]
    PathEscape {
        /// Bytes before the percent sign.
        offset: usize,
    },
    /// A parameter of the path that is no text once decoded.
    #[error("`{name}` in the path is not UTF-8 once decoded; encode its text as UTF-8")]
    PathNotUtf8 {
        /// The parameter's name.
        name: String,
    },
    /// The target `*` with another method than OPTIONS (RFC 9112 §3.2.4).
    #[error("the target `*` is for OPTIONS alone; ask for a path")]
    Asterisk,

    /// A body of more bytes than allowed, announced or sent.
    #[error("the body is larger than {limit} bytes; send less")]
    TooLarge {
        /// The bytes allowed.
        limit: u64,
    },
    /// A body of which nothing came for too long.
    #[error("the body stood still for {idle:?}; send it again")]
    Idle {
        /// The time that passed without a frame.
        idle: Duration,
    },
    /// A body that came too slowly.
    #[error("the body came at less than {rate} bytes a second; send it on a faster line")]
    TooSlow {
        /// The bytes a second that were due.
        rate: u32,
    },
    /// A connection that broke, or carried no body.
    #[error("the body could not be read to its end")]
    Read(#[source] hyper::Error),
    /// A body of another crate that failed.
    #[error("the body failed")]
    BodyFailed(#[source] Source),
    /// A body with a `Content-Encoding`.
    #[error("the body is encoded as `{0}`; send it without Content-Encoding")]
    Encoded(String),
    /// A body of another type than the reader's.
    #[error("the body is `{found}`; send {expected}")]
    ContentType {
        /// The request's `Content-Type`, or `nothing`.
        found: String,
        /// The type to send.
        expected: &'static str,
    },

    /// A form in a charset other than UTF-8.
    #[error("the form's charset is `{0}`; send it as UTF-8")]
    Charset(String),
    /// A `%` in a form or query without two hexadecimal digits behind it.
    #[error("a `%` at byte {offset} has no two hexadecimal digits behind it; write a percent sign as `%25`")]
    FormEscape {
        /// Bytes before the percent sign.
        offset: usize,
    },
    /// A name or value in a form or query that is no text once decoded.
    #[error("the field at byte {offset} is not UTF-8 once decoded; send it as UTF-8")]
    FormNotUtf8 {
        /// Bytes before the field.
        offset: usize,
    },
    /// A form or query of more fields than allowed.
    #[error("there are more than {limit} fields; send fewer")]
    TooManyFields {
        /// The fields allowed.
        limit: usize,
    },
    /// A field that comes more than once and has room for one value.
    #[error("the field `{0}` comes more than once; send it once")]
    RepeatedField(String),
    /// A field that does not fit its type.
    #[error("the field `{name}` does not fit: {problem}")]
    Field {
        /// The field.
        name: String,
        /// The text of serde's error.
        problem: String,
    },
    /// Fields that do not fit the type together, or one that is missing.
    #[error("the fields do not fit: {0}")]
    Fields(String),

    /// A body that is no JSON.
    #[error("the body is no JSON at line {line}, column {column}: {problem}")]
    JsonSyntax {
        /// From 1; 0 in an empty body.
        line: usize,
        /// From 1, in bytes.
        column: usize,
        /// The text of the parser's error.
        problem: String,
    },
    /// JSON that does not fit the type.
    #[error("the JSON does not fit at `{place}`: {problem}")]
    JsonValue {
        /// Such as `pets[2].name`; `.` for the whole.
        place: String,
        /// The text of serde's error.
        problem: String,
    },

    /// A form with files of more parts than allowed.
    #[error("there are more than {limit} parts; send fewer")]
    TooManyParts {
        /// The parts allowed.
        limit: usize,
    },
    /// A part whose head does not end within the bytes allowed.
    #[error("the head of a part is longer than {limit} bytes, or a boundary is missing")]
    PartHead {
        /// The bytes allowed.
        limit: u64,
    },
    /// A part without a name.
    #[error("a part has no name; send `Content-Disposition: form-data; name=\"…\"`")]
    UnnamedPart,
    /// A field among files that is no text.
    #[error("the field `{name}` is not UTF-8; send it as UTF-8, or as a file")]
    PartNotUtf8 {
        /// The field.
        name: String,
    },
    /// A field among files that is larger than allowed.
    #[error("the field `{name}` is larger than {limit} bytes; send less")]
    FieldTooLarge {
        /// The field.
        name: String,
        /// The bytes allowed.
        limit: u64,
    },
    /// A file that is larger than allowed.
    #[error("the file `{name}` is larger than {limit} bytes; send less")]
    FileTooLarge {
        /// The field.
        name: String,
        /// The bytes allowed.
        limit: u64,
    },
    /// A body that is no `multipart/form-data` inside, or has no end.
    #[error("the body is no complete `multipart/form-data`")]
    Multipart(#[source] Source),
    /// An uploaded file that could not be kept on disk.
    #[error("an uploaded file could not be kept in a temporary file")]
    Disk(#[source] io::Error),

    /// An answer that was [cut short](crate::Body::cut_by) before it was complete, as the app wanted it.
    #[error("the answer was cut short before it was complete")]
    Cut,

    /// A request to a place for WebSockets that asks for none, or for one that cannot be had.
    #[error("{problem}")]
    NoWebSocket {
        /// What was found, and what to send.
        problem: &'static str,
    },

    /// A request that took too long. Its future has been dropped where it stood.
    #[error("the request took longer than {limit:?}")]
    TimedOut {
        /// The time it had.
        limit: Duration,
    },
    /// A request whose handler panicked. The panic's message is in the log.
    #[error("the request's handler panicked")]
    Panicked,
}

impl Error {
    /// The status of the answer.
    ///
    /// | status | errors |
    /// |---|---|
    /// | 408 | a body that stood still |
    /// | 413 | a body, field or file that is too large |
    /// | 415 | another content type or charset, a `Content-Encoding` |
    /// | 422 | JSON that does not fit its type |
    /// | 426 | a request for something else where WebSockets are |
    /// | 500 | a panic, a disk that failed |
    /// | 503 | a request that took too long |
    /// | 400 | all others |
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Idle { .. } | Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } | Self::FieldTooLarge { .. } | Self::FileTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            // Of `http_body_util::Limited`, which a layer around us may have put there.
            Self::BodyFailed(error) if error.is::<LengthLimitError>() => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ContentType { .. } | Self::Charset(_) | Self::Encoded(_) => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::NoWebSocket { .. } => StatusCode::UPGRADE_REQUIRED,
            Self::JsonValue { .. } => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Disk(_) | Self::Panicked => StatusCode::INTERNAL_SERVER_ERROR,
            Self::TimedOut { .. } => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// Takes the error of a boxed body. Our own stays itself, however often its body was boxed.
    pub(crate) fn from_boxed(error: impl Into<Source>) -> Self {
        error.into().downcast().map_or_else(Self::BodyFailed, |error| *error)
    }
}
