//! The wizard's routes. `docs/tutorial.md` reads them beside Flask's.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use waxseal::{App, Request, Response, Result, StatusCode, context, folder, redirect, typed};

/// The app, ready to run.
#[must_use]
pub fn app() -> App {
    App::new("wizard")
        .templates(folder!("$CARGO_MANIFEST_DIR/../../templates"))
        .get("/", index)
        .post("/wizard/create", create_wizard)
        .get("/wizard/success", success)
        .post("/wizard/start-over", start_over)
        .get("/static/wizard.css", stylesheet)
}

#[derive(Serialize, Deserialize, Default)]
#[serde(default)]
struct Wizard {
    name: String,
    magic_school: String,
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
    let session = request.session().await?;
    session.insert("name", wizard.name.trim())?;
    session.insert("magic_school", wizard.magic_school.trim())?;
    Ok(redirect("/wizard/success"))
}

async fn success(request: Request) -> Result<Response> {
    request.render("success.html", context! {}).await
}

async fn start_over(request: Request) -> Result<Response> {
    request.session().await?.destroy()?;
    Ok(redirect("/"))
}

async fn stylesheet(_: Request) -> Result<Response> {
    Ok(typed("text/css; charset=utf-8", include_str!("../static/wizard.css")))
}

impl Wizard {
    /// What to tell a visitor, by field.
    fn errors(&self) -> BTreeMap<&'static str, &'static str> {
        let fields = [
            ("name", &self.name, "Write down your name.", "Use at most 80 characters for your name."),
            (
                "magic_school",
                &self.magic_school,
                "Write down your school.",
                "Use at most 80 characters for your school.",
            ),
        ];
        let problem = |value: &str, missing, overlong| match value.trim().chars().count() {
            0 => Some(missing),
            1..=80 => None,
            _ => Some(overlong),
        };
        fields.into_iter().filter_map(|(field, value, m, o)| Some((field, problem(value, m, o)?))).collect()
    }
}
