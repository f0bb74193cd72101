//! A page that counts its visits, in ten lines: `cargo run --example counter -- --development`.

use waxseal::{App, Request, Response, Result, StartError, typed};

pub(crate) async fn count(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.add("visits", 1)?;
    Ok(typed("text/plain", format!("visit {}\n", session.get::<u32>("visits")?.unwrap_or_default())))
}

fn main() -> Result<(), StartError> {
    App::new("counter").get("/", count).run()
}
