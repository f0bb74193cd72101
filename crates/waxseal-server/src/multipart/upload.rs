//! One uploaded file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use bytes::Bytes;

use super::file_name::safe_file_name;

/// A file up to this size stays in memory, and this many bytes are gathered before each write to disk. A file on disk
/// costs a file descriptor, and a thousand tiny ones would use up all that a process has.
const GATHER_BYTES: usize = 64 * 1024;

/// One uploaded file. A small one (up to 64 KiB) is in memory; any other is a temporary file without a name, which is
/// gone when this is dropped, and also after a crash.
///
/// Its name and its type are what the client sent: do not use the name as a path, or rely on the type.
#[derive(Debug)]
pub struct Upload {
    content: Content,
    bytes: u64,
    file_name: String,
    content_type: Option<String>,
}

enum Content {
    Memory(Bytes),
    Disk(File),
}

impl Upload {
    /// The name that the file had in the browser, whatever it contains. Browsers send quotes and line ends in it as
    /// `%22`, `%0D` and `%0A`; these are decoded. For a name to use in a file system, call
    /// [`safe_name`](Self::safe_name).
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The name made safe for a file system: see [`safe_file_name`].
    #[must_use]
    pub fn safe_name(&self) -> Option<String> {
        safe_file_name(&self.file_name)
    }

    /// The content type that the browser sent, such as `image/png`. Check the file itself before you rely on it.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// The length of the file in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// Returns `true` if the file is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Reads the whole file into memory.
    ///
    /// # Errors
    ///
    /// If the temporary file cannot be read.
    pub async fn bytes(&mut self) -> io::Result<Bytes> {
        let content = self.content.again()?;
        blocking(move || match content {
            Content::Memory(bytes) => Ok(bytes),
            Content::Disk(mut file) => {
                file.rewind()?;
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
        })
        .await
    }

    /// Copies the file to `path`, where nothing may exist yet: an upload never overwrites.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is something at `path`, and other errors of the system. An incomplete
    /// copy is removed.
    pub async fn save(&mut self, path: impl Into<PathBuf>) -> io::Result<()> {
        let (content, path) = (self.content.again()?, path.into());
        blocking(move || {
            let mut copy = OpenOptions::new().write(true).create_new(true).open(&path)?;
            let copied = content.copy_to(&mut copy).and_then(|()| copy.sync_all());
            copied.inspect_err(|_| drop(std::fs::remove_file(&path)))
        })
        .await
    }

    /// Returns it as an open file, positioned at its beginning. It is a temporary file without a name.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub async fn into_file(self) -> io::Result<File> {
        let content = self.content;
        blocking(move || {
            let mut file = match content {
                Content::Disk(file) => file,
                memory => {
                    let mut file = tempfile::tempfile()?;
                    memory.copy_to(&mut file)?;
                    file
                }
            };
            file.rewind()?;
            Ok(file)
        })
        .await
    }
}

impl Content {
    /// Shares the content. A file also shares its position, so a reader must first go to the beginning.
    fn again(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Memory(bytes) => Self::Memory(bytes.clone()),
            Self::Disk(file) => Self::Disk(file.try_clone()?),
        })
    }

    fn copy_to(self, target: &mut File) -> io::Result<()> {
        match self {
            Self::Memory(bytes) => target.write_all(&bytes),
            Self::Disk(mut file) => {
                file.rewind()?;
                io::copy(&mut file, target).map(drop)
            }
        }
    }
}

/// Shows where the content is, never the content.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "in memory",
            Self::Disk(_) => "on disk",
        })
    }
}

/// Gathers pieces, and writes them on a thread that may block.
#[derive(Default)]
pub(super) struct Writer {
    file: Option<File>,
    gathered: Vec<u8>,
    bytes: u64,
}

impl Writer {
    pub(super) async fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.bytes += piece.len() as u64;
        self.gathered.extend_from_slice(piece);
        if self.gathered.len() <= GATHER_BYTES {
            return Ok(());
        }
        self.flush().await
    }

    pub(super) async fn finish(
        mut self,
        file_name: String,
        content_type: Option<String>,
    ) -> io::Result<Upload> {
        if self.file.is_some() {
            self.flush().await?;
        }
        let content = self.file.map_or_else(|| Content::Memory(self.gathered.into()), Content::Disk);
        Ok(Upload { content, bytes: self.bytes, file_name, content_type })
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (file, gathered) = (self.file.take(), std::mem::take(&mut self.gathered));
        let file = blocking(move || {
            let mut file = file.map_or_else(tempfile::tempfile, Ok)?;
            file.write_all(&gathered)?;
            Ok(file)
        });
        self.file = Some(file.await?);
        Ok(())
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
