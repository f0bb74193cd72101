//! What templates are given beside the session.

use std::collections::BTreeMap;

use crate::support::{client_of, header, traces};
use serde::Serialize;
use waxseal::minijinja::Value;
use waxseal::testing::Client;
use waxseal::{App, Markup, Request, Response, Result, Route, context, html, typed};

/// Renders the template that the test brings, for the address that it asks for.
fn client(source: &'static str) -> Client {
    client_of(app(source))
}

fn app(source: &'static str) -> App {
    async fn page(request: Request) -> Result<Response> {
        request.g().set("user", BTreeMap::from([("name", "Merlin")]));
        request.g().set_hidden("connection", 7);
        request.render("test.txt", context! { name => "<Tom>" }).await
    }
    async fn wizard(request: Request) -> Result<Response> {
        page(request).await
    }
    App::new("demo")
        .environment(move |environment| environment.add_template("test.txt", source).unwrap())
        .get("/", page)
        .get("/wizard/{name}", wizard)
        .get("/files/{*path}", async |_| Ok(html("")))
        .route(Route::get("/closure", async |_| Ok(html(""))).name("closure"))
        .config("SITE", "Hogwarts")
        .config("YEARS", [1, 2, 3])
        .global("year", 1998)
        .filter("shout", |text: String| format!("{}!", text.to_uppercase()))
        .template_test("short", |text: String| text.len() < 6)
        .function("twice", |number: u32| number * 2)
        .context_processor("is_home", |request: &Request| request.path() == "/")
}

async fn rendered(source: &'static str, path: &str) -> String {
    let answer = client(source).get(path).await;
    assert_eq!(answer.status(), 200, "{source}: {}", answer.text());
    assert_eq!(traces(&answer), [""; 0], "{source} touches no session");
    answer.text()
}

#[tokio::test]
async fn url_for_makes_addresses_from_names() {
    for (source, expected) in [
        ("{{ url_for('page') }}", "/"),
        ("{{ url_for('wizard', name='Tom Riddle') }}", "/wizard/Tom%20Riddle"),
        ("{{ url_for('wizard', name='é', page=2, q='a&b') }}", "/wizard/%C3%A9?page=2&q=a%26b"),
        (
            "{{ url_for('closure', tag=['a', 'b'], empty=none, nothing=undefined, _anchor='the end') }}",
            "/closure?tag=a&tag=b#the%20end",
        ),
        ("{{ url_for('wizard', name=7, flag=true) }}", "/wizard/7?flag=True"),
        ("{% set target = 'page' %}{{ url_for(target) }}", "/"),
    ] {
        assert_eq!(rendered(source, "/").await, expected, "{source}");
    }
}

#[tokio::test]
async fn an_address_in_html_is_escaped_where_it_must_be() {
    let app = app("").environment(|environment| {
        let source = "{{ url_for('wizard', name='a') }} {{ url_for('page', a='<', b=1) }}";
        environment.add_template("page.html", source).unwrap();
    });
    let app = app.get("/html", async |request: Request| request.render("page.html", context! {}).await);
    assert_eq!(client_of(app).get("/html").await.text(), "/wizard/a &#x2f;?a=%3C&amp;b=1");
}

#[tokio::test]
async fn a_script_has_values_as_json_and_addresses_without_quotes() {
    let app = app("").environment(|environment| {
        let source = "{{ request.args.q }} '{{ url_for('page') }}' '{{ url_for('page', a=1, b=2) }}'";
        environment.add_template("page.js", source).unwrap();
    });
    let app = app.get("/js", async |request: Request| request.render("page.js", context! {}).await);
    assert_eq!(client_of(app).get("/js?q=a").await.text(), r#""a" '/' '/?a=1&b=2'"#);
}

/// The value is a visitor's, and the page is everybody's.
#[tokio::test]
async fn a_value_that_fits_in_no_address_gives_a_dead_link_and_a_line_in_the_log() {
    crate::support::log::clear();
    let source =
        "{% for name in ['Merlin', '..', '.', '', 'a/b'] %}{{ url_for('wizard', name=name) }} {% endfor %}";
    assert_eq!(rendered(source, "/").await, "/wizard/Merlin # # # # ");
    let said = "url_for(`wizard`) cannot put an empty text or dots alone into `name`";
    let lines = crate::support::log::lines();
    assert_eq!(lines.iter().filter(|line| line.contains(said)).count(), 3, "{lines:?}");
}

#[tokio::test]
async fn url_for_says_which_routes_there_are() {
    for (source, said) in [
        ("{{ url_for('wizzard') }}", "no route is called `wizzard`; there are: closure, page, wizard"),
        ("{{ url_for('wizard') }}", "url_for(`wizard`) needs `name`, for /wizard/{name}"),
        (
            "{{ url_for('page', _scheme='https') }}",
            "url_for has no `_scheme`; it knows _anchor and _external",
        ),
    ] {
        let client = client(source);
        crate::support::log::clear();
        assert_eq!(client.get("/").await.status(), 500, "{source}");
        let lines = crate::support::log::lines();
        assert!(lines.len() == 1 && lines[0].contains(said), "{source}: {lines:?}");
    }
}

#[tokio::test]
async fn a_misspelt_filter_keeps_the_app_from_starting() {
    let error = Client::new(app("one\n{% if false %}{{ name|shuot }}{% endif %}")).unwrap_err();
    let error = format!("{error:?}");
    assert!(error.contains("template test.txt, line 2: there is no filter called shuot"), "{error}");
    // The app's own are known by then, and Jinja's.
    assert_eq!(rendered("{{ 'a b c d'|wordcount }} {{ 'ab'|shout }}", "/").await, "4 AB!");
}

#[tokio::test]
async fn markup_of_a_handler_reaches_the_next_page_as_html() {
    let app = app("").environment(|environment| {
        let source = "{{ session.note }} {{ get_flashed_messages()[0] }}";
        environment.add_template("page.html", source).unwrap();
    });
    let app = app.get("/set", async |request: Request| {
        let session = request.session().await?;
        session.insert("note", Markup::from_html("<b>owl</b>"))?;
        session.flash_markup("info", &Markup::from_html("<i>sent</i>"))?;
        Ok(html(""))
    });
    let app = app.get("/page", async |request: Request| request.render("page.html", context! {}).await);
    let client = client_of(app);
    client.get("/set").await;
    assert_eq!(client.get("/page").await.text(), "<b>owl</b> <i>sent</i>");
}

#[tokio::test]
async fn a_handlers_html_is_a_safe_string_of_the_template() {
    #[derive(Clone, Serialize)]
    struct Post {
        body: Value,
    }
    let app = app("").environment(|environment| {
        let source = "{{ body }} {{ posts[0].body }} {{ g.post.body }} {{ markup }}";
        environment.add_template("page.html", source).unwrap();
    });
    let app = app.get("/page", async |request: Request| {
        let body = Value::from_safe_string("<b>owl</b>".to_owned());
        let post = Post { body: body.clone() };
        request.g().set("post", post.clone());
        let markup = Markup::from_html("<i>");
        request.render("page.html", context! { body, posts => [post], markup }).await
    });
    assert_eq!(client_of(app).get("/page").await.text(), "<b>owl</b> <b>owl</b> <b>owl</b> &lt;i&gt;");
}

#[tokio::test]
async fn handlers_make_addresses_too() {
    async fn link(request: Request) -> Result<Response> {
        let missing = request.url_for("nowhere", &[]).unwrap_err();
        assert_eq!(missing.status_code(), 500);
        assert!(missing.to_string().contains("no route is called `nowhere`"), "{missing}");
        Ok(typed("text/plain", request.url_for("link", &[("to", "a b"), ("q", "1")])?))
    }
    let client = client_of(App::new("demo").get("/links/{to}", link));
    assert_eq!(client.get("/links/x").await.text(), "/links/a%20b?q=1");
}

#[tokio::test]
async fn a_template_sees_the_request() {
    for (source, path, expected) in [
        ("{{ request.method }} {{ request.path }}", "/wizard/T%20R?a=1", "GET /wizard/T R"),
        ("{{ request.full_path }}", "/wizard/a?b=c", "/wizard/a?b=c"),
        ("{{ request.url }} {{ request.base_url }}", "/?a=1", "https://localhost/?a=1 https://localhost/"),
        ("{{ request.host }} {{ request.query_string }}", "/?a=%20", "localhost a=%20"),
        (
            "{{ request.scheme }} {{ request.root_path }} {{ request.headers['Host'] }}",
            "/",
            "https  localhost",
        ),
        (
            "{{ request.args.q }} {{ request.args.get('p', 'none') }} {{ request.args['q'] }}",
            "/?q=a%20b&q=c",
            "a b none a b",
        ),
        ("{{ request.args.getlist('q') | join(',') }}", "/?q=a&q=b&p=c", "a,b"),
        (
            "{% for name, value in request.args.items() %}{{ name }}={{ value }};{% endfor %}",
            "/?a=1&b=2&a=3",
            "a=1;b=2;",
        ),
        ("{{ request.args | length }} {{ 'q' in request.args }}", "/?q=%zz", "1 True"),
        ("{{ request.args.q }} {{ 'p' in request.args }}", "/?q=100%", "100% False"),
        ("{{ request.endpoint }} {{ request.view_args.name }}", "/wizard/Tom", "wizard Tom"),
        ("{{ request.nothing }}|", "/", "|"),
        ("{% macro m() %}{{ request.path }}{% endmacro %}{{ m() }}", "/", "/"),
    ] {
        assert_eq!(rendered(source, path).await, expected, "{source}");
    }
}

#[tokio::test]
async fn a_template_sees_cookies_and_never_the_sessions_own() {
    let source = "{% for name, value in request.cookies.items() %}{{ name }}={{ value }};{% endfor %}";
    let client = client(source);
    client.with_session(|session| session.insert("a", 1)).await.unwrap();
    client.set_cookie("theme", "dark");
    assert!(client.cookie("__Host-session").is_some());
    assert_eq!(client.get("/").await.text(), "theme=dark;");

    async fn theme(request: Request) -> Result<Response> {
        assert_eq!(request.cookie("__Host-session"), None);
        Ok(typed("text/plain", request.cookie("theme").unwrap_or_default()))
    }
    let client = client_of(App::new("demo").get("/", theme));
    client.set_cookie("theme", "dark");
    assert_eq!(client.get("/").await.text(), "dark");
}

#[tokio::test]
async fn a_template_sees_values_of_the_request_and_of_the_app() {
    for (source, expected) in [
        ("{{ g.user.name }} {{ g.connection }}|{{ g.nothing }}|", "Merlin ||"),
        ("{{ g.get('user').name }} {{ g.get('nothing', 'none') }}", "Merlin none"),
        ("{{ config.SITE }} {{ config['YEARS'][1] }} {{ config.SECRET_KEY }}|", "Hogwarts 2 |"),
        ("{{ year }} {{ twice(21) }} {{ name | shout }}", "1998 42 <TOM>!"),
        ("{{ name is short }} {{ 'Hermione' is short }}", "True False"),
        ("{{ is_home }}", "True"),
    ] {
        assert_eq!(rendered(source, "/").await, expected, "{source}");
    }
    assert_eq!(rendered("{{ is_home }}", "/wizard/x").await, "False");
}

#[tokio::test]
async fn what_a_handler_passes_wins_over_all_that_the_app_gives() {
    async fn page(request: Request) -> Result<Response> {
        let context =
            context! { request => "mine", g => "mine", config => "mine", year => "mine", is_home => "mine" };
        request.render("test.txt", context).await
    }
    let source = "{{ request }} {{ g }} {{ config }} {{ year }} {{ is_home }}";
    let client = client_of(app(source).get("/mine", page));
    assert_eq!(client.get("/mine").await.text(), "mine mine mine mine mine");
}

#[tokio::test]
async fn a_context_processor_runs_for_the_pages_that_ask_for_it() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    for (source, expected) in [("nothing", 0), ("{{ counted }}", 1)] {
        let counter = Arc::new(AtomicUsize::new(0));
        let counted = counter.clone();
        let client = client_of(
            app(source)
                .context_processor("counted", move |_: &Request| counted.fetch_add(1, Ordering::Relaxed)),
        );
        client.get("/").await;
        assert_eq!(counter.load(Ordering::Relaxed), expected, "{source}");
    }
}

#[tokio::test]
async fn handlers_read_the_configuration() {
    async fn years(request: Request) -> Result<Response> {
        let years: Vec<u8> = request.config("YEARS")?;
        let name = request.uri().query().unwrap_or("SITE").to_owned();
        Ok(typed("text/plain", format!("{years:?} {}", request.config::<String>(&name)?)))
    }
    let client = client_of(app("").get("/years", years));
    assert_eq!(client.get("/years").await.text(), "[1, 2, 3] Hogwarts");
    for (name, said) in
        [("OTHER", "has no `OTHER`"), ("YEARS", "`YEARS` in the app's configuration is another type")]
    {
        crate::support::log::clear();
        assert_eq!(client.get(&format!("/years?{name}")).await.status(), 500);
        assert!(crate::support::log::lines()[0].contains(said), "{:?}", crate::support::log::lines());
    }
}

#[tokio::test]
async fn two_routes_of_one_given_name_are_refused_at_the_start() {
    async fn page(_: Request) -> Result<Response> {
        Ok(html(""))
    }
    let route = |path| Route::get(path, page).name("page");
    let error = Client::new(App::new("demo").route(route("/a")).route(route("/b"))).unwrap_err();
    assert_eq!(error.to_string(), "two routes are called `page`: /a and /b; give each its own name");
    Client::new(App::new("demo").get("/a", page).get("/b", page)).expect("names of handlers may clash");
}

#[tokio::test]
async fn a_changed_template_shows_without_a_restart_while_developing() {
    let folder = tempfile::tempdir().unwrap();
    let app = App::new("demo")
        .templates(crate::support::folder_at(folder.path()))
        .get("/", async |request: Request| request.render("page.txt", context! {}).await);
    let client = Client::with_settings(app, &crate::support::development()).unwrap();
    for text in ["one", "another"] {
        std::fs::write(folder.path().join("page.txt"), text).unwrap();
        assert_eq!(client.get("/").await.text(), text);
    }
}

#[tokio::test]
async fn an_error_page_of_the_apps_own_sees_the_request_too() {
    let app = App::new("demo").environment(|environment| {
        let source = "{{ status }} at {{ request.path }}, {{ g.x }}, {{ config.SITE }}";
        environment.add_template("error.html", source).unwrap();
    });
    let client = client_of(app.config("SITE", "Hogwarts"));
    let page = client.get("/nowhere").await;
    assert_eq!(page.text(), "404 at &#x2f;nowhere, , Hogwarts");
    let mut refused = client.request(waxseal::Method::POST, "/x", waxseal::Body::empty());
    refused.headers_mut().insert("sec-fetch-site", "cross-site".parse().unwrap());
    let page = client.send(refused).await;
    assert_eq!((page.status().as_u16(), page.text().as_str()), (403, "403 at &#x2f;x, , Hogwarts"));
    assert_eq!(header(&page, "set-cookie"), None);
}
