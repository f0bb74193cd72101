//! The fields of a form, decoded, as a source for serde.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::misfit::Misfit;

/// Names and values in one text: the address of a piece of it tells which of them it is.
pub(super) struct Fields {
    text: String,
    /// A name, its value, the next name, its value…
    parts: Vec<Range<usize>>,
    /// Each name's first place among the parts, and the places of all its values.
    groups: Vec<(usize, Vec<usize>)>,
}

impl Fields {
    pub(super) fn new<'a>(pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>) -> Self {
        let (mut text, mut parts) = (String::new(), Vec::new());
        for part in pairs.flat_map(|(name, value)| [name, value]) {
            parts.push(text.len()..text.len() + part.len());
            text.push_str(&part);
            // An empty part has an address of its own, too.
            text.push('&');
        }
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut known = HashMap::new();
        for name in (0..parts.len()).step_by(2) {
            let group = *known.entry(&text[parts[name].clone()]).or_insert(groups.len());
            match groups.get_mut(group) {
                Some((_, values)) => values.push(name + 1),
                None => groups.push((name, vec![name + 1])),
            }
        }
        Self { text, parts, groups }
    }

    /// Names and values together.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    pub(super) fn part(&self, place: usize) -> &str {
        &self.text[self.parts[place].clone()]
    }

    /// The name that a name or a value belongs to.
    pub(super) fn name(&self, place: usize) -> &str {
        self.part(place & !1)
    }

    /// The part that holds what lies at `address`.
    pub(super) fn place(&self, address: usize) -> Option<usize> {
        let offset = address.checked_sub(self.text.as_ptr().addr())?;
        let place = self.parts.partition_point(|part| part.end < offset);
        self.parts.get(place).filter(|part| part.start <= offset).map(|_| place)
    }

    /// The names that come more than once.
    pub(super) fn repeated(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().filter(|(_, values)| values.len() > 1).map(|(name, _)| self.part(*name))
    }
}

/// What a text is taken for where serde asks for anything: it copies the fields of a flattened struct and of a tagged or
/// untagged enum before it knows what is to become of them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    kind: Kind,
    /// In a list of its own.
    list: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Nothing,
}

impl Reading {
    pub(super) const TEXT: Self = Self { kind: Kind::Text, list: false };

    /// What a text may be besides.
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

/// What a checkbox sends, and what a person would write.
fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "on" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// All fields together.
#[derive(Clone, Copy)]
pub(super) struct Form<'de> {
    pub(super) fields: &'de Fields,
    /// One for each part; those of names are texts.
    pub(super) readings: &'de [Reading],
}

impl<'de> Form<'de> {
    fn value(self, place: usize) -> Value<'de> {
        Value { form: self, place, reading: self.readings[place] }
    }
}

impl<'de> Deserializer<'de> for Form<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_map(Groups { form: self, next: 0 })
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_seq(Pairs { form: self, next: 0 })
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.fields.len() {
            0 => visitor.visit_unit(),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit_struct
        tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// The fields as a map, each name once.
struct Groups<'de> {
    form: Form<'de>,
    next: usize,
}

impl<'de> de::MapAccess<'de> for Groups<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let group = self.form.fields.groups.get(self.next);
        group.map(|(name, _)| seed.deserialize(self.form.value(*name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (name, values) = &self.form.fields.groups[self.next];
        self.next += 1;
        let value = match values[..] {
            [value] => seed.deserialize(self.form.value(value)),
            _ => seed.deserialize(Values { form: self.form, places: values }),
        };
        value.map_err(|misfit| misfit.of(self.form.fields.part(*name)))
    }
}

/// The fields as a list of names and values.
struct Pairs<'de> {
    form: Form<'de>,
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Pairs<'de> {
    type Error = Misfit;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Misfit> {
        if self.next == self.form.fields.len() {
            return Ok(None);
        }
        let pair = (self.form.value(self.next), self.form.value(self.next + 1));
        self.next += 2;
        let (name, value) = (Some(pair.0), Some(pair.1));
        let pair = de::value::SeqDeserializer::new(name.into_iter().chain(value));
        // Whoever asks for a list asks for no field in particular.
        seed.deserialize(pair).map(Some).map_err(Misfit::of_none)
    }
}

/// One name or value.
#[derive(Clone, Copy)]
struct Value<'de> {
    form: Form<'de>,
    place: usize,
    reading: Reading,
}

impl<'de> Value<'de> {
    fn text(self) -> &'de str {
        self.form.fields.part(self.place)
    }

    fn parsed<T>(self) -> Result<T, Misfit>
    where
        T: std::str::FromStr<Err: std::fmt::Display>,
    {
        self.text().parse().map_err(|error| Misfit::parsing(self.text(), &error))
    }
}

macro_rules! parsed {
    ($($method:ident $visit:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.$visit(self.parsed()?)
        })*
    };
}

macro_rules! as_text {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            visitor.visit_borrowed_str(self.text())
        })*
    };
}

impl<'de> Deserializer<'de> for Value<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.reading.kind {
            _ if self.reading.list => self.deserialize_seq(visitor),
            Kind::Text => visitor.visit_borrowed_str(self.text()),
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Unsigned(value) => visitor.visit_u64(value),
            Kind::Signed(value) => visitor.visit_i64(value),
            Kind::Float(value) => visitor.visit_f64(value),
            Kind::Nothing => visitor.visit_none(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match self.reading.kind {
            Kind::Nothing => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        match truth(self.text()) {
            Some(value) => visitor.visit_bool(value),
            None => Err(Misfit::parsing(self.text(), &"it is none of `true`, `on` and `false`")),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let only = Self { reading: Reading { list: false, ..self.reading }, ..self };
        visitor.visit_seq(de::value::SeqDeserializer::new(std::iter::once(only)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_enum(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    parsed! {
        deserialize_u8 visit_u8 deserialize_u16 visit_u16 deserialize_u32 visit_u32 deserialize_u64 visit_u64
        deserialize_u128 visit_u128 deserialize_i8 visit_i8 deserialize_i16 visit_i16 deserialize_i32 visit_i32
        deserialize_i64 visit_i64 deserialize_i128 visit_i128 deserialize_f32 visit_f32 deserialize_f64 visit_f64
    }

    as_text! {
        deserialize_char deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf
        deserialize_identifier
    }

    forward_to_deserialize_any! { unit unit_struct tuple tuple_struct map struct ignored_any }
}

impl<'de> de::IntoDeserializer<'de, Misfit> for Value<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A variant without contents: a text has none.
impl<'de> EnumAccess<'de> for Value<'de> {
    type Error = Misfit;
    type Variant = <de::value::BorrowedStrDeserializer<'de, Misfit> as EnumAccess<'de>>::Variant;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Misfit> {
        de::value::BorrowedStrDeserializer::new(self.text()).variant_seed(seed)
    }
}

/// The values of a name that comes more than once.
struct Values<'de> {
    form: Form<'de>,
    places: &'de [usize],
}

impl<'de> Deserializer<'de> for Values<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let values = self.places.iter().map(|place| self.form.value(*place));
        visitor.visit_seq(de::value::SeqDeserializer::new(values))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct enum identifier
    }
}
