//! One value of a form, or all values of one name, as input for serde.

use serde::de::{self, DeserializeSeed, Deserializer, EnumAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::fields::Fields;
use super::misfit::Misfit;
use super::reading::{Kind, Reading, truth};

/// One name or value.
#[derive(Clone, Copy)]
pub(super) struct Value<'de> {
    pub(super) fields: &'de Fields,
    pub(super) place: usize,
    pub(super) reading: Reading,
}

impl<'de> Value<'de> {
    fn text(self) -> &'de str {
        self.fields.part(self.place)
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
            None => {
                let words = "it is none of `on`, `true`, `yes`, `y`, `1`, `off`, `false`, `no`, `n`, `0`";
                Err(Misfit::parsing(self.text(), &words))
            }
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

/// Names an enum variant without content, because a text has no content for it.
impl<'de> EnumAccess<'de> for Value<'de> {
    type Error = Misfit;
    type Variant = <de::value::BorrowedStrDeserializer<'de, Misfit> as EnumAccess<'de>>::Variant;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self::Variant), Misfit> {
        de::value::BorrowedStrDeserializer::new(self.text()).variant_seed(seed)
    }
}

/// The values of a name that comes more than once: all of them for a list, and the first one for any other type.
pub(super) struct Values<'de> {
    pub(super) fields: &'de Fields,
    pub(super) readings: &'de [Reading],
    pub(super) places: &'de [usize],
}

impl<'de> Values<'de> {
    fn value(&self, place: usize) -> Value<'de> {
        Value { fields: self.fields, place, reading: Reading::of(self.readings, place) }
    }

    fn first(&self) -> Value<'de> {
        self.value(self.places[0])
    }
}

macro_rules! of_the_first {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
            self.first().$method(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Values<'de> {
    type Error = Misfit;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        let values = self.places.iter().map(|place| self.value(*place));
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

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Misfit> {
        self.first().deserialize_enum(name, variants, visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Misfit> {
        visitor.visit_unit()
    }

    of_the_first! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32 deserialize_f64 deserialize_char
        deserialize_str deserialize_string deserialize_bytes deserialize_byte_buf deserialize_identifier
    }

    forward_to_deserialize_any! { unit unit_struct seq tuple tuple_struct map struct }
}
