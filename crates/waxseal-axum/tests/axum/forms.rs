//! Form tokens, in forms and in headers.

use axum::extract::DefaultBodyLimit;
use axum::{Json, Router, routing::get, routing::post};
use http::Request;
use serde::Deserialize;
use waxseal_axum::{CheckedForm, CheckedToken, FormToken, MemoryStore, Result, Session, Waxseal};

use crate::browser::{Answer, Browser};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wizard {
    name: String,
    #[serde(default)]
    spells: Vec<String>,
}

async fn page(token: FormToken) -> String {
    assert_eq!(token.field(), format!(r#"<input type="hidden" name="csrf_token" value="{token}">"#));
    token.as_str().to_owned()
}

async fn create(CheckedForm(wizard): CheckedForm<Wizard>) -> String {
    format!("{}: {}", wizard.name, wizard.spells.join(", "))
}

async fn api(_: CheckedToken, Json(numbers): Json<Vec<u32>>) -> String {
    numbers.iter().sum::<u32>().to_string()
}

async fn sign_in(session: Session) -> Result<()> {
    session.sign_in("user-7").await
}

fn browser() -> Browser {
    let app = Router::new()
        .route("/", get(page).post(create))
        .route("/api", post(api))
        .route("/in", post(sign_in))
        .layer(DefaultBodyLimit::max(1_000));
    Browser::new(app.layer(Waxseal::ephemeral().store(MemoryStore::new()).layer().unwrap()))
}

#[tokio::test]
async fn a_form_with_the_sessions_token_arrives_without_it() {
    let mut browser = browser();
    let token = browser.get("/").await.text;
    let form = format!("name=M%C3%B6rlin&csrf_token={token}&spells=a&spells=b");
    assert_eq!(browser.post_form("/", &form).await.text, "Mörlin: a, b");
    let request = Request::post("/").header("x-csrf-token", token);
    let request = request.header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(browser.send(request, "name=Merlin".into()).await.text, "Merlin: ");
}

/// htmx sends its header with each form, also with one that has the field.
#[tokio::test]
async fn a_token_in_the_header_alone_counts() {
    let mut browser = browser();
    let token = browser.get("/").await.text;
    for (header, field, said) in [
        (&*token, &*token, "Merlin: "),
        (&token, "wrong", "Merlin: "),
        (&token, "a&csrf_token=b", "Merlin: "),
        ("wrong", &token, "this form belongs to another session, or to the time before a sign-in"),
    ] {
        let request = Request::post("/").header("x-csrf-token", header);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = browser.send(request, format!("name=Merlin&csrf_token={field}").into()).await;
        assert!(answer.text.starts_with(said), "{header} {field}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_token_that_is_missing_repeated_or_anothers_is_403() {
    let mut one = browser();
    let mut other = browser();
    let token = one.get("/").await.text;
    let others = other.get("/").await.text;
    let said = |answer: Answer| {
        assert_eq!(answer.status, 403, "{}", answer.text);
        answer.text.split(';').next().unwrap().to_owned()
    };
    assert_eq!(said(one.post_form("/", "name=Merlin").await), "the request has no form token");
    let twice = format!("name=Merlin&csrf_token={token}&csrf_token={token}");
    assert_eq!(said(one.post_form("/", &twice).await), "the request has more than one form token");
    for wrong in [&others, "", "é"] {
        let answer = one.post_form("/", &format!("name=Merlin&csrf_token={wrong}")).await;
        assert_eq!(said(answer), "this form belongs to another session, or to the time before a sign-in");
    }
    one.post("/in").await;
    let before = one.post_form("/", &format!("name=Merlin&csrf_token={token}")).await;
    assert_eq!(said(before), "this form belongs to another session, or to the time before a sign-in");
}

#[tokio::test]
async fn a_body_that_is_no_form_too_long_or_unfit_has_its_status() {
    let mut browser = browser();
    let token = browser.get("/").await.text;
    assert_eq!(browser.send(Request::post("/"), "name=Merlin".into()).await.status, 415);
    let long = format!("csrf_token={token}&name={}", "a".repeat(1_000));
    assert_eq!(browser.post_form("/", &long).await.status, 413);
    for unfit in ["", "&nome=Merlin", "&name=Merlin&age=7"] {
        let answer = browser.post_form("/", &format!("csrf_token={token}{unfit}")).await;
        assert_eq!(answer.status, 422, "{unfit}");
        assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain"), "{unfit}");
    }
}

#[tokio::test]
async fn a_script_sends_the_token_in_a_header() {
    let mut browser = browser();
    let token = browser.get("/").await.text;
    let json = |token: &str| {
        Request::post("/api").header("content-type", "application/json").header("x-csrf-token", token)
    };
    assert_eq!(browser.send(json(&token), "[1, 2]".into()).await.text, "3");
    assert_eq!(browser.send(json("none"), "[1, 2]".into()).await.status, 403);
    assert_eq!(browser.send(json(&token).header("x-csrf-token", token), "[1, 2]".into()).await.status, 403);
    let without = Request::post("/api").header("content-type", "application/json");
    assert_eq!(browser.send(without, "[1, 2]".into()).await.status, 403);
}
