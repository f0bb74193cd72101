//! The form: its fields, and its errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const MAX_CHARACTERS: usize = 80;

/// The two fields. A field that was not sent is empty, and unknown fields are ignored.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Wizard {
    pub(crate) name: String,
    pub(crate) magic_school: String,
}

impl Wizard {
    /// The owner's name, made of both fields. There is no password: visitors who enter the same are the same owner.
    pub(crate) fn owner(&self) -> String {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let owner: String = format!("{} of {}", words(&self.name), words(&self.magic_school));
        // 80 letters of each field may be more bytes than an owner's name may have.
        let plain = owner.chars().filter(|letter| !letter.is_control());
        plain
            .scan(0, |bytes, letter| {
                *bytes += letter.len_utf8();
                (*bytes <= 255).then_some(letter)
            })
            .collect()
    }

    /// The messages for the visitor, by field.
    pub(crate) fn errors(&self) -> BTreeMap<&'static str, String> {
        let fields = [("name", "name", &self.name), ("magic_school", "school", &self.magic_school)];
        let problem = |what: &str, value: &str| match value.trim().chars().count() {
            0 => Some(format!("Write down your {what}.")),
            1..=MAX_CHARACTERS => None,
            _ => Some(format!("Use at most {MAX_CHARACTERS} characters for your {what}.")),
        };
        fields.into_iter().filter_map(|(field, what, value)| Some((field, problem(what, value)?))).collect()
    }
}
