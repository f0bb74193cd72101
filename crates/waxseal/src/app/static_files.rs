//! Static files of an app.

use waxseal_server::StaticFiles;
use waxseal_templates::Folder;

use super::App;
use crate::static_source::StaticSource;

impl App {
    /// Serves the files of a folder below `path`. They are built into the program; in development they are read from
    /// the folder, so that changes show at once.
    ///
    /// The first folder's route is named `static`: `{{ url_for('static', filename='css/site.css') }}`, as in Flask.
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

    /// Serves other files below `path`: a folder that is filled at run time, or files with a cache lifetime.
    ///
    /// In an app without a [`static_folder`](Self::static_folder), the first such route is named `static`.
    #[must_use]
    pub fn static_files(mut self, path: &str, files: StaticFiles) -> Self {
        self.statics.push((path.to_owned(), StaticSource::Files(files)));
        self
    }
}
