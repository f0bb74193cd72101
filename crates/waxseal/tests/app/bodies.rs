//! What a request brings along: JSON and files; and JSON as an answer.

use std::time::Duration;

use crate::support::{client_of, header};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use waxseal::testing::{Client, Part};
use waxseal::{
    App, Body, Error, LimitSettings, Limits, Method, Request, Response, Result, Settings, UploadLimits,
    context, json, typed,
};

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Wizard {
    name: String,
    age: u16,
}

async fn grow_older(request: Request) -> Result<Response> {
    let Wizard { name, age } = request.json().await?;
    json(&Wizard { name, age: age + 1 })
}

#[tokio::test]
async fn json_comes_and_goes() {
    let client = client_of(App::new("demo").post("/", grow_older));
    let answer = client.post_json("/", &Wizard { name: "Merlin".to_owned(), age: 1500 }).await;
    assert_eq!(header(&answer, "content-type"), Some("application/json"));
    assert_eq!(answer.json::<Wizard>(), Wizard { name: "Merlin".to_owned(), age: 1501 });
}

#[tokio::test]
async fn json_that_will_not_do_says_why() {
    let client = client_of(App::new("demo").post("/", grow_older).limits(Limits::default().body(1000)));
    let long = format!("\"{}\"", "x".repeat(1000));
    for (kind, body, status, said) in [
        ("text/plain", "{}", 415, "the body is `text&#x2f;plain`; send JSON as `application&#x2f;json`"),
        ("application/json", "{", 400, "the body is no JSON at line 1, column 1"),
        ("application/json", "{\"name\": \"x\"}", 422, "missing field `age`"),
        ("application/json", "{\"name\": \"x\", \"age\": \"old\"}", 422, "does not fit at `age`"),
        ("application/json", &long, 413, "the body is larger than 1000 bytes"),
    ] {
        let mut request = client.request(Method::POST, "/", Body::from(body.to_owned()));
        request.headers_mut().insert("content-type", HeaderValue::from_str(kind).unwrap());
        let answer = client.send(request).await;
        assert_eq!(answer.status(), status, "{body}");
        assert!(answer.text().contains(said), "{body}: {}", answer.text());
    }
}

/// JSON is no way round the check that a form from another site meets.
#[tokio::test]
async fn json_and_uploads_from_another_site_are_refused() {
    let client = client_of(App::new("demo").post("/", grow_older));
    for kind in ["application/json", "text/plain", "multipart/form-data; boundary=x"] {
        for (name, value) in
            [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("origin", "null")]
        {
            let mut request = client.request(Method::POST, "/", "{}".into());
            request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
            request.headers_mut().insert(name, HeaderValue::from_static(value));
            assert_eq!(client.send(request).await.status(), 403, "{kind} {name}: {value}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_json_is_the_servers_fault() {
    async fn odd(_: Request) -> Result<Response> {
        json(&std::collections::BTreeMap::from([(vec![1], 1)]))
    }
    let client = client_of(App::new("demo").get("/", odd));
    crate::support::log::clear();
    assert_eq!(client.get("/").await.status(), 500);
    assert!(
        crate::support::log::lines()[0].contains("key must be a string"),
        "{:?}",
        crate::support::log::lines()
    );
}

#[derive(Deserialize)]
struct Letter {
    to: String,
    stamps: u8,
}

async fn post_office(request: Request) -> Result<Response> {
    let mut form = request.multipart().await?;
    let Letter { to, stamps } = form.fields()?;
    let mut letter = form.take_file("letter").ok_or(Error::status(422).message("enclose a letter"))?;
    let text = String::from_utf8_lossy(&letter.bytes().await?).into_owned();
    let name = letter.safe_name().unwrap_or_default();
    Ok(typed("text/plain; charset=utf-8", format!("{to} {stamps} {name} {text}")))
}

#[tokio::test]
async fn a_form_with_a_file_is_read() {
    let client = client_of(App::new("demo").post("/", post_office));
    let fields = [Part::field("to", "Mérlin"), Part::field("stamps", "3")];
    let letter = Part::file("letter", "../../Dear \"M\".txt", "text/plain", "Dear\r\nMerlin");
    let answer = client.post_multipart("/", &[&fields[..], &[letter]].concat()).await;
    assert_eq!(answer.text(), "Mérlin 3 Dear__M_.txt Dear\r\nMerlin");

    let answer = client.post_multipart("/", &fields).await;
    assert!(answer.status() == 422 && answer.text().contains("enclose a letter"), "{}", answer.text());
    let answer = client.post_multipart("/", &fields[..1]).await;
    assert!(answer.status() == 400 && answer.text().contains("missing field `stamps`"), "{}", answer.text());
    let answer = client.post_form("/", &[("to", "Merlin")]).await;
    assert!(answer.status() == 415 && answer.text().contains("multipart"), "{}", answer.text());
}

#[tokio::test]
async fn an_upload_keeps_to_the_apps_limit_or_to_its_own() {
    async fn large(request: Request) -> Result<Response> {
        let limits = UploadLimits::default().total(300_000).file(200_000).parts(2);
        let form = request.multipart_within(limits).await?;
        Ok(typed("text/plain", form.into_files().len().to_string()))
    }
    let app = || App::new("demo").post("/", post_office).post("/large", large);
    let settings = Settings { max_content_length: Some(1000), ..Settings::default() };
    let client = Client::with_settings(app(), &settings).unwrap();
    let file = |bytes: usize| Part::file("letter", "letter.txt", "text/plain", "x".repeat(bytes));
    for (path, parts, status, said) in [
        ("/", vec![file(1000)], 413, "the body is larger than 1000 bytes"),
        ("/large", vec![file(200_000)], 200, "1"),
        ("/large", vec![file(200_001)], 413, "the file `letter` is larger than 200000 bytes"),
        ("/large", vec![file(150_000), file(150_000)], 413, "the body is larger than 300000 bytes"),
        ("/large", vec![file(1), file(2), file(3)], 400, "there are more than 2 parts"),
    ] {
        let answer = client.post_multipart(path, &parts).await;
        assert_eq!(answer.status(), status, "{said}");
        assert!(answer.text().contains(said), "{said}: {}", answer.text());
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stands_still_is_given_up() {
    let client = client_of(
        App::new("demo").post("/", post_office).limits(Limits::default().body_idle(Duration::from_secs(5))),
    );
    let start = "--x\r\nContent-Disposition: form-data; name=\"letter\"; filename=\"a\"\r\n\r\nDear";
    let pieces = futures_util::StreamExt::chain(
        futures_util::stream::iter([Ok::<_, std::io::Error>(start)]),
        futures_util::stream::pending(),
    );
    let mut request = client.request(Method::POST, "/", Body::stream(pieces));
    request.headers_mut().insert("content-type", HeaderValue::from_static("multipart/form-data; boundary=x"));
    let answer = client.send(request).await;
    assert!(answer.status() == 408 && answer.text().contains("stood still for 5s"), "{}", answer.text());
}

#[tokio::test]
async fn parts_of_the_path_become_values() {
    async fn page(request: Request) -> Result<Response> {
        let (year, name): (u16, String) = (request.param_as("year")?, request.param_as("name")?);
        Ok(typed("text/plain; charset=utf-8", format!("{} {name} {:?}", year + 1, request.arg("q"))))
    }
    let client = client_of(App::new("demo").get("/{year}/{name}", page));
    assert_eq!(client.get("/1997/Tom%20R?q=a%20b&q=c").await.text(), "1998 Tom R Some(\"a b\")");
    assert_eq!(client.get("/a/b").await.status(), 404);
    assert_eq!(client.get("/99999/b").await.status(), 404);
}

/// A link that somebody typed by hand, or a mailer lengthened, keeps its other parameters.
#[tokio::test]
async fn a_malformed_part_of_the_query_stays_as_it_was_sent() {
    let app = App::new("demo").environment(|environment| {
        environment.add_template("page.txt", "{{ request.args.items()|list }}").unwrap();
    });
    let app = app
        .get("/", async |request: Request| {
            let (token, next) = (request.arg("token"), request.next_path("next"));
            Ok(typed("text/plain", format!("{token:?} {:?} {next:?}", request.arg("q"))))
        })
        .get("/page", async |request: Request| request.render("page.txt", context! {}).await)
        .get("/typed", async |request: Request| json(&request.query::<Vec<(String, String)>>()?));
    let client = client_of(app);
    for (query, said) in [
        ("token=abc&utm_campaign=50%off", r#"Some("abc") None None"#),
        ("q=100%", r#"None Some("100%") None"#),
        ("q=%zz+%20%", r#"None Some("%zz  %") None"#),
        ("q=%ff&token", "Some(\"\") Some(\"\u{fffd}\") None"),
        ("x=%&next=/a%3Fb", r#"None None Some("/a?b")"#),
        ("x=%&next=//evil.example", "None None None"),
        ("&&q=a=b&q=c", r#"None Some("a=b") None"#),
    ] {
        assert_eq!(client.get(&format!("/?{query}")).await.text(), said, "{query}");
    }
    let page = client.get("/page?token=abc&q=100%").await.text();
    assert_eq!(page, "[('token', 'abc'), ('q', '100%')]");
    assert_eq!(client.get("/typed?token=abc&q=100%").await.status(), 400);
    // As many as a form may have fields.
    let many = format!("{}q=late", "a&".repeat(1_000));
    assert_eq!(client.get(&format!("/?{many}")).await.text(), "None None None");
}

/// Of what a visitor sends, nothing is decompressed; the app is told so, and not that the text is none.
#[tokio::test]
async fn a_compressed_body_is_415_with_a_sentence() {
    type Fields = Vec<(String, String)>;
    let app = |app: App| {
        app.post("/form", async |request: Request| json(&request.form::<Fields>().await?))
            .post("/json", async |request: Request| json(&request.json::<Vec<u8>>().await?))
            .post("/files", async |request: Request| json(&request.multipart().await?.fields::<Fields>()?))
            .post("/bytes", async |request: Request| Ok(typed("text/plain", request.body().await?)))
    };
    let forms = [
        ("/form", "application/x-www-form-urlencoded", "a=b"),
        ("/json", "application/json", "[]"),
        (
            "/files",
            "multipart/form-data; boundary=x",
            "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nb\r\n--x--\r\n",
        ),
        ("/bytes", "application/octet-stream", "as it is"),
    ];
    for (asks_for_token, client) in
        [(false, client_of(app(App::new("demo")))), (true, client_of(app(App::new("demo")).csrf_tokens()))]
    {
        for (path, kind, body) in forms {
            for (coding, refused) in
                [("gzip", true), ("br, identity", true), ("deflate", true), ("", false), ("identity", false)]
            {
                let mut request = client.request(Method::POST, path, Body::from(body));
                request.headers_mut().insert("content-type", HeaderValue::from_static(kind));
                request.headers_mut().insert("content-encoding", HeaderValue::from_static(coding));
                // A token in a compressed form cannot be found, and a form without one is refused for that.
                let form = kind.contains("form");
                let expected = match refused {
                    true if path != "/bytes" && (form || !asks_for_token) => 415,
                    _ if asks_for_token => 403,
                    _ => 200,
                };
                let answer = client.send(request).await;
                assert_eq!(answer.status(), expected, "{path} {coding}: {}", answer.text());
                if expected == 415 {
                    assert_eq!(header(&answer, "accept-encoding"), Some("identity"));
                    assert!(answer.text().contains("send it without Content-Encoding"), "{}", answer.text());
                }
            }
        }
    }
}

#[tokio::test]
async fn flattened_fields_are_read_from_queries_forms_and_uploads() {
    #[derive(Debug, Deserialize, Serialize, PartialEq)]
    struct Page {
        limit: u32,
        exact: Option<bool>,
    }
    #[derive(Debug, Deserialize, Serialize, PartialEq)]
    struct Search {
        q: String,
        #[serde(flatten)]
        page: Page,
    }
    let app = App::new("demo")
        .get("/", async |request: Request| json(&request.query::<Search>()?))
        .post("/", async |request: Request| json(&request.form::<Search>().await?))
        .post("/files", async |request: Request| json(&request.multipart().await?.fields::<Search>()?));
    let client = client_of(app);
    let expected = Search { q: "1".to_owned(), page: Page { limit: 10, exact: Some(true) } };
    assert_eq!(client.get("/?q=1&limit=10&exact=true").await.json::<Search>(), expected);
    let fields = [("q", "1"), ("limit", "10"), ("exact", "true")];
    assert_eq!(client.post_form("/", &fields).await.json::<Search>(), expected);
    let parts = fields.map(|(name, value)| Part::field(name, value));
    assert_eq!(client.post_multipart("/files", &parts).await.json::<Search>(), expected);
    let answer = client.get("/?q=1&limit=ten").await;
    assert!(answer.status() == 400 && answer.text().contains("the field `limit` does not fit"));
}

#[tokio::test]
async fn an_uploads_name_comes_as_it_was() {
    let app = App::new("demo").post("/", async |request: Request| {
        let mut form = request.multipart().await?;
        let file = form.take_file("a \"field\"").ok_or(Error::status(422))?;
        json(&(file.file_name(), file.safe_name()))
    });
    let part = Part::file("a \"field\"", "a \"quoted\"\r\nb.txt", "text/plain", "content");
    let names = client_of(app).post_multipart("/", &[part]).await.json::<(String, String)>();
    assert_eq!(names, ("a \"quoted\"\r\nb.txt".to_owned(), "a__quoted_b.txt".to_owned()));
}

#[tokio::test]
async fn the_operators_limits_of_forms_hold() {
    let app = App::new("demo")
        .get("/", async |request: Request| json(&request.query::<Vec<(String, String)>>()?))
        .post("/", async |request: Request| json(&request.form::<Vec<(String, String)>>().await?))
        .post("/files", async |request: Request| json(&request.multipart().await?.into_files().len()));
    let limits =
        LimitSettings { max_form_parts: Some(2), max_form_memory_size: Some(10), ..Default::default() };
    let client = Client::with_settings(app, &Settings { limits, ..Settings::default() }).unwrap();
    for (fields, status) in
        [(&[("a", "1"), ("b", "2")][..], 200), (&[("a", "1"), ("b", "2"), ("c", "3")], 400)]
    {
        assert_eq!(client.post_form("/", fields).await.status(), status, "{fields:?}");
        let query: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(client.get(&format!("/?{}", query.join("&"))).await.status(), status, "{fields:?}");
        let parts: Vec<_> = fields.iter().map(|(name, value)| Part::field(name, value)).collect();
        assert_eq!(client.post_multipart("/files", &parts).await.status(), status, "{fields:?}");
    }
    let part = |bytes: usize| [Part::field("a", &"x".repeat(bytes))];
    assert_eq!(client.post_multipart("/files", &part(10)).await.status(), 200);
    assert_eq!(client.post_multipart("/files", &part(11)).await.status(), 413);
}
