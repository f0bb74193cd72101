//! One value of a session, in MessagePack.

use std::any::type_name;
use std::sync::Arc;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::extension;
use crate::wide::Wide;

/// The deepest nesting of lists and maps (the format's section "What is sealed").
pub const MAX_DEPTH: usize = 64;

/// The reason that a value could not be written or read.
///
/// The text names shapes and types, never the value itself. There is no source, because serde's own error text quotes
/// the value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The type's `Serialize` failed, or asked for something that MessagePack lacks.
    #[error("a {0} could not be written as MessagePack")]
    Encode(&'static str),
    /// The bytes are MessagePack, but of another shape than the type asked for.
    #[error("what is stored is {stored}, and no {asked}")]
    Decode {
        /// The shape of the stored value: "text", "an integer".
        stored: &'static str,
        /// The name of the requested type.
        asked: &'static str,
    },
    /// The bytes are not MessagePack. They were not written by `insert`, but by another program with the same secret
    /// key.
    #[error("what is stored is no MessagePack: it is cut short, or has a marker that there is none of")]
    Malformed,
    /// Lists and maps are nested deeper than [`MAX_DEPTH`].
    #[error("the value is nested deeper than {MAX_DEPTH} levels; store it flatter")]
    TooDeep,
    /// There are bytes after the end of the value.
    #[error("{0} bytes are left over behind the stored value")]
    LeftOver(usize),
    /// `add` found a value that is not an integer, or the sum exceeds 64 bits.
    #[error("only integers within 64 bits can be added up")]
    NotAnInteger,
    /// The value is shared with the app that runs beside this one, which cannot hold it.
    #[error(
        "the app beside cannot have {0}; store it otherwise, or leave its key out of those that are shared"
    )]
    NotShared(&'static str),
    /// `append` found a value that is not a list.
    #[error("only a list can be appended to")]
    NotAList,
}

/// Writes `value` as MessagePack: structs with field names, dates and UUIDs as text.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Arc<[u8]>, ValueError> {
    encode_with(&mut Vec::with_capacity(32), value)
}

/// Writes `value` as [`encode`] does, by way of a buffer that can be used again for the next value.
pub(crate) fn encode_with<T: Serialize + ?Sized>(
    buffer: &mut Vec<u8>,
    value: &T,
) -> Result<Arc<[u8]>, ValueError> {
    buffer.clear();
    let mut serializer = rmp_serde::Serializer::new(&mut *buffer).with_struct_map().with_human_readable();
    Wide(value).serialize(&mut serializer).map_err(|_| ValueError::Encode(type_name::<T>()))?;
    check(buffer)?;
    Ok(buffer.as_slice().into())
}

/// Reads one value that must fill `bytes` exactly.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    check(bytes)?;
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes).with_human_readable();
    let mismatch = |_| ValueError::Decode { stored: shape(bytes), asked: type_name::<T>() };
    T::deserialize(Wide(&mut deserializer)).map_err(mismatch)
}

/// Checks whether `bytes` are exactly one MessagePack map.
pub(crate) fn is_map(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)) && check(bytes).is_ok()
}

/// Encodes the head of a map with this many pairs.
pub(crate) fn map_head(pairs: usize) -> Vec<u8> {
    let [.., a, b, c, d] = pairs.to_be_bytes();
    match pairs {
        0..=15 => vec![0x80 | d],
        16..=0xffff => vec![0xde, c, d],
        _ => vec![0xdf, a, b, c, d],
    }
}

/// The part after the head of a map: keys and values in turn.
pub(crate) fn map_items(map: &[u8]) -> &[u8] {
    match map {
        [0x80..=0x8f, items @ ..] | [0xde, _, _, items @ ..] | [0xdf, _, _, _, _, items @ ..] => items,
        _ => &[],
    }
}

/// Takes one encoded value off the front of `rest`.
pub(crate) fn split<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = match scalar_bytes(rest) {
        Some(length) => length,
        None => {
            let mut after = *rest;
            IgnoredAny::deserialize(&mut rmp_serde::Deserializer::new(&mut after)).ok()?;
            rest.len() - after.len()
        }
    };
    let (value, after) = rest.split_at_checked(length)?;
    *rest = after;
    (!value.is_empty()).then_some(value)
}

/// Returns the list `bytes` with one more element, `item`, which must be MessagePack.
pub(crate) fn append(list: Option<&[u8]>, item: &[u8]) -> Result<Arc<[u8]>, ValueError> {
    let list = list.unwrap_or(&[0x90]);
    let (length, elements): (u32, &[u8]) = match *list {
        [marker @ 0x90..=0x9f, ref rest @ ..] => (u32::from(marker & 0x0f), rest),
        [0xdc, a, b, ref rest @ ..] => (u32::from(u16::from_be_bytes([a, b])), rest),
        [0xdd, a, b, c, d, ref rest @ ..] => (u32::from_be_bytes([a, b, c, d]), rest),
        _ => return Err(ValueError::NotAList),
    };
    let length = length.checked_add(1).ok_or(ValueError::NotAList)?;
    let mut bytes = Vec::with_capacity(elements.len() + item.len() + 5);
    match length {
        0..=15 => bytes.push(0x90 | length.to_be_bytes()[3]),
        16..=0xffff => bytes.extend([0xdc, length.to_be_bytes()[2], length.to_be_bytes()[3]]),
        _ => {
            bytes.push(0xdd);
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(elements);
    bytes.extend(item);
    check(&bytes)?;
    Ok(bytes.into())
}

/// The integer `bytes` plus `amount`. A missing integer counts as 0.
pub(crate) fn add(number: Option<&[u8]>, amount: i64) -> Result<Arc<[u8]>, ValueError> {
    let number = number.map_or(Ok(0), |bytes| decode(bytes).map_err(|_| ValueError::NotAnInteger))?;
    encode(&i64::checked_add(number, amount).ok_or(ValueError::NotAnInteger)?)
}

/// Checks that `bytes` are exactly one value, nested no deeper than [`MAX_DEPTH`].
fn check(bytes: &[u8]) -> Result<(), ValueError> {
    if scalar_bytes(bytes) == Some(bytes.len()) {
        return Ok(());
    }
    let mut rest = bytes;
    let mut deserializer = rmp_serde::Deserializer::new(&mut rest).with_human_readable();
    // rmp-serde counts the value itself as a level.
    deserializer.set_max_depth(MAX_DEPTH + 1);
    IgnoredAny::deserialize(&mut deserializer).map_err(|error| match error {
        rmp_serde::decode::Error::DepthLimitExceeded => ValueError::TooDeep,
        _ => ValueError::Malformed,
    })?;
    match rest.len() {
        0 => Ok(()),
        left => Err(ValueError::LeftOver(left)),
    }
}

/// The length of the value at the front of `bytes`, if it is neither a list nor a map.
fn scalar_bytes(bytes: &[u8]) -> Option<usize> {
    Some(match *bytes {
        [0x00..=0x7f | 0xc0 | 0xc2 | 0xc3 | 0xe0..=0xff, ..] => 1,
        [length @ 0xa0..=0xbf, ..] => 1 + usize::from(length & 0x1f),
        [0xcc | 0xd0, ..] => 2,
        [0xcd | 0xd1, ..] => 3,
        [0xca | 0xce | 0xd2, ..] => 5,
        [0xcb | 0xcf | 0xd3, ..] => 9,
        [extension::MARKER, ..] => 18,
        [0xc4 | 0xd9, length, ..] => 2 + usize::from(length),
        [0xc5 | 0xda, a, b, ..] => 3 + usize::from(u16::from_be_bytes([a, b])),
        _ => return None,
    })
}

/// The shape of a value, by its first byte (the MessagePack specification, "Formats").
pub(crate) fn shape(bytes: &[u8]) -> &'static str {
    match *bytes {
        [] => "nothing",
        [0x00..=0x7f | 0xcc..=0xd3 | 0xe0..=0xff, ..]
        | [extension::MARKER, extension::POSITIVE | extension::NEGATIVE, ..] => "an integer",
        [0xc7, _, extension::HTML, ..]
        | [0xc8, _, _, extension::HTML, ..]
        | [0xc9, _, _, _, _, extension::HTML, ..]
        | [0xd4..=0xd8, extension::HTML, ..] => "marked HTML",
        [0x80..=0x8f | 0xde | 0xdf, ..] => "a map",
        [0x90..=0x9f | 0xdc | 0xdd, ..] => "a list",
        [0xa0..=0xbf | 0xd9..=0xdb, ..] => "text",
        [0xc0, ..] => "nil",
        [0xc2 | 0xc3, ..] => "a boolean",
        [0xc4..=0xc6, ..] => "bytes",
        [0xca | 0xcb, ..] => "a float",
        [0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8, ..] => "no value of a session",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(levels: usize) -> Vec<u8> {
        let mut bytes = vec![0x91; levels - 1];
        bytes.push(0x90);
        bytes
    }

    #[test]
    fn sixty_four_levels_are_read_and_one_more_is_refused() {
        assert!(check(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(check(&nested(MAX_DEPTH + 1)), Err(ValueError::TooDeep)));
        assert!(matches!(check(&nested(1_000_000)), Err(ValueError::TooDeep)));
    }

    #[test]
    fn bytes_left_over_are_refused() {
        for (case, bytes) in [("scalar", &[0x01, 0x02][..]), ("list", &[0x90, 0x01]), ("map", &[0x80, 0xc0])]
        {
            assert!(matches!(decode::<IgnoredAny>(bytes), Err(ValueError::LeftOver(1))), "{case}");
        }
    }

    #[test]
    fn malformed_values_are_refused_and_never_panic() {
        for (case, bytes) in [
            ("nothing", &b""[..]),
            ("the marker that there is none of", b"\xc1"),
            ("that marker in a list", b"\x92\x01\xc1"),
            ("text cut short", b"\xa5abc"),
            ("text of 4 GiB", b"\xdb\xff\xff\xff\xffabc"),
            ("bytes of 4 GiB", b"\xc6\xff\xff\xff\xff"),
            ("a list of 4 billion", b"\xdd\xff\xff\xff\xff\x01"),
            ("a map of 4 billion", b"\xdf\xff\xff\xff\xff\x01\x02"),
            ("a map without its last value", b"\x81\xa1a"),
            ("an integer cut short", b"\xcf\x01"),
            ("a float cut short", b"\xcb\x01"),
            ("a length cut short", b"\xda\x01"),
            ("an extension cut short", b"\xd8\x01\x00"),
            ("an extension of 4 GiB", b"\xc9\xff\xff\xff\xff\x01"),
        ] {
            for error in [
                decode::<IgnoredAny>(bytes).unwrap_err(),
                decode::<String>(bytes).unwrap_err(),
                decode::<Vec<u128>>(bytes).unwrap_err(),
                decode::<std::collections::BTreeMap<String, u8>>(bytes).unwrap_err(),
            ] {
                assert!(matches!(error, ValueError::Malformed), "{case}: {error}");
            }
        }
    }

    #[test]
    fn an_integer_is_written_in_the_same_way_whatever_its_type() {
        let one = |bytes: Result<Arc<[u8]>, ValueError>| bytes.unwrap().to_vec();
        assert_eq!(one(encode(&7_u128)), [7]);
        assert_eq!(one(encode(&7_i128)), [7]);
        assert_eq!(one(encode(&-1_i128)), [0xff]);
        assert_eq!(one(encode(&u128::from(u64::MAX))), one(encode(&u64::MAX)));
        assert_eq!(one(encode(&i128::from(u64::MAX))), one(encode(&u64::MAX)));
        assert_eq!(one(encode(&i128::from(i64::MIN))), one(encode(&i64::MIN)));
        let above = u128::from(u64::MAX) + 1;
        let expected = [&[0xd8, 1][..], &above.to_be_bytes()].concat();
        assert_eq!(one(encode(&above)), expected);
        assert_eq!(one(encode(&(u64::MAX as i128 + 1))), expected);
        let below = i128::from(i64::MIN) - 1;
        assert_eq!(one(encode(&below)), [&[0xd8, 2][..], &below.to_be_bytes()].concat());
        assert_eq!(shape(&expected), "an integer");
        // An extension of another type is not an integer.
        assert!(decode::<u128>(&[&[0xd8, 3][..], &[0; 16]].concat()).is_err());
        assert!(decode::<u128>(b"\xd7\x01\0\0\0\0\0\0\0\0").is_err());
    }

    #[test]
    fn appending_crosses_every_length_form() {
        for length in [0_u32, 14, 15, 16, 65_534, 65_535, 65_536] {
            let list: Vec<u32> = (0..length).collect();
            let longer = append(Some(&encode(&list).unwrap()), &encode(&length).unwrap()).unwrap();
            assert_eq!(longer, encode(&(0..=length).collect::<Vec<u32>>()).unwrap(), "{length}");
        }
        assert_eq!(append(None, &encode(&7).unwrap()).unwrap(), encode(&[7]).unwrap());
        assert!(matches!(append(Some(&[0x80]), &[0xc0]), Err(ValueError::NotAList)));
    }

    #[test]
    fn adding_checks_type_and_range() {
        assert_eq!(decode::<i64>(&add(None, 2).unwrap()).unwrap(), 2);
        assert_eq!(decode::<i64>(&add(Some(&encode(&40).unwrap()), 2).unwrap()).unwrap(), 42);
        assert!(matches!(add(Some(&encode("40").unwrap()), 2), Err(ValueError::NotAnInteger)));
        assert!(matches!(add(Some(&encode(&i64::MAX).unwrap()), 1), Err(ValueError::NotAnInteger)));
    }
}
