//! serde's error of a form that does not fit, which knows the field.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::fields::Fields;

thread_local! {
    /// All that the present attempt found unfit, also in variants of an enum that were passed over, whose errors serde drops.
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

pub(super) enum Note {
    /// The text at this address was given and something else wanted.
    Text(usize),
    /// A reading other than text was given, and is not what was wanted.
    Reading,
}

/// An error of serde that knows the field.
#[derive(Debug)]
pub(super) struct Misfit {
    problem: String,
    /// The address of the text that does not fit.
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

/// Runs one attempt, and returns what it found unfit beside its result.
pub(super) fn noted<T>(attempt: impl FnOnce() -> T) -> (T, Vec<Note>) {
    // A type's own code may read another form amid this one.
    let outer = NOTES.take();
    let result = attempt();
    (result, NOTES.replace(outer))
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
