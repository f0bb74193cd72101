//! Groups of routes, as Flask's blueprints.

use crate::support::client_of;
use waxseal::testing::Client;
use waxseal::{
    App, Error, Handler, ProxySettings, Request, Response, Result, Route, Routes, Settings, StartError,
    abort, context, redirect, typed, wrap,
};

fn text(text: impl Into<waxseal::Body>) -> Response {
    typed("text/plain", text)
}

async fn index(request: Request) -> Result<Response> {
    Ok(text(format!("{} at {}", request.endpoint().unwrap_or_default(), request.path())))
}

async fn login(request: Request) -> Result<Response> {
    index(request).await
}

/// The names of the hooks that ran, in the header `ran`.
fn noting(routes: Routes, name: &'static str) -> Routes {
    let note = move |request: &Request, word: &str| {
        let before: String = request.g().get("ran").unwrap_or_default();
        request.g().set("ran", format!("{before}{word} {name}, "));
    };
    routes
        .before_request(move |request: Request| {
            note(&request, "before");
            async { Ok(None) }
        })
        .after_request(move |request: Request, response| {
            note(&request, "after");
            async { Ok(response) }
        })
        .teardown_request(move |request: Request, _| {
            note(&request, "teardown");
            async { Ok(()) }
        })
}

fn answering(word: &'static str) -> impl Fn(Request, Error) -> std::future::Ready<Result<Response>> {
    move |_, _| std::future::ready(Ok(text(word)))
}

fn app() -> App {
    let users = noting(Routes::new("users"), "users")
        .get("/", index)
        .get("/{id}", async |request: Request| Ok(text(request.param("id")?.to_owned())))
        .get("/gone", async |_| abort(410));
    let admin = noting(Routes::new("admin"), "admin")
        .get("", index)
        .get("/lost", async |_| abort(404))
        .get("/gone", async |_| abort(410))
        .error_handler(404, answering("lost in admin"))
        .error_handler(410, answering("gone from admin"))
        .mount("/users", users.error_handler(410, answering("gone from users")));
    let all = App::new("demo")
        .get("/", index)
        .get("/lost", async |_| abort(404))
        .error_handler(404, answering("lost"));
    all.before_request(async |request: Request| {
        request.g().set("ran", "before app, ".to_owned());
        Ok(None)
    })
    .mount("/auth", Routes::new("auth").get("/login", login))
    .mount("/admin/", admin)
}

#[tokio::test]
async fn routes_have_the_path_and_the_name_of_their_group() {
    let client = client_of(app());
    for (path, expected) in [
        ("/", "index at /"),
        ("/auth/login", "auth.login at /auth/login"),
        ("/admin", "admin.index at /admin"),
        ("/admin/users/", "admin.users.index at /admin/users/"),
        ("/admin/users/7", "7"),
    ] {
        assert_eq!(client.get(path).await.text(), expected, "{path}");
    }
    let request = client.get("/admin/users/").await;
    for (name, expected) in [
        ("auth.login", "/auth/login"),
        ("admin.index", "/admin"),
        (".index", "/admin/users/"),
        ("index", "/"),
    ] {
        assert_eq!(request.request().url_for(name, &[]).unwrap(), expected, "{name}");
    }
    let error = request.request().url_for(".login", &[]).unwrap_err().to_string();
    assert!(error.contains("no route is called `admin.users.login`"), "{error}");
}

#[tokio::test]
async fn hooks_run_from_the_outside_in_and_back() {
    let client = client_of(app());
    let ran = async |path: &str| -> String { client.get(path).await.request().g().get("ran").unwrap() };
    assert_eq!(ran("/").await, "before app, ");
    assert_eq!(ran("/admin").await, "before app, before admin, after admin, teardown admin, ");
    assert_eq!(
        ran("/admin/users/").await,
        "before app, before admin, before users, after users, after admin, teardown users, teardown admin, "
    );
    assert_eq!(ran("/admin/nowhere").await, "before app, ", "a path without a route is in no group");
}

#[tokio::test]
async fn an_error_is_the_innermost_groups() {
    let client = client_of(app());
    for (path, status, expected) in [
        ("/lost", 404, "lost"),
        ("/admin/lost", 404, "lost in admin"),
        ("/admin/gone", 410, "gone from admin"),
        ("/admin/users/gone", 410, "gone from users"),
        ("/admin/nowhere", 404, "lost"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.text().as_str()), (status, expected), "{path}");
    }
}

#[tokio::test]
async fn addresses_are_below_the_root_path() {
    let proxies = ProxySettings { root_path: "/app".parse().unwrap(), ..ProxySettings::default() };
    let settings = Settings { proxies, ..Settings::default() };
    let app = app().environment(|environment| {
        let page = "{{ url_for('auth.login') }} {{ url_for('.page', _external=true, _anchor='a b') }} {{ request.blueprint }}";
        environment.add_template("page.txt", page).unwrap();
    });
    let page = Routes::new("pages").route(
        Route::get("/page", async |request: Request| request.render("page.txt", context! {}).await)
            .name("page"),
    );
    let client = Client::with_settings(app.mount("", page), &settings).unwrap();
    assert_eq!(
        client.get("/app/page").await.text(),
        "/app/auth/login https://localhost/app/page#a%20b pages"
    );
}

/// A page may have the root path's own name.
#[tokio::test]
async fn a_slash_is_added_below_the_root_path() {
    let proxies = ProxySettings { root_path: "/app".parse().unwrap(), ..ProxySettings::default() };
    let settings = Settings { proxies, ..Settings::default() };
    let app = App::new("demo").get("/app/", index).get("/pages/", index);
    let client = Client::with_settings(app, &settings).unwrap();
    for (path, location) in
        [("/app/app", "/app/app/"), ("/app/app?a=b", "/app/app/?a=b"), ("/app/pages", "/app/pages/")]
    {
        let answer = client.get(path).await;
        assert_eq!((answer.status().as_u16(), answer.location()), (308, Some(location)), "{path}");
    }
}

#[tokio::test]
async fn a_wrapped_handler_keeps_its_name() {
    fn login_required(view: impl Handler) -> impl Handler {
        wrap(view, async |request: Request, view| match request.session().await?.contains_key("user") {
            true => view.call(request).await,
            false => Ok(redirect(&request.url_for("auth.login", &[])?)),
        })
    }
    let group = Routes::new("blog").get("/", login_required(login_required(index)));
    let client = client_of(app().mount("/blog", group));
    assert_eq!(client.get("/blog/").await.location(), Some("/auth/login"));
    client.with_session(|session| session.insert("user", 1)).await.unwrap();
    assert_eq!(client.get("/blog/").await.text(), "blog.index at /blog/");
}

#[tokio::test]
async fn a_mistake_in_a_group_is_found_at_the_start() {
    let start = |group| Client::new(App::new("demo").mount("/a", group)).unwrap_err();
    let error = format!("{:?}", start(Routes::new("a").get("b", index)));
    assert!(error.contains("`b` is no path for a route: start it with `/`"), "{error}");
    let named = || Route::get("/b", index).name("same");
    let twice = Routes::new("a").route(named()).mount("/c", Routes::new("").route(named()));
    let error = start(twice);
    assert!(matches!(&error, StartError::RouteName { name, .. } if name == "a.same"), "{error}");
}
