//! Checks the servers when the store is opened.

use std::collections::HashMap;

use redis::{Pipeline, Value};

use crate::commands::{Commands, UNKNOWN};
use crate::error::RedisError;
use crate::options::RedisDurability;
use crate::script;
use crate::slots::Range;
use waxseal_store::Timestamp;
use waxseal_store::network::CallError;

/// The version of the layout of keys, rows and tombstones. Tombstones of layout 1 contain more than their end, and are
/// treated as expired.
const LAYOUT: u32 = 2;
/// The oldest version of Redis that has `SET … KEEPTTL`.
const OLDEST_REDIS: (u32, u32) = (6, 0);

impl Commands {
    /// Refuses servers that cannot keep sessions, and warns of those that may lose some.
    pub(crate) async fn look_around(&self, allow_eviction: bool) -> Result<(), RedisError> {
        let cluster = self.router.is_cluster();
        // The app starts even if a part of a cluster is away.
        let (mut seen, mut gone) = (false, None);
        let spare = |error: &RedisError| cluster && error.is_out_of_reach();
        for range in &self.primaries().await? {
            match self.inspect(range).await {
                Err(error) if spare(&error) => gone = Some(error),
                server => {
                    let server = server?;
                    server.check(range, cluster, self.durability)?;
                    server.check_eviction(allow_eviction)?;
                    server.warn_of_losses(self.durability);
                    seen = true;
                }
            }
        }
        match self.claim_prefix().await {
            Err(error) if spare(&error) => gone = Some(error),
            claimed => claimed?,
        }
        match gone.or(self.router.gap().await?.map(RedisError::Uncovered)) {
            Some(error) if !seen => Err(error),
            Some(error) => {
                tracing::warn!(%error, "a part of the Redis cluster cannot be reached, nor the sessions in it");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Checks that every primary answers, and that one of them takes a write.
    pub(crate) async fn probe(&self) -> Result<(), RedisError> {
        let (key, now) = (self.keys.probe(), Timestamp::from_millis(0));
        if let Some(slot) = self.router.gap().await? {
            return Err(RedisError::Uncovered(slot));
        }
        for range in &self.router.primaries().await? {
            let mut ping = Pipeline::new();
            ping.cmd("PING");
            let answer = self.router.send_to(&range.primary, &ping).await?.pop().unwrap_or_default();
            answer.extract_error().map_err(RedisError::said)?;
        }
        let unknown = UNKNOWN;
        self.script(&script::PROBE, &[key], now, unknown, &[], false).await.map(drop)
    }

    /// Returns the primaries, or an error with every right that the user lacks.
    async fn primaries(&self) -> Result<Vec<Range>, RedisError> {
        let primaries = self.router.primaries().await;
        if let Err(RedisError::Command(_)) = primaries
            && self.router.is_cluster()
        {
            for host in &self.router.address().hosts {
                if let Err(denied @ RedisError::Denied(_)) = self.check_permissions(host).await {
                    return Err(denied);
                }
            }
        }
        primaries
    }

    async fn inspect(&self, range: &Range) -> Result<Server, RedisError> {
        self.check_permissions(&range.primary).await?;
        let mut pipeline = Pipeline::new();
        pipeline.cmd("INFO").cmd("CONFIG").arg("GET").arg("appendfsync");
        let mut answers = self.router.send_to(&range.primary, &pipeline).await?.into_iter();
        let info = answers.next().unwrap_or_default().extract_error().map_err(RedisError::said)?;
        let text = |value| redis::from_redis_value::<String>(value).unwrap_or_default();
        let info = text(info);
        let pairs = info.lines().filter_map(|line| line.split_once(':'));
        let info = pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect();
        // Managed servers may refuse this command.
        let fsync = answers.next().and_then(|pair| {
            let mut pair: HashMap<String, String> = redis::from_redis_value(pair).ok()?;
            pair.remove("appendfsync")
        });
        Ok(Server { info, fsync })
    }

    /// Marks the prefix as the store's, or refuses one that another program uses.
    async fn claim_prefix(&self) -> Result<(), RedisError> {
        let key = self.keys.layout();
        let (mut set, mut get) = (redis::cmd("SET"), redis::cmd("GET"));
        set.arg(&key).arg(LAYOUT).arg("NX");
        get.arg(&key);
        let foreign = || RedisError::Foreign(key.clone());
        let answers = match self.send(&key, [set, get]).await {
            // The key is not a string.
            Err(error) if error.code() == Some("WRONGTYPE") => return Err(foreign()),
            answers => answers?,
        };
        match answers.into_iter().nth(1) {
            Some(Value::BulkString(found)) => {
                let found = std::str::from_utf8(&found).ok().and_then(|found| found.parse().ok());
                let found: u32 = found.ok_or_else(foreign)?;
                if found > LAYOUT {
                    return Err(RedisError::Newer { found, known: LAYOUT });
                }
                if found < LAYOUT {
                    let mut set = redis::cmd("SET");
                    set.arg(&key).arg(LAYOUT);
                    self.send(&key, [set]).await?;
                }
                Ok(())
            }
            _ => Err(foreign()),
        }
    }
}

/// A server's answers about itself.
struct Server {
    info: HashMap<String, String>,
    fsync: Option<String>,
}

impl Server {
    fn get(&self, name: &str) -> &str {
        self.info.get(name).map_or("", String::as_str)
    }

    fn check(&self, range: &Range, cluster: bool, durability: RedisDurability) -> Result<(), RedisError> {
        let version = self.version();
        // Valkey's name for it comes second.
        let modes = [self.get("redis_mode"), self.get("server_mode")];
        if modes.contains(&"cluster") && !cluster {
            return Err(RedisError::Cluster(range.primary.to_string()));
        }
        if version.is_some_and(|version| version < OLDEST_REDIS) {
            return Err(RedisError::Unable("sessions need Redis 6.0 or newer, or Valkey"));
        }
        if let RedisDurability::Disks { .. } = durability {
            if version.is_some_and(|version| version < (7, 2)) {
                return Err(RedisError::Unable(
                    "waiting for disks needs Redis 7.2 or newer, or Valkey; replicas can be waited for",
                ));
            }
            if self.get("aof_enabled") == "0" {
                return Err(RedisError::Unable("waiting for disks needs `appendonly yes`"));
            }
        }
        Ok(())
    }

    fn check_eviction(&self, allow: bool) -> Result<(), RedisError> {
        let policy = self.get("maxmemory_policy");
        if !policy.starts_with("allkeys-") && !policy.starts_with("volatile-") {
            return Ok(());
        }
        if !allow {
            return Err(RedisError::Evicts(policy.to_owned()));
        }
        tracing::warn!(
            policy,
            "the Redis server evicts keys when its memory is full, which signs visitors out and can bring back sessions \
             that were ended; `maxmemory-policy noeviction` refuses new ones instead"
        );
        Ok(())
    }

    fn warn_of_losses(&self, durability: RedisDurability) {
        match (self.get("aof_enabled"), self.fsync.as_deref()) {
            ("0", _) => tracing::warn!(
                "the Redis server keeps no append-only file: when it stops, what was written since its last \
                 snapshot is lost, sign-outs among it; set `appendonly yes`"
            ),
            (_, Some("no")) => tracing::warn!(
                "the Redis server leaves writing to its operating system (appendfsync no): a crash of the machine \
                 may lose half a minute, sign-outs among it; set `appendfsync everysec` or `always`"
            ),
            (_, Some("everysec")) => tracing::info!(
                "a crash of the Redis server may lose the last second (appendfsync everysec), sign-outs among it"
            ),
            _ => {}
        }
        if durability == RedisDurability::Primary
            && self.get("connected_slaves").parse::<u32>().is_ok_and(|n| n > 0)
        {
            tracing::info!(
                "a failover may lose what the primary had not yet sent to its replicas; `RedisDurability::Replicas` \
                 waits for them"
            );
        }
    }

    /// The version of Redis. Valkey counts as 7.2, the version of Redis with which it is compatible.
    fn version(&self) -> Option<(u32, u32)> {
        let version =
            if self.info.contains_key("valkey_version") { "7.2" } else { self.get("redis_version") };
        let mut parts = version.split('.').map(str::parse);
        Some((parts.next()?.ok()?, parts.next()?.ok()?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::host::Host;

    fn server(info: &[(&str, &str)]) -> Server {
        let info = info.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Server { info, fsync: None }
    }

    #[test]
    fn a_server_is_judged_by_what_it_says() {
        let primary = Host { name: "x".to_owned(), port: 1 };
        let range = Range { first: 0, last: 1, primary };
        let disks = RedisDurability::Disks { replicas: 0, timeout: Duration::from_millis(1) };
        for (case, info, durability, good) in [
            ("plain", &[("redis_version", "7.0.15")][..], RedisDurability::Primary, true),
            ("old", &[("redis_version", "5.0.7")], RedisDurability::Primary, false),
            ("a cluster's", &[("redis_mode", "cluster")], RedisDurability::Primary, false),
            ("a cluster's, of Valkey", &[("server_mode", "cluster")], RedisDurability::Primary, false),
            ("too old for disks", &[("redis_version", "7.0.15"), ("aof_enabled", "1")], disks, false),
            ("no file", &[("redis_version", "7.4.1"), ("aof_enabled", "0")], disks, false),
            ("disks", &[("redis_version", "7.4.1"), ("aof_enabled", "1")], disks, true),
            ("valkey", &[("redis_version", "7.2.4"), ("valkey_version", "8.0.1")], disks, true),
            ("says nothing", &[], RedisDurability::Primary, true),
        ] {
            assert_eq!(server(info).check(&range, false, durability).is_ok(), good, "{case}");
        }
    }

    #[test]
    fn what_may_evict_is_refused_unless_allowed() {
        for (policy, allow, good) in [
            ("noeviction", false, true),
            ("volatile-lru", false, false),
            ("volatile-lru", true, true),
            ("allkeys-lru", false, false),
            ("allkeys-lru", true, true),
        ] {
            assert_eq!(
                server(&[("maxmemory_policy", policy)]).check_eviction(allow).is_ok(),
                good,
                "{policy}"
            );
        }
    }
}
