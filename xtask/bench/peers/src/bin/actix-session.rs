//! actix-web with actix-session's cookie store.

use actix_session::storage::CookieSessionStore;
use actix_session::{Session, SessionMiddleware};
use actix_web::cookie::Key;
use actix_web::web::{Data, Form, Html, Redirect, get, post};
use actix_web::{App, HttpServer};
use peers::{Error, Page, address};

fn main() -> Result<(), Error> {
    let address = address()?;
    let (key, page) = (Key::generate(), Data::new(Page::new()));
    let server = HttpServer::new(move || {
        App::new()
            .app_data(page.clone())
            .wrap(SessionMiddleware::new(CookieSessionStore::default(), key.clone()))
            .route("/plain", get().to(async || "hello"))
            .route("/wizard/create", post().to(create))
            .route("/wizard/success", get().to(success))
    });
    Ok(actix_web::rt::System::new().block_on(server.workers(1).bind(address)?.run())?)
}

async fn create(session: Session, form: Form<Vec<(String, String)>>) -> actix_web::Result<Redirect> {
    for (name, value) in form.into_inner() {
        session.insert(name, value)?;
    }
    Ok(Redirect::to("/wizard/success").see_other())
}

async fn success(session: Session, page: Data<Page>) -> actix_web::Result<Html> {
    let name: Option<String> = session.get("name")?;
    let magic_school: Option<String> = session.get("magic_school")?;
    Ok(Html::new(page.render(name.as_deref(), magic_school.as_deref())))
}
