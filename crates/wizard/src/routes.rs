//! The wizard's routes. `docs/tutorial.md` compares them with Flask's.

use waxseal::{App, Request, Response, Result, StatusCode, context, folder, redirect};

use crate::sessions;
use crate::wizard::Wizard;

/// The app, ready to run.
#[must_use]
pub fn app() -> App {
    App::new("wizard")
        .templates(folder!("$CARGO_MANIFEST_DIR/../../templates"))
        .get("/", index)
        .post("/wizard/create", create_wizard)
        .get("/wizard/success", success)
        .post("/wizard/start-over", start_over)
        .get("/wizard/sessions", sessions::list)
        .post("/wizard/sessions/end", sessions::end)
        .post("/wizard/sessions/end-others", sessions::end_others)
        .static_folder("/static", folder!("$CARGO_MANIFEST_DIR/static"))
}

async fn index(request: Request) -> Result<Response> {
    request.render("index.html", context! {}).await
}

async fn create_wizard(request: Request) -> Result<Response> {
    let wizard: Wizard = request.form().await?;
    let errors = wizard.errors();
    if !errors.is_empty() {
        let mut page = request.render("index.html", context! { form => wizard, errors }).await?;
        *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        return Ok(page);
    }
    request.sign_in(&wizard.owner()).await?;
    let session = request.session().await?;
    session.insert("name", wizard.name.trim())?;
    session.insert("magic_school", wizard.magic_school.trim())?;
    Ok(redirect("/wizard/success"))
}

async fn success(request: Request) -> Result<Response> {
    request.render("success.html", context! {}).await
}

async fn start_over(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}
