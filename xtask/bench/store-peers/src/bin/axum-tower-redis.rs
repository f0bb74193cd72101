//! axum with tower-sessions in Redis.

use peers::{Error, run};
use store_peers::{place, serve};
use tower_sessions_redis_store::RedisStore;
use tower_sessions_redis_store::fred::prelude::{ClientLike, Config, Pool};

fn main() -> Result<(), Error> {
    run(async {
        let pool = Pool::new(Config::from_url(&place()?)?, None, None, None, 6)?;
        pool.connect();
        pool.wait_for_connect().await?;
        serve(RedisStore::new(pool)).await
    })
}
