//! axum with Waxseal's layer: sessions in the cookie, or in memory if the second argument is `store`.

use std::env;
use std::sync::Arc;

use axum::extract::{Form, State};
use axum::response::{Html, Redirect};
use axum::routing::{get, post};
use peers::{Error, Page, address, run};
use waxseal_axum::{MemoryStore, Result, Session, Waxseal};

fn main() -> Result<(), Error> {
    run(async {
        let sessions = Waxseal::from_env();
        let sessions = match env::args().nth(2).as_deref() {
            Some("store") => sessions.store(MemoryStore::new()),
            _ => sessions,
        };
        let app = axum::Router::new()
            .route("/plain", get(async || "hello"))
            .route("/wizard/create", post(create))
            .route("/wizard/success", get(success))
            .layer(sessions.layer()?)
            .with_state(Arc::<Page>::default());
        Ok(axum::serve(tokio::net::TcpListener::bind(address()?).await?, app).await?)
    })
}

async fn create(session: Session, Form(form): Form<Vec<(String, String)>>) -> Result<Redirect> {
    session.extend(form)?;
    Ok(Redirect::to("/wizard/success"))
}

async fn success(State(page): State<Arc<Page>>, session: Session) -> Result<Html<String>> {
    let name: Option<String> = session.get("name")?;
    let magic_school: Option<String> = session.get("magic_school")?;
    Ok(Html(page.render(name.as_deref(), magic_school.as_deref())))
}
