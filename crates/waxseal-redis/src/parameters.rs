//! Parameters of the URL that set options of the store.

use std::time::Duration;

use waxseal_store::url_value;

use crate::error::RedisError;
use crate::options::{RedisDurability, RedisOptions};

/// The time that a write waits for replicas or disks, unless the URL sets another.
const WAIT: Duration = Duration::from_secs(1);

/// The three parameters of the URL that set the durability.
#[derive(Default)]
struct Durability<'u> {
    level: Option<&'u str>,
    replicas: Option<u32>,
    wait: Option<Duration>,
}

/// Moves parameters of the URL into the options, which they override.
pub(crate) fn taken(options: RedisOptions) -> Result<RedisOptions, RedisError> {
    let url = options.url.clone();
    let mut taken = options;
    let Some((start, query)) = url.split_once('?') else { return Ok(taken) };
    // A password may contain a question mark.
    if query.contains('@') {
        return Err(RedisError::Url("there is a `?` before its `@`; encode `?` in a password as `%3F`"));
    }
    let (mut durability, mut others) = (Durability::default(), Vec::new());
    for parameter in query.split('&') {
        if !take(&mut taken, &mut durability, parameter)? {
            others.push(parameter);
        }
    }
    if let Some(durability) = durability.chosen()? {
        taken.durability = durability;
    }
    taken.url = if others.is_empty() { start.to_owned() } else { format!("{start}?{}", others.join("&")) };
    Ok(taken)
}

/// Applies a parameter. Returns `false` if it is one of the address's.
fn take<'u>(
    options: &mut RedisOptions,
    durability: &mut Durability<'u>,
    parameter: &'u str,
) -> Result<bool, RedisError> {
    let (name, value) =
        parameter.split_once('=').ok_or(RedisError::Url("an option behind its `?` has no value"))?;
    match name {
        "prefix" => value.clone_into(&mut options.prefix),
        "allow_eviction" => {
            let wrong = RedisError::Url("allow_eviction is true or false");
            options.allow_eviction = url_value::truth(value).ok_or(wrong)?;
        }
        "durability" => durability.level = Some(value),
        "replicas" => {
            let count = url_value::number(value).ok_or(RedisError::Url("replicas is a number"))?;
            durability.replicas = Some(count);
        }
        "wait" => {
            let time = url_value::duration(value);
            durability.wait = Some(time.ok_or(RedisError::Url("wait is a time, such as 500ms or 1s"))?);
        }
        "db" | "sentinel_user" | "sentinel_password" => return Ok(false),
        _ if options.network.set(name, value).map_err(RedisError::Url)? => {}
        _ => return Err(RedisError::Url("an option behind its `?` is unknown")),
    }
    Ok(true)
}

impl Durability<'_> {
    fn chosen(&self) -> Result<Option<RedisDurability>, RedisError> {
        let timeout = self.wait.unwrap_or(WAIT);
        match (self.level, self.replicas, self.wait) {
            (None, None, None) => Ok(None),
            (Some("primary"), None, None) => Ok(Some(RedisDurability::Primary)),
            (Some("replicas"), count, _) => {
                Ok(Some(RedisDurability::Replicas { count: count.unwrap_or(1), timeout }))
            }
            (Some("disks"), replicas, _) => {
                Ok(Some(RedisDurability::Disks { replicas: replicas.unwrap_or(0), timeout }))
            }
            _ => Err(RedisError::Url(
                "durability is primary, replicas or disks, and replicas and wait belong to the last two",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use waxseal_store::NetworkOptions;

    use super::*;

    fn of(query: &str) -> Result<RedisOptions, RedisError> {
        taken(RedisOptions::new(&format!("redis://a:fawkes@h/1{query}")).prefix("code:"))
    }

    #[test]
    fn a_url_may_name_every_option_and_wins() {
        let options = of("?prefix=shop:&allow_eviction=true&connections=3&command_timeout=500ms").unwrap();
        assert_eq!((&*options.url, &*options.prefix), ("redis://a:fawkes@h/1", "shop:"));
        assert!(options.allow_eviction);
        let network = NetworkOptions::new().connections(3).command_timeout(Duration::from_millis(500));
        assert_eq!(options.network, network);
        let options = of("").unwrap();
        assert_eq!((&*options.url, &*options.prefix), ("redis://a:fawkes@h/1", "code:"));
        let unix = taken(RedisOptions::new("redis+unix:///run/redis.sock?db=1&queue=5")).unwrap();
        assert_eq!(unix.url, "redis+unix:///run/redis.sock?db=1");
    }

    #[test]
    fn durability_is_whole_or_refused() {
        use RedisDurability::{Disks, Primary, Replicas};
        let wait = Duration::from_millis(300);
        for (query, expected) in [
            ("?durability=primary", Some(Primary)),
            ("?durability=replicas", Some(Replicas { count: 1, timeout: WAIT })),
            ("?durability=replicas&replicas=2&wait=300ms", Some(Replicas { count: 2, timeout: wait })),
            ("?wait=300ms&durability=disks", Some(Disks { replicas: 0, timeout: wait })),
            ("?durability=disks&replicas=1", Some(Disks { replicas: 1, timeout: WAIT })),
            ("?durability=all", None),
            ("?replicas=1", None),
            ("?durability=primary&wait=1s", None),
        ] {
            assert_eq!(of(query).ok().map(|options| options.durability), expected, "{query}");
        }
    }

    #[test]
    fn what_is_no_option_is_refused_and_no_password_is_said() {
        for query in [
            "?",
            "?prefix",
            "?schema=x",
            "?connections=0",
            "?allow_eviction=yes",
            "?wait=soon",
            "?x=fawkes",
            "?a@b",
        ] {
            let error = of(query).unwrap_err();
            assert!(matches!(error, RedisError::Url(_)), "{query}: {error}");
            assert!(!error.to_string().contains("fawkes"), "{query}: {error}");
        }
    }
}
