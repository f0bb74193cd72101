//! Epochs in a session's metadata.

use std::sync::Arc;

use waxseal_session::backend::Metadata;
use waxseal_store::{PublicId, Revision};

/// Name of the epoch in the metadata.
const EPOCH: &str = "epoch";

/// The epoch that a session began in, as its metadata carries it. Epochs are compared for equality, so no clock has a
/// part in it.
///
/// The entry's public session id is random, and the store's own index finds it by the owner. So no chosen name can take
/// the place of another's entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch {
    /// The public session id of the entry that names the owner's present epoch.
    pub(super) public_id: PublicId,
    /// The entry's revision at that time, of which 8 bytes are drawn for each epoch.
    pub(super) revision: Revision,
}

impl Epoch {
    const BYTES: usize = PublicId::BYTES + Revision::BYTES;
    /// An epoch of the usual size, to check whether there is room for one.
    pub(crate) const PLACEHOLDER: Self =
        Self { public_id: PublicId::from_bytes([0; 8]), revision: Revision::UNKNOWN };

    pub(super) fn of(metadata: &Metadata) -> Option<Self> {
        // MessagePack's `bin 8`: its format byte, its length, its bytes.
        let Some([0xc4, 24, bytes @ ..]) = metadata.encoded(EPOCH) else { return None };
        let (public_id, revision) = bytes.split_first_chunk()?;
        let revision = revision.first_chunk()?;
        Some(Self { public_id: PublicId::from_bytes(*public_id), revision: Revision::from_bytes(*revision) })
    }

    /// Notes the epoch of a session, if it has one.
    pub(crate) fn put(epoch: Option<&Self>, metadata: &mut Metadata) {
        let value = match epoch {
            Some(Self { public_id, revision }) => {
                let head = [0xc4, u8::try_from(Self::BYTES).expect("it is 24")];
                let bytes = [&head[..], public_id.as_bytes(), revision.as_bytes()].concat();
                Some(Arc::from(bytes))
            }
            None if metadata.encoded(EPOCH).is_none() => return,
            None => None,
        };
        metadata.put(EPOCH, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_carried_until_the_session_has_none() {
        let mut metadata = Metadata::default();
        Epoch::put(Some(&Epoch::PLACEHOLDER), &mut metadata);
        assert_eq!(Epoch::of(&metadata), Some(Epoch::PLACEHOLDER));
        Epoch::put(None, &mut metadata);
        assert_eq!(metadata.encoded(EPOCH), None);
    }
}
