//! The framework's own values beside the app's entries: one MessagePack map.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::operation::Operation;
use crate::value::{self, ValueError};

const EMPTY_MAP: &[u8] = &[0x80];

/// Name of the owner's name in the metadata.
pub(crate) const OWNER: &str = "owner";
/// Name of the time of the last sign-in, in seconds since 1970.
pub(crate) const SIGNED_IN: &str = "auth";
/// Name of the text for the device.
pub(crate) const DEVICE: &str = "device";
/// Name of the idle lifetime of this session alone, in seconds.
pub(crate) const LIFE: &str = "life";
/// The device binding, which `device_binding.rs` reads and writes.
pub(crate) const BOUND: &str = "bound";
/// The other app's cookie that the session was last in step with, which `beside.rs` reads and writes.
pub(crate) const BESIDE: &str = "beside";

/// The framework's own values of a session: owner, sign-in, messages and the like.
///
/// The values stay encoded, because most requests read none of them. Values that a later release added are kept as they
/// are.
#[derive(Clone)]
pub struct Metadata(Cow<'static, [u8]>);

impl Default for Metadata {
    fn default() -> Self {
        Self(Cow::Borrowed(EMPTY_MAP))
    }
}

impl Metadata {
    /// # Errors
    ///
    /// A phrase for the log if `bytes` are not exactly one map.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, &'static str> {
        match bytes {
            EMPTY_MAP => Ok(Self::default()),
            map if value::is_map(map) => Ok(Self(Cow::Owned(map.to_vec()))),
            _ => Err("its metadata is not one MessagePack map"),
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self.0 == *EMPTY_MAP
    }

    /// The value under `name`. Also `None` if the value is not a `T`, because another release may have used the name
    /// differently.
    pub fn get<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        value::decode(self.encoded(name)?).ok()
    }

    /// The value under `name`, encoded.
    pub fn encoded(&self, name: &str) -> Option<&[u8]> {
        if self.is_empty() {
            return None;
        }
        self.pairs()
            .find(|(key, _)| value::decode::<String>(key).is_ok_and(|key| key == name))
            .map(|pair| pair.1)
    }

    /// Puts `value`, which must be MessagePack, under `name`. `None` removes the value.
    pub fn put(&mut self, name: &str, value: Option<Arc<[u8]>>) {
        let operation = value.map_or(Operation::Remove, Operation::Set);
        self.apply(name, &operation).expect("setting and removing always work");
    }

    /// Applies `operation` to the value under `name`.
    pub(crate) fn apply(&mut self, name: &str, operation: &Operation) -> Result<(), ValueError> {
        let next = operation.next(self.encoded(name))?;
        let key = value::encode(name)?;
        let mut pairs: Vec<_> = self.pairs().filter(|(found, _)| **found != *key).collect();
        if let Some(value) = &next {
            pairs.push((&key, value));
        }
        let mut map = value::map_head(pairs.len());
        for (key, value) in pairs {
            map.extend_from_slice(key);
            map.extend_from_slice(value);
        }
        self.0 = Cow::Owned(map);
        Ok(())
    }

    /// Encoded keys and values.
    fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let mut rest = value::map_items(&self.0);
        std::iter::from_fn(move || Some((value::split(&mut rest)?, value::split(&mut rest)?)))
    }
}

/// Encodes a text, a number, or a list of these.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Arc<[u8]> {
    value::encode(value).expect("MessagePack has texts, numbers and lists")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(metadata: &mut Metadata, name: &str, value: impl serde::Serialize) {
        metadata.apply(name, &Operation::Set(value::encode(&value).unwrap())).unwrap();
    }

    #[test]
    fn values_are_set_replaced_and_removed_and_others_stay() {
        let mut metadata = Metadata::parse(b"\x82\xa5later\x91\x07\x01\x02").unwrap();
        set(&mut metadata, OWNER, "albus");
        set(&mut metadata, SIGNED_IN, 1_790_000_000_u64);
        set(&mut metadata, OWNER, "minerva");
        assert_eq!(metadata.get::<String>(OWNER).as_deref(), Some("minerva"));
        assert_eq!(metadata.get::<u64>(SIGNED_IN), Some(1_790_000_000));
        assert_eq!(metadata.get::<Vec<u8>>("later"), Some(vec![7]));
        metadata.apply(OWNER, &Operation::Remove).unwrap();
        metadata.apply(SIGNED_IN, &Operation::Remove).unwrap();
        assert_eq!(metadata.get::<String>(OWNER), None);
        assert_eq!(metadata.bytes(), b"\x82\xa5later\x91\x07\x01\x02");
        assert!(value::is_map(metadata.bytes()));
    }

    #[test]
    fn a_map_grows_over_every_length_form_and_empties_again() {
        let mut metadata = Metadata::default();
        for number in 0..20 {
            set(&mut metadata, &format!("n{number}"), number);
        }
        assert_eq!(Metadata::parse(metadata.bytes()).unwrap().get::<u32>("n17"), Some(17));
        for number in 0..20 {
            metadata.apply(&format!("n{number}"), &Operation::Remove).unwrap();
        }
        assert!(metadata.is_empty());
        let append = Operation::Append(Arc::new([0x01]));
        metadata.apply("list", &append).unwrap();
        metadata.apply("list", &append).unwrap();
        assert_eq!(metadata.get::<Vec<u8>>("list"), Some(vec![1, 1]));
    }
}
