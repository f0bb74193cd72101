//! A to-do list with HTMX: fragments of a page, each request with the page's form token in a header.

use axum::extract::Path;
use axum::response::Html;
use axum::routing::{delete, get};
use axum::{Router, response::IntoResponse};
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment};
use serde::{Deserialize, Serialize};
use serde_json::json;
use waxseal_axum::{
    CheckedForm, CheckedToken, Error, FormToken, Keyed, MemoryStore, Result, SessionData, Waxseal, days,
};

/// The visitor's list, in their session.
#[derive(Default, Serialize, Deserialize)]
struct Todos(Vec<String>);

impl Keyed for Todos {
    const KEY: &'static str = "todos";
}

#[derive(Deserialize)]
struct Item {
    text: String,
}

/// The whole page. Its `hx-headers` has the token, so every request that HTMX sends has it, too.
async fn page(todos: SessionData<Todos>, token: FormToken) -> Result<impl IntoResponse> {
    render(include_str!("page.html"), json!({ "list": list(&todos)?.0, "token": token.as_str() }))
}

async fn add(
    mut todos: SessionData<Todos>,
    CheckedForm(item): CheckedForm<Item>,
) -> Result<impl IntoResponse> {
    todos.update(move |todos| todos.0.push(item.text.clone()))?;
    list(&todos)
}

async fn done(
    _: CheckedToken,
    mut todos: SessionData<Todos>,
    Path(at): Path<usize>,
) -> Result<impl IntoResponse> {
    todos.update(move |todos| {
        if at < todos.0.len() {
            todos.0.remove(at);
        }
    })?;
    list(&todos)
}

/// The fragment that changes.
fn list(todos: &Todos) -> Result<Html<String>> {
    render(include_str!("list.html"), json!({ "todos": todos }))
}

fn render(template: &str, values: serde_json::Value) -> Result<Html<String>> {
    let mut pages = Environment::new();
    pages.set_auto_escape_callback(|_| AutoEscape::Html);
    pages.render_str(template, Serde(values)).map(Html).map_err(Error::other)
}

pub(crate) fn app() -> Result<Router> {
    let waxseal = Waxseal::ephemeral().mirrored(MemoryStore::new()).lasting(days(30)).development(true);
    let routes = Router::new().route("/", get(page).post(add)).route("/{at}", delete(done));
    Ok(routes.layer(waxseal.layer()?))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app()?).await?)
}
