//! Readings of a text: the types that it may have.

/// The type as which a text is read where serde asks for any type.
///
/// serde copies the fields of a flattened struct and of a tagged or untagged enum before it knows their types.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) kind: Kind,
    /// `true` if the value is wrapped in a list.
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

    /// The reading at `place`. Text if none was chosen.
    pub(super) fn of(readings: &[Self], place: usize) -> Self {
        readings.get(place).copied().unwrap_or(Self::TEXT)
    }

    /// All readings of a text other than as text.
    pub(super) fn others(text: &str) -> impl Iterator<Item = Self> {
        let signed = text.parse().ok().filter(|number: &i64| *number < 0);
        let kinds = [
            text.is_empty().then_some(Kind::Nothing),
            text.parse().ok().map(Kind::Unsigned),
            signed.map(Kind::Signed),
            text.parse().ok().map(Kind::Float),
            // Behind the numbers, since `1` is one first.
            truth(text).map(Kind::Bool),
        ];
        let single = kinds.into_iter().flatten().map(|kind| Self { kind, list: false });
        let listed = [Some(Kind::Text)].into_iter().chain(kinds).flatten();
        single.chain(listed.map(|kind| Self { kind, list: true }))
    }
}

/// Reads a `bool` as a checkbox sends it: as `on`, or under the value that WTForms (`y`), Rails (`1`) or an app gives it.
pub(super) fn truth(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" | "y" | "1" => Some(true),
        "off" | "false" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}
