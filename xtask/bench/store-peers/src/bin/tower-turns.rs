//! What `crates/waxseal-manager/examples/turns` does, with the stores of tower-sessions.

#[path = "../../../../../crates/waxseal-manager/examples/turns/game.rs"]
mod game;

use std::collections::HashMap;
use std::time::Duration;

use game::{Failure, Player, VISITORS, play};
use store_peers::{redis, sqlite};
use tower_sessions::SessionStore;
use tower_sessions::cookie::time::OffsetDateTime;
use tower_sessions::session::{Id, Record};

struct Turns<S> {
    store: S,
    ids: Vec<Id>,
}

fn main() -> Result<(), Failure> {
    let place = std::env::args().nth(2).ok_or("a state, which is not looked at, and a store are wanted")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        match place.strip_prefix("sqlite:") {
            Some(path) => play(Turns::new(sqlite(path).await?).await?).await,
            None => play(Turns::new(redis(&place).await?).await?).await,
        }
    })
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
}

impl<S: SessionStore> Player for Turns<S> {
    async fn turn(&self, at: usize, writes: bool) -> Result<(), Failure> {
        // As its cookie has it.
        let id = self.ids[at % VISITORS].to_string().parse()?;
        let mut record = self.store.load(&id).await?.ok_or("a session is not there")?;
        let text = |key: &str| {
            record.data.get(key).cloned().and_then(|value| serde_json::from_value::<String>(value).ok())
        };
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
