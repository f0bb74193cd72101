//! Messages as they are kept in the metadata.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::metadata::{self, Metadata};
use crate::operation::Operation;

/// Name of the messages in the metadata: a list of `[id, category, text]`, with a fourth element `true` if the text is
/// HTML, the oldest first.
pub(crate) const MESSAGES: &str = "flash";

const MAX_MESSAGES: usize = 16;
const MAX_BYTES: usize = 1_024;
pub(crate) const MAX_TEXT_BYTES: usize = 512;
const MAX_CATEGORY_BYTES: usize = 32;

/// A message for the visitor's next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Flash {
    /// The kind of message, such as `error`. A page may show each kind in its own way.
    pub category: String,
    /// The text. It may contain user input, which a template escapes.
    pub message: String,
    /// `true` if the text is HTML: it came as a [`Markup`](crate::Markup), and a template does not escape it.
    pub is_markup: bool,
}

/// A message as it is kept: id, category, text, and whether the text is HTML. The id is random and distinguishes
/// messages with the same text.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored(
    u32,
    String,
    String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")] bool,
);

/// Ids of messages that were shown and must be removed from a newer session.
pub(crate) type Ids = Arc<[u32]>;

/// The messages that one request was shown.
#[derive(Default)]
pub(crate) struct Shown {
    /// All messages at the first call, so that further calls in the request return the same.
    all: Option<Vec<Stored>>,
    ids: Vec<u32>,
}

impl Stored {
    /// Makes a message, and cuts its texts to the limits.
    pub(crate) fn new(id: u32, category: &str, text: &str) -> Self {
        Self(id, start(category, MAX_CATEGORY_BYTES).to_owned(), cut(text), false)
    }

    /// Makes a message of HTML. It is not cut, because half a tag would hide what follows it on the page.
    pub(crate) fn of_html(id: u32, category: &str, html: &str) -> Self {
        Self(id, start(category, MAX_CATEGORY_BYTES).to_owned(), html.to_owned(), true)
    }
}

impl Stored {
    pub(crate) fn id(&self) -> u32 {
        self.0
    }
}

impl Shown {
    /// Checks whether any message was shown.
    pub(crate) fn is_some(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Shows the messages of these categories, or of all if none is named.
    pub(crate) fn show(&mut self, metadata: &Metadata, categories: &[&str]) -> Vec<Flash> {
        let all = self.all.get_or_insert_with(|| all(metadata));
        let asked = |stored: &&Stored| categories.is_empty() || categories.contains(&stored.1.as_str());
        let found: Vec<_> = all.iter().filter(asked).collect();
        self.ids.extend(found.iter().map(|stored| stored.0));
        found
            .into_iter()
            .map(|Stored(_, category, text, is_markup)| Flash {
                category: category.clone(),
                message: text.clone(),
                is_markup: *is_markup,
            })
            .collect()
    }

    /// Takes the ids of the messages that were shown.
    pub(crate) fn take_ids(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.ids)
    }
}

/// The number of messages that wait.
pub(crate) fn count(metadata: &Metadata) -> usize {
    all(metadata).len()
}

/// Adds a message after the others, and drops the oldest beyond the limits.
pub(crate) fn add(metadata: &mut Metadata, message: &Stored) {
    let mut all = all(metadata);
    all.push(message.clone());
    let mut first = all.len().saturating_sub(MAX_MESSAGES);
    while metadata::encode(&all[first..]).len() > MAX_BYTES {
        first += 1;
    }
    set(metadata, &all[first..]);
}

/// Removes the messages with these ids. Returns `false` if there were none.
pub(crate) fn remove(metadata: &mut Metadata, ids: &[u32]) -> bool {
    if ids.is_empty() {
        return false;
    }
    let mut all = all(metadata);
    let before = all.len();
    all.retain(|kept| !ids.contains(&kept.0));
    if all.len() < before {
        set(metadata, &all);
    }
    all.len() < before
}

/// Copies the messages with these ids.
pub(crate) fn copy(from: &Metadata, to: &mut Metadata, ids: &[u32]) {
    let mut all = all(from);
    all.retain(|kept| ids.contains(&kept.0));
    set(to, &all);
}

/// Drops the oldest message. Returns `false` if there was none.
pub(crate) fn drop_oldest(metadata: &mut Metadata) -> bool {
    let all = all(metadata);
    match all.split_first() {
        Some((_, rest)) => set(metadata, rest),
        None => return false,
    }
    true
}

fn all(metadata: &Metadata) -> Vec<Stored> {
    metadata.get(MESSAGES).unwrap_or_default()
}

fn set(metadata: &mut Metadata, all: &[Stored]) {
    let operation = match all {
        [] => Operation::Remove,
        all => Operation::Set(metadata::encode(all)),
    };
    metadata.apply(MESSAGES, &operation).expect("setting and removing always work");
}

/// Cuts a text to its longest length. If anything was cut, the text ends with an ellipsis.
fn cut(text: &str) -> String {
    const SIGN: &str = "…";
    match text.len() {
        0..=MAX_TEXT_BYTES => text.to_owned(),
        _ => format!("{}{SIGN}", start(text, MAX_TEXT_BYTES - SIGN.len())),
    }
}

fn start(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u32, text: &str) -> Stored {
        Stored(id, "message".to_owned(), text.to_owned(), false)
    }

    fn ids(metadata: &Metadata) -> Vec<u32> {
        all(metadata).iter().map(|kept| kept.0).collect()
    }

    #[test]
    fn the_oldest_go_beyond_sixteen_messages() {
        let mut metadata = Metadata::default();
        for id in 0..20 {
            add(&mut metadata, &kept(id, "owl"));
        }
        assert_eq!(ids(&metadata), (4..20).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_go_beyond_a_kibibyte_and_the_newest_always_stays() {
        let mut metadata = Metadata::default();
        for id in 0..4 {
            add(&mut metadata, &kept(id, &cut(&"o".repeat(10_000))));
            assert!(metadata.encoded(MESSAGES).unwrap().len() <= MAX_BYTES);
        }
        assert_eq!(ids(&metadata), [3]);
        let widest = Stored(u32::MAX, "c".repeat(MAX_CATEGORY_BYTES), cut(&"☽".repeat(1_000)), true);
        add(&mut metadata, &widest);
        assert!(all(&metadata).contains(&widest));
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = cut(&"☽".repeat(300));
        assert!(text.len() <= MAX_TEXT_BYTES && text.ends_with("☽…"), "{}", text.len());
        assert_eq!(cut("short"), "short");
        assert_eq!(start("é", 1), "");
    }

    #[test]
    fn only_those_shown_go_and_an_empty_list_leaves_nothing() {
        let mut metadata = Metadata::default();
        for id in [7, 8, 9] {
            add(&mut metadata, &kept(id, "owl"));
        }
        assert!(!remove(&mut metadata, &[1]));
        assert!(remove(&mut metadata, &[8, 1]));
        assert_eq!(ids(&metadata), [7, 9]);
        assert!(remove(&mut metadata, &[7, 9]) && metadata.is_empty());
    }
}
