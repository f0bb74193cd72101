//! Checks the rights of the server's user.

use redis::{Cmd, Pipeline};

use crate::commands::Commands;
use crate::error::RedisError;
use crate::host::Host;
use crate::options::RedisDurability;

/// Every command that the store sends, including those inside scripts, in a form that does no harm. `KEY` stands for
/// the probe's key.
///
/// `CONFIG GET` and `ROLE` are not included: the store also works if the user may not send these.
const COMMANDS: [&str; 25] = [
    "SET KEY 0 PX 60000",
    "GET KEY",
    "GETRANGE KEY 0 0",
    "SETRANGE KEY 0 0",
    "PTTL KEY",
    "PEXPIRE KEY 60000",
    "HGET KEY 0",
    "HGETALL KEY",
    "HSET KEY 0 0",
    "HDEL KEY 0",
    "ZADD KEY 0 0",
    "ZREM KEY 0",
    "ZRANGE KEY 0 0",
    "ZRANK KEY 0",
    "ZSCORE KEY 0",
    "ZCOUNT KEY 0 0",
    "ZREMRANGEBYSCORE KEY 0 0",
    "DEL KEY",
    "UNLINK KEY",
    "SCAN 0 COUNT 1",
    "EVAL 0 0",
    "EVALSHA 0000000000000000000000000000000000000000 0",
    "INFO server",
    "PING",
    "TIME",
];
const CLUSTER_COMMANDS: [&str; 2] = ["CLUSTER SLOTS", "ASKING"];

impl Commands {
    /// Refuses a user who lacks a right, and names all missing rights. Otherwise the server would refuse one command
    /// after the other, some of them long after the start.
    pub(crate) async fn check_permissions(&self, host: &Host) -> Result<(), RedisError> {
        let key = self.keys.probe();
        let others = if self.router.is_cluster() { &CLUSTER_COMMANDS[..] } else { &[] };
        let wait = match self.durability {
            RedisDurability::Primary => None,
            RedisDurability::Replicas { .. } => Some("WAIT 0 0"),
            RedisDurability::Disks { .. } => Some("WAITAOF 0 0 0"),
        };
        let texts: Vec<_> = COMMANDS.into_iter().chain(others.iter().copied()).chain(wait).collect();
        let mut pipeline = Pipeline::new();
        texts.iter().for_each(|text| _ = pipeline.add_command(command(text, &key)));
        // In a cluster any server can answer, because it checks the rights before it checks if it has the key.
        let answers = self.router.send_to(host, &pipeline).await?;
        let mut missing = Vec::new();
        let mut keys = None;
        for (text, answer) in texts.iter().zip(answers) {
            let Err(error) = answer.extract_error() else { continue };
            match error.detail() {
                _ if error.code() != Some("NOPERM") => {}
                Some(detail) if detail.contains(" to run ") => missing.push(name(text).to_owned()),
                _ => keys = Some(format!("keys that begin with {}", self.keys.prefix())),
            }
        }
        missing.extend(keys);
        if missing.is_empty() { Ok(()) } else { Err(RedisError::Denied(missing.join(", "))) }
    }
}

fn command(text: &str, key: &str) -> Cmd {
    let mut command = Cmd::new();
    text.split(' ').for_each(|word| _ = command.arg(if word == "KEY" { key } else { word }));
    command
}

/// A command's usual name: its first word, or both words of `CLUSTER SLOTS`.
fn name(text: &str) -> &str {
    let words = if text.starts_with("CLUSTER ") { 2 } else { 1 };
    text.match_indices(' ').nth(words - 1).map_or(text, |(at, _)| &text[..at])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::script;

    #[test]
    fn every_command_of_a_script_is_asked_for() {
        let known: BTreeSet<_> = COMMANDS.into_iter().map(name).collect();
        for code in script::all() {
            for call in code.split("redis.call('").skip(1) {
                let (called, _) = call.split_once('\'').unwrap();
                assert!(known.contains(called), "{called}");
            }
        }
    }

    #[test]
    fn a_command_is_called_by_its_name() {
        assert_eq!(name("CLUSTER SLOTS"), "CLUSTER SLOTS");
        assert_eq!(name("GET KEY"), "GET");
        assert_eq!(name("PING"), "PING");
    }
}
