//! A form as input for serde: a map, or a list of pairs.

use serde::de::{self, DeserializeSeed, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::fields::Fields;
use super::misfit::Misfit;
use super::reading::Reading;
use super::value::{Value, Values};

/// All fields together.
#[derive(Clone, Copy)]
pub(super) struct Form<'de> {
    pub(super) fields: &'de Fields,
    /// One reading for each part, or none if all parts are read as text. Those of names are always text.
    pub(super) readings: &'de [Reading],
}

impl<'de> Form<'de> {
    fn value(self, place: usize) -> Value<'de> {
        Value { fields: self.fields, place, reading: Reading::of(self.readings, place) }
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

/// The fields as a map in which each name occurs once.
struct Groups<'de> {
    form: Form<'de>,
    next: usize,
}

impl<'de> de::MapAccess<'de> for Groups<'de> {
    type Error = Misfit;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Misfit> {
        let group = self.form.fields.groups().get(self.next);
        group.map(|(name, _)| seed.deserialize(self.form.value(*name))).transpose()
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Misfit> {
        let (name, values) = &self.form.fields.groups()[self.next];
        self.next += 1;
        let value = match values[..] {
            [value] => seed.deserialize(self.form.value(value)),
            _ => seed.deserialize(Values {
                fields: self.form.fields,
                readings: self.form.readings,
                places: values,
            }),
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
        // In a list, an error does not belong to a particular field.
        seed.deserialize(pair).map(Some).map_err(Misfit::of_none)
    }

    fn size_hint(&self) -> Option<usize> {
        Some((self.form.fields.len() - self.next) / 2)
    }
}
