//! The key file that a command works on.

use std::env;
use std::path::{Path, PathBuf};

use waxseal_keys::DEVELOPMENT_FILE;

use crate::configured::configured_settings;
use crate::failure::Failure;

/// Returns the given file, or else the one that the environment or the configuration file names, or else that of
/// development.
///
/// It is an error if the environment holds the keys themselves, because a server here would then not use the
/// development file.
pub(crate) fn key_file_path(given: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(path) = given {
        return Ok(path.to_owned());
    }
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    match (set("WAXSEAL_SECRET_KEY_FILE"), set("SECRET_KEY_FILE")) {
        (Some(one), Some(other)) if one != other => {
            return Err(Failure::Usage(
                "WAXSEAL_SECRET_KEY_FILE and SECRET_KEY_FILE are both set, and differ; unset one, or give --file"
                    .to_owned(),
            ));
        }
        (Some(path), _) | (None, Some(path)) => return Ok(path.into()),
        (None, None) => {}
    }
    if set("WAXSEAL_CONFIG").is_some()
        && let Some(path) = configured_settings()?.secret_key_file
    {
        return Ok(path);
    }
    for name in ["WAXSEAL_SECRET_KEY", "SECRET_KEY"] {
        if set(name).is_some() {
            return Err(Failure::Usage(format!(
                "the keys are in {name}, which no command can change for a server; docs/keys.md says how to rotate \
                 them there. For a file of keys, give --file"
            )));
        }
    }
    Ok(DEVELOPMENT_FILE.into())
}
