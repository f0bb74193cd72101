//! The bond between a session and its owner, which "end all" breaks.
//!
//! In a cluster an owner's generation is in another slot than the owner's sessions, and a script cannot use two slots.
//! So a row has the generation since which it is its owner's, and a reader compares this with the owner's state, which
//! is read within the same call.
//!
//! "End all others" gives the session to be kept a *pass*, 8 random bytes, before it raises the generation and leaves
//! the same pass beside it. The pass is valid for exactly that step of the generation. If another call raises the
//! generation in between, this call starts again: either the session has ended with the others, or the other call has
//! kept it beyond that step, and it gets a pass for the next step. Two calls that keep the same session at once share a
//! pass, and so a step. If the kept session got the next generation instead of a pass, it would survive another call's
//! "end all".

/// The owner's generation since which a row belongs to the owner, and a pass to the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bond {
    since: u64,
    pass: Pass,
}

pub(crate) type Pass = [u8; 8];

/// An owner's generation and pass, with which a row's bond is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OwnerState {
    generation: u64,
    pass: Pass,
}

impl Bond {
    pub(crate) const BYTES: usize = 16;

    pub(crate) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let OwnerState { generation: since, pass } = OwnerState::from_bytes(bytes);
        Self { since, pass }
    }

    /// Returns `true` if the owner has not ended the session.
    pub(crate) fn holds(self, owner: OwnerState) -> bool {
        let kept = self.since.checked_add(1) == Some(owner.generation);
        self.since >= owner.generation || (kept && self.pass != [0; 8] && self.pass == owner.pass)
    }
}

impl OwnerState {
    /// Parses the stored form, which is empty for an owner who never ended all sessions.
    pub(crate) fn parse(kept: &[u8]) -> Option<Self> {
        if kept.is_empty() { Some(Self::default()) } else { Some(Self::from_bytes(kept.try_into().ok()?)) }
    }

    pub(crate) fn generation(self) -> [u8; 8] {
        self.generation.to_be_bytes()
    }

    pub(crate) fn to_bytes(self) -> [u8; Bond::BYTES] {
        let mut bytes = [0; Bond::BYTES];
        bytes[..8].copy_from_slice(&self.generation());
        bytes[8..].copy_from_slice(&self.pass);
        bytes
    }

    fn from_bytes(bytes: [u8; Bond::BYTES]) -> Self {
        let (generation, pass) = bytes.split_at(8);
        let number = |part: &[u8]| part.try_into().expect("half of sixteen bytes");
        Self { generation: u64::from_be_bytes(number(generation)), pass: number(pass) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pass_is_good_for_one_step() {
        let (mine, other) = ([7; 8], [8; 8]);
        for (case, since, pass, generation, left, holds) in [
            ("never raised", 0, [0; 8], 0, [0; 8], true),
            ("raised", 0, [0; 8], 1, [0; 8], false),
            ("raised, and kept by nobody", 0, [0; 8], 1, other, false),
            ("kept", 0, mine, 1, mine, true),
            ("another was kept", 0, mine, 1, other, false),
            ("raised by another in between", 0, mine, 2, mine, false),
            ("not raised yet", 0, mine, 0, other, true),
            ("bound since", 2, [0; 8], 2, mine, true),
        ] {
            assert_eq!(Bond { since, pass }.holds(OwnerState { generation, pass: left }), holds, "{case}");
        }
    }

    #[test]
    fn a_state_comes_back() {
        let state = OwnerState { generation: 3, pass: [9; 8] };
        assert_eq!(OwnerState::parse(&state.to_bytes()), Some(state));
        assert_eq!(OwnerState::parse(b""), Some(OwnerState::default()));
        assert_eq!(OwnerState::parse(b"something else"), None);
    }
}
