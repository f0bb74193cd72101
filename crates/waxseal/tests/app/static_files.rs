//! Static files of an app. What the files themselves answer is tested in `waxseal-server`.

use std::fs;

use crate::support::{client_of, folder_at, header};
use http::HeaderValue;
use waxseal::testing::{Client, TestResponse};
use waxseal::{
    App, Body, Error, Method, Request, Response, Result, StartError, StaticFiles, context, folder,
};

fn app() -> App {
    App::new("demo").static_folder("/static", folder!("$CARGO_MANIFEST_DIR/tests/static"))
}

async fn with(client: &Client, method: Method, path: &str, fields: &[(&'static str, &str)]) -> TestResponse {
    let mut request = client.request(method, path, Body::empty());
    for (name, value) in fields {
        request.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
    }
    client.send(request).await
}

#[tokio::test]
async fn a_folder_is_served_with_tags_and_ranges() {
    let client = client_of(app());
    let sheet = client.get("/static/site.css").await;
    assert_eq!((sheet.status().as_u16(), sheet.text().as_str()), (200, "body { color: teal }\n"));
    assert_eq!(header(&sheet, "content-type"), Some("text/css; charset=utf-8"));
    let etag = header(&sheet, "etag").unwrap();
    let known = with(&client, Method::GET, "/static/site.css", &[("if-none-match", etag)]).await;
    assert_eq!((known.status().as_u16(), known.text().as_str()), (304, ""));
    let part = with(&client, Method::GET, "/static/site.css", &[("range", "bytes=0-3")]).await;
    assert_eq!((part.status().as_u16(), part.text().as_str()), (206, "body"));
    let none = with(&client, Method::GET, "/static/site.css", &[("range", "bytes=100-")]).await;
    assert_eq!((none.status().as_u16(), header(&none, "content-range")), (416, Some("bytes */21")));
    let head = with(&client, Method::HEAD, "/static/site.css", &[]).await;
    assert_eq!((head.status().as_u16(), head.text().as_str(), header(&head, "etag")), (200, "", Some(etag)));
    let head = with(&client, Method::HEAD, "/static/site.css", &[("range", "bytes=0-3")]).await;
    assert_eq!(head.status(), 200, "a range is GET's alone");
}

#[tokio::test]
async fn nothing_beside_the_folder_is_served() {
    let client = client_of(app());
    for path in [
        "/static",
        "/static/",
        "/static/nothing.css",
        "/static/../Cargo.toml",
        "/static/%2e%2e/Cargo.toml",
        "/static/..%2fCargo.toml",
        "/static/%2fetc/passwd",
        "/static//site.css",
        "/static/site.css/",
        "/static/.%2fsite.css",
        "/static/%5c..%5cCargo.toml",
        "/static/site.css%00",
    ] {
        let answer = client.get(path).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
    assert_eq!(client.get("/static/%ff").await.status(), 400);
    assert_eq!(client.post_form("/static/site.css", &[]).await.status(), 405);
}

#[tokio::test]
async fn url_for_static_takes_a_file_name_as_in_flask() {
    let app = app().environment(|environment| {
        let source = "{{ url_for('static', filename='css/a b.css') }}";
        environment.add_template("page.html", source).unwrap();
    });
    let app = app.get("/", async |request: Request| request.render("page.html", context! {}).await);
    assert_eq!(client_of(app).get("/").await.text(), "/static/css/a%20b.css");
}

#[tokio::test]
async fn the_name_static_is_the_static_folders_whatever_else_is_served_before() {
    let media = || StaticFiles::built_in([]);
    let page = |app: App| {
        let app = app.environment(|environment| {
            environment.add_template("page.txt", "{{ url_for('static', filename='a') }}").unwrap();
        });
        client_of(app.get("/", async |request: Request| request.render("page.txt", context! {}).await))
    };
    let folder = || folder!("$CARGO_MANIFEST_DIR/tests/static");
    for (app, expected) in [
        (App::new("demo").static_files("/media", media()).static_folder("/static", folder()), "/static/a"),
        (App::new("demo").static_folder("/one", folder()).static_folder("/two", folder()), "/one/a"),
        (App::new("demo").static_files("/one", media()).static_files("/two", media()), "/one/a"),
    ] {
        assert_eq!(page(app).get("/").await.text(), expected);
    }
}

#[tokio::test]
async fn a_changed_file_shows_without_a_restart_while_developing() {
    let folder = tempfile::tempdir().unwrap();
    let app = |folder: &std::path::Path| App::new("demo").static_folder("/static/", folder_at(folder));
    let developer = Client::with_settings(app(folder.path()), &crate::support::development()).unwrap();
    for text in ["one", "another"] {
        fs::write(folder.path().join("site.css"), text).unwrap();
        assert_eq!(developer.get("/static/site.css").await.text(), text);
    }
    let visitor = client_of(app(folder.path()));
    assert_eq!(visitor.get("/static/site.css").await.text(), "body { color: teal }\n", "what was built in");
}

#[tokio::test]
async fn a_folder_that_is_filled_at_run_time_is_served_too() {
    let folder = tempfile::tempdir().unwrap();
    let files = StaticFiles::in_folder(folder.path()).unwrap().max_age(std::time::Duration::from_secs(3600));
    let client = client_of(app().static_files("/media", files));
    assert_eq!(client.get("/media/map.png").await.status(), 404);
    fs::write(folder.path().join("map.png"), "ink").unwrap();
    let map = client.get("/media/map.png").await;
    assert_eq!((map.text().as_str(), header(&map, "content-type")), ("ink", Some("image/png")));
    assert_eq!(header(&map, "cache-control"), Some("public, max-age=3600"));
    assert_eq!(client.get("/static/site.css").await.status(), 200);
}

#[tokio::test]
async fn a_file_that_was_sent_to_one_visitor_is_kept_by_no_shared_cache() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("map.png"), "ink").unwrap();
    let files = StaticFiles::in_folder(folder.path()).unwrap().max_age(std::time::Duration::from_secs(3600));
    async fn map(request: Request) -> Result<Response> {
        if request.arg("for").is_some() {
            request.session().await?.owner().ok_or(Error::status(401))?;
        }
        let files = request.state::<StaticFiles>()?;
        let mut map = files.answer(request.method(), "map.png", request.headers()).await.unwrap();
        if let Some(said) = request.arg("said") {
            map.headers_mut().insert("cache-control", said.parse()?);
        }
        Ok(map)
    }
    let client = client_of(App::new("demo").state(files).get("/", map));
    client.with_session(|session| session.set_owner(Some("7"))).await.unwrap();
    for (path, expected) in [
        ("/", "public, max-age=3600"),
        ("/?for=members", "private, max-age=3600"),
        ("/?for=members&said=public", "public"),
        ("/?for=members&said=no-store", "no-store"),
    ] {
        let map = client.get(path).await;
        assert_eq!((map.text().as_str(), header(&map, "cache-control")), ("ink", Some(expected)), "{path}");
    }
}

#[test]
fn a_folder_below_a_path_that_has_one_is_refused() {
    let error =
        Client::new(app().static_folder("/static", folder!("$CARGO_MANIFEST_DIR/tests/static"))).unwrap_err();
    assert!(matches!(error, StartError::Route(_)), "{error:?}");
}
