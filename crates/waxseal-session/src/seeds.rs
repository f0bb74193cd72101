//! Seeds of form tokens as they are kept in the metadata.

use crate::error::{Error, random};
use crate::form_token_keys::{SEED_BYTES, Seed};
use crate::metadata::Metadata;
use crate::operation::Operation;

/// Name of the seeds in the metadata: bytes, one seed after the other, the newest last.
pub(crate) const SEEDS: &str = "csrf";

/// The most seeds that are kept. There is more than one only if parallel requests each drew one, for pages that are now
/// open.
const MAX_SEEDS: usize = 4;

/// Draws a random seed.
pub(crate) fn draw() -> Result<Seed, Error> {
    let mut seed = [0; SEED_BYTES];
    random(&mut seed)?;
    Ok(seed)
}

/// Adds a seed to those that parallel requests drew.
pub(crate) fn add(metadata: &mut Metadata, seed: &Seed) {
    let mut seeds = all(metadata).to_vec();
    seeds.push(*seed);
    let first = seeds.len().saturating_sub(MAX_SEEDS);
    set(metadata, &seeds[first..]);
}

/// Replaces all seeds with one, so that no earlier token is valid. Does nothing if there is no seed yet.
pub(crate) fn replace(metadata: &mut Metadata, seed: &Seed) {
    if metadata.encoded(SEEDS).is_some() {
        set(metadata, &[*seed]);
    }
}

/// The seeds of a session, the newest last.
pub(crate) fn all(metadata: &Metadata) -> &[Seed] {
    // MessagePack's `bin 8`: its format byte, its length, its bytes.
    match metadata.encoded(SEEDS) {
        Some([0xc4, _, bytes @ ..]) => bytes.as_chunks().0,
        _ => &[],
    }
}

fn set(metadata: &mut Metadata, seeds: &[Seed]) {
    let length = u8::try_from(seeds.len() * SEED_BYTES).expect("there are at most four");
    let bytes = [&[0xc4, length], seeds.as_flattened()].concat();
    metadata.apply(SEEDS, &Operation::Set(bytes.into())).expect("setting always works");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_of_parallel_requests_are_kept_up_to_four() {
        let mut metadata = Metadata::default();
        replace(&mut metadata, &[9; SEED_BYTES]);
        assert!(metadata.is_empty(), "nobody was given a token");
        for seed in 1..=6 {
            add(&mut metadata, &[seed; SEED_BYTES]);
        }
        assert_eq!(all(&metadata), [3, 4, 5, 6].map(|seed| [seed; SEED_BYTES]));
        replace(&mut metadata, &[7; SEED_BYTES]);
        assert_eq!(all(&metadata), [[7; SEED_BYTES]]);
        assert!(Metadata::parse(metadata.bytes()).is_ok());
    }

    #[test]
    fn what_is_no_seed_is_none() {
        for value in [&[0xc4, 3, 1, 2, 3][..], &[0xc0], &[0x91, 0x01]] {
            let mut metadata = Metadata::default();
            metadata.apply(SEEDS, &Operation::Set(value.into())).unwrap();
            assert!(all(&metadata).is_empty(), "{value:?}");
        }
    }
}
