//! The safety of acknowledged writes.

use std::fmt;

/// Levels of PostgreSQL's setting `synchronous_commit`: the moment at which it acknowledges a write.
///
/// A note of activity ([`touch`](waxseal_store::SessionStore::touch)) waits for nothing, at any level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SynchronousCommit {
    /// At once, before the write is on a disk: a crash loses the writes of the last moments.
    Off,
    /// Once it is on the primary's disk.
    Local,
    /// Once a synchronous standby, if there is one, has it in memory.
    RemoteWrite,
    /// Once a synchronous standby, if there is one, has it on its disk.
    On,
    /// Once queries on a synchronous standby, if there is one, see it as well.
    RemoteApply,
}

impl SynchronousCommit {
    pub(crate) const ALL: [Self; 5] =
        [Self::Off, Self::Local, Self::RemoteWrite, Self::On, Self::RemoteApply];

    /// The name in PostgreSQL.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Local => "local",
            Self::RemoteWrite => "remote_write",
            Self::On => "on",
            Self::RemoteApply => "remote_apply",
        }
    }
}

/// The failures that an acknowledged write survives, according to the server's settings when the store was opened.
///
/// `Display` writes it as a sentence, for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostgresPromise {
    pub(crate) synchronous_commit: String,
    pub(crate) fsync: bool,
    pub(crate) synchronous_standbys: bool,
}

impl PostgresPromise {
    /// The level of `synchronous_commit` that applies to this store.
    #[must_use]
    pub fn synchronous_commit(&self) -> &str {
        &self.synchronous_commit
    }

    /// Returns `true` if acknowledged writes survive a crash of the server and of its machine.
    #[must_use]
    pub fn outlives_a_crash(&self) -> bool {
        self.fsync && self.synchronous_commit != "off"
    }

    /// Returns `true` if acknowledged writes survive a failover to a synchronous standby.
    #[must_use]
    pub fn outlives_a_failover(&self) -> bool {
        self.synchronous_standbys && !matches!(self.synchronous_commit.as_str(), "off" | "local")
    }
}

impl fmt::Display for PostgresPromise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "synchronous_commit={}: ", self.synchronous_commit)?;
        f.write_str(match (self.fsync, self.synchronous_commit.as_str()) {
            (false, _) => "fsync is off, so a crash of the machine may lose anything and damage the database",
            (true, "off") => "a crash of the server may lose acknowledged writes of its last second",
            (true, _) => "an acknowledged write outlives a crash of the server",
        })?;
        f.write_str(match (self.outlives_a_failover(), self.synchronous_commit.as_str()) {
            (true, "remote_write") => {
                ", and a failover to a synchronous standby, unless that one's machine crashes too"
            }
            (true, "remote_apply") => {
                ", and a failover to a synchronous standby, which shows it before it is acknowledged"
            }
            (true, _) => ", and a failover to a synchronous standby",
            (false, _) => "; a failover to a standby may lose the last ones",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promise_says_no_more_than_the_settings_give() {
        let promise = |synchronous_commit: &str, fsync, synchronous_standbys| {
            let synchronous_commit = synchronous_commit.to_owned();
            PostgresPromise { synchronous_commit, fsync, synchronous_standbys }.to_string()
        };
        for (said, expected) in [
            (
                promise("on", true, false),
                "synchronous_commit=on: an acknowledged write outlives a crash of the server; a failover to a standby may lose the last ones",
            ),
            (
                promise("on", true, true),
                "synchronous_commit=on: an acknowledged write outlives a crash of the server, and a failover to a synchronous standby",
            ),
            (
                promise("local", true, true),
                "synchronous_commit=local: an acknowledged write outlives a crash of the server; a failover to a standby may lose the last ones",
            ),
            (
                promise("off", true, true),
                "synchronous_commit=off: a crash of the server may lose acknowledged writes of its last second; a failover to a standby may lose the last ones",
            ),
            (
                promise("on", false, false),
                "synchronous_commit=on: fsync is off, so a crash of the machine may lose anything and damage the database; a failover to a standby may lose the last ones",
            ),
        ] {
            assert_eq!(said, expected);
        }
    }
}
