//! axum with tower-sessions in Redis.

use peers::{Error, run};
use store_peers::{place, redis, serve};

fn main() -> Result<(), Error> {
    run(async { serve(redis(&place()?).await?).await })
}
