//! A blog whose posts are in a database of its own, by sqlx. `docs/database.md` explains it.

use sqlx::SqlitePool;
use waxseal::{App, Request, Response, Result, context, folder};

#[derive(sqlx::FromRow, serde::Serialize)]
struct Post {
    id: i64,
    title: String,
}

async fn index(request: Request) -> Result<Response> {
    let posts: Vec<Post> =
        sqlx::query_as("SELECT id, title FROM post").fetch_all(request.state::<SqlitePool>()?).await?;
    request.render("index.html", context! { posts }).await
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pool = SqlitePool::connect(&std::env::var("DATABASE_URL")?).await?;
    app(pool).run_async().await?;
    Ok(())
}

pub(crate) fn app(pool: SqlitePool) -> App {
    App::new("blog").templates(folder!("$CARGO_MANIFEST_DIR/examples/blog")).state(pool).get("/", index)
}
