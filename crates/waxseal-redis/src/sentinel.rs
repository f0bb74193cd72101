//! The question to a Sentinel.

use redis::{Pipeline, Value};

use crate::error::RedisError;
use crate::host::Host;
use crate::node::Node;

/// Asks a Sentinel for the primary of this name. Whether it is one, each new connection to it finds out.
pub(crate) async fn primary(sentinel: &Node, name: &str) -> Result<Host, RedisError> {
    let mut question = Pipeline::new();
    question.cmd("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    let answer = sentinel.send(&question, false).await?.pop().unwrap_or_default();
    let answer = answer.extract_error().map_err(|error| match error.detail() {
        Some(detail) if detail.starts_with("unknown command") => {
            RedisError::NoSentinel(sentinel.host().to_string())
        }
        _ => RedisError::said(error),
    })?;
    host(answer).ok_or_else(|| RedisError::Unmonitored {
        sentinel: sentinel.host().to_string(),
        name: name.to_owned(),
    })
}

fn host(answer: Value) -> Option<Host> {
    let (name, port): (String, String) = redis::from_redis_value(answer).ok()?;
    Some(Host { name, port: port.parse().ok()? })
}
