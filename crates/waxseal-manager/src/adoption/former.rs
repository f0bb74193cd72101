//! The states in which tokens were made before the state of a manager was changed.

/// A state in which sessions were kept before: for [`Adoption::from_state`](crate::Adoption::from_state).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormerState {
    /// State `cookie`. Each session is taken over once, like one of another framework. If there was a list in the store
    /// of the new state, sessions that it says have ended stay ended.
    Cookie,
    /// State `store`, with the same store. The session stays the same, and its token is replaced.
    Store,
    /// State `mirrored`, with the same store. The session stays the same, and its token is replaced.
    Mirrored,
}

impl FormerState {
    /// The name of the state, as in [`Reason::State`](crate::Reason::State).
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cookie => "cookie",
            Self::Store => "store",
            Self::Mirrored => "mirrored",
        }
    }
}

/// A set of former states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FormerStates {
    cookie: bool,
    store: bool,
    mirrored: bool,
}

impl FormerStates {
    pub(crate) fn add(&mut self, state: FormerState) {
        match state {
            FormerState::Cookie => self.cookie = true,
            FormerState::Store => self.store = true,
            FormerState::Mirrored => self.mirrored = true,
        }
    }

    pub(crate) fn has(&self, state: FormerState) -> bool {
        match state {
            FormerState::Cookie => self.cookie,
            FormerState::Store => self.store,
            FormerState::Mirrored => self.mirrored,
        }
    }

    /// The former state with this name, if it is in the set.
    pub(crate) fn called(&self, name: &str) -> Option<FormerState> {
        let all = [FormerState::Cookie, FormerState::Store, FormerState::Mirrored];
        all.into_iter().find(|state| state.name() == name && self.has(*state))
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
