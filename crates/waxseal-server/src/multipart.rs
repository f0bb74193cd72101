//! Uploads: `multipart/form-data`, with fields in memory and files on disk.

mod file_name;
mod first;
mod intake;
mod limits;
mod pieces;
mod syntax;
mod upload;

use std::time::Duration;

use http::HeaderValue;
use multer::Field;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::body::Body;
use crate::error::Error;
use crate::forms;
use intake::{Allowance, Intake};
use pieces::Pieces;
use syntax::{boundary, from_multer, unescaped};

pub use file_name::safe_file_name;
pub use first::first_field;
pub use limits::UploadLimits;
pub use upload::Upload;

/// A form with files that was read completely. Fields and small files are in memory; other files are temporary files
/// that are removed when this is dropped.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use http::HeaderValue;
/// use waxseal_server::{Body, Multipart, UploadLimits};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let kind = HeaderValue::from_static("multipart/form-data; boundary=owl");
/// let body = "--owl\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nA map\r\n\
///     --owl\r\nContent-Disposition: form-data; name=\"map\"; filename=\"../map.png\"\r\n\
///     Content-Type: image/png\r\n\r\n(a picture)\r\n--owl--\r\n";
///
/// let idle = Duration::from_secs(15);
/// let mut form = Multipart::read(Some(&kind), Body::from(body), UploadLimits::default(), idle).await?;
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
    /// Reads a body within `limits`. The head of each part, and each piece, must come within `idle`.
    ///
    /// A file input without a chosen file is left out; browsers send it as an empty file without a name.
    ///
    /// # Errors
    ///
    /// An [`Error`], answered with 415 for another content type, 413 for a body that is too large, and 400 for a
    /// malformed one. Files that were already on disk are removed.
    pub async fn read(
        content_type: Option<&HeaderValue>,
        body: Body,
        limits: UploadLimits,
        idle: Duration,
    ) -> Result<Self, Error> {
        let boundary = boundary(content_type)?;
        let announced = http_body::Body::size_hint(&body).lower();
        if announced > limits.total {
            return Err(Error::TooLarge { limit: limits.total });
        }
        let allowance = Allowance::new(limits.total);
        let mut parts = multer::Multipart::new(Intake::new(body, allowance.clone()), boundary);
        let mut form = Self::default();
        loop {
            allowance.head();
            let part = timeout(idle, parts.next_field()).await.map_err(|_| Error::Idle { idle })?;
            let Some(part) = part.map_err(from_multer)? else { return Ok(form) };
            allowance.rest();
            if form.fields.len() + form.files.len() == limits.parts {
                return Err(Error::TooManyParts { limit: limits.parts });
            }
            form.take(part, limits, idle).await?;
        }
    }

    async fn take(&mut self, part: Field<'_>, limits: UploadLimits, idle: Duration) -> Result<(), Error> {
        let name = part.name().map(unescaped).ok_or(Error::UnnamedPart)?;
        let file_name = part.file_name().map(unescaped);
        let pieces = Pieces::new(part, &name, idle);
        match file_name {
            None => {
                let value = pieces.into_text(limits.field).await?;
                self.fields.push((name, value));
            }
            Some(file_name) => {
                let upload = pieces.into_upload(limits.file, file_name).await?;
                if !(upload.file_name().is_empty() && upload.is_empty()) {
                    self.files.push((name, upload));
                }
            }
        }
        Ok(())
    }

    /// The value of the first field with this name that is not a file.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Decodes the fields that are not files into a `T`, like those of a form.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] and similar errors if they are not a `T`.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, Error> {
        forms::from_pairs(&self.fields)
    }

    /// Removes the first file with this name from the form and returns it.
    #[must_use]
    pub fn take_file(&mut self, name: &str) -> Option<Upload> {
        let at = self.files.iter().position(|(found, _)| found == name)?;
        Some(self.files.remove(at).1)
    }

    /// All files, each with the name of its field, in the order in which they came.
    #[must_use]
    pub fn into_files(self) -> Vec<(String, Upload)> {
        self.files
    }
}
