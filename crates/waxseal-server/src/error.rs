//! Errors of requests, each with the status of its response.

use std::io;
use std::time::Duration;

use http::StatusCode;
use http_body_util::LengthLimitError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// A request that cannot be read or answered. The text says what was found, and what to send instead.
///
/// Texts are for the person who sent the request. They quote at most 60 printable ASCII characters of the request at a
/// time.
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
// One concrete error type, for bodies, too: with a boxed error, combinators that limit a body stream would no longer be
// general enough for handlers.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A `%` in the path is not followed by two hexadecimal digits.
    #[error(
        "the path has a `%` without two hexadecimal digits at byte {offset}; write a percent sign as `%25`"
    )]
    PathEscape {
        /// The number of bytes before the percent sign.
        offset: usize,
    },
    /// A parameter of the path is not UTF-8 once decoded.
    #[error("`{name}` in the path is not UTF-8 once decoded; encode its text as UTF-8")]
    PathNotUtf8 {
        /// The parameter's name.
        name: String,
    },
    /// The target `*` with a method other than OPTIONS (RFC 9112 §3.2.4).
    #[error("the target `*` is for OPTIONS alone; ask for a path")]
    Asterisk,

    /// A body is larger than allowed, as announced or as sent.
    #[error("the body is larger than {limit} bytes; send less")]
    TooLarge {
        /// The largest allowed size, in bytes.
        limit: u64,
    },
    /// Nothing of a body came for too long.
    #[error("the body stood still for {idle:?}; send it again")]
    Idle {
        /// The time that passed without a frame.
        idle: Duration,
    },
    /// A body came too slowly.
    #[error("the body came at less than {rate} bytes a second; send it on a faster line")]
    TooSlow {
        /// The required rate, in bytes a second.
        rate: u32,
    },
    /// A request took too long, and most of the time its body was [waited](crate::Waits) for. Nothing here finds that by
    /// itself; who knows of the waits says so.
    #[error("the body had not come within {limit:?}; send less, or on a faster line")]
    SlowBody {
        /// The time that the request had.
        limit: Duration,
    },
    /// The connection broke, or the body was malformed.
    #[error("the body could not be read to its end")]
    Read(#[source] hyper::Error),
    /// A body of another crate failed.
    #[error("the body failed")]
    BodyFailed(#[source] Source),
    /// A body has a `Content-Encoding`.
    #[error("the body is encoded as `{0}`; send it without Content-Encoding")]
    Encoded(String),
    /// A body has another content type than the reader needs.
    #[error("the body is `{found}`; send {expected}")]
    ContentType {
        /// The request's `Content-Type`, or `nothing`.
        found: String,
        /// The type to send.
        expected: &'static str,
    },

    /// A form has a charset other than UTF-8.
    #[error("the form's charset is `{0}`; send it as UTF-8")]
    Charset(String),
    /// A `%` in a form or query is not followed by two hexadecimal digits.
    #[error("a `%` at byte {offset} has no two hexadecimal digits behind it; write a percent sign as `%25`")]
    FormEscape {
        /// The number of bytes before the percent sign.
        offset: usize,
    },
    /// A name or value in a form or query is not UTF-8 once decoded.
    #[error("the field at byte {offset} is not UTF-8 once decoded; send it as UTF-8")]
    FormNotUtf8 {
        /// The number of bytes before the field.
        offset: usize,
    },
    /// A form or query has more fields than allowed.
    #[error("there are more than {limit} fields; send fewer")]
    TooManyFields {
        /// The most fields allowed.
        limit: usize,
    },
    /// A field with room for one value comes more than once.
    #[error("the field `{0}` comes more than once; send it once")]
    RepeatedField(String),
    /// A field does not fit its type.
    #[error("the field `{name}` does not fit: {problem}")]
    Field {
        /// The field.
        name: String,
        /// The text of serde's error.
        problem: String,
    },
    /// The fields together do not fit the type, or one is missing.
    #[error("the fields do not fit: {0}")]
    Fields(String),

    /// A body is not JSON.
    #[error("the body is no JSON at line {line}, column {column}: {problem}")]
    JsonSyntax {
        /// The line, from 1. 0 for an empty body.
        line: usize,
        /// The column in bytes, from 1.
        column: usize,
        /// The text of the parser's error.
        problem: String,
    },
    /// The JSON does not fit the type.
    #[error("the JSON does not fit at `{place}`: {problem}")]
    JsonValue {
        /// Where, such as `pets[2].name`; `.` for the whole.
        place: String,
        /// The text of serde's error.
        problem: String,
    },

    /// A form with files has more parts than allowed.
    #[error("there are more than {limit} parts; send fewer")]
    TooManyParts {
        /// The most parts allowed.
        limit: usize,
    },
    /// The head of a part does not end within the allowed bytes.
    #[error("the head of a part is longer than {limit} bytes, or a boundary is missing")]
    PartHead {
        /// The longest head allowed, in bytes.
        limit: u64,
    },
    /// A part has no name.
    #[error("a part has no name; send `Content-Disposition: form-data; name=\"…\"`")]
    UnnamedPart,
    /// A field of a form with files is not UTF-8.
    #[error("the field `{name}` is not UTF-8; send it as UTF-8, or as a file")]
    PartNotUtf8 {
        /// The field.
        name: String,
    },
    /// A field of a form with files is larger than allowed.
    #[error("the field `{name}` is larger than {limit} bytes; send less")]
    FieldTooLarge {
        /// The field.
        name: String,
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// A file is larger than allowed.
    #[error("the file `{name}` is larger than {limit} bytes; send less")]
    FileTooLarge {
        /// The field.
        name: String,
        /// The largest size allowed, in bytes.
        limit: u64,
    },
    /// A body is not complete `multipart/form-data`.
    #[error("the body is no complete `multipart/form-data`")]
    Multipart(#[source] Source),
    /// An uploaded file could not be written to disk.
    #[error("an uploaded file could not be kept in a temporary file")]
    Disk(#[source] io::Error),

    /// The response was [cut short](crate::Body::cut_by) before it was complete, as the app wanted.
    #[error("the answer was cut short before it was complete")]
    Cut,

    /// A request for a WebSocket does not ask for one, or asks for one that is not possible.
    #[error("{problem}")]
    NoWebSocket {
        /// What was found, and what to send instead.
        problem: &'static str,
    },

    /// A request took too long. Its future was dropped.
    #[error("the request took longer than {limit:?}")]
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
    /// The handler of a request or what made its answer's body panicked. The panic's message is in the log.
    #[error("the request's handler panicked")]
    Panicked,
}

impl Error {
    /// The status of the response.
    ///
    /// | status | errors |
    /// |---|---|
    /// | 408 | a body that stood still or came too slowly |
    /// | 413 | a body, field or file that is too large |
    /// | 415 | another content type or charset, a `Content-Encoding` |
    /// | 422 | JSON that does not fit its type |
    /// | 426 | a request that is not for a WebSocket, where one is expected |
    /// | 500 | a panic, a disk that failed |
    /// | 503 | a request that took too long |
    /// | 400 | all others |
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Idle { .. } | Self::TooSlow { .. } | Self::SlowBody { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } | Self::FieldTooLarge { .. } | Self::FileTooLarge { .. } => {
                StatusCode::PAYLOAD_TOO_LARGE
            }
            // The error of `http_body_util::Limited`, which a layer around this one may have used.
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

    /// Makes an error from that of a boxed body. An [`Error`] stays what it is, however often its body was boxed.
    pub(crate) fn from_boxed(error: impl Into<Source>) -> Self {
        error.into().downcast().map_or_else(Self::BodyFailed, |error| *error)
    }
}
