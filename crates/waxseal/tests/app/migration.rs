//! A Flask app's visitors, who come back to the app that replaces it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use waxseal::testing::Client;
use waxseal::{
    Adoption, App, Flask, FlaskKey, FlaskRecord, MemoryStore, Request, Response, Result, StartError,
    redirect, typed,
};

const SECRET: &str = "SECRET_KEY of the app";
/// From the README of `waxseal-flask`, where real Flask made it: Flask-Login's user 7, signed at second 1,700,000,000.
const COOKIE: &str =
    "eyJfZnJlc2giOnRydWUsIl91c2VyX2lkIjoiNyIsImNhcnQiOnsiIHQiOlsxLDJdfX0.ZVPxAA.azXcRLr0ls77vaWGRTsd9uHdl14";

async fn index(request: Request) -> Result<Response> {
    let owner = request.session().await?.owner();
    Ok(typed("text/plain", owner.unwrap_or("nobody".into())))
}

async fn sign_out(request: Request) -> Result<Response> {
    request.sign_out().await?;
    Ok(redirect("/"))
}

/// An app whose terms are wide enough for a cookie of 2023.
fn app() -> App {
    app_of(flask(), SystemTime::now())
}

fn flask() -> Flask {
    Flask::new(FlaskKey::from_text(SECRET).unwrap()).lifetime(since_then() + Duration::from_secs(60))
}

fn app_of(flask: Flask, switch: SystemTime) -> App {
    let terms = Adoption::new(switch, switch + Duration::from_secs(3_600)).lifetime(since_then() * 2);
    App::new("flaskr")
        .get("/", index)
        .post("/sign-in", async |request: Request| {
            request.sign_in("8").await?;
            Ok(redirect("/"))
        })
        .post("/sign-out", sign_out)
        .migrate_from(flask, terms)
}

fn since_then() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH + Duration::from_secs(1_700_000_000)).unwrap()
}

#[tokio::test]
async fn a_cookie_that_real_flask_made_signs_in_once() {
    let client = Client::new(app().session_store(MemoryStore::new())).unwrap();
    client.set_cookie("session", COOKIE);
    assert_eq!(client.get("/").await.text(), "7");
    assert_eq!(client.cookie("session"), None, "the browser has forgotten it");
    assert_eq!(client.get("/").await.text(), "7");
    client.post_form("/sign-out", &[]).await;
    client.set_cookie("session", COOKIE);
    assert_eq!(client.get("/").await.text(), "nobody");
}

#[tokio::test]
async fn an_app_beside_flask_shares_its_sign_in() {
    let switch = SystemTime::now() + Duration::from_secs(3_600);
    let app = app_of(flask().side_by_side(["cart"]), switch).session_store(MemoryStore::new());
    let client = Client::new(app).unwrap();
    client.set_cookie("session", COOKIE);
    assert_eq!(client.get("/").await.text(), "7");
    assert!(client.cookie("session").is_some(), "Flask goes on with it");
    client.delete_cookie("session");
    assert_eq!(client.get("/").await.text(), "nobody");
    client.post_form("/sign-in", &[]).await;
    assert_eq!(client.get("/").await.text(), "8");
    assert!(client.cookie("session").is_some());
    client.post_form("/sign-out", &[]).await;
    assert_eq!(client.cookie("session"), None);
    assert_eq!(client.get("/").await.text(), "nobody");
}

#[test]
fn an_app_that_cannot_remember_does_not_start_with_it() {
    let Err(StartError::Session(error)) = Client::new(app()) else { panic!("it has started") };
    assert!(error.to_string().contains("replayable"), "{error}");
}

/// A client of the old app's Redis.
#[derive(Clone)]
struct OldRedis;

impl OldRedis {
    async fn record(&self, key: &str) -> std::io::Result<Option<(Vec<u8>, Duration)>> {
        Err(std::io::Error::other(format!("{key} was asked for in {OldRedis:?}")))
    }
}

impl std::fmt::Debug for OldRedis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no Redis")
    }
}

/// docs/migrate.md
#[tokio::test]
async fn what_the_guide_shows_of_flask_session_answers_also_without_the_old_store() {
    let (key, redis) = (FlaskKey::from_text(SECRET).unwrap(), OldRedis);
    let terms = Adoption::new(SystemTime::now(), SystemTime::now() + Duration::from_secs(60));
    let old = Flask::new(key).owner_key("user_id").server_side(move |key: String| {
        let redis = redis.clone(); // any client: a GET and a TTL of the key
        async move { Ok(redis.record(&key).await?.map(|(bytes, lives)| FlaskRecord { bytes, lives })) }
    });
    let app = App::new("flaskr").migrate_from(old.prefix("session:"), terms);
    let client = Client::new(app.get("/", index).session_store(MemoryStore::new())).unwrap();
    assert_eq!(client.get("/").await.text(), "nobody");
}

/// docs/migrate.md
#[tokio::test]
async fn what_the_guide_shows_of_an_app_beside_flask_answers() -> Result<()> {
    let secret = SECRET.to_owned();
    let flask = Flask::new(FlaskKey::from_text(&secret)?)
        .owner_key("user_id") // as Flask's tutorial; without it, Flask-Login's `_user_id`
        .integer_owner() // written as `7` and not as `"7"`; or `uuid_owner`
        .side_by_side(["cart"]); // and these entries cross
    let app = App::new("flaskr").migrate_from(flask, Adoption::between("2127-02-01", "2127-03-01")?);
    let client = Client::new(app.get("/", index).session_store(MemoryStore::new())).unwrap();
    assert_eq!(client.get("/").await.text(), "nobody");
    Ok(())
}
