//! MessagePack as msgspec writes it: keys are text, and the only extension is the timestamp.

use crate::date::DateTime;
use crate::error::Undecodable;
use crate::limits::MAX_DEPTH;
use crate::value::{Dict, Value};

const TIMESTAMP: u8 = 0xff;

pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Undecodable> {
    let mut reader = Reader { rest: bytes, depth: 0 };
    let value = reader.value()?;
    if reader.rest.is_empty() { Ok(value) } else { Err(Undecodable::MessagePack) }
}

struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, Undecodable> {
        let first = self.unsigned(1)? as u8;
        Ok(match first {
            0x00..=0x7f => Value::Int(first.into()),
            0x80..=0x8f => self.map(usize::from(first & 0x0f))?,
            0x90..=0x9f => self.array(usize::from(first & 0x0f))?,
            0xa0..=0xbf => Value::Str(self.text(usize::from(first & 0x1f))?),
            0xc0 => Value::None,
            0xc2 => Value::Bool(false),
            0xc3 => Value::Bool(true),
            0xc4..=0xc6 => Value::Bytes(self.sized(first - 0xc4)?.to_vec()),
            0xc7 => self.extension(12, |reader| reader.unsigned(1))?,
            0xca => Value::Float(f32::from_bits(self.unsigned(4)? as u32).into()),
            0xcb => Value::Float(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xcf => Value::Int(self.unsigned(1 << (first - 0xcc))?.into()),
            0xd0..=0xd3 => Value::Int(self.signed(1 << (first - 0xd0))?.into()),
            0xd6 => self.extension(4, |_| Ok(4))?,
            0xd7 => self.extension(8, |_| Ok(8))?,
            0xd9..=0xdb => {
                let length = self.length(first - 0xd9)?;
                Value::Str(self.text(length)?)
            }
            0xdc..=0xdd => {
                let length = self.length(first - 0xdc + 1)?;
                self.array(length)?
            }
            0xde..=0xdf => {
                let length = self.length(first - 0xde + 1)?;
                self.map(length)?
            }
            0xe0..=0xff => Value::Int((first as i8).into()),
            _ => return Err(Undecodable::MessagePack),
        })
    }

    fn array(&mut self, length: usize) -> Result<Value, Undecodable> {
        let mut values = Vec::new();
        self.nested(length, |reader| {
            values.push(reader.value()?);
            Ok(())
        })?;
        Ok(Value::List(values))
    }

    fn map(&mut self, length: usize) -> Result<Value, Undecodable> {
        let mut dict = Dict::new();
        self.nested(length, |reader| {
            let Value::Str(key) = reader.value()? else { return Err(Undecodable::MessagePack) };
            let is_entry = reader.depth == 1;
            let value = reader.value().map_err(|why| if is_entry { why.in_entry(&key) } else { why })?;
            dict.insert(key, value);
            Ok(())
        })?;
        Ok(Value::Dict(dict))
    }

    fn nested(
        &mut self,
        length: usize,
        mut member: impl FnMut(&mut Self) -> Result<(), Undecodable>,
    ) -> Result<(), Undecodable> {
        if self.depth == MAX_DEPTH {
            return Err(Undecodable::TooDeep);
        }
        self.depth += 1;
        // A member has at least one byte, so a length that is too large ends with the bytes.
        (0..length).try_for_each(|_| member(self))?;
        self.depth -= 1;
        Ok(())
    }

    /// A timestamp in one of its three lengths.
    fn extension(
        &mut self,
        expected: usize,
        length: impl Fn(&mut Self) -> Result<u64, Undecodable>,
    ) -> Result<Value, Undecodable> {
        if length(self)? != expected as u64 || self.take(1)? != [TIMESTAMP] {
            return Err(Undecodable::MessagePack);
        }
        let (seconds, nanos) = match expected {
            4 => (self.unsigned(4)? as i64, 0),
            8 => {
                let both = self.unsigned(8)?;
                ((both & 0x3_ffff_ffff) as i64, both >> 34)
            }
            _ => {
                let nanos = self.unsigned(4)?;
                (self.signed(8)?, nanos)
            }
        };
        let micros = u32::try_from(nanos / 1_000).map_err(|_| Undecodable::MessagePack)?;
        let date = DateTime::from_unix(seconds).and_then(|date| date.with_micros(micros));
        date.map(Value::DateTime).ok_or(Undecodable::MessagePack)
    }

    fn text(&mut self, length: usize) -> Result<String, Undecodable> {
        let text = str::from_utf8(self.take(length)?);
        text.map(str::to_owned).map_err(|_| Undecodable::Utf8)
    }

    fn sized(&mut self, power: u8) -> Result<&'a [u8], Undecodable> {
        let length = self.length(power)?;
        self.take(length)
    }

    /// A length in 1, 2 or 4 bytes: two to the `power`.
    fn length(&mut self, power: u8) -> Result<usize, Undecodable> {
        usize::try_from(self.unsigned(1 << power)?).map_err(|_| Undecodable::MessagePack)
    }

    fn unsigned(&mut self, bytes: usize) -> Result<u64, Undecodable> {
        Ok(self.take(bytes)?.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn signed(&mut self, bytes: usize) -> Result<i64, Undecodable> {
        let unused = 64 - 8 * bytes;
        Ok(((self.unsigned(bytes)? << unused) as i64) >> unused)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Undecodable> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(Undecodable::MessagePack)?;
        self.rest = rest;
        Ok(taken)
    }
}
