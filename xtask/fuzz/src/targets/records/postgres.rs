//! Rows in a PostgreSQL that another program has written.

use store_tests::patient;
use store_tests::postgres::Cluster;
use tokio::runtime::Runtime;
use waxseal_postgres::PostgresStore;
use waxseal_postgres::deadpool_postgres::tokio_postgres::error::SqlState;
use waxseal_postgres::deadpool_postgres::tokio_postgres::types::ToSql;
use waxseal_postgres::deadpool_postgres::tokio_postgres::{self, Client, NoTls, Statement};
use waxseal_store::{Found, Revision, SessionId, SessionStore, Swap, Timestamp};

use super::{MOMENT, OWNER, Reading, id, record, runtime};
use crate::target::{Target, words};

/// The columns of a row, in lines: hash, revision, kid, five numbers, owner, device; the end of the tombstone under the
/// same key; the owner's generation; what the store is asked for; sealed.
pub(crate) struct Rows {
    runtime: Runtime,
    store: PostgresStore,
    other: Client,
    put: Statement,
    _server: Cluster,
}

/// One row in each table, all in one round trip. The tables are those of `waxseal-postgres/src/schema.rs`.
const PUT: &str = "
    WITH tombstone AS (
        INSERT INTO waxseal.tombstones (hash, expires) VALUES ($1, $2)
        ON CONFLICT (hash) DO UPDATE SET expires = excluded.expires
    ), owner AS (
        INSERT INTO waxseal.owners (owner, generation) VALUES ($3, $4)
        ON CONFLICT (owner) DO UPDATE SET generation = excluded.generation
    )
    INSERT INTO waxseal.sessions (public_id, hash, revision, kid, expires, last_seen, created, absolute_end,
        generation, owner, device, sealed)
    VALUES ($5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
    ON CONFLICT (public_id) DO UPDATE SET hash = excluded.hash, revision = excluded.revision, kid = excluded.kid,
        expires = excluded.expires, last_seen = excluded.last_seen, created = excluded.created,
        absolute_end = excluded.absolute_end, generation = excluded.generation, owner = excluded.owner,
        device = excluded.device, sealed = excluded.sealed";

impl Rows {
    pub(crate) fn new() -> Self {
        let (server, runtime) = (Cluster::fast(), runtime());
        let url = server.url("postgres");
        // One connection, whose process does all: with five, each input takes twice as long.
        let store = runtime.block_on(PostgresStore::options(&url).network(patient().connections(1)).open());
        let store = store.expect("a new server");
        let (other, connection) =
            runtime.block_on(tokio_postgres::connect(&url, NoTls)).expect("a server that listens");
        runtime.spawn(connection);
        let put = runtime.block_on(other.prepare(PUT)).expect("the tables that were made");
        Self { runtime, store, other, put, _server: server }
    }
}

/// A row as the input says.
struct Row<'a> {
    hash: &'a [u8],
    revision: &'a [u8],
    kid: i32,
    expires: i64,
    last_seen: i64,
    created: i64,
    absolute_end: i64,
    generation: i64,
    owner: Option<&'a [u8]>,
    device: &'a [u8],
    tombstone: i64,
    owner_generation: i64,
    /// A number for each reading, and from 5 on for each write.
    call: u8,
    sealed: &'a [u8],
}

impl<'a> Row<'a> {
    fn new(input: &'a [u8], key: &'a [u8]) -> Self {
        let columns: Vec<_> = input.splitn(14, |&byte| byte == b'\n').collect();
        let column = |at: usize| columns.get(at).copied().unwrap_or_default();
        let number = |at| {
            str::from_utf8(column(at)).ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or(i64::MAX)
        };
        let is_known = key[..4] == *column(0).get(..4).unwrap_or_default();
        Self {
            // Found by its hash, or the rest is seldom read.
            hash: if is_known { column(0) } else { key },
            revision: column(1),
            kid: i32::try_from(number(2)).unwrap_or(i32::MIN),
            expires: number(3),
            last_seen: number(4),
            created: number(5),
            absolute_end: number(6),
            generation: number(7),
            owner: (column(8) != b"NULL").then(|| column(8)),
            device: column(9),
            tombstone: number(10),
            owner_generation: number(11),
            call: column(12).first().map_or(0, |byte| byte % 12),
            sealed: column(13),
        }
    }

    /// Its end is over, or its owner has ended all sessions since.
    fn is_over(&self) -> bool {
        let present = if self.is_owned() { self.owner_generation } else { 0 };
        self.expires <= MOMENT.as_millis().cast_signed() || self.owner.is_some() && self.generation < present
    }

    fn is_owned(&self) -> bool {
        self.owner == Some(OWNER.as_bytes())
    }
}

impl Rows {
    /// False if PostgreSQL refuses an owner that is too long for an index.
    async fn put(&self, row: &Row<'_>) -> bool {
        let (key, owner) = (id().key(), OWNER.as_bytes());
        let key_hash = key.hash().as_slice();
        let public_id = i64::from_be_bytes(*key.public_id().as_bytes());
        let columns: [&(dyn ToSql + Sync); 16] = [
            &key_hash,
            &row.tombstone,
            &owner,
            &row.owner_generation,
            &public_id,
            &row.hash,
            &row.revision,
            &row.kid,
            &row.expires,
            &row.last_seen,
            &row.created,
            &row.absolute_end,
            &row.generation,
            &row.owner,
            &row.device,
            &row.sealed,
        ];
        let written = self.other.execute(&self.put, &columns).await;
        if written.as_ref().is_err_and(|error| error.code() == Some(&SqlState::PROGRAM_LIMIT_EXCEEDED)) {
            return false;
        }
        assert_eq!(written.ok(), Some(1), "a new server has room");
        true
    }

    /// Writes once through the store, by the number of the call, and looks at what that has left.
    async fn write(&self, row: &Row<'_>) -> String {
        let (store, key, new) = (&self.store, id().key(), record(b"new".to_vec()));
        let revision = row.revision.try_into().map_or(new.revision, Revision::from_bytes);
        let next = SessionId::from_bytes([8; 32]).key();
        let done = match row.call {
            5 => store.update(&key, &revision, &new, MOMENT).await.map(|swap| swap == Swap::Done),
            6 => store.touch(&key, Timestamp::MAX, MOMENT).await,
            7 => {
                let swap = store.renew(&key, &revision, &next, &new, Timestamp::MAX, MOMENT).await;
                swap.map(|swap| swap == Swap::Done)
            }
            8 => store.delete(&key, MOMENT).await,
            9 => store.end(OWNER, key.public_id(), MOMENT).await,
            // A row of a generation to come, which no release writes, is not ended.
            10 => {
                let ended = store.end_all(OWNER, None, MOMENT).await;
                ended.map(|()| row.is_owned() && row.generation <= row.owner_generation)
            }
            _ => store.purge(MOMENT, 10).await.map(|_| false),
        };
        let left = store.load(&key, MOMENT).await;
        let is_living = matches!(left, Ok(Some(Found::Living(_))));
        assert!(!row.is_over() || !is_living, "a row that was over lives again: {left:?}");
        match (row.call, &done) {
            (5, Ok(true)) => {
                assert!(matches!(&left, Ok(Some(Found::Living(left))) if *left == new), "{left:?}");
            }
            (7..=10, Ok(true)) => assert!(!is_living, "a row that was ended: {left:?}"),
            (11, Ok(_)) if !row.is_over() && row.hash == key.hash() => {
                assert!(is_living || left.is_err(), "a living row was purged: {left:?}");
            }
            _ => {}
        }
        format!("{} {done}", row.call, done = words(&format!("{done:?}")))
    }
}

impl Target for Rows {
    fn seeds(&self) -> Vec<Vec<u8>> {
        let hash =
            id().key().hash().iter().map(|&byte| if byte == b'\n' { b'.' } else { byte }).collect::<Vec<_>>();
        let good = |call: u8| {
            let call = char::from(b'0' + call);
            let rest = format!(
                "\n0123456789abcdef\n7\n9007199254740991\n1790000000000\n1790000000000\n9007199254740991\n0\n\
                 {OWNER}\nFirefox\n0\n0\n{call}\nsealed"
            );
            [&hash[..], rest.as_bytes()].concat()
        };
        let extreme = |call: u8| {
            let call = char::from(b'0' + call);
            let rest = format!(
                "\n0123456789abcdef\n-2147483648\n9223372036854775807\n-9223372036854775808\n-1\n\n\
                 -9223372036854775808\nNULL\n\n-1\n9223372036854775807\n{call}\n"
            );
            rest.into_bytes()
        };
        (0..12).flat_map(|call| [good(call), extreme(call)]).chain([Vec::new()]).collect()
    }

    fn read(&mut self, input: &[u8]) -> String {
        let key = id().key();
        let row = Row::new(input, key.hash());
        let said = self.runtime.block_on(async {
            if !self.put(&row).await {
                return "refused".to_owned();
            }
            match row.call {
                0..5 => {
                    let reading = Reading::ALL[usize::from(row.call)];
                    format!("{} {}", row.call, reading.ask(&self.store, &key, row.is_over()).await)
                }
                _ => self.write(&row).await,
            }
        });
        for outage in ["Broken", "Unavailable", "Unreachable"] {
            assert!(!said.contains(outage), "{said}");
        }
        said
    }
}
