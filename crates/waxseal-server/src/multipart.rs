//! Uploads: `multipart/form-data`, fields to memory and files to disk.

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

/// A form with files, read whole: fields and small files in memory, other files in temporary ones that are gone when
/// dropped.
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
    /// Reads a body within `limits`, of which each part's head and each piece comes within `idle`.
    ///
    /// A file input in which nothing was chosen, which browsers send as a file without a name or a byte, is left out.
    ///
    /// # Errors
    ///
    /// An [`Error`] answered 415 for another content type, 413 for too much, 400 for what is malformed. Files that were on
    /// disk by then are gone.
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

    /// The first field of this name that is no file.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// The fields that are no files, decoded into a `T` as a form's are.
    ///
    /// # Errors
    ///
    /// [`Error::Field`] and its like if they are no `T`.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, Error> {
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
