//! Errors of a migration's set-up.

/// A migration that cannot work.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum MigrationError {
    /// The session manager has no terms of a migration.
    #[error("the session manager takes no foreign sessions over; give it the terms with `adopting`")]
    NotAdopting,
    /// The foreign cookie and ours have one name, so each app would overwrite the other's.
    #[error("the old app's cookie and this app's are both called `{0}`; give this app's another name")]
    SameName(String),
}
