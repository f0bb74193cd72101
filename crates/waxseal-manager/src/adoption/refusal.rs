//! The reasons that a foreign session is not taken over.

/// The reason that a foreign session was not taken over, for logs and counters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForeignRefusal {
    /// It could not be read: it was forged, damaged or expired, or belongs to another app.
    Unreadable,
    /// More than one good foreign session came, so one of them may be planted.
    Several,
    /// It began after the switch, when the old app no longer made sessions.
    AfterSwitch,
    /// Its lifetime is over.
    Expired,
    /// It was taken over before, or was signed out.
    Replayed,
    /// Its owner's sessions were ended, or its owner signed out, after it began.
    OwnerEnded,
    /// It does not fit into this state's token or record.
    TooLarge,
}

impl ForeignRefusal {
    /// Returns `true` if the session is over for good. Otherwise it is only unfit for this app, and the old one may
    /// still serve it.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Expired | Self::Replayed | Self::OwnerEnded)
    }

    /// The reason as one fixed word, for counters and programs.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Several => "several",
            Self::AfterSwitch => "after_switch",
            Self::Expired => "expired",
            Self::Replayed => "replayed",
            Self::OwnerEnded => "owner_ended",
            Self::TooLarge => "too_large",
        }
    }
}
