//! What the guides in `docs` show of an app, with its surroundings, and run.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use waxseal::testing::{Client, Part};
use waxseal::{
    App, Error, MemoryStore, Request, Response, Result, SessionState, Settings, StatusCode, UploadLimits,
    abort, context, folder, html, redirect, typed,
};

use crate::flaskr::example;

#[path = "../../examples/counter.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod counter;

/// docs/quick-start.md
#[tokio::test]
async fn the_ten_lines_count_a_visitors_visits() {
    let client = Client::new(App::new("counter").get("/", counter::count)).unwrap();
    assert_eq!(client.get("/").await.text(), "visit 1\n");
    assert_eq!(client.get("/").await.text(), "visit 2\n");
    let code = include_str!("../../examples/counter.rs").lines();
    assert!(code.filter(|line| !line.is_empty() && !line.starts_with("//!")).count() <= 10);
}

const PASSWORD: &str = "eleven owls";

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
    #[serde(default)]
    remember: bool,
}

struct User {
    id: String,
}

async fn authenticate(form: &Credentials) -> Result<Option<User>> {
    Ok((form.password == PASSWORD).then(|| User { id: format!("user-{}", form.name) }))
}

/// docs/sign-in.md
mod sign_in {
    use super::*;

    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    async fn sign_in(request: Request) -> Result<Response> {
        let form: Credentials = request.form().await?;
        let next = request.next_path("next").unwrap_or("/".to_owned());
        let Some(user) = authenticate(&form).await? else {
            request.flash("error", "Name and password do not fit together.").await?;
            return Ok(redirect(&request.url_for("sign_in_page", &[("next", &next)])?));
        };
        request.sign_in(&user.id).await?;
        match form.remember {
            true => request.session().await?.set_permanent_for(MONTH)?,
            false => request.session().await?.set_permanent(false)?,
        }
        Ok(redirect(&next))
    }

    async fn sign_out(request: Request) -> Result<Response> {
        request.sign_out().await?;
        Ok(redirect("/"))
    }

    async fn change_password(request: Request) -> Result<Response> {
        if !request.signed_in_within(Duration::from_secs(10 * 60)).await? {
            return Ok(redirect("/sign-in?next=/password"));
        }
        // … the new password is kept, and whoever knew the old one is signed out:
        request.end_other_sessions().await?;
        Ok(redirect("/"))
    }

    async fn members_only(request: Request) -> Result<Option<Response>> {
        match request.session().await?.owner() {
            Some(_) => Ok(None), // on to the handler
            None => Ok(Some(redirect(&request.url_for("sign_in_page", &[("next", request.path())])?))),
        }
    }

    async fn home(request: Request) -> Result<Response> {
        let owner = request.session().await?.owner().ok_or(Error::status(401))?;
        Ok(typed("text/plain", owner))
    }

    async fn sign_in_page(_: Request) -> Result<Response> {
        Ok(html("the form"))
    }

    async fn lock_user(request: Request) -> Result<Response> {
        if request.session().await?.owner().as_deref() != Some("user-administrator") {
            return abort(403);
        }
        // … from now on this user cannot sign in, and whoever is signed in as them is signed out:
        request.end_all_sessions(request.param("user")?).await?;
        Ok(redirect("/users"))
    }

    fn app() -> App {
        let members = waxseal::Routes::new("members").before_request(members_only).get("/", home);
        App::new("shop")
            .mount("/members", members)
            .get("/", home)
            .get("/sign-in", sign_in_page)
            .post("/sign-in", sign_in)
            .route(waxseal::Route::post("/sign-out", sign_out).without_csrf_token())
            .post("/password", change_password)
            .post("/users/{user}/lock", lock_user)
            .session_store(MemoryStore::new())
    }

    fn client() -> Client {
        let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
        Client::with_settings(app(), &settings).unwrap()
    }

    #[tokio::test]
    async fn who_signs_in_is_known_and_whom_the_box_says_for_a_month() {
        let client = client();
        let to = |answer: waxseal::testing::TestResponse| answer.location().map(str::to_owned);
        let sign_in_page = to(client.get("/members/").await).unwrap();
        assert_eq!(sign_in_page, "/sign-in?next=%2Fmembers%2F");
        assert_eq!(client.get(&sign_in_page).await.text(), "the form");
        assert_eq!(client.get("/").await.status(), 401);
        let wrong = [("name", "merlin"), ("password", "eleven toads")];
        assert_eq!(to(client.post_form(&sign_in_page, &wrong).await).as_deref(), Some(&*sign_in_page));

        let right = [("name", "merlin"), ("password", PASSWORD)];
        let answer = client.post_form("/sign-in?next=/members/", &right).await;
        assert!(!answer.header(&http::header::SET_COOKIE).unwrap().contains("Max-Age"));
        assert_eq!(to(answer).as_deref(), Some("/members/"));
        assert_eq!(client.get("/members/").await.text(), "user-merlin");
        client.advance(Duration::from_secs(13 * 60 * 60));
        assert_eq!(client.get("/").await.status(), 401, "an ordinary session is over");

        // As a browser sends a box that is ticked.
        let remembered = [right[0], right[1], ("remember", "on")];
        let answer = client.post_form("/sign-in", &remembered).await;
        assert!(answer.header(&http::header::SET_COOKIE).unwrap().contains("Max-Age=2592000"));
        client.advance(29 * MONTH / 30);
        assert_eq!(client.get("/").await.text(), "user-merlin");
        let no_longer = client.post_form("/sign-in", &right).await;
        assert!(!no_longer.header(&http::header::SET_COOKIE).unwrap().contains("Max-Age"));
        client.post_form("/sign-out", &[]).await;
        assert_eq!(client.get("/").await.status(), 401);
    }

    #[tokio::test]
    async fn an_administrator_ends_the_sessions_of_a_user() {
        let administrator = client();
        let [merlin, morgana] = [administrator.another(), administrator.another()];
        for (client, name) in [(&administrator, "administrator"), (&merlin, "merlin"), (&morgana, "morgana")]
        {
            client.post_form("/sign-in", &[("name", name), ("password", PASSWORD)]).await;
        }
        assert_eq!(morgana.post_form("/users/user-merlin/lock", &[]).await.status(), 403);
        assert_eq!(administrator.post_form("/users/user-merlin/lock", &[]).await.status(), 303);
        merlin.advance(Duration::from_secs(6));
        assert_eq!(merlin.get("/").await.status(), 401);
        assert_eq!(morgana.get("/").await.text(), "user-morgana");
        assert_eq!(administrator.get("/").await.text(), "user-administrator");
    }

    #[tokio::test]
    async fn a_password_is_changed_by_who_has_just_given_it_and_ends_the_other_sessions() {
        let (here, elsewhere) = {
            let here = client();
            let elsewhere = here.another();
            (here, elsewhere)
        };
        let right = [("name", "merlin"), ("password", PASSWORD)];
        for client in [&elsewhere, &here] {
            client.post_form("/sign-in", &right).await;
        }
        here.advance(Duration::from_secs(11 * 60));
        let late = here.post_form("/password", &[]).await;
        assert_eq!(late.location(), Some("/sign-in?next=/password"));
        here.post_form("/sign-in", &right).await;
        assert_eq!(here.post_form("/password", &[]).await.location(), Some("/"));
        here.advance(Duration::from_secs(6));
        assert_eq!(here.get("/").await.text(), "user-merlin");
        assert_eq!(elsewhere.get("/").await.status(), 401);
    }
}

/// docs/forms.md
mod forms {
    use super::*;

    #[derive(Serialize, Deserialize, Default)]
    #[serde(default)]
    struct Message {
        to: String,
        text: String,
        tags: Vec<String>,
        urgent: bool,
    }

    async fn send(request: Request) -> Result<Response> {
        let message: Message = request.form().await?;
        if message.text.trim().is_empty() {
            let mut page =
                request.render("form.html", context! { message, error => "Write something." }).await?;
            *page.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
            return Ok(page);
        }
        request.flash("success", format!("Sent to {}.", message.to)).await?;
        Ok(redirect("/"))
    }

    async fn upload(request: Request) -> Result<Response> {
        let limits = UploadLimits::default().total(20 << 20).file(10 << 20).parts(5);
        let mut form = request.multipart_within(limits).await?;
        let mut picture = form.take_file("picture").ok_or(Error::status(422).message("choose a picture"))?;
        let path = request.state::<Pictures>()?.0.join(picture.safe_name().unwrap_or("picture".to_owned()));
        let saved = picture.save(path).await;
        if saved.as_ref().is_err_and(|error| error.kind() == ErrorKind::AlreadyExists) {
            return Err(Error::status(409).message("there is a picture of that name"));
        }
        saved?;
        Ok(redirect("/"))
    }

    struct Pictures(std::path::PathBuf);

    fn app(pictures: &Path) -> App {
        App::new("post")
            .templates(folder!("$CARGO_MANIFEST_DIR/tests/templates"))
            .state(Pictures(pictures.to_owned()))
            .get("/", async |request: Request| {
                let shown = request.session().await?.flashed_messages(&[]);
                Ok(html(shown.iter().map(|flash| flash.message.as_str()).collect::<String>()))
            })
            .post("/send", send)
            .post("/upload", upload)
    }

    #[tokio::test]
    async fn a_form_comes_back_with_its_words_or_is_thanked_for_on_the_next_page() {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(app(folder.path())).unwrap();
        let fields = [("to", "Nimue"), ("tags", "a"), ("tags", "b"), ("urgent", "true")];
        let page = client.post_form("/send", &fields).await;
        assert_eq!(page.status(), 422);
        assert_eq!(page.text().trim(), "Write something. Nimue a,b True");
        let sent = client.post_form("/send", &[("to", "Nimue"), ("text", "Come")]).await;
        assert_eq!((sent.status().as_u16(), sent.location()), (303, Some("/")));
        assert_eq!(client.get("/").await.text(), "Sent to Nimue.");
    }

    #[tokio::test]
    async fn a_picture_is_kept_under_a_harmless_name() {
        let folder = tempfile::tempdir().unwrap();
        let client = Client::new(app(folder.path())).unwrap();
        let picture = Part::file("picture", "../owl.png", "image/png", "PNG");
        assert_eq!(client.post_multipart("/upload", &[picture]).await.status(), 303);
        assert_eq!(std::fs::read(folder.path().join("owl.png")).unwrap(), b"PNG");
        let of_that_name = Part::file("picture", "owl.png", "image/png", "another");
        assert_eq!(client.post_multipart("/upload", &[of_that_name]).await.status(), 409);
        assert_eq!(std::fs::read(folder.path().join("owl.png")).unwrap(), b"PNG");
        assert_eq!(client.post_multipart("/upload", &[Part::field("picture", "")]).await.status(), 422);
    }
}

/// docs/database.md
mod database {
    use super::example::app;
    use super::example::db::Db;
    use super::*;

    #[tokio::test]
    async fn each_test_has_an_app_and_a_database_of_its_own() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let client = Client::new(app(Db::open(folder.path().join("test.sqlite"))?))?;
        assert_eq!(client.get("/hello").await.text(), "Hello, World!");
        Ok(())
    }
}

/// docs/device.md
#[cfg(feature = "device")]
#[test]
fn a_shop_is_bound_to_devices() {
    fn shop() -> App {
        App::new("shop").device_bound()
    }
    let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
    Client::with_settings(shop(), &settings).unwrap();
}

/// docs/migrate.md
mod migrate {
    use std::error::Error;

    use waxseal::testing::Client;
    use waxseal::{MemoryStore, SessionState, Settings};

    #[cfg(feature = "flask")]
    fn from_flask(old_secret: &str, store: MemoryStore) -> Result<waxseal::App, Box<dyn Error>> {
        use waxseal::{Adoption, App, Flask, FlaskKey};

        let flask = Flask::new(FlaskKey::from_text(old_secret)?).owner_key("user_id");
        let app = App::new("flaskr")
            .session_store(store) // or --session-state mirrored
            .migrate_from(flask, Adoption::between("2027-02-01", "2027-03-01")?);
        Ok(app)
    }

    #[cfg(feature = "flask")]
    fn remembered(old_secret: &str) -> Result<waxseal::App, Box<dyn Error>> {
        use waxseal::{Adoption, App, Flask, FlaskKey, FlaskRemember};

        let terms = Adoption::between("2027-02-01", "2027-03-01")?;
        let key = FlaskKey::from_text(old_secret)?;
        let remembered = FlaskRemember::new(key.clone(), &terms);
        let app = App::new("shop").migrate_from(Flask::new(key), terms).migrate_from(remembered, terms);
        Ok(app)
    }

    #[cfg(feature = "django")]
    fn from_django(old_secret: &str, store: MemoryStore) -> Result<waxseal::App, Box<dyn Error>> {
        use waxseal::{Adoption, App, Django};

        let app = App::new("shop")
            .session_store(store)
            .migrate_from(Django::new(old_secret)?, Adoption::between("2027-02-01", "2027-03-01")?);
        Ok(app)
    }

    #[cfg(feature = "rails")]
    fn from_rails(secret_key_base: &str, store: MemoryStore) -> Result<waxseal::App, Box<dyn Error>> {
        use waxseal::{Adoption, App, Rails, RailsDigest, RailsKey};

        let terms = Adoption::between("2027-02-01", "2027-03-01")?;
        let key = RailsKey::new(secret_key_base, RailsDigest::Sha256)?; // Sha1 before `load_defaults 7.0`
        let rails = Rails::new("_shop_session", key, &terms)?.owner_key("user_id"); // or .devise("user")
        let app = App::new("shop").session_store(store).migrate_from(rails, terms);
        Ok(app)
    }

    fn from_cookies() -> Result<waxseal::App, Box<dyn Error>> {
        use waxseal::{Adoption, App, FormerState};

        let terms = Adoption::between("2027-02-01", "2027-02-02")?.from_state(FormerState::Cookie);
        let app = App::new("wizard").migrating(terms); // started with --session-state mirrored
        Ok(app)
    }

    #[test]
    fn apps_that_take_sessions_over_start() -> Result<(), Box<dyn Error>> {
        #[cfg(feature = "flask")]
        Client::new(from_flask("the old app's", MemoryStore::new())?)?;
        #[cfg(feature = "flask")]
        Client::new(remembered("the old app's")?.session_store(MemoryStore::new()))?;
        #[cfg(feature = "django")]
        Client::new(from_django("the old app's", MemoryStore::new())?)?;
        #[cfg(feature = "rails")]
        Client::new(from_rails("the old app's", MemoryStore::new())?)?;
        let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
        Client::with_settings(from_cookies()?.session_store(MemoryStore::new()), &settings)?;
        Ok(())
    }
}

/// docs/tutorial.md
#[tokio::test]
async fn an_error_answers_early_and_may_say_why() {
    async fn wizard(request: Request) -> Result<Response> {
        match request.param_as::<u32>("number")? {
            0 => return abort(404),
            1..=10 => {}
            _ => return Err(Error::status(404).message("there are only ten wizards")), // and says why
        }
        Ok(html("a wizard"))
    }
    let client = Client::new(App::new("demo").get("/{number}", wizard)).unwrap();
    assert_eq!(client.get("/10").await.status(), 200);
    assert_eq!(client.get("/0").await.status(), 404);
    let answer = client.get("/11").await;
    assert!(answer.status() == 404 && answer.text().contains("there are only ten wizards"));
}

/// docs/testing.md
mod testing {
    use super::*;
    use waxseal_store::testing::FaultyStore;

    async fn basket(request: Request) -> Result<Response> {
        let count: u32 = request.session().await?.get("books")?.unwrap_or_default();
        Ok(typed("text/plain", format!("{count} books")))
    }

    async fn add(request: Request) -> Result<Response> {
        request.session().await?.add("books", 1)?;
        Ok(redirect("/"))
    }

    fn app() -> App {
        App::new("shop").csrf_tokens().get("/", basket).post("/add", add)
    }

    #[tokio::test]
    async fn a_basket_is_filled() {
        let client = Client::new(app()).unwrap().follow_redirects();
        client.with_session(|session| session.insert("books", 2)).await.unwrap();
        let token = client.csrf_token().await;
        let page = client.post_form("/add", &[("csrf_token", &token)]).await;
        assert_eq!(page.text(), "3 books");
        assert_eq!(client.session().await.get::<u32>("books").unwrap(), Some(3));
    }

    #[tokio::test]
    async fn two_visitors_have_a_basket_each() {
        let one = Client::new(app()).unwrap();
        let other = one.another();
        one.with_session(|session| session.insert("books", 2)).await.unwrap();
        assert_eq!(one.get("/").await.text(), "2 books");
        assert_eq!(other.get("/").await.text(), "0 books");
    }

    #[tokio::test]
    async fn while_the_store_is_away_a_basket_can_be_read_and_not_filled() {
        let store = FaultyStore::new(MemoryStore::new());
        let settings = Settings { session_state: SessionState::Mirrored, ..Settings::default() };
        let client = Client::with_settings(app().session_store(store.clone()), &settings).unwrap();
        client.with_session(|session| session.insert("books", 2)).await.unwrap();
        let token = client.csrf_token().await;
        store.set_away(true);
        client.advance(Duration::from_secs(60));
        assert_eq!(client.get("/").await.text(), "2 books");
        assert_eq!(client.post_form("/add", &[("csrf_token", &token)]).await.status(), 503);
    }
}
