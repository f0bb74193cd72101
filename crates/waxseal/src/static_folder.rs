//! An app's static files.

use std::sync::Arc;

use waxseal_server::StaticFiles;
use waxseal_templates::Folder;

use crate::{App, Error, Handler, Request, StartError};

/// Where the files below a path come from.
pub(crate) enum StaticSource {
    Folder(Folder),
    Files(StaticFiles),
}

impl App {
    /// Serves the files of a folder below `path`: built into the program, and in development read from where they lie,
    /// so that changes show at once.
    ///
    /// The first such route is called `static`: `{{ url_for('static', filename='css/site.css') }}`, as in Flask.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, folder};
    ///
    /// let app = App::new("demo").static_folder("/static", folder!("$CARGO_MANIFEST_DIR/tests/static"));
    /// ```
    #[must_use]
    pub fn static_folder(mut self, path: &str, folder: Folder) -> Self {
        self.statics.push((path.to_owned(), StaticSource::Folder(folder)));
        self
    }

    /// Serves other files below `path`: a folder that is filled at run time, or files with a time to be kept.
    #[must_use]
    pub fn static_files(mut self, path: &str, files: StaticFiles) -> Self {
        self.statics.push((path.to_owned(), StaticSource::Files(files)));
        self
    }
}

impl StaticSource {
    pub(crate) fn handler(self, development: bool) -> Result<impl Handler, StartError> {
        let files = Arc::new(match self {
            Self::Files(files) => files,
            Self::Folder(folder) => match folder.path().filter(|_| development) {
                Some(path) => {
                    StaticFiles::in_folder(&path).map_err(|source| StartError::Static { path, source })?
                }
                None => StaticFiles::built_in(folder.files()),
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
