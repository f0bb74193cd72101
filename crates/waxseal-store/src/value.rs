//! One value of a session, in MessagePack.

use std::sync::Arc;

use serde::Serialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// How deep lists and maps may lie in each other (`docs/format.md`, "What is sealed").
pub const MAX_DEPTH: usize = 64;

/// Why a value could not be written or read.
///
/// The text names shapes and types, never the value itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ValueError {
    /// The type's `Serialize` refused, or asked for something MessagePack lacks.
    #[error("the value cannot be written as MessagePack")]
    Encode(#[source] rmp_serde::encode::Error),
    /// The bytes are MessagePack of another shape than the type asked for.
    #[error("the stored value is not what was asked for")]
    Decode(#[source] rmp_serde::decode::Error),
    /// More lists and maps in each other than [`MAX_DEPTH`].
    #[error("the value is nested deeper than {MAX_DEPTH} levels; store it flatter")]
    TooDeep,
    /// The value ended before its bytes did.
    #[error("{0} bytes are left over behind the stored value")]
    LeftOver(usize),
    /// `add` found something that is not an integer, or a sum beyond 64 bits.
    #[error("only integers within 64 bits can be added up")]
    NotAnInteger,
    /// `append` found something that is not a list.
    #[error("only a list can be appended to")]
    NotAList,
}

/// Writes `value` as MessagePack: structs with field names, dates and UUIDs as text.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Arc<[u8]>, ValueError> {
    let mut bytes = Vec::with_capacity(32);
    let mut serializer = rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
    value.serialize(&mut serializer).map_err(ValueError::Encode)?;
    check_depth(&bytes)?;
    Ok(bytes.into())
}

/// Reads one value that must fill `bytes` exactly.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ValueError> {
    check_depth(bytes)?;
    read(bytes, usize::from(u16::MAX))
}

/// Whether `bytes` are exactly one MessagePack map.
pub(crate) fn is_map(bytes: &[u8]) -> bool {
    matches!(bytes.first(), Some(0x80..=0x8f | 0xde | 0xdf)) && check_depth(bytes).is_ok()
}

/// The list `bytes` with one more element, `item`, which is MessagePack already.
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
    check_depth(&bytes)?;
    Ok(bytes.into())
}

/// The integer `bytes` plus `amount`; absent counts as 0.
pub(crate) fn add(number: Option<&[u8]>, amount: i64) -> Result<Arc<[u8]>, ValueError> {
    let number = number.map_or(Ok(0), |bytes| decode(bytes).map_err(|_| ValueError::NotAnInteger))?;
    encode(&i64::checked_add(number, amount).ok_or(ValueError::NotAnInteger)?)
}

fn check_depth(bytes: &[u8]) -> Result<(), ValueError> {
    let nests = matches!(bytes.first(), Some(0x80..=0x9f | 0xdc..=0xdf));
    if nests {
        // rmp-serde counts the value itself as a level.
        read::<IgnoredAny>(bytes, MAX_DEPTH + 1)?;
    }
    Ok(())
}

fn read<T: DeserializeOwned>(mut bytes: &[u8], max_depth: usize) -> Result<T, ValueError> {
    let mut deserializer = rmp_serde::Deserializer::new(&mut bytes).with_human_readable();
    deserializer.set_max_depth(max_depth);
    let value = T::deserialize(&mut deserializer).map_err(|error| match error {
        rmp_serde::decode::Error::DepthLimitExceeded => ValueError::TooDeep,
        other => ValueError::Decode(other),
    })?;
    match bytes.len() {
        0 => Ok(value),
        left => Err(ValueError::LeftOver(left)),
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
        assert!(check_depth(&nested(MAX_DEPTH)).is_ok());
        assert!(matches!(check_depth(&nested(MAX_DEPTH + 1)), Err(ValueError::TooDeep)));
        assert!(matches!(check_depth(&nested(1_000_000)), Err(ValueError::TooDeep)));
    }

    #[test]
    fn bytes_left_over_are_refused() {
        for (case, bytes) in [("scalar", &[0x01, 0x02][..]), ("list", &[0x90, 0x01]), ("map", &[0x80, 0xc0])]
        {
            assert!(matches!(decode::<IgnoredAny>(bytes), Err(ValueError::LeftOver(1))), "{case}");
        }
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
