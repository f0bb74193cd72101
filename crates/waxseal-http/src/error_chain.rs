//! An error and its causes, for a line of the log.

use std::error::Error;
use std::iter;

/// The texts of an error and its causes, the outermost first.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let all = iter::successors(Some(error), |&error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
