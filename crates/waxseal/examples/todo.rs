//! A to-do list for several people: register, sign in, add, tick off, delete, sign out.
//!
//! `cargo run -p waxseal --example todo -- --development`, then http://127.0.0.1:5000. The same app in Flask is
//! `examples/todo/flask_todo.py`, with the same templates. People and lists are kept in memory.

use std::collections::BTreeMap;

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use waxseal::{
    App, Error, Request, Response, Result, Route, StartError, context, folder, is_owner_name, redirect,
};

#[derive(Default)]
struct User {
    password: String,
    todos: Todos,
}

#[derive(Clone, Serialize)]
struct Todo {
    text: String,
    done: bool,
}

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

#[derive(Deserialize)]
struct NewTodo {
    text: String,
}

type Todos = BTreeMap<u32, Todo>;

static USERS: Mutex<BTreeMap<String, User>> = Mutex::const_new(BTreeMap::new());

fn main() -> Result<(), StartError> {
    app().run()
}

pub(crate) fn app() -> App {
    App::new("todo")
        .templates(folder!("$CARGO_MANIFEST_DIR/examples/todo/templates"))
        .csrf_tokens()
        .error_handler(401, async |_, _| Ok(redirect("/sign-in")))
        .get("/", index)
        .post("/add", add)
        .post("/toggle/{id}", toggle)
        .post("/delete/{id}", delete)
        .get("/register", credentials)
        .post("/register", register)
        .get("/sign-in", credentials)
        .post("/sign-in", sign_in)
        .route(Route::post("/sign-out", sign_out).without_csrf_token())
}

async fn index(request: Request) -> Result<Response> {
    let (user, todos) = change_todos(&request, |todos| todos.clone()).await?;
    request.render("index.html", context! { user, todos }).await
}

async fn add(request: Request) -> Result<Response> {
    let text = request.form::<NewTodo>().await?.text.trim().to_owned();
    if text.is_empty() {
        request.flash("error", "Write down what to do.").await?;
        return Ok(redirect("/"));
    }
    change_todos(&request, |todos| {
        let id = todos.keys().next_back().map_or(1, |last| last + 1);
        todos.insert(id, Todo { text, done: false });
    })
    .await?;
    Ok(redirect("/"))
}

async fn toggle(request: Request) -> Result<Response> {
    let id = request.param_as("id")?;
    let toggle = |todos: &mut Todos| todos.get_mut(&id).map(|todo| todo.done = !todo.done);
    change_todos(&request, toggle).await?.1.ok_or(Error::status(404))?;
    Ok(redirect("/"))
}

async fn delete(request: Request) -> Result<Response> {
    let id = request.param_as("id")?;
    let todo = change_todos(&request, |todos| todos.remove(&id)).await?.1.ok_or(Error::status(404))?;
    request.flash("info", format!("Deleted “{}”.", todo.text)).await?;
    Ok(redirect("/"))
}

async fn credentials(request: Request) -> Result<Response> {
    request.render("credentials.html", context! {}).await
}

/// Argon2 keeps its thread for about 20 ms: an app with many people would do it on one of tokio's blocking threads.
async fn register(request: Request) -> Result<Response> {
    let Credentials { name, password } = request.form().await?;
    let hash = Argon2::default().hash_password(password.as_bytes())?.to_string();
    let mut users = USERS.lock().await;
    if name.trim().is_empty() || !is_owner_name(&name) || password.len() < 8 || users.contains_key(&name) {
        request.flash("error", "Choose another name, and a password of at least 8 characters.").await?;
        return Ok(redirect("/register"));
    }
    users.insert(name, User { password: hash, ..User::default() });
    request.flash("info", "Welcome! Now sign in.").await?;
    Ok(redirect("/sign-in"))
}

async fn sign_in(request: Request) -> Result<Response> {
    let Credentials { name, password } = request.form().await?;
    let hash = USERS.lock().await.get(&name).map(|user| user.password.clone()).unwrap_or_default();
    if Argon2::default().verify_password(password.as_bytes(), hash.as_str()).is_err() {
        request.flash("error", "Name and password do not fit together.").await?;
        return Ok(redirect("/sign-in"));
    }
    request.sign_in(&name).await?;
    request.flash("info", format!("Hello, {name}.")).await?;
    Ok(redirect("/"))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    request.flash("info", "See you.").await?;
    Ok(redirect("/sign-in"))
}

/// The visitor's name, and what `change` says of their list; 401 if nobody is signed in.
async fn change_todos<T>(request: &Request, change: impl FnOnce(&mut Todos) -> T) -> Result<(String, T)> {
    let name = request.session().await?.owner().ok_or(Error::status(401))?;
    let mut users = USERS.lock().await;
    let user = users.get_mut(&name).ok_or(Error::status(401))?;
    Ok((name, change(&mut user.todos)))
}
