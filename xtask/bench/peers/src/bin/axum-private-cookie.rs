//! axum with the session as JSON in a cookie of axum-extra's `PrivateCookieJar`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Form, FromRef, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use axum_extra::extract::cookie::{Cookie, Key, PrivateCookieJar, SameSite};
use peers::{Error, Page, address, run};
use serde::Deserialize;

#[derive(Clone)]
struct App {
    key: Key,
    page: Arc<Page>,
}

/// What the page wants of the session.
#[derive(Deserialize, Default)]
struct Wizard {
    name: Option<String>,
    magic_school: Option<String>,
}

impl FromRef<App> for Key {
    fn from_ref(app: &App) -> Self {
        app.key.clone()
    }
}

fn main() -> Result<(), Error> {
    run(async {
        let app = axum::Router::new()
            .route("/plain", get(async || "hello"))
            .route("/wizard/create", post(create))
            .route("/wizard/success", get(success))
            .with_state(App { key: Key::generate(), page: Arc::default() });
        Ok(axum::serve(tokio::net::TcpListener::bind(address()?).await?, app).await?)
    })
}

async fn create(
    jar: PrivateCookieJar,
    Form(form): Form<BTreeMap<String, String>>,
) -> (PrivateCookieJar, Redirect) {
    let session = serde_json::to_string(&form).expect("a map of texts is JSON");
    let cookie =
        Cookie::build(("session", session)).path("/").secure(true).http_only(true).same_site(SameSite::Lax);
    (jar.add(cookie), Redirect::to("/wizard/success"))
}

async fn success(State(app): State<App>, jar: PrivateCookieJar) -> Html<String> {
    let session = jar.get("session");
    let wizard: Wizard =
        session.and_then(|cookie| serde_json::from_str(cookie.value()).ok()).unwrap_or_default();
    Html(app.page.render(wizard.name.as_deref(), wizard.magic_school.as_deref()))
}
