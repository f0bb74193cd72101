//! The form: what a visitor writes down, and what may be wrong with it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

const MAX_CHARACTERS: usize = 80;

/// The two fields. One that was not sent is empty, and whatever else was sent is dropped.
#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
pub(crate) struct Wizard {
    pub(crate) name: String,
    pub(crate) magic_school: String,
}

impl Wizard {
    /// What tells this wizard from others. There is no password: whoever writes down the same is the same.
    pub(crate) fn owner(&self) -> String {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let owner: String = format!("{} of {}", words(&self.name), words(&self.magic_school));
        // 80 letters of each may be more bytes than an owner's name has.
        let plain = owner.chars().filter(|letter| !letter.is_control());
        plain
            .scan(0, |bytes, letter| {
                *bytes += letter.len_utf8();
                (*bytes <= 255).then_some(letter)
            })
            .collect()
    }

    /// What to tell the visitor, by field.
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
