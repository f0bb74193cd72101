//! One uploaded file.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;

use bytes::Bytes;

use super::file_name::safe_file_name;

/// Bytes up to which a file stays in memory, and that are gathered before the disk is asked. A file on disk costs a
/// descriptor, and a thousand tiny ones would take all that a process has.
const GATHER_BYTES: usize = 64 * 1024;

/// One uploaded file: a small one (up to 64 KiB) in memory, any other in a temporary file without a name, which is gone
/// when this is dropped, and after a crash too.
///
/// What the browser says of it, its name and its type, is what someone wrote down: neither a path nor a proof.
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
    /// The name that the file had at the browser, whatever it holds: `%22`, `%0D` and `%0A`, as which a browser sends a
    /// quote and a line end, are those again. To make a file of it, take [`safe_name`](Self::safe_name).
    #[must_use]
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The name made fit for a file system: see [`safe_file_name`].
    #[must_use]
    pub fn safe_name(&self) -> Option<String> {
        safe_file_name(&self.file_name)
    }

    /// The type that the browser takes it for, such as `image/png`. Look into the file before you believe it.
    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_deref()
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.bytes
    }

    /// True if it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// Reads all of it into memory.
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

    /// Copies it to `path`, where nothing may be yet: an upload never overwrites.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::AlreadyExists`] if there is something at `path`, and what the system says otherwise; half a
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

    /// Gives it as an open file, at its beginning; a temporary one, without a name.
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
    /// Shares the content; a file shares its place too, so whoever reads goes to the beginning first.
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

/// Shows the place, never the content.
impl std::fmt::Debug for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory(_) => "in memory",
            Self::Disk(_) => "on disk",
        })
    }
}

/// Gathers pieces, and writes them where they may take their time.
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
