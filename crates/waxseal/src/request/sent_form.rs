//! A form that a handler has read, for the page's template.

use bytes::Bytes;

/// A form that a handler has read.
pub(super) enum SentForm {
    /// Parsed anew when it is asked for.
    Body(Bytes),
    /// Of a form with files.
    Fields(Vec<(String, String)>),
}
