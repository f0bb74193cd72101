//! Messages for the visitor's next page: Flask's `flash` and `get_flashed_messages`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::change::{Change, Operation};
use crate::metadata::{self, Metadata};
use crate::session::State;
use crate::{Error, Session};

/// Where they lie in the metadata: a list of `[id, category, text]`, the oldest first.
pub(crate) const FLASHES: &str = "flash";

const MAX_MESSAGES: usize = 16;
const MAX_BYTES: usize = 1_024;
const MAX_TEXT_BYTES: usize = 512;
const MAX_CATEGORY_BYTES: usize = 32;

/// A message for the visitor's next page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Flash {
    /// What kind of message it is, such as `error`: a page may show each kind in its own way.
    pub category: String,
    /// What it says. User text may be in it: a template escapes it.
    pub message: String,
}

/// The same as it is kept, with a random id by which the one that was shown is told from its equals.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Kept(u32, String, String);

/// What this request did with its messages.
#[derive(Default)]
pub(crate) struct Seen {
    /// Those there were at the first look: a page may ask again, and gets the same.
    all: Option<Vec<Kept>>,
    /// The ids of those that were shown.
    shown: Vec<u32>,
}

impl Session {
    /// Leaves a message for the page that the visitor sees next, be it this answer's or the one it redirects to.
    ///
    /// Messages are kept beside the entries, under no key of the app's. Two requests at once lose none of each other's.
    /// At most 16 messages and 1,024 bytes of them are kept, and the oldest go first; a text is cut after 512 bytes and a
    /// category after 32. They never take room from entries: in state `cookie`, if entries leave less, the oldest go
    /// until the cookie fits, of whose [256 bytes for metadata](Error::TooLarge) they use what is left.
    ///
    /// # Errors
    ///
    /// Those that every write may have, but none for its size; [`Error::Random`] if the system has no randomness.
    ///
    /// # Example
    ///
    /// ```
    /// # use waxseal_crypto::{Keyring, SecretKey};
    /// # let keyring = Keyring::new(SecretKey::from_bytes([7; 32]));
    /// # let sessions = waxseal_store::SessionManager::cookie(&keyring, "session", "demo")?;
    /// # let session = sessions.create();
    /// session.flash("success", "The letter is on its way.")?;
    /// session.flash("error", format!("No owl is called {}.", "Errol"))?;
    ///
    /// let errors = session.flashed_messages(&["error"]);
    /// assert_eq!(errors[0].message, "No owl is called Errol.");
    /// assert_eq!(session.flashed_messages(&[]).len(), 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn flash(&self, category: impl AsRef<str>, message: impl AsRef<str>) -> Result<(), Error> {
        let mut id = [0; 4];
        getrandom::fill(&mut id).map_err(Error::Random)?;
        let category = start(category.as_ref(), MAX_CATEGORY_BYTES).to_owned();
        let kept = Kept(u32::from_ne_bytes(id), category, cut(message.as_ref()));
        self.write()?.make(Change::Flash(kept))
    }

    /// The messages of these categories, of all if none is named, the oldest first: Flask's `get_flashed_messages`.
    ///
    /// What this returns counts as shown, and is gone once the request has succeeded: not before, so that a page may be
    /// rendered twice, and not if the answer is an error of 500 or more, or the session
    /// [cannot be written](Self::is_confirmed). Asked again in the same request, it returns the same; a message that is left
    /// after the first question waits for the next request, as in Flask. One of a category that no page asks for
    /// waits, where Flask drops it.
    #[must_use]
    pub fn flashed_messages(&self, categories: &[&str]) -> Vec<Flash> {
        let mut state = self.read();
        let State { content, flashes, .. } = &mut *state;
        let all = flashes.all.get_or_insert_with(|| all(&content.metadata));
        let asked = |kept: &&Kept| categories.is_empty() || categories.contains(&kept.1.as_str());
        let found: Vec<_> = all.iter().filter(asked).collect();
        flashes.shown.extend(found.iter().map(|kept| kept.0));
        found
            .into_iter()
            .map(|Kept(_, category, text)| Flash { category: category.clone(), message: text.clone() })
            .collect()
    }

    /// How many messages wait. Asking shows none.
    pub(crate) fn flashes_waiting(&self) -> usize {
        all(&self.lock().content.metadata).len()
    }
}

impl Seen {
    /// Whether there is something to forget.
    pub(crate) fn is_some(&self) -> bool {
        !self.shown.is_empty()
    }
}

impl State {
    /// Takes out what was shown; at commit.
    pub(crate) fn forget_shown_flashes(&mut self) {
        let shown = std::mem::take(&mut self.flashes.shown);
        if remove(&mut self.content.metadata, &shown) {
            self.log.push(Change::FlashesShown(shown.into()));
        }
    }
}

/// Puts a message behind the others, and drops the oldest beyond what is kept.
pub(crate) fn add(metadata: &mut Metadata, kept: &Kept) {
    let mut all = all(metadata);
    all.push(kept.clone());
    let mut first = all.len().saturating_sub(MAX_MESSAGES);
    while metadata::encode(&all[first..]).len() > MAX_BYTES {
        first += 1;
    }
    set(metadata, &all[first..]);
}

/// Takes out the messages of these ids; false if there is none.
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

/// Drops the oldest; false if there is none.
pub(crate) fn drop_oldest(metadata: &mut Metadata) -> bool {
    let all = all(metadata);
    match all.split_first() {
        Some((_, rest)) => set(metadata, rest),
        None => return false,
    }
    true
}

fn all(metadata: &Metadata) -> Vec<Kept> {
    metadata.get(FLASHES).unwrap_or_default()
}

fn set(metadata: &mut Metadata, all: &[Kept]) {
    let operation = match all {
        [] => Operation::Remove,
        all => Operation::Set(metadata::encode(all)),
    };
    metadata.apply(FLASHES, &operation).expect("setting and removing always work");
}

/// As much of a text as is kept, with a sign if it is not all.
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

/// Data, so that it can be done again over a newer session.
pub(crate) type Ids = Arc<[u32]>;

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(id: u32, text: &str) -> Kept {
        Kept(id, "message".to_owned(), text.to_owned())
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
            assert!(metadata.encoded(FLASHES).unwrap().len() <= MAX_BYTES);
        }
        assert_eq!(ids(&metadata), [3]);
        let widest = Kept(u32::MAX, "c".repeat(MAX_CATEGORY_BYTES), cut(&"☽".repeat(1_000)));
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
