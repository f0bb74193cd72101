//! The search for readings with which a form fits a type.

use serde::de::DeserializeOwned;

use super::fields::Fields;
use super::form::Form;
use super::misfit::{Misfit, Note, noted};
use super::reading::Reading;

/// How many names and values are looked at for one form, over all attempts: enough for a map of 250 numbers, and at
/// most some milliseconds.
const WORK: usize = 128 * 1024;

/// The outcome of one attempt.
struct Attempt<T> {
    result: Result<T, Misfit>,
    /// The positions of values that were read as text where another type was wanted.
    texts: Vec<usize>,
    /// The number of values that did not fit, with any reading.
    unfit: usize,
    /// The number of those that were read as a type other than text.
    misread: usize,
}

impl<T: DeserializeOwned> Attempt<T> {
    fn new(fields: &Fields, readings: &[Reading]) -> Self {
        let (result, notes) = noted(|| T::deserialize(Form { fields, readings }));
        let address = |note: &Note| match note {
            Note::Text(address) => Some(*address),
            Note::Reading => None,
        };
        let texts: Vec<_> = notes.iter().filter_map(address).collect();
        let misread = notes.len() - texts.len();
        let values = texts.iter().filter_map(|address| fields.place(*address)).filter(|place| place % 2 == 1);
        Self { result, texts: values.collect(), unfit: notes.len(), misread }
    }

    /// Compares the attempt that reads the text at `place` as another type with the best one before it.
    fn is_better(&self, best: &Self, place: usize, tried: &[bool]) -> bool {
        match (&best.result, &self.result) {
            (Err(_), Ok(_)) => true,
            (Err(_), Err(_)) => {
                let elsewhere = self.texts.iter().any(|place| !tried[*place]);
                elsewhere || !(self.misread > 0 || self.texts.contains(&place))
            }
            // This can happen with a variant that comes first, or with an `Option` of a flattened struct, of which only
            // the first field that does not fit is ever reported.
            (Ok(_), Ok(_)) => {
                let elsewhere = self.unfit == best.unfit && self.misread <= best.misread;
                self.unfit < best.unfit || (elsewhere && !self.texts.contains(&place))
            }
            (Ok(_), Err(_)) => false,
        }
    }
}

/// Reads the fields into a `T`. Numbers, `bool`s and lists also work where serde copies a field before it knows its
/// type, as it does for `#[serde(flatten)]` and for tagged and untagged enums.
///
/// There, a field is read as text first. If another type is wanted, serde's error has the text itself, and by its
/// address the field is identified. The field is then read as each other type that it may be. So a field that is wanted
/// as text stays text, whatever it looks like.
pub(super) fn fit<T: DeserializeOwned>(fields: &Fields) -> Result<T, Misfit> {
    let mut best = Attempt::new(fields, &[]);
    if best.texts.is_empty() {
        return best.result;
    }
    let mut readings = vec![Reading::TEXT; fields.len()];
    let mut settled = vec![false; fields.len()];
    let mut tried = settled.clone();
    let mut attempts = WORK / fields.len().max(1);
    while let Some(place) = best.texts.iter().copied().find(|place| !tried[*place]) {
        tried[place] = true;
        for reading in Reading::others(fields.part(place)) {
            if attempts == 0 {
                return best.result;
            }
            attempts -= 1;
            readings[place] = reading;
            let next = Attempt::new(fields, &readings);
            if next.is_better(&best, place, &tried) {
                best = next;
                settled[place] = true;
                // What did not help before may help now.
                tried.clone_from(&settled);
                break;
            }
            readings[place] = Reading::TEXT;
        }
    }
    best.result
}
