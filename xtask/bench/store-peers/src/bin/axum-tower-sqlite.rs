//! axum with tower-sessions in a file of SQLite.

use peers::{Error, run};
use store_peers::{place, serve, sqlite};

fn main() -> Result<(), Error> {
    run(async { serve(sqlite(&place()?).await?).await })
}
