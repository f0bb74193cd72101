//! The error of the store.

use std::sync::Arc;
use std::time::Duration;

use redis::ErrorKind;

use crate::host::Host;
use crate::refusal;
use waxseal_store::network::CallError;
use waxseal_store::{Fault, Unavailable};

/// The error of a store in Redis or Valkey.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is invalid. It is not printed, because it may contain a password.
    #[error(
        "invalid session store URL: {0}; write `redis://user:password@host:6379`, `rediss://…` for TLS, \
         `redis-cluster://host:6379,host:6379` or `rediss-cluster://…` for a cluster, \
         `redis-sentinel://host:26379,host:26379/name` for a primary that Sentinels know, or \
         `redis+unix:///run/redis.sock`"
    )]
    Url(&'static str),
    /// The prefix of keys is too long, empty, or has an invalid character.
    #[error("the prefix of the sessions' keys has 1 to 64 letters, digits and `:._-`")]
    Prefix,
    /// The time to wait for replicas or disks is zero, or not less than the time for the whole call.
    #[error(
        "replicas or disks are waited for {timeout:?}, which must be at least 1 ms and less than the command \
         timeout of {command:?}"
    )]
    Wait {
        /// The time to wait for them.
        timeout: Duration,
        /// The longest time of a call.
        command: Duration,
    },
    /// `WAIT 0` would wait for no replica.
    #[error(
        "waiting for 0 replicas is no durability; ask for one at least, or for `RedisDurability::Primary`"
    )]
    NoReplicas,
    /// No connection could be made.
    #[error("no connection to the Redis server at {address}; check host and port, and that it runs")]
    Unreachable {
        /// Host and port.
        address: String,
        /// The error of the operating system or of the client.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The server was reached, but gave no first answer, or one that could not be understood, for example because only
    /// one side uses TLS.
    #[error(
        "the server at {address} gave no first answer that we understand; {}",
        if *tls { "if it speaks no TLS, use `redis://`; otherwise check that its certificate is for this host and from an authority that this system trusts" }
        else { "check that it is Redis and not overloaded; if it speaks TLS, use `rediss://`" }
    )]
    Greeting {
        /// Host and port.
        address: String,
        /// `true` if the store used TLS.
        tls: bool,
        /// The error of the connection.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The server requires a user or password, or other ones than these.
    #[error(
        "the Redis server at {address} refused us: {}; set them in the URL, \
         `redis://user:password@host`, percent-encoded",
        if *given { "user or password are wrong" } else { "it wants a password" }
    )]
    Password {
        /// Host and port.
        address: String,
        /// `true` if a password was given.
        given: bool,
    },
    /// The user may not send all commands that the store needs, or may not use the sessions' keys.
    #[error(
        "the Redis server's ACL keeps from this user: {0}; docs/stores.md, \"The user\", has a rule that allows all \
         that is needed"
    )]
    Denied(String),
    /// The server is a replica.
    #[error("the Redis server at {0} is a replica, which may lag and takes no writes; name the primary")]
    Replica(String),
    /// The server belongs to a cluster.
    #[error("the Redis server at {0} is part of a cluster; use `redis-cluster://`")]
    Cluster(String),
    /// The server does not belong to a cluster.
    #[error("the Redis server at {0} is part of no cluster; use `redis://`")]
    NoCluster(String),
    /// The server is not a Sentinel.
    #[error("the server at {0} is no Redis Sentinel; use `redis://` for a server that has the sessions")]
    NoSentinel(String),
    /// The Sentinel monitors no primary of this name.
    #[error("the Redis Sentinel at {sentinel} knows no primary called {name}; check the name in the URL")]
    Unmonitored {
        /// Host and port of the Sentinel.
        sentinel: String,
        /// The name in the URL.
        name: String,
    },
    /// The server may evict sessions, and the keys that say that some were ended.
    #[error(
        "the Redis server may evict keys when its memory is full (maxmemory-policy {0}), which signs visitors out and \
         can bring back sessions that were ended; set `maxmemory-policy noeviction`, or allow it \
         (`allow_eviction=true` in the URL)"
    )]
    Evicts(String),
    /// The server is too old for the requested durability, or has no append-only file.
    #[error("the Redis server cannot do that: {0}")]
    Unable(&'static str),
    /// Another program's key has the name of one of the store's.
    #[error("the key {0} is another program's; give the sessions a prefix or a database of their own")]
    Foreign(String),
    /// A newer release has written the keys.
    #[error("the sessions have layout {found}, and this release knows up to {known}; run the newer release")]
    Newer {
        /// The layout they have.
        found: u32,
        /// The newest one that this release knows.
        known: u32,
    },
    /// No answer came, or no call was made.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The connection broke during the call, which may have been done.
    #[error("the connection to the Redis server broke")]
    Lost(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The server, or the part of the cluster that has the key, does not serve calls at present.
    #[error("the Redis server cannot serve now")]
    Unserved(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// No primary has the slot.
    #[error("no primary of the Redis cluster has slot {0}")]
    Uncovered(u16),
    /// The server's memory is full.
    #[error("the Redis server has no memory left; raise `maxmemory`")]
    Full,
    /// Fewer replicas or disks than requested have the write. The primary has done it.
    #[error("written, but confirmed by {confirmed} of {wanted} {by}")]
    Unconfirmed {
        /// The number of replicas or disks that have it.
        confirmed: i64,
        /// The requested number.
        wanted: i64,
        /// Replicas or disks.
        by: &'static str,
    },
    /// The server answered with an error instead of the number of replicas or disks, for example because it is no
    /// longer a primary. It has done the write.
    #[error("written, but the Redis server could not say whether replicas or disks have it")]
    Uncounted(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// Other calls changed the session's owner, or ended the owner's sessions, during each attempt.
    #[error("the session changed hands again and again")]
    Restless,
    /// A command failed because of a defect of this crate, a missing permission, or a change that another program made
    /// to the keys.
    #[error("a command of the Redis session store failed")]
    Command(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// An answer or a stored value does not have the expected form.
    #[error("the Redis session store found {0}")]
    Shape(&'static str),
}

impl RedisError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Command(_) | Self::Shape(_) => Fault::Defect,
            Self::Full => Fault::Full,
            Self::Unconfirmed { .. } => Fault::Unconfirmed,
            _ => Fault::Outage,
        }
    }

    /// Converts the error of making a connection.
    pub(crate) fn connecting(address: &Host, tls: bool, password: bool, error: redis::RedisError) -> Self {
        let host = address.to_string();
        match (error.kind(), error.code()) {
            (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
                Self::Password { address: host, given: password }
            }
            (ErrorKind::Io, _) if error.is_connection_refusal() => {
                Self::Unreachable { address: host, source: Arc::new(error) }
            }
            (ErrorKind::Io | ErrorKind::Parse, _)
                if tls || error.is_connection_dropped() || error.is_timeout() =>
            {
                Self::Greeting { address: host, tls, source: Arc::new(error) }
            }
            (ErrorKind::Server(_) | ErrorKind::Extension, _) => Self::said(error),
            _ => Self::Unreachable { address: host, source: Arc::new(error) },
        }
    }

    /// The code of the server's error: its first word.
    pub(crate) fn code(&self) -> Option<&str> {
        let Self::Command(error) = self else { return None };
        error.downcast_ref::<redis::RedisError>()?.code()
    }

    /// Converts the error of a command on a connection.
    pub(crate) fn said(error: redis::RedisError) -> Self {
        match (error.kind(), refusal::code(&error)) {
            (ErrorKind::Io | ErrorKind::Parse | ErrorKind::Client, _) => Self::Lost(Arc::new(error)),
            (
                _,
                Some(
                    "LOADING" | "CLUSTERDOWN" | "MASTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "READONLY"
                    | "MISCONF" | "NOREPLICAS" | "BUSY" | "NOAUTH" | "WRONGPASS",
                ),
            ) => Self::Unserved(Arc::new(error)),
            (_, Some("OOM")) => Self::Full,
            _ => Self::Command(Arc::new(error)),
        }
    }
}

impl CallError for RedisError {
    fn is_out_of_reach(&self) -> bool {
        matches!(
            self,
            // `Open` comes from the server's own circuit breaker, which knows already that the server is away: do not
            // retry now.
            Self::Unreachable { .. }
                | Self::Greeting { .. }
                | Self::Password { .. }
                | Self::Replica(_)
                | Self::Unavailable(Unavailable::Timeout(_))
                | Self::Lost(_)
                | Self::Uncounted(_)
                | Self::Unserved(_)
                | Self::Uncovered(_)
                | Self::NoSentinel(_)
                | Self::Unmonitored { .. }
        )
    }

    fn is_surely_undone(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::Greeting { .. }
                | Self::Unserved(_)
                | Self::Uncovered(_)
                | Self::NoSentinel(_)
                | Self::Unmonitored { .. }
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(code: &str) -> RedisError {
        RedisError::said(redis::make_extension_error(code.to_owned(), None))
    }

    #[test]
    fn what_waiting_or_an_operator_heals_is_an_outage() {
        for (code, fault, out_of_reach) in [
            ("OOM", Fault::Full, false),
            ("MISCONF", Fault::Outage, true),
            ("NOREPLICAS", Fault::Outage, true),
            ("WRONGTYPE", Fault::Defect, false),
            ("NOPERM", Fault::Defect, false),
        ] {
            let error = said(code);
            assert_eq!((error.fault(), error.is_out_of_reach()), (fault, out_of_reach), "{code}: {error:?}");
        }
    }

    #[test]
    fn a_refusal_within_a_script_of_redis_6_is_the_same() {
        let within = |said: &str| {
            let detail =
                format!("Error running script (call to f_c7): @user_script:12: @user_script: 12: -{said}");
            RedisError::said(redis::make_extension_error("ERR".to_owned(), Some(detail)))
        };
        let full = within("OOM command not allowed when used memory > 'maxmemory'.");
        assert_eq!(full.fault(), Fault::Full, "{full:?}");
        let replica = within("READONLY You can't write against a read only replica.");
        assert!(replica.fault() == Fault::Outage && replica.is_surely_undone(), "{replica:?}");
    }

    #[test]
    fn only_what_was_surely_not_done_is_called_so() {
        let broken = || redis::RedisError::from(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
        let host = Host { name: "x".to_owned(), port: 1 };
        assert!(!RedisError::said(broken()).is_surely_undone());
        assert!(RedisError::connecting(&host, false, false, broken()).is_surely_undone());
        assert!(said("MISCONF").is_surely_undone());
        let uncounted = redis::make_extension_error("UNBLOCKED".to_owned(), None);
        assert!(!RedisError::Uncounted(Arc::new(uncounted)).is_surely_undone());
        assert!(!RedisError::from(Unavailable::Timeout(Duration::ZERO)).is_surely_undone());
    }
}
