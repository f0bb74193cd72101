//! Damaged values that a walk skips.

use crate::error::KeyValueError;

/// The number of damaged values that one walk has skipped. When dropped, it logs one line for all of them.
#[derive(Default)]
pub(crate) struct Skipped(usize);

impl Skipped {
    /// Returns `None` for a damaged value, so that the walk continues with the next one.
    pub(crate) fn unless_damaged<T, E: std::error::Error>(
        &mut self,
        result: Result<T, KeyValueError<E>>,
    ) -> Result<Option<T>, KeyValueError<E>> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(KeyValueError::Damaged { .. }) => {
                self.0 += 1;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

impl Drop for Skipped {
    fn drop(&mut self) {
        if self.0 > 0 {
            tracing::warn!(
                values = self.0,
                "values that are no part of a session were left where they are; keep sessions apart from other data"
            );
        }
    }
}
