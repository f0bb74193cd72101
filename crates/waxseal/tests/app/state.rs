//! The app's own values, in handlers, hooks and error handlers.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::support::{client_of, log};
use waxseal::testing::Client;
use waxseal::{App, Error, Request, Response, Result, StatusCode, abort, typed};

#[derive(Default)]
struct Visits(AtomicU32);

struct Greeting(&'static str);

async fn count(request: Request) -> Result<Option<Response>> {
    request.state::<Visits>()?.0.fetch_add(1, Ordering::Relaxed);
    Ok(None)
}

async fn greet(request: Request) -> Result<Response> {
    Ok(typed("text/plain", request.state::<Greeting>()?.0))
}

async fn lost(request: Request, _: Error) -> Result<Response> {
    let visits = request.state::<Visits>()?.0.load(Ordering::Relaxed);
    Ok(typed("text/plain", format!("{} after {visits}", request.state::<Greeting>()?.0)))
}

fn app() -> App {
    let app = App::new("demo").state(Visits::default()).state(Greeting("hello")).before_request(count);
    app.get("/", greet).get("/lost", async |_| abort(404)).error_handler(404, lost)
}

#[tokio::test]
async fn it_is_there_wherever_a_request_is() {
    let client = client_of(app());
    assert_eq!(client.get("/").await.text(), "hello");
    let answer = client.get("/lost").await;
    assert_eq!(answer.text(), "hello after 2");
    assert_eq!(answer.request().state::<Visits>().unwrap().0.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn each_client_may_have_another() {
    let (first, second) = (client_of(app()), client_of(app().state(Greeting("salve"))));
    assert_eq!((first.get("/").await.text(), second.get("/").await.text()), ("hello".into(), "salve".into()));
    assert_eq!(second.get("/nowhere").await.text(), "salve after 2", "and counts for itself");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let client = client_of(App::new("demo").get("/", greet));
    log::clear();
    assert_eq!(client.get("/").await.status(), 500);
    let lines = log::lines();
    let said = "the app has no state `app::state::Greeting`; add it by App::state";
    assert!(lines.len() == 1 && lines[0].contains(said), "{lines:?}");
}

#[tokio::test]
async fn a_teardown_comes_at_the_end_of_every_request() {
    type Notes = Mutex<Vec<String>>;
    async fn note(request: Request, status: StatusCode) -> Result<()> {
        // The session is saved by then, or nobody will save it.
        let late = request.session().await?.insert("late", 1);
        assert!(matches!(late, Err(waxseal_session::Error::Sent)), "{}: {late:?}", request.path());
        request.state::<Notes>()?.lock().unwrap().push(format!("{} {}", request.path(), status.as_u16()));
        Ok(())
    }
    async fn fail(_: Request, _: StatusCode) -> Result<()> {
        Err("no ink")?
    }
    let app = App::new("demo").state(Notes::default()).teardown_request(note).teardown_request(fail);
    let app = app.get("/", async |request: Request| {
        request.session().await?.insert("name", "Merlin")?;
        Ok(typed("text/plain", "fine"))
    });
    let client: Client = client_of(app.get("/panic", async |_| panic!("out of ink")));
    log::clear();
    assert_eq!(client.get("/").await.text(), "fine", "an error of a teardown changes nothing");
    assert!(log::lines().iter().any(|line| line.contains("no ink")), "and is logged");
    assert_eq!(client.get("/panic").await.status(), 500);
    log::clear();
    let answer = client.get("/nowhere").await;
    assert!(
        log::lines().iter().any(|line| line.contains("after its answer's head had left")),
        "{:?}",
        log::lines()
    );
    let notes = answer.request().state::<Notes>().unwrap().lock().unwrap().clone();
    assert_eq!(notes, ["/ 200", "/panic 500", "/nowhere 404"]);
}
