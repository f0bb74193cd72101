//! A limit on the output of panics that repeat.

use std::collections::HashSet;
use std::panic::{self, Location};
use std::sync::{LazyLock, Mutex, PoisonError};

/// The most places in the code that are remembered. After that many, panics at other places print nothing until the
/// next [`forget`].
const MAX_PLACES: usize = 256;

/// The places of panics that were printed since the last [`forget`].
static PLACES: LazyLock<Mutex<Places>> = LazyLock::new(Mutex::default);

#[derive(Default)]
struct Places(HashSet<(String, u32, u32)>);

/// Keeps the panic hook that the process has, but calls it only once for each place in the code until the next
/// [`forget`], so that a bug in every request does not fill a disk. Each request's panic also has a line in the log,
/// where repetitions are [counted](crate::RepeatLimit).
pub(crate) fn install() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        // The lock is not held while the hook prints.
        let is_new = PLACES.lock().unwrap_or_else(PoisonError::into_inner).is_new(info.location());
        if is_new {
            print(info);
        }
    }));
}

/// Lets each place print once again.
pub(crate) fn forget() {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner).0.clear();
}

impl Places {
    fn is_new(&mut self, place: Option<&Location<'_>>) -> bool {
        let Some(place) = place else { return true };
        self.0.len() < MAX_PLACES && self.0.insert((place.file().to_owned(), place.line(), place.column()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_place_prints_once_until_the_next_report() {
        let here = Location::caller();
        let other = Location::caller();
        let mut places = Places::default();
        let are_new = [here, here, other, other].map(|place| places.is_new(Some(place)));
        assert_eq!(are_new, [true, false, true, false]);
        assert!(places.is_new(None) && places.is_new(None));
        places.0.clear();
        assert!(places.is_new(Some(here)));
    }

    #[test]
    fn places_without_end_take_no_memory_without_end() {
        let mut places = Places((0..256).map(|line| ("generated.rs".to_owned(), line, 1)).collect());
        assert!(!places.is_new(Some(Location::caller())));
    }
}
