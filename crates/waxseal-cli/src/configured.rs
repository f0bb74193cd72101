//! The settings and keys that a server would find here.

use std::path::Path;

use waxseal::{KeyError, Secrets, Settings};
use waxseal_keys::DEVELOPMENT_FILE;

use crate::failure::Failure;

/// The settings of the environment, and of the file that `WAXSEAL_CONFIG` names.
pub(crate) fn configured_settings() -> Result<Settings, Failure> {
    Settings::from_environment().map_err(|error| {
        let text = error.to_string();
        Failure::Usage(text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned())
    })
}

/// Reads the keys of the given file, or else those that the environment names or holds, or else those of development.
pub(crate) fn configured_keys(
    file: Option<&Path>,
    settings: &Settings,
    app: &str,
) -> Result<Secrets, Failure> {
    // These keys are not used by a server here, so weak ones are allowed.
    let settings = Settings { allow_weak_secret: true, development: false, ..settings.clone() };
    let development = Path::new(DEVELOPMENT_FILE);
    Ok(match file {
        Some(file) => Secrets::from_file(file, &settings, app)?,
        None => match Secrets::from_env(&settings, app) {
            Err(KeyError::Missing) if development.exists() => {
                Secrets::from_file(development, &settings, app)?
            }
            found => found?,
        },
    })
}
