//! Limits of an upload.

use crate::forms::MAX_FIELDS;

/// The limits of an upload, in bytes and parts.
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
/// use waxseal_server::UploadLimits;
///
/// let limits = UploadLimits::default().total(50 << 20).file(10 << 20).parts(20);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UploadLimits {
    pub(super) total: u64,
    pub(super) file: u64,
    pub(super) field: u64,
    pub(super) parts: usize,
}

impl Default for UploadLimits {
    fn default() -> Self {
        Self { total: 2 << 20, file: u64::MAX, field: 256 << 10, parts: MAX_FIELDS }
    }
}

impl UploadLimits {
    /// Sets the most bytes of the whole body.
    #[must_use]
    pub fn total(mut self, bytes: u64) -> Self {
        self.total = bytes;
        self
    }

    /// Sets the most bytes of one file.
    #[must_use]
    pub fn file(mut self, bytes: u64) -> Self {
        self.file = bytes;
        self
    }

    /// Sets the most bytes of one field that is not a file. Such fields are kept in memory.
    #[must_use]
    pub fn field(mut self, bytes: u64) -> Self {
        self.field = bytes;
        self
    }

    /// Sets the most parts, fields and files together.
    #[must_use]
    pub fn parts(mut self, parts: usize) -> Self {
        self.parts = parts;
        self
    }
}
