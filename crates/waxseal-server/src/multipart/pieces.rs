//! The bytes of one part, counted as they come.

use std::time::Duration;

use bytes::Bytes;
use multer::Field;
use tokio::time::timeout;

use super::syntax::from_multer;
use super::upload::{Upload, Writer};
use crate::error::Error;
use crate::excerpt::excerpt;

/// A part, piece by piece.
pub(super) struct Pieces<'p, 'n> {
    part: Field<'p>,
    name: &'n str,
    idle: Duration,
    read: u64,
}

impl<'p, 'n> Pieces<'p, 'n> {
    pub(super) fn new(part: Field<'p>, name: &'n str, idle: Duration) -> Self {
        Self { part, name, idle, read: 0 }
    }

    /// Reads a field that is not a file.
    pub(super) async fn into_text(mut self, limit: u64) -> Result<String, Error> {
        let mut value = Vec::new();
        while let Some(piece) = self.next().await? {
            if self.read > limit {
                return Err(Error::FieldTooLarge { name: excerpt(self.name.as_bytes()), limit });
            }
            value.extend_from_slice(&piece);
        }
        String::from_utf8(value).map_err(|_| Error::PartNotUtf8 { name: excerpt(self.name.as_bytes()) })
    }

    /// Reads a file.
    pub(super) async fn into_upload(mut self, limit: u64, file_name: String) -> Result<Upload, Error> {
        let content_type = self.part.content_type().map(ToString::to_string);
        let mut writer = Writer::default();
        while let Some(piece) = self.next().await? {
            if self.read > limit {
                return Err(Error::FileTooLarge { name: excerpt(self.name.as_bytes()), limit });
            }
            writer.write(&piece).await.map_err(Error::Disk)?;
        }
        writer.finish(file_name, content_type).await.map_err(Error::Disk)
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let idle = self.idle;
        let piece = timeout(idle, self.part.chunk()).await.map_err(|_| Error::Idle { idle })?;
        let piece = piece.map_err(from_multer)?;
        self.read += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        Ok(piece)
    }
}
