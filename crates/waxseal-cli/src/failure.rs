//! Failures of a command, by exit code.

/// A failure of a command. Each variant has its exit code.
pub(crate) enum Failure {
    /// 1: something could not be read, written or used.
    Failed(anyhow::Error),
    /// 2: the arguments could not be understood.
    Usage(String),
    /// 3: the command would sign visitors out, or overwrite what is there.
    Refused(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}
