//! The search for readings under which a form fits into a type.

use serde::de::DeserializeOwned;

use super::fields::Fields;
use super::form::Form;
use super::misfit::{Misfit, Note, noted};
use super::reading::Reading;

/// Names and values looked at for one form, over all attempts: enough for a map of 250 numbers, and some milliseconds at
/// most.
const WORK: usize = 128 * 1024;

/// The outcome of one attempt.
struct Attempt<T> {
    result: Result<T, Misfit>,
    /// Places of values that were texts where something else was wanted.
    texts: Vec<usize>,
    /// Values found unfit, as which reading ever.
    unfit: usize,
    /// Those of them that were read as another type than text.
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

    /// Judges the attempt that read the text at `place` anew, beside the best before it.
    fn is_better(&self, best: &Self, place: usize, tried: &[bool]) -> bool {
        match (&best.result, &self.result) {
            (Err(_), Ok(_)) => true,
            (Err(_), Err(_)) => {
                let elsewhere = self.texts.iter().any(|place| !tried[*place]);
                elsewhere || !(self.misread > 0 || self.texts.contains(&place))
            }
            // A variant that comes first, say, or an `Option` of a flattened struct, of which only the first field
            // that does not fit is ever seen.
            (Ok(_), Ok(_)) => {
                let elsewhere = self.unfit == best.unfit && self.misread <= best.misread;
                self.unfit < best.unfit || (elsewhere && !self.texts.contains(&place))
            }
            (Ok(_), Err(_)) => false,
        }
    }
}

/// Reads the fields into a `T`: numbers, truths and lists also where serde copies a field before it knows what is wanted,
/// as it does for `#[serde(flatten)]` and for tagged and untagged enums.
///
/// There, a field is a text at first. If that is not what was wanted, serde's error has the text itself, and by that the
/// field, which is then taken for what else it may be. What is wanted as a text thus stays one, whatever it looks like.
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
                // What was no use before may be now.
                tried.clone_from(&settled);
                break;
            }
            readings[place] = Reading::TEXT;
        }
    }
    best.result
}
