//! serde's error for a form that does not fit. It knows the field.

use std::cell::RefCell;
use std::fmt::{self, Display};

use serde::de::{self, Expected, Unexpected};

use super::fields::Fields;

thread_local! {
    /// What the current attempt found not to fit, including in enum variants that were tried and whose errors serde
    /// drops.
    static NOTES: RefCell<Vec<Note>> = const { RefCell::new(Vec::new()) };
}

pub(super) enum Note {
    /// The text at this address was given, and another type was wanted.
    Text(usize),
    /// A reading other than text was given, and another type was wanted.
    Reading,
}

/// A serde error that knows the field.
#[derive(Debug)]
pub(super) struct Misfit {
    problem: String,
    /// The address of the text that does not fit.
    address: Option<usize>,
    name: Option<String>,
    /// `true` if a list was given where one value was wanted.
    pub(super) list: bool,
}

impl Misfit {
    fn new(problem: impl Display) -> Self {
        Self { problem: problem.to_string(), address: None, name: None, list: false }
    }

    /// A text that cannot be parsed. An empty text may become `None` if it is read again.
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

    /// The field that does not fit, if it can be identified.
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

/// Runs one attempt. Returns its result and what did not fit.
pub(super) fn noted<T>(attempt: impl FnOnce() -> T) -> (T, Vec<Note>) {
    // The type's own code may read another form during this one.
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
