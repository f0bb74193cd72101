//! The options of an SQLite store that its URL sets.

#[cfg(feature = "sqlite")]
pub(crate) use built::SqliteParameters;

/// Accepts any options: without the engine they cannot be checked.
#[cfg(not(feature = "sqlite"))]
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct SqliteParameters;

#[cfg(not(feature = "sqlite"))]
impl SqliteParameters {
    pub(crate) fn parse(_: &str) -> Result<Self, &'static str> {
        Ok(Self)
    }
}

#[cfg(feature = "sqlite")]
mod built {
    use std::time::Duration;

    use waxseal_sqlite::{SqliteDurability, SqliteOptions};
    use waxseal_store::url_value;

    /// The options of an SQLite store that its URL sets. `None` for those that it does not.
    #[derive(Clone, Default, PartialEq, Eq)]
    pub(crate) struct SqliteParameters {
        durability: Option<SqliteDurability>,
        busy_timeout: Option<Duration>,
        max_bytes: Option<u64>,
        queue: Option<usize>,
    }

    impl SqliteParameters {
        pub(crate) fn parse(query: &str) -> Result<Self, &'static str> {
            let mut found = Self::default();
            url_value::pairs(query).try_for_each(|pair| found.take(pair))?;
            Ok(found)
        }

        fn take(&mut self, (name, value): (&str, &str)) -> Result<(), &'static str> {
            match name {
                "durability" => {
                    self.durability = Some(match value {
                        "normal" => SqliteDurability::Normal,
                        "full" => SqliteDurability::Full,
                        "off" => SqliteDurability::Off,
                        _ => return Err("durability is full, normal or off"),
                    });
                }
                "busy_timeout" => {
                    let time = url_value::duration(value);
                    self.busy_timeout = Some(time.ok_or("busy_timeout is a time, such as 500ms or 5s")?);
                }
                "max_bytes" => {
                    let bytes = url_value::bytes(value);
                    self.max_bytes = Some(bytes.ok_or("max_bytes is a number, or one with KiB, MiB or GiB")?);
                }
                "queue" => self.queue = Some(url_value::number(value).ok_or("queue is a number")?),
                _ => return Err("sqlite: knows the options durability, busy_timeout, max_bytes and queue"),
            }
            Ok(())
        }

        /// The options, replaced by those that the URL sets.
        pub(crate) fn over(&self, mut options: SqliteOptions) -> SqliteOptions {
            if let Some(durability) = self.durability {
                options = options.durability(durability);
            }
            if let Some(time) = self.busy_timeout {
                options = options.busy_timeout(time);
            }
            if let Some(bytes) = self.max_bytes {
                options = options.max_bytes(bytes);
            }
            if let Some(writes) = self.queue {
                options = options.queue(writes);
            }
            options
        }
    }

    #[cfg(test)]
    mod tests {
        use waxseal_sqlite::SqliteStore;

        use super::*;

        #[test]
        fn every_option_has_a_parameter() {
            let query = "durability=full&busy_timeout=7s&max_bytes=7MiB&queue=7";
            let Ok(found) = SqliteParameters::parse(query) else { panic!("it is fine") };
            let expected = SqliteStore::options("a")
                .durability(SqliteDurability::Full)
                .busy_timeout(Duration::from_secs(7))
                .max_bytes(7 << 20)
                .queue(7);
            assert_eq!(format!("{:?}", found.over(SqliteStore::options("a"))), format!("{expected:?}"));
        }
    }
}
