//! Flask's tutorial: a blog in which people register, sign in, and write, change and delete what they wrote.
//!
//! `cargo run -p waxseal --example flaskr -- init-db`, then `… -- --development`, and http://127.0.0.1:5000. The same app in
//! Flask is <https://github.com/pallets/flask/tree/main/examples/tutorial>. The posts are in `flaskr.sqlite`.

pub(crate) mod auth;
mod blog;
pub(crate) mod db;

use waxseal::{App, Cli, folder, html};

use db::Db;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Ok(app(Db::open("flaskr.sqlite")?).run()?)
}

pub(crate) fn app(db: Db) -> App {
    App::new("flaskr")
        .templates(folder!("$CARGO_MANIFEST_DIR/examples/flaskr/templates"))
        .static_folder("/static", folder!("$CARGO_MANIFEST_DIR/examples/flaskr/static"))
        .csrf_tokens()
        .state(db)
        .command("init-db", "Clears the data and makes new tables", init_db)
        .get("/hello", async |_| Ok(html("Hello, World!")))
        .mount("/auth", auth::routes())
        // Not for `/auth`: to log out works while the session store is away, and asking for the session does not.
        .mount("/", blog::routes().before_request(auth::load_user))
}

#[expect(clippy::print_stdout, reason = "a command tells its caller what it did")]
async fn init_db(cli: Cli) -> waxseal::Result<()> {
    cli.state::<Db>()?.with(|db| db.execute_batch(include_str!("schema.sql"))).await?;
    println!("Initialized the database.");
    Ok(())
}
