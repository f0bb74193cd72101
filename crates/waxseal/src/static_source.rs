//! The sources of static files.

use std::sync::Arc;

use waxseal_server::StaticFiles;
use waxseal_templates::Folder;

use crate::error::Error;
use crate::handler::Handler;
use crate::request::Request;
use crate::start_error::StartError;

/// Where the static files of a path come from.
pub(crate) enum StaticSource {
    Folder(Folder),
    Files(StaticFiles),
}

impl StaticSource {
    pub(crate) fn handler(self, development: bool) -> Result<impl Handler, StartError> {
        let files = Arc::new(match self {
            Self::Files(files) => files,
            Self::Folder(folder) => match folder.path().filter(|_| development) {
                Some(path) => {
                    StaticFiles::in_folder(&path).map_err(|source| StartError::Static { path, source })?
                }
                None => StaticFiles::built_in(folder.files().map(|(name, bytes)| (name.into_owned(), bytes))),
            },
        });
        Ok(move |request: Request| {
            let files = files.clone();
            async move {
                let answer =
                    files.answer(request.method(), request.param("filename")?, request.headers()).await;
                answer.ok_or_else(|| Error::status(404))
            }
        })
    }
}
