//! An actix-web app with sessions in cookies by `waxseal-manager`, and pages by an environment of its own.

use std::time::SystemTime;

use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::ContentType;
use actix_web::web::{Data, Form};
use actix_web::{App, HttpRequest, HttpResponse, HttpResponseBuilder, get, post, test};
use serde::Deserialize;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_manager::{Access, Outcome, SessionManager, Visit};
use waxseal_templates::minijinja::{Environment, context};
use waxseal_templates::{add_to, check_names, session_value};

const COOKIE: &str = "__Host-session";

/// The app's data.
struct Site {
    sessions: SessionManager,
    pages: Environment<'static>,
}

#[derive(Deserialize)]
struct Entry {
    csrf_token: String,
    name: String,
}

impl Site {
    fn new() -> Self {
        let keyring = Keyring::new(SecretKey::generate().unwrap());
        let mut pages = Environment::new();
        let source = "{{ session.get('name', 'stranger') }} {{ get_flashed_messages() }} <form>{{ csrf_field() }}</form>";
        pages.add_template("page.html", source).unwrap();
        add_to(&mut pages);
        check_names(&pages).unwrap();
        Self { sessions: SessionManager::cookie(&keyring, COOKIE, "actix").unwrap(), pages }
    }

    async fn visit(&self, request: &HttpRequest, access: Access) -> Visit {
        let token = request.cookie(COOKIE);
        let opened = token
            .as_ref()
            .and_then(|token| self.sessions.open(token.value().as_bytes(), access, SystemTime::now()).ok());
        match opened {
            Some(opened) => opened.load(SystemTime::now()).await.expect("there is no store to ask"),
            None => self.sessions.create(),
        }
    }

    async fn commit(&self, visit: &Visit, answer: &mut HttpResponseBuilder) {
        let outcome = self.sessions.commit(visit, SystemTime::now()).await.expect("there is no store to ask");
        if let Outcome::Set { token, .. } = outcome {
            answer.cookie(Cookie::build(COOKIE, token).path("/").secure(true).http_only(true).finish());
        }
    }
}

#[get("/")]
async fn page(request: HttpRequest, site: Data<Site>) -> HttpResponse {
    let visit = site.visit(&request, Access::Read).await;
    let page = site.pages.get_template("page.html").unwrap();
    let page = page.render(context! { session => session_value(visit.session()) }).unwrap();
    let mut answer = HttpResponse::Ok();
    site.commit(&visit, &mut answer).await;
    answer.content_type(ContentType::html()).body(page)
}

#[post("/")]
async fn enter(request: HttpRequest, site: Data<Site>, form: Form<Entry>) -> HttpResponse {
    let visit = site.visit(&request, Access::Change).await;
    if !visit.is_csrf_token(form.csrf_token.as_bytes()) {
        return HttpResponse::Forbidden().finish();
    }
    visit.insert("name", &form.name).unwrap();
    visit.flash("info", "Welcome.").unwrap();
    let mut answer = HttpResponse::SeeOther();
    site.commit(&visit, &mut answer).await;
    answer.insert_header(("location", "/")).finish()
}

fn cookie_of<B>(answer: &ServiceResponse<B>) -> Cookie<'static> {
    answer.response().cookies().find(|cookie| cookie.name() == COOKIE).expect("a session").into_owned()
}

#[actix_web::test]
async fn an_apps_own_environment_has_the_session_messages_and_form_tokens() {
    let site = Data::new(Site::new());
    let app = test::init_service(App::new().app_data(site).service(page).service(enter)).await;

    let answer = test::call_service(&app, test::TestRequest::get().uri("/").to_request()).await;
    let cookie = cookie_of(&answer);
    let first = String::from_utf8(test::read_body(answer).await.to_vec()).unwrap();
    assert!(first.starts_with("stranger [] <form><input "), "{first}");
    let token = first.split_once("value=\"").unwrap().1.split('"').next().unwrap();

    let send = |token: &str| {
        let form = [("csrf_token", token), ("name", "<Rincewind>")];
        test::TestRequest::post().uri("/").cookie(cookie.clone()).set_form(form).to_request()
    };
    assert_eq!(test::call_service(&app, send("none")).await.status(), StatusCode::FORBIDDEN);
    let answer = test::call_service(&app, send(token)).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);

    let again = test::TestRequest::get().uri("/").cookie(cookie_of(&answer)).to_request();
    let second = String::from_utf8(test::call_and_read_body(&app, again).await.to_vec()).unwrap();
    assert!(second.starts_with("&lt;Rincewind&gt; [") && second.contains("Welcome."), "{second}");
}
