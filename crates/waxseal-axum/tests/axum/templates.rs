//! The session in the pages of an environment that the app has already.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{Html, Redirect};
use axum::{Router, routing::get};
use minijinja::{Environment, context};
use serde::Deserialize;
use waxseal_axum::{CheckedForm, Error, Result, Session, Waxseal};
use waxseal_templates::{add_to, check_names, session_value};

use crate::browser::Browser;

type Pages = State<Arc<Environment<'static>>>;

#[derive(Deserialize)]
struct Name {
    name: String,
}

async fn form(session: Session, State(pages): Pages) -> Result<Html<String>> {
    let page = pages.get_template("form.html").map_err(Error::other)?;
    let page = page.render(context! { session => session_value(&session) });
    Ok(Html(page.map_err(Error::other)?))
}

async fn enter(session: Session, CheckedForm(form): CheckedForm<Name>) -> Result<Redirect> {
    session.insert("name", form.name)?;
    session.flash("info", "Welcome.")?;
    Ok(Redirect::to("/"))
}

#[tokio::test]
async fn an_apps_own_environment_has_the_session_messages_and_form_tokens() {
    let mut environment = Environment::new();
    let source =
        "{{ session.get('name', 'stranger') }} {{ get_flashed_messages() }} <form>{{ csrf_field() }}</form>";
    environment.add_template("form.html", source).unwrap();
    add_to(&mut environment);
    check_names(&environment).unwrap();
    let app = Router::new().route("/", get(form).post(enter)).with_state(Arc::new(environment));
    let mut browser = Browser::new(app.layer(Waxseal::ephemeral().layer().unwrap()));

    let page = browser.get("/").await.text;
    assert!(page.starts_with("stranger [] <form><input "), "{page}");
    let (_, token) = page.split_once("value=\"").unwrap();
    let token = token.split('"').next().unwrap();
    assert_eq!(browser.post_form("/", "name=Rincewind").await.status, 403);
    let sent = browser.post_form("/", &format!("csrf_token={token}&name=%3CRincewind%3E")).await;
    assert_eq!(sent.location(), "/");
    let page = browser.get("/").await.text;
    assert!(page.starts_with("&lt;Rincewind&gt; ["), "{page}");
    assert!(page.contains("Welcome.") && !browser.get("/").await.text.contains("Welcome."), "{page}");
}
