//! The user who is signed in, guarded routes, and a user's own sessions.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{FromRef, Path, State};
use axum::middleware::from_extractor_with_state;
use axum::{Json, Router, routing::get, routing::post};
use http::Request;
use waxseal_axum::{LoadUser, MemoryStore, Owner, RequireSignIn, Result, Session, SignedIn, Waxseal};

use crate::browser::Browser;

#[derive(Clone)]
struct App {
    people: People,
    _greeting: &'static str,
}

#[derive(Clone, Default)]
struct People(Arc<Inner>);

#[derive(Default)]
struct Inner {
    names: HashMap<&'static str, &'static str>,
    loads: AtomicUsize,
}

impl FromRef<App> for People {
    fn from_ref(app: &App) -> Self {
        app.people.clone()
    }
}

struct Person {
    name: &'static str,
}

impl LoadUser for Person {
    type Source = People;
    type Error = io::Error;
    const SIGN_IN_PAGE: Option<&'static str> = Some("/sign-in");

    async fn load(owner: &str, people: &People) -> io::Result<Option<Self>> {
        people.0.loads.fetch_add(1, Ordering::Relaxed);
        match owner {
            "broken" => Err(io::Error::other("out of ink")),
            owner => Ok(people.0.names.get(owner).map(|name| Self { name })),
        }
    }
}

/// The same person where nobody is redirected.
struct ApiPerson;

impl LoadUser for ApiPerson {
    type Source = People;
    type Error = io::Error;

    async fn load(owner: &str, people: &People) -> io::Result<Option<Self>> {
        Ok(people.0.names.get(owner).map(|_| Self))
    }
}

async fn greet(person: SignedIn<Person>) -> &'static str {
    person.name
}

async fn maybe(person: Option<SignedIn<Person>>) -> &'static str {
    person.map_or("stranger", |person| person.name)
}

async fn api(_: SignedIn<ApiPerson>) -> &'static str {
    "{}"
}

async fn owner(owner: Owner) -> String {
    owner.0
}

async fn maybe_owner(owner: Option<Owner>) -> String {
    owner.map_or_else(|| "nobody".to_owned(), |owner| owner.0)
}

async fn sign_in(session: Session, Path(owner): Path<String>) -> Result<()> {
    session.sign_in(&owner).await
}

async fn loads(State(people): State<People>) -> String {
    people.0.loads.swap(0, Ordering::Relaxed).to_string()
}

fn browser(waxseal: Waxseal) -> Browser {
    let people =
        People(Arc::new(Inner { names: HashMap::from([("7", "Merlin")]), loads: AtomicUsize::new(0) }));
    let app = App { people, _greeting: "Hello" };
    let guarded = Router::new()
        .route("/page", get(greet).post(greet))
        .route_layer(from_extractor_with_state::<SignedIn<Person>, _>(app.clone()));
    let light = Router::new()
        .route("/light", get(async || "light"))
        .route_layer(RequireSignIn::at(String::from("/sign-in?from=light")));
    let closed = Router::new().route("/closed", get(async || "closed")).route_layer(RequireSignIn::new());
    let routes = Router::new()
        .nest("/guarded", guarded)
        .merge(light)
        .merge(closed)
        .route("/", get(greet).post(greet))
        .route("/maybe", get(maybe))
        .route("/api", get(api))
        .route("/owner", get(owner))
        .route("/maybe-owner", get(maybe_owner))
        .route("/in/{owner}", post(sign_in))
        .route("/loads", get(loads));
    Browser::new(routes.with_state(app).layer(waxseal.layer().unwrap()))
}

#[tokio::test]
async fn strangers_are_sent_to_sign_in_with_the_way_back_or_answered_401() {
    let mut stranger = browser(Waxseal::ephemeral());
    for (path, location) in [
        ("/", "/sign-in?next=%2F"),
        ("/?a=b&c=%20d", "/sign-in?next=%2F%3Fa%3Db%26c%3D%2520d"),
        ("/guarded/page?x", "/sign-in?next=%2Fguarded%2Fpage%3Fx"),
        ("/light", "/sign-in?from=light&next=%2Flight"),
    ] {
        let answer = stranger.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, location), "{path}");
    }
    for path in ["/", "/guarded/page"] {
        assert_eq!(stranger.post(path).await.location(), "/sign-in", "{path}: a POST cannot be repeated");
    }
    for path in ["/api", "/owner", "/closed"] {
        let answer = stranger.get(path).await;
        assert_eq!((answer.status.as_u16(), &*answer.text), (401, "nobody is signed in\n"), "{path}");
    }
    assert_eq!(stranger.get("/maybe").await.text, "stranger");
    assert_eq!(stranger.get("/maybe-owner").await.text, "nobody");
    assert_eq!(stranger.get("/loads").await.text, "0");
}

#[tokio::test]
async fn a_user_is_loaded_once_for_each_request() {
    let mut merlin = browser(Waxseal::ephemeral());
    merlin.post("/in/7").await;
    for (path, text, loads) in [
        ("/", "Merlin", "1"),
        ("/guarded/page", "Merlin", "1"),
        ("/maybe", "Merlin", "1"),
        ("/light", "light", "0"),
        ("/closed", "closed", "0"),
        ("/owner", "7", "0"),
        ("/maybe-owner", "7", "0"),
        ("/api", "{}", "0"),
    ] {
        assert_eq!(merlin.get(path).await.text, text, "{path}");
        assert_eq!(merlin.get("/loads").await.text, loads, "{path}");
    }
}

#[tokio::test]
async fn a_user_who_is_gone_counts_as_signed_out_and_one_who_cannot_be_loaded_is_a_500() {
    let mut gone = browser(Waxseal::ephemeral());
    gone.post("/in/8").await;
    assert_eq!(gone.get("/").await.location(), "/sign-in?next=%2F");
    assert_eq!(gone.get("/maybe").await.text, "stranger");
    gone.post("/in/broken").await;
    let broken = gone.get("/").await;
    assert_eq!((broken.status.as_u16(), &*broken.text), (500, "internal server error\n"));
}

async fn list(session: Session) -> Result<Json<serde_json::Value>> {
    Ok(Json(serde_json::to_value(session.own_sessions().await?).unwrap()))
}

async fn end(session: Session, Path(id): Path<String>) -> Result<String> {
    Ok(session.end_session(&id).await?.to_string())
}

async fn end_others(session: Session) -> Result<()> {
    session.end_other_sessions()
}

async fn is_recent(session: Session) -> Result<String> {
    session.revalidate().await?;
    Ok(session.signed_in_within(Duration::from_secs(60)).to_string())
}

fn devices(waxseal: Waxseal) -> Browser {
    let app = Router::new()
        .route("/in/{owner}", post(sign_in))
        .route("/list", get(list))
        .route("/end/{id}", post(end))
        .route("/end-others", post(end_others))
        .route("/recent", get(is_recent))
        .route("/owner", get(maybe_owner));
    Browser::new(app.layer(waxseal.layer().unwrap()))
}

#[tokio::test]
async fn a_user_lists_and_ends_their_sessions() {
    for waxseal in
        [Waxseal::ephemeral().store(MemoryStore::new()), Waxseal::ephemeral().mirrored(MemoryStore::new())]
    {
        let mut phone = devices(waxseal);
        let (mut laptop, mut lost, mut other) = (phone.copy(), phone.copy(), phone.copy());
        let agent = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
        laptop.send(Request::post("/in/7").header("user-agent", agent), "".into()).await;
        for (browser, owner) in [(&mut phone, 7), (&mut lost, 7), (&mut other, 8)] {
            browser.post(&format!("/in/{owner}")).await;
        }
        assert_eq!(laptop.get("/recent").await.text, "true");

        let listed: Vec<serde_json::Value> = serde_json::from_str(&laptop.get("/list").await.text).unwrap();
        assert_eq!(listed.len(), 3);
        let current: Vec<_> = listed.iter().filter(|session| session["current"] == true).collect();
        assert_eq!((current.len(), &current[0]["device"]), (1, &"Firefox on Linux".into()));

        let theirs: Vec<serde_json::Value> = serde_json::from_str(&lost.get("/list").await.text).unwrap();
        let id =
            theirs.iter().find(|session| session["current"] == true).unwrap()["public_id"].as_str().unwrap();
        assert_eq!(other.post(&format!("/end/{id}")).await.text, "false", "another user's");
        assert_eq!(laptop.post(&format!("/end/{id}")).await.text, "true");
        assert_eq!(laptop.post("/end/all").await.status, 400);
        assert_eq!(lost.post("/end-others").await.status, 401);

        assert_eq!(laptop.post("/end-others").await.status, 200);
        assert_eq!(phone.post("/end-others").await.status, 401);
        assert_eq!((&*laptop.get("/owner").await.text, &*other.get("/owner").await.text), ("7", "8"));
    }
}

#[tokio::test]
async fn in_state_cookie_nobody_keeps_a_list() {
    let mut browser = devices(Waxseal::ephemeral());
    assert_eq!(browser.get("/list").await.text, "[]");
    browser.post("/in/7").await;
    assert_eq!(browser.get("/list").await.status, 501);
    assert_eq!(browser.post("/end-others").await.status, 501);
}
