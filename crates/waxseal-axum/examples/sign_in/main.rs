//! Sign-in with passwords; users and sessions share one SQLite file. (With users by sqlx: `xtask/beside/examples/sign_in` in
//! the repository.)

mod users;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Query, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use minijinja::Environment;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};
use serde_json::json;
use waxseal_axum::{
    Error, Flash, LazySession, LocalPath, Messages, Result, Session, SignedIn, Waxseal, days,
};
use waxseal_sqlite::SqliteStore;

use users::{Member, Users};

/// The state of the router.
pub(crate) struct Site {
    pub(crate) users: Users,
    pages: Environment<'static>,
}

type App = State<Arc<Site>>;

impl Site {
    fn render(&self, page: &str, values: impl Serialize) -> Result<Html<String>> {
        self.pages
            .get_template(page)
            .and_then(|page| page.render(Serde(values)))
            .map(Html)
            .map_err(Error::other)
    }
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: LocalPath,
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
    #[serde(default)]
    next: LocalPath,
}

async fn home(State(site): App, member: SignedIn<Member>, messages: Messages) -> Result<Html<String>> {
    site.render("home.html", json!({ "name": member.name, "messages": messages.0 }))
}

async fn login_page(
    State(site): App,
    messages: Messages,
    Query(Next { next }): Query<Next>,
) -> Result<Html<String>> {
    site.render("login.html", json!({ "messages": messages.0, "next": next }))
}

async fn login(
    State(site): App,
    session: Session,
    flash: Flash,
    Form(form): Form<Credentials>,
) -> Result<Redirect> {
    let Some(member) = site.users.authenticate(form.username, form.password).await? else {
        flash.error("Invalid credentials")?;
        return Ok(Redirect::to(&form.next.after("/login")));
    };
    session.sign_in(&member.id.to_string()).await?;
    flash.success(format!("Successfully logged in as {}", member.name))?;
    Ok(Redirect::to(&form.next))
}

async fn logout(session: LazySession) -> Result<Redirect> {
    session.sign_out().await?;
    Ok(Redirect::to("/login"))
}

pub(crate) fn app(waxseal: Waxseal, file: &Path) -> Result<Router> {
    let mut pages = Environment::new();
    for (name, text) in [("home.html", include_str!("home.html")), ("login.html", include_str!("login.html"))]
    {
        pages.add_template(name, text).map_err(Error::other)?;
    }
    let store = SqliteStore::open(file).map_err(Error::other)?;
    let sessions = waxseal.store(store).lasting(days(1)).development(true).layer()?;
    Ok(Router::new()
        .route("/", get(home))
        .route("/login", get(login_page).post(login))
        .route("/logout", post(logout))
        .layer(sessions)
        .with_state(Arc::new(Site { users: Users::open(file)?, pages })))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let app = app(Waxseal::from_env(), Path::new("sign_in.db"))?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    Ok(axum::serve(listener, app).await?)
}
