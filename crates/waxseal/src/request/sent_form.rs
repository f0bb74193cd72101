//! A form that a handler has read, for the page's template.

use bytes::Bytes;

/// A form that a handler has read.
pub(super) enum SentForm {
    /// A form without files, parsed each time it is asked for.
    Body(Bytes),
    /// The fields of a form with files.
    Fields(Vec<(String, String)>),
}
