//! The walk over all sessions, server by server.

use futures_util::future::try_join_all;
use redis::Pipeline;

use crate::commands::Commands;
use crate::error::RedisError;
use crate::row::Row;
use crate::slots::Range;
use waxseal_store::{Cursor, Found, Page, PublicId, Record, RecordKey, Timestamp};

/// The largest number of keys that one call looks at, give or take what the server adds.
const MAX_SCAN: usize = 1_000;

impl Commands {
    pub(crate) async fn sealed_otherwise(
        &self,
        kid: [u8; 4],
        after: Option<&Cursor>,
        limit: usize,
        now: Timestamp,
    ) -> Result<Page<(RecordKey, Record)>, RedisError> {
        let primaries = self.router.primaries().await?;
        let place = after.and_then(|cursor| Place::parse(cursor.as_bytes()));
        let (at, scan) = place.map_or((0, 0), |place| place.among(&primaries));
        let Some(range) = primaries.get(at) else { return Ok(Page { items: Vec::new(), next: None }) };

        let (scan, public_ids) = self.scan(range, scan, limit.clamp(10, MAX_SCAN)).await?;
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
        let next = match scan {
            0 => primaries.get(at + 1).map(|next| Place::of(next, 0)),
            scan => Some(Place::of(range, scan)),
        };
        Ok(Page { items, next: next.map(|place| Cursor::new(place.to_bytes())) })
    }

    async fn scan(&self, range: &Range, scan: u64, count: usize) -> Result<(u64, Vec<PublicId>), RedisError> {
        let mut pipeline = Pipeline::new();
        pipeline.cmd("SCAN").arg(scan).arg("MATCH").arg(self.keys.rows()).arg("COUNT").arg(count);
        let answer = self.router.send_to(&range.primary, &pipeline).await?.pop().unwrap_or_default();
        let answer = answer.extract_error().map_err(RedisError::said)?;
        let (next, keys): (u64, Vec<Vec<u8>>) = redis::from_redis_value(answer)
            .map_err(|_| RedisError::Shape("an answer to `SCAN` that is none"))?;
        let mut public_ids: Vec<_> = keys.iter().filter_map(|key| self.keys.public_id(key)).collect();
        public_ids.sort_unstable();
        public_ids.dedup();
        Ok((next, public_ids))
    }
}

/// The position of a walk: a server, known by its first slot and its name, and the place in its keys.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    first: u16,
    scan: u64,
    id: Vec<u8>,
}

impl Place {
    fn of(range: &Range, scan: u64) -> Self {
        Self { first: range.first, scan, id: range.id.clone() }
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first_chunk()?;
        let (scan, id) = rest.split_first_chunk()?;
        Some(Self { first: u16::from_be_bytes(*first), scan: u64::from_be_bytes(*scan), id: id.to_vec() })
    }

    fn to_bytes(&self) -> Vec<u8> {
        [&self.first.to_be_bytes()[..], &self.scan.to_be_bytes(), &self.id].concat()
    }

    /// Finds the position among `primaries`, as an index and the place in that one's keys.
    ///
    /// Another server means nothing by the same place in its keys, so its walk begins anew. If slots have moved, so
    /// does the whole.
    fn among(&self, primaries: &[Range]) -> (usize, u64) {
        match primaries.iter().position(|range| range.first == self.first) {
            Some(at) if primaries[at].id == self.id => (at, self.scan),
            Some(at) => (at, 0),
            None => (0, 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::Host;

    #[test]
    fn a_walk_goes_on_where_it_was_or_begins_anew() {
        let range = |first: u16, id: &[u8]| {
            let primary = Host { name: "x".to_owned(), port: first };
            Range { first, last: first + 9, primary, id: id.to_vec() }
        };
        let primaries = [range(0, b"a"), range(10, b"b")];
        let place = Place::of(&primaries[1], 7);
        assert_eq!(Place::parse(&place.to_bytes()).unwrap().among(&primaries), (1, 7));
        assert_eq!(place.among(&[range(0, b"a"), range(10, b"its replica")]), (1, 0));
        assert_eq!(place.among(&[range(0, b"a"), range(11, b"b")]), (0, 0));
        assert_eq!(Place::parse(b"short"), None);
    }
}
