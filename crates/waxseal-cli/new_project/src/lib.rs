//! The app: its routes and what they do.

use serde::Deserialize;
use waxseal::{App, Request, Response, Result, Route, context, folder, redirect};

/// The app, ready to run or to be tested.
pub fn app() -> App {
    App::new("NEW_APP")
        .templates(folder!("$CARGO_MANIFEST_DIR/templates"))
        .static_folder("/static", folder!("$CARGO_MANIFEST_DIR/static"))
        .csrf_tokens()
        .get("/", index)
        .post("/name", set_name)
        // Without a token, so that it works while the session store is away.
        .route(Route::post("/forget", forget).without_csrf_token())
}

#[derive(Deserialize)]
struct NameForm {
    name: String,
}

async fn index(request: Request) -> Result<Response> {
    request.session().await?.add("visits", 1)?;
    request.render("index.html", context! {}).await
}

async fn set_name(request: Request) -> Result<Response> {
    let form: NameForm = request.form().await?;
    match form.name.trim() {
        "" => request.flash("error", "Please write a name.").await?,
        name => {
            request.session().await?.insert("name", name)?;
            request.flash("success", format!("I shall remember {name}.")).await?;
        }
    }
    Ok(redirect(&request.url_for("index", &[])?))
}

async fn forget(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect(&request.url_for("index", &[])?))
}
