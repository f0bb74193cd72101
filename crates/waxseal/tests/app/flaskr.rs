//! The example `flaskr`: the tests of Flask's tutorial, and that it is no longer than Flask's.
//!
//! Two of its 24 cannot be here: `test_config`, because no app is one for tests (a client has its settings and its own
//! state), and `test_get_close_db`, because a connection is the app's and no request closes it.

#[path = "../../examples/flaskr/main.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
pub(crate) mod example;

use tempfile::TempDir;
use waxseal::testing::{Client, TestResponse, run_command};
use waxseal::{MemoryStore, SessionState, Settings};
use waxseal_store::testing::FaultyStore;

use example::db::Db;

const DATA: &str = "INSERT INTO post (title, body, author_id, created) \
                    VALUES ('test title', 'test' || x'0a' || 'body', 1, '2018-01-01 00:00:00')";

/// A blog of its own, with the users `test` and `other` and a post by `test`.
struct Blog {
    client: Client,
    db: Db,
    _folder: TempDir,
}

impl Blog {
    async fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let db = Db::open(folder.path().join("flaskr.sqlite")).unwrap();
        run_command(example::app(db.clone()), &["init-db"]).await.unwrap();
        let blog = Self { client: Client::new(example::app(db.clone())).unwrap(), db, _folder: folder };
        for name in ["test", "other"] {
            blog.post("/auth/register", &[("username", name), ("password", name)]).await;
        }
        assert_eq!(blog.db.with(|db| db.execute(DATA, [])).await.unwrap(), 1);
        blog
    }

    async fn signed_in(name: &str) -> Self {
        let blog = Self::new().await;
        assert_eq!(blog.login(name, name).await.location(), Some("/"));
        blog
    }

    async fn login(&self, username: &str, password: &str) -> TestResponse {
        self.post("/auth/login", &[("username", username), ("password", password)]).await
    }

    async fn page(&self, path: &str) -> String {
        self.client.get(path).await.text()
    }

    /// Sends a form with the token that its page has.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> TestResponse {
        let token = self.client.csrf_token().await;
        self.client.post_form(path, &[&[("csrf_token", token.as_str())], fields].concat()).await
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.db.query(sql, [], |row| row.get(0)).await.unwrap()[0]
    }
}

#[tokio::test]
async fn hello() {
    assert_eq!(Blog::new().await.page("/hello").await, "Hello, World!");
}

#[tokio::test]
async fn a_database_without_tables_fails_and_says_why() {
    let folder = TempDir::new().unwrap();
    let db = Db::open(folder.path().join("empty.sqlite")).unwrap();
    let client = Client::new(example::app(db)).unwrap();
    assert_eq!(client.get("/").await.status(), 500);
}

/// Runs itself as a process of its own, whose output is that of the command.
#[tokio::test]
async fn init_db_command() {
    const PLACE: &str = "FLASKR_INIT_DB";
    if let Some(path) = std::env::var_os(PLACE) {
        let app = example::app(Db::open(path.as_os_str()).unwrap());
        return run_command(app, &["init-db"]).await.unwrap();
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("flaskr.sqlite");
    let mut program = std::process::Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "flaskr::init_db_command", "--nocapture"]).env(PLACE, &path);
    let done = program.output().unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success() && said.contains("Initialized the database."), "{said}");
    let tables = "SELECT count(*) FROM sqlite_master WHERE name IN ('user', 'post')";
    let count = Db::open(&path).unwrap().query(tables, [], |row| row.get::<_, i64>(0)).await.unwrap();
    assert_eq!(count, [2]);
}

#[tokio::test]
async fn register() {
    let blog = Blog::new().await;
    assert!(blog.page("/auth/register").await.contains("Register"));
    let answer = blog.post("/auth/register", &[("username", "a"), ("password", "a")]).await;
    assert_eq!(answer.location(), Some("/auth/login"));
    assert_eq!(blog.count("SELECT count(*) FROM user WHERE username = 'a'").await, 1);
    for (username, password, said) in [
        ("", "", "Username is required."),
        ("b", "", "Password is required."),
        ("test", "test", "User test is already registered."),
    ] {
        let page =
            blog.post("/auth/register", &[("username", username), ("password", password)]).await.text();
        assert!(page.contains(said), "{username}: {page}");
        assert!(page.contains(&format!("value=\"{username}\"")), "the form keeps what was typed: {page}");
    }
}

#[tokio::test]
async fn login_and_logout() {
    let blog = Blog::new().await;
    assert!(blog.page("/auth/login").await.contains("Log In"));
    for (username, password, said) in
        [("a", "test", "Incorrect username."), ("test", "a", "Incorrect password.")]
    {
        assert!(blog.login(username, password).await.text().contains(said), "{said}");
    }
    assert_eq!(blog.login("test", "test").await.location(), Some("/"));
    let answer = blog.client.get("/").await;
    let user: Option<example::auth::User> = answer.request().g().get("user");
    assert_eq!(user.map(|user| user.username).as_deref(), Some("test"));
    assert_eq!(blog.client.session().await.owner().as_deref(), Some("1"));

    assert_eq!(blog.client.get("/auth/logout").await.location(), Some("/"));
    assert_eq!(blog.client.session().await.owner(), None);
}

#[tokio::test]
async fn logout_works_while_the_session_store_is_away() {
    for session_state in [SessionState::Store, SessionState::Mirrored] {
        let (sessions, settings) =
            (FaultyStore::new(MemoryStore::new()), Settings { session_state, ..Settings::default() });
        let mut blog = Blog::new().await;
        let app = example::app(blog.db.clone()).session_store(sessions.clone());
        blog.client = Client::with_settings(app, &settings).unwrap();
        blog.login("test", "test").await;
        assert!(blog.page("/").await.contains("Log Out"), "{session_state:?}");
        sessions.set_away(true);
        assert_eq!(blog.client.get("/auth/logout").await.location(), Some("/"), "{session_state:?}");
        sessions.set_away(false);
        assert!(blog.page("/").await.contains("Log In"), "{session_state:?}");
    }
}

#[tokio::test]
async fn the_index_has_what_the_visitor_may_do() {
    let blog = Blog::new().await;
    let page = blog.page("/").await;
    assert!(page.contains("Log In") && page.contains("Register"), "{page}");
    blog.login("test", "test").await;
    let page = blog.page("/").await;
    for words in ["Log Out", "test title", "by test on 2018-01-01", "test\nbody", "href=\"/1/update\""] {
        assert!(page.contains(words), "{words} in {page}");
    }
}

#[tokio::test]
async fn a_login_is_required() {
    let blog = Blog::new().await;
    for path in ["/create", "/1/update", "/1/delete"] {
        assert_eq!(blog.post(path, &[]).await.location(), Some("/auth/login"), "{path}");
    }
}

#[tokio::test]
async fn the_author_alone_may_change_a_post() {
    let blog = Blog::signed_in("other").await;
    for path in ["/1/update", "/1/delete"] {
        assert_eq!(blog.post(path, &[("title", "mine"), ("body", "")]).await.status(), 403, "{path}");
    }
    assert!(!blog.page("/").await.contains("href=\"/1/update\""));
    assert_eq!(blog.count("SELECT count(*) FROM post WHERE title = 'test title'").await, 1);
}

#[tokio::test]
async fn a_post_must_exist() {
    let blog = Blog::signed_in("test").await;
    for path in ["/2/update", "/2/delete"] {
        let answer = blog.post(path, &[]).await;
        assert_eq!(answer.status(), 404, "{path}");
        assert!(answer.text().contains("Post id 2 doesn&#x27;t exist."), "{}", answer.text());
    }
}

#[tokio::test]
async fn create() {
    let blog = Blog::signed_in("test").await;
    assert_eq!(blog.client.get("/create").await.status(), 200);
    assert_eq!(blog.post("/create", &[("title", "created"), ("body", "")]).await.location(), Some("/"));
    assert_eq!(blog.count("SELECT count(*) FROM post").await, 2);
}

#[tokio::test]
async fn update() {
    let blog = Blog::signed_in("test").await;
    assert!(blog.page("/1/update").await.contains("value=\"test title\""));
    assert_eq!(blog.post("/1/update", &[("title", "updated"), ("body", "")]).await.location(), Some("/"));
    assert_eq!(blog.count("SELECT count(*) FROM post WHERE id = 1 AND title = 'updated'").await, 1);
}

#[tokio::test]
async fn a_post_has_a_title() {
    let blog = Blog::signed_in("test").await;
    for path in ["/create", "/1/update"] {
        let page = blog.post(path, &[("title", ""), ("body", "kept")]).await.text();
        assert!(page.contains("Title is required.") && page.contains(">kept</textarea>"), "{path}: {page}");
    }
}

#[tokio::test]
async fn delete() {
    let blog = Blog::signed_in("test").await;
    assert_eq!(blog.post("/1/delete", &[]).await.location(), Some("/"));
    assert_eq!(blog.count("SELECT count(*) FROM post WHERE id = 1").await, 0);
}

/// The lines of Flask 3.1's `auth.py` and `blog.py`, and with `__init__.py` and `db.py`, without blank lines, comments and
/// docstrings.
#[test]
fn it_is_no_longer_than_flasks() {
    let is_code = |line: &&str| !line.trim().is_empty() && !line.trim_start().starts_with("//");
    let lines =
        |files: &[&str]| -> usize { files.iter().map(|file| file.lines().filter(is_code).count()).sum() };
    let routes =
        [include_str!("../../examples/flaskr/auth.rs"), include_str!("../../examples/flaskr/blog.rs")];
    let rest = [include_str!("../../examples/flaskr/main.rs"), include_str!("../../examples/flaskr/db.rs")];
    assert!(lines(&routes) <= 161, "{} lines", lines(&routes));
    assert!(lines(&routes) + lines(&rest) <= 213, "{} lines", lines(&routes) + lines(&rest));
}
