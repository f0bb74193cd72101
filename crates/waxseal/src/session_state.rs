//! The setting `session_state`.

use clap::ValueEnum;

/// The place where sessions live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
#[non_exhaustive]
pub enum SessionState {
    /// Sealed in a cookie in the visitor's browser; nothing is kept on the server.
    #[default]
    Cookie,
    /// On the server; the browser has a signed id.
    Store,
    /// On the server, with a sealed copy in the browser.
    Mirrored,
}

impl SessionState {
    /// The value of the flag.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Store => "store",
            Self::Mirrored => "mirrored",
        }
    }
}
