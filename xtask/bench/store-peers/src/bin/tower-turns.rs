//! What `crates/waxseal-store/examples/turns.rs` does, with the stores of tower-sessions.

use std::collections::HashMap;
use std::io::BufRead;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use tokio::task::JoinSet;
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};
use tower_sessions_sqlx_store::SqliteStore;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const VISITORS: usize = 1_000;
const TOGETHER: usize = 64;

struct Turns<S> {
    store: S,
    ids: Vec<Id>,
}

fn main() -> Result<(), Failure> {
    let place = std::env::args().nth(2).ok_or("a state, which is not looked at, and a store are wanted")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match place.strip_prefix("sqlite:") {
            Some(path) => {
                let options = SqliteConnectOptions::new()
                    .filename(path)
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Normal);
                let store = SqliteStore::new(SqlitePool::connect_with(options).await?);
                store.migrate().await?;
                serve(store).await
            }
            None => {
                let pool = Pool::new(Config::from_url(&place)?, None, None, None, 6)?;
                pool.connect();
                pool.wait_for_connect().await?;
                serve(RedisStore::new(pool)).await
            }
        }
    })
}

async fn serve<S: SessionStore>(store: S) -> Result<(), Failure> {
    let turns = Arc::new(Turns::new(store).await?);
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (what, count) = line.split_once(' ').ok_or("a turn is a word and a number")?;
        let (writes, count) = (what == "write", count.parse()?);
        println!("done {}", turns.clone().take(writes, count).await?.as_nanos());
    }
    Ok(())
}

impl<S: SessionStore> Turns<S> {
    async fn new(store: S) -> Result<Self, Failure> {
        let mut ids = Vec::new();
        for _ in 0..VISITORS {
            let values = [("name", "Merlin"), ("magic_school", "Avalon")];
            let data: HashMap<_, _> =
                values.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
            let expiry_date = OffsetDateTime::now_utc() + Duration::from_secs(1_800);
            let mut record = Record { id: Id::default(), data, expiry_date };
            store.create(&mut record).await?;
            ids.push(record.id);
        }
        Ok(Self { store, ids })
    }

    async fn take(self: Arc<Self>, writes: bool, count: usize) -> Result<Duration, Failure> {
        let mut tasks = JoinSet::new();
        for first in 0..TOGETHER {
            let turns = self.clone();
            tasks.spawn(async move {
                let mut spans = Vec::new();
                for at in (first..count).step_by(TOGETHER) {
                    let start = Instant::now();
                    turns.turn(at, writes).await?;
                    spans.push(start.elapsed());
                }
                Ok::<_, Failure>(spans)
            });
        }
        let mut spans = Vec::new();
        while let Some(task) = tasks.join_next().await {
            spans.extend(task??);
        }
        spans.sort_unstable();
        Ok(spans[spans.len() / 2])
    }

    async fn turn(&self, at: usize, writes: bool) -> Result<(), Failure> {
        // As its cookie has it.
        let id = self.ids[at % VISITORS].to_string().parse()?;
        let mut record = self.store.load(&id).await?.ok_or("a session is not there")?;
        let text = |key: &str| record.data.get(key).cloned().and_then(|value| serde_json::from_value::<String>(value).ok());
        if text("name").is_none() || text("magic_school").is_none() {
            return Err("a value is not there".into());
        }
        if writes {
            record.data.insert("turn".to_owned(), at.into());
            self.store.save(&record).await?;
        }
        Ok(())
    }
}
