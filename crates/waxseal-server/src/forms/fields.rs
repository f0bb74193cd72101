//! The fields of a form, decoded.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::HashMap;
use std::ops::Range;

/// Names and values in one text, so that the address of a part identifies it.
pub(super) struct Fields {
    text: String,
    /// A name, its value, the next name, its value…
    parts: Vec<Range<usize>>,
    groups: OnceCell<Vec<Group>>,
}

/// The position of a name's first part, and the positions of all its values.
pub(super) type Group = (usize, Vec<usize>);

impl Fields {
    /// Collects `count` pairs with `bytes` bytes in all. Both are estimates that avoid reallocations.
    pub(super) fn new<'a>(
        pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
        count: usize,
        bytes: usize,
    ) -> Self {
        let mut text = String::with_capacity(bytes + 2 * count);
        let mut parts = Vec::with_capacity(2 * count);
        for part in pairs.flat_map(|(name, value)| [name, value]) {
            parts.push(text.len()..text.len() + part.len());
            text.push_str(&part);
            // Gives an empty part an address of its own, too.
            text.push('&');
        }
        Self { text, parts, groups: OnceCell::new() }
    }

    /// Each name once, in the order in which they come. Not needed for a list of pairs.
    pub(super) fn groups(&self) -> &[Group] {
        self.groups.get_or_init(|| {
            let mut groups: Vec<Group> = Vec::new();
            let mut known = HashMap::new();
            for name in (0..self.parts.len()).step_by(2) {
                let group = *known.entry(self.part(name)).or_insert(groups.len());
                match groups.get_mut(group) {
                    Some((_, values)) => values.push(name + 1),
                    None => groups.push((name, vec![name + 1])),
                }
            }
            groups
        })
    }

    /// The fields with only the first value of `name`.
    pub(super) fn with_first_of(&self, name: &str) -> Self {
        let mut seen = false;
        let pairs = (0..self.parts.len()).step_by(2).map(|place| (self.part(place), self.part(place + 1)));
        let kept = pairs.filter(|(found, _)| *found != name || !std::mem::replace(&mut seen, true));
        let kept = kept.map(|(name, value)| (name.into(), value.into()));
        Self::new(kept, self.parts.len() / 2, self.text.len())
    }

    /// The number of names and values together.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn part(&self, place: usize) -> &str {
        &self.text[self.parts[place].clone()]
    }

    /// The name to which a name or a value belongs.
    pub(super) fn name(&self, place: usize) -> &str {
        self.part(place & !1)
    }

    /// The position of the part that contains `address`.
    pub(super) fn place(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.text.as_ptr().addr())?;
        let place = self.parts.partition_point(|part| part.end < offset);
        self.parts.get(place).filter(|part| part.start <= offset).map(|_| place)
    }

    /// The names that come more than once.
    pub(super) fn repeated(&self) -> impl Iterator<Item = &str> {
        self.groups().iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| self.part(*name))
    }
}
