//! What `cargo xtask bench --turns` measures: sessions in a store, read and written without any HTTP around them.
//!
//! ```text
//! cargo run --release --package waxseal-manager --example turns -- store sqlite:/tmp/turns.db
//! ```
//!
//! Tells when it is ready, then takes turns as they come, a line each: `read 1000`, or `write 1000`.

#![expect(clippy::print_stdout, reason = "a program answers on standard output")]

mod game;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use game::{Failure, Player, VISITORS, play};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Mirrored, Outcome, SessionManager};
use waxseal_redis::RedisStore;
use waxseal_sqlite::SqliteStore;
use waxseal_store::SessionStore;

/// Sessions, and the tokens that their visitors' browsers have.
struct Turns {
    sessions: SessionManager,
    tokens: Vec<Mutex<Arc<str>>>,
}

fn main() -> Result<(), Failure> {
    let [state, place] = std::env::args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .map_err(|_| "a state and a store are wanted")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let turns = match place.strip_prefix("sqlite:") {
            Some(path) => Turns::new(&state, SqliteStore::options(path).open()?).await?,
            None => Turns::new(&state, RedisStore::options(&place).open().await?).await?,
        };
        play(turns).await
    })
}

impl Turns {
    async fn new(state: &str, store: impl SessionStore) -> Result<Self, Failure> {
        let ring = Keyring::new(SecretKey::generate()?);
        // A copy stays fresh for as long as the benchmark takes.
        let sessions = match state {
            "mirrored" => {
                let state = Mirrored::new(store).freshness(Duration::from_secs(3_600));
                SessionManager::new(&ring, "session", "turns", state)?
            }
            _ => SessionManager::store(&ring, "session", "turns", store)?,
        };
        let mut tokens = Vec::new();
        for _ in 0..VISITORS {
            let session = sessions.create();
            session.insert("name", "Merlin")?;
            session.insert("magic_school", "Avalon")?;
            match sessions.commit(&session, SystemTime::now()).await? {
                Outcome::Set { token, .. } => tokens.push(Mutex::new(token.into())),
                other => return Err(format!("{other:?}").into()),
            }
        }
        Ok(Self { sessions, tokens })
    }
}

impl Player for Turns {
    /// From the token to the values, and for a write back.
    async fn turn(&self, at: usize, writes: bool) -> Result<(), Failure> {
        let access = if writes { Access::Change } else { Access::Read };
        let browser = || self.tokens[at % VISITORS].lock().unwrap_or_else(PoisonError::into_inner);
        let (token, now) = (browser().clone(), SystemTime::now());
        let session = self.sessions.open(token.as_bytes(), access, now)?.load(now).await?;
        let (name, school): (Option<String>, Option<String>) =
            (session.get("name")?, session.get("magic_school")?);
        if name.is_none() || school.is_none() {
            return Err("a session is not there".into());
        }
        if writes {
            session.insert("turn", at)?;
        }
        if let Outcome::Set { token, .. } = self.sessions.commit(&session, now).await? {
            *browser() = token.into();
        }
        Ok(())
    }
}
