//! The walk over all sessions, server by server.

use futures_util::future::try_join_all;
use redis::{Pipeline, Value};

use crate::commands::Commands;
use crate::error::RedisError;
use crate::row::Row;
use crate::slots::{Division, Range};
use waxseal_store::{Cursor, Found, Page, PublicId, Record, RecordKey, Timestamp};

/// The largest number of keys that one call reads; the server may return somewhat more.
const MAX_SCAN: usize = 1_000;

impl Commands {
    pub(crate) async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, RedisError> {
        let (primaries, division) = self.router.parts().await?;
        let place = after.and_then(|cursor| Place::parse(cursor.as_bytes()));
        let place =
            place.filter(|place| place.division == division).unwrap_or_else(|| Place::start(division, 0));
        let Some(range) = primaries.get(usize::from(place.part)) else {
            return Ok(Page { items: Vec::new(), next: None });
        };

        let (next, public_ids) = self.scan(range, place, limit.clamp(10, MAX_SCAN)).await?;
        let heads = self.heads(&public_ids).await?;
        let others: Vec<_> = public_ids
            .iter()
            .zip(&heads)
            .filter_map(|(public_id, head)| {
                let row = Row::new(head).filter(|row| row.kid() != kid)?;
                Some(RecordKey::new(*public_id, row.hash()))
            })
            .collect();
        let found = try_join_all(others.iter().map(|key| self.load(key, now))).await?;
        let living = |(key, found)| match found {
            Some(Found::Living(record)) => Some((key, record)),
            _ => None,
        };
        let items = others.into_iter().zip(found).filter_map(living).collect();
        let next = match next {
            Place { scan: 0, part, .. } if usize::from(part) + 1 < primaries.len() => {
                Some(Place::start(division, part + 1))
            }
            Place { scan: 0, .. } => None,
            next => Some(next),
        };
        Ok(Page { items, next: next.map(|place| Cursor::new(place.to_bytes())) })
    }

    /// Reads some of a server's keys from `place` on, and returns the place after them.
    async fn scan(
        &self,
        range: &Range,
        mut place: Place,
        count: usize,
    ) -> Result<(Place, Vec<PublicId>), RedisError> {
        loop {
            let mut pipeline = Pipeline::new();
            pipeline.cmd("SCAN").arg(place.scan).arg("MATCH").arg(self.keys.rows()).arg("COUNT").arg(count);
            pipeline.cmd("INFO").arg("server");
            let answers = self.router.send_to(&range.primary, &pipeline).await?;
            let answers = answers.into_iter().map(|answer| answer.extract_error().map_err(RedisError::said));
            let mut answers = answers.collect::<Result<Vec<_>, _>>()?.into_iter();
            let (keys, info) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
            let run = run_id(info);
            if place.scan != 0 && run != place.run {
                place.scan = 0;
                continue;
            }
            let (scan, keys): (u64, Vec<Vec<u8>>) = redis::from_redis_value(keys)
                .map_err(|_| RedisError::Shape("an answer to `SCAN` that is none"))?;
            let mut public_ids: Vec<_> = keys.iter().filter_map(|key| self.keys.public_id(key)).collect();
            public_ids.sort_unstable();
            public_ids.dedup();
            return Ok((Place { scan, run, ..place }, public_ids));
        }
    }
}

/// The id of one run of a server, from its start to its end.
fn run_id(info: Value) -> String {
    let text: String = redis::from_redis_value(info).unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("run_id:")).unwrap_or_default().trim().to_owned()
}

/// The position of a walk: one of the parts into which the slots are divided, and a place among its keys.
///
/// A place is valid only for one run of one server, because each start of a server draws a new seed for the hashes of
/// keys. On another run the walk of this part starts again; if slots have moved, the whole walk does.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    division: Division,
    part: u16,
    scan: u64,
    run: String,
}

impl Place {
    fn start(division: Division, part: u16) -> Self {
        Self { division, part, scan: 0, run: String::new() }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (division, rest) = bytes.split_first_chunk()?;
        let (part, rest) = rest.split_first_chunk()?;
        let (scan, run) = rest.split_first_chunk()?;
        let (part, scan) = (u16::from_be_bytes(*part), u64::from_be_bytes(*scan));
        Some(Self { division: *division, part, scan, run: str::from_utf8(run).ok()?.to_owned() })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let Self { division, part, scan, run } = self;
        [&division[..], &part.to_be_bytes(), &scan.to_be_bytes(), run.as_bytes()].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_comes_back() {
        let place = Place { division: [3; 8], part: 2, scan: 7, run: "a1".to_owned() };
        assert_eq!(Place::parse(&place.to_bytes()), Some(place));
        assert_eq!(Place::parse(b"short"), None);
    }

    #[test]
    fn a_server_says_its_run() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:a1b2\r\ntcp_port:1\r\n";
        assert_eq!(run_id(Value::BulkString(info.into())), "a1b2");
        assert_eq!(run_id(Value::Nil), "");
    }
}
