//! Where secret keys come from, and whether weak ones are accepted.

use std::path::PathBuf;

/// Where secret keys come from, and whether weak ones are accepted.
///
/// # Example
///
/// ```
/// use waxseal_keys::SecretOptions;
///
/// let options = SecretOptions::new().file("/run/secrets/waxseal");
/// ```
#[derive(Debug, Clone, Default)]
pub struct SecretOptions {
    pub(crate) file: Option<PathBuf>,
    pub(crate) development: bool,
    pub(crate) allow_weak: bool,
}

impl SecretOptions {
    /// Takes keys from the environment, and refuses weak ones.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the keys from this file, in place of the one that `SECRET_KEY_FILE` names.
    #[must_use]
    pub fn file(mut self, path: impl Into<PathBuf>) -> Self {
        self.file = Some(path.into());
        self
    }

    /// Accepts weak keys, treats empty variables as unset, and makes a key if there is none.
    #[must_use]
    pub fn development(mut self, development: bool) -> Self {
        self.development = development;
        self
    }

    /// Accepts weak keys with a warning.
    #[must_use]
    pub fn allow_weak(mut self, allow: bool) -> Self {
        self.allow_weak = allow;
        self
    }
}

impl From<&SecretOptions> for SecretOptions {
    fn from(options: &SecretOptions) -> Self {
        options.clone()
    }
}
