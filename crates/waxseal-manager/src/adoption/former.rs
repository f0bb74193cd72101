//! The states that tokens were made in before the state of a manager was changed.

/// A state that sessions were kept in before: for [`Adoption::from_state`](crate::Adoption::from_state).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormerState {
    /// State `cookie`. Each session is taken over once, as one of another framework. If there was a list in the store of
    /// the new state, what it says has ended stays ended.
    Cookie,
    /// State `store`, over the same store. The session is the same, and its token is replaced.
    Store,
    /// State `mirrored`, over the same store. The session is the same, and its token is replaced.
    Mirrored,
}

impl FormerState {
    /// The state's name, as [`Reason::State`](crate::Reason::State) has it.
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

    /// The former state of this name, if it is one of these.
    pub(crate) fn called(&self, name: &str) -> Option<FormerState> {
        let all = [FormerState::Cookie, FormerState::Store, FormerState::Mirrored];
        all.into_iter().find(|state| state.name() == name && self.has(*state))
    }

    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
