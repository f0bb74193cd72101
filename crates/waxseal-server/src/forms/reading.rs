//! Readings of a text: the types that it may be of.

/// The type that a text is taken for where serde asks for anything.
///
/// serde copies the fields of a flattened struct and of a tagged or untagged enum before it knows their types.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) kind: Kind,
    /// In a list of its own.
    pub(super) list: bool,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Nothing,
}

impl Reading {
    pub(super) const TEXT: Self = Self { kind: Kind::Text, list: false };

    /// The reading at `place`; a text if none was chosen.
    pub(super) fn of(readings: &[Self], place: usize) -> Self {
        readings.get(place).copied().unwrap_or(Self::TEXT)
    }

    /// All that a text may be besides a text.
    pub(super) fn others(text: &str) -> impl Iterator<Item = Self> {
        let signed = text.parse().ok().filter(|number: &i64| *number < 0);
        let kinds = [
            text.is_empty().then_some(Kind::Nothing),
            truth(text).map(Kind::Bool),
            text.parse().ok().map(Kind::Unsigned),
            signed.map(Kind::Signed),
            text.parse().ok().map(Kind::Float),
        ];
        let single = kinds.into_iter().flatten().map(|kind| Self { kind, list: false });
        let listed = [Some(Kind::Text)].into_iter().chain(kinds).flatten();
        single.chain(listed.map(|kind| Self { kind, list: true }))
    }
}

/// Reads a truth as a checkbox sends it, or as a person would write it.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "on" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
