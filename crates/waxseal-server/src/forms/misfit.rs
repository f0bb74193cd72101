//! Why a form does not fit into a type, and the search for readings under which it does.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::{self, DeserializeOwned, Expected, Unexpected};

use super::fields::{Fields, Form, Reading};

/// Names and values looked at for one form, over all attempts: enough for a map of 250 numbers, and some milliseconds at
/// most.
const WORK: usize = 128 * 1024;

thread_local! {
    /// What the present attempt found unfit, also in variants of an enum that were passed over, whose errors serde drops.
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

enum Note {
    /// The text at this address was given and something else wanted.
    Text(usize),
    /// A reading other than text was given, and is not what was wanted.
    Reading,
}

/// serde's error, which knows the field.
#[derive(Debug)]
pub(super) struct Misfit {
    problem: String,
    /// Where the text lies that does not fit.
    address: Option<usize>,
    name: Option<String>,
    /// A list came where there is room for one.
    pub(super) list: bool,
}

impl Misfit {
    fn new(problem: impl Display) -> Self {
        Self { problem: problem.to_string(), address: None, name: None, list: false }
    }

    /// A text that cannot be parsed. The empty one may be `None` if it is asked for once more.
    pub(super) fn parsing(text: &str, problem: &dyn Display) -> Self {
        if text.is_empty() {
            note(Note::Text(text.as_ptr().addr()));
        }
        Self { address: Some(text.as_ptr().addr()), ..Self::new(problem) }
    }

    fn unexpected(found: Unexpected<'_>, problem: impl Display) -> Self {
        let mut misfit = Self::new(problem);
        match found {
            Unexpected::Str(text) => {
                misfit.address = Some(text.as_ptr().addr());
                note(Note::Text(text.as_ptr().addr()));
            }
            found => {
                misfit.list = found == Unexpected::Seq;
                note(Note::Reading);
            }
        }
        misfit
    }

    pub(super) fn of(mut self, name: &str) -> Self {
        self.name.get_or_insert_with(|| name.to_owned());
        self
    }

    pub(super) fn of_none(self) -> Self {
        Self { address: None, name: None, list: false, ..self }
    }

    pub(super) fn problem(&self) -> &str {
        &self.problem
    }

    /// The field that does not fit, if it can be told.
    pub(super) fn field<'a>(&'a self, fields: &'a Fields) -> Option<&'a str> {
        let place = self.address.and_then(|address| fields.place(address));
        let mut repeated = fields.repeated();
        match (&self.name, place, self.list, repeated.next(), repeated.next()) {
            (Some(name), ..) => Some(name),
            (None, Some(place), ..) => Some(fields.name(place)),
            (None, None, true, only, None) => only,
            _ => None,
        }
    }
}

fn note(note: Note) {
    NOTES.with_borrow_mut(|notes| notes.push(note));
}

impl Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Misfit {}

impl de::Error for Misfit {
    fn custom<T: Display>(problem: T) -> Self {
        Self::new(problem)
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(found, format_args!("invalid type: {found}, expected {expected}"))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::unexpected(found, format_args!("invalid value: {found}, expected {expected}"))
    }

    fn unknown_variant(found: &str, expected: &'static [&'static str]) -> Self {
        let plain: de::value::Error = de::Error::unknown_variant(found, expected);
        Self { address: Some(found.as_ptr().addr()), ..Self::new(plain) }
    }
}

/// What came of one attempt.
struct Attempt<T> {
    result: Result<T, Misfit>,
    /// Places of values that were texts where something else was wanted.
    texts: Vec<usize>,
    /// How much was found unfit, as which reading ever.
    unfit: usize,
    /// How much of that was another reading than text.
    misread: usize,
}

impl<T: DeserializeOwned> Attempt<T> {
    fn new(fields: &Fields, readings: &[Reading]) -> Self {
        // A type's own code may read another form amid this one.
        let outer = NOTES.take();
        let result = T::deserialize(Form { fields, readings });
        let notes = NOTES.replace(outer);
        let address = |note: &Note| match note {
            Note::Text(address) => Some(*address),
            Note::Reading => None,
        };
        let texts: Vec<_> = notes.iter().filter_map(address).collect();
        let misread = notes.len() - texts.len();
        let values = texts.iter().filter_map(|address| fields.place(*address)).filter(|place| place % 2 == 1);
        Self { result, texts: values.collect(), unfit: notes.len(), misread }
    }
}

/// Reads the fields into a `T`: numbers, truths and lists also where serde copies a field before it knows what is wanted,
/// as it does for `#[serde(flatten)]` and for tagged and untagged enums.
///
/// There, a field is a text at first. If that is not what was wanted, serde's error has the text itself, and by that the
/// field, which is then taken for what else it may be. What is wanted as a text thus stays one, whatever it looks like.
pub(super) fn fit<T: DeserializeOwned>(fields: &Fields) -> Result<T, Misfit> {
    let mut readings = vec![Reading::TEXT; fields.len()];
    let mut settled = vec![false; fields.len()];
    let mut tried = settled.clone();
    let mut attempts = WORK / fields.len().max(1);
    let mut best = Attempt::new(fields, &readings);
    while let Some(place) = best.texts.iter().copied().find(|place| !tried[*place]) {
        tried[place] = true;
        for reading in Reading::others(fields.part(place)) {
            if attempts == 0 {
                return best.result;
            }
            attempts -= 1;
            readings[place] = reading;
            let next = Attempt::new(fields, &readings);
            let better = match (&best.result, &next.result) {
                (Err(_), Ok(_)) => true,
                (Err(_), Err(_)) => {
                    let elsewhere = next.texts.iter().any(|place| !tried[*place]);
                    elsewhere || !(next.misread > 0 || next.texts.contains(&place))
                }
                // A variant that comes first, say, or an `Option` of a flattened struct, of which only the first field
                // that does not fit is ever seen.
                (Ok(_), Ok(_)) => {
                    let elsewhere = next.unfit == best.unfit && next.misread <= best.misread;
                    next.unfit < best.unfit || (elsewhere && !next.texts.contains(&place))
                }
                (Ok(_), Err(_)) => false,
            };
            if better {
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
