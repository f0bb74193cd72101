//! How a browser handles things that the wizard does not need: an upload, events, the security headers, and the page
//! that explains an error to a developer.

use std::fs;
use std::net::SocketAddr;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use futures_util::stream;
use tempfile::TempDir;
use tokio::runtime;
use tokio::sync::oneshot;
use waxseal::{App, Error, Event, Request, Response, Result, Secrets, Settings, context, sse, typed};

use crate::driver::Browser;

const PAGE: &str = r#"<!doctype html>
<html lang="en">
<title>untouched</title>
<link rel="stylesheet" href="{{ url_for('style') }}">
<script src="{{ url_for('script') }}" defer></script>
<script>document.title = 'a script in the page ran'</script>
<p id="inline" style="color: red">styled in the page</p>
<p id="linked">styled by a file</p>
<ol id="events" data-source="{{ url_for('events') }}"></ol>
<form method="post" action="{{ url_for('upload') }}" enctype="multipart/form-data">
  <input name="title" value="A map of Hogwarts ☽">
  <input type="file" name="map" id="map">
  <button id="send">Send</button>
</form>
</html>
"#;
const SCRIPT: &str = "
const list = document.getElementById('events');
const source = new EventSource(list.dataset.source);
source.addEventListener('tea', event => {
  const item = document.createElement('li');
  item.textContent = event.data;
  list.append(item);
  if (list.children.length == 2) source.close();
});
";
const TRANSPARENT: &str = "rgb(0, 0, 0)";

#[test]
fn a_browser_uploads_a_file_and_hears_events() {
    let server = Served::start();
    let browser = Browser::start();
    // The events come first, because they move the button.
    let events_came = || browser.texts("#events li") == ["the kettle boils", "ready"];
    browser.open(&server.url("/"));
    wait_until("two events came", events_came);

    let file = server.folder.path().join("map \"of\" Hogwarts.png");
    fs::write(&file, vec![7; 300_000]).expect("a temporary folder can be written to");
    browser.choose_file("#map", &file);
    browser.click("#send");
    browser.wait_for_path("/upload");
    assert_eq!(browser.status(), 200);
    assert_eq!(browser.texts("body"), ["A map of Hogwarts ☽: map__of__Hogwarts.png, 300000 bytes"]);

    browser.open(&server.url("/"));
    wait_until("two events came", events_came);
    browser.click("#send");
    browser.wait_for_path("/upload");
    assert_eq!(browser.status(), 422, "an input in which nothing was chosen is no file");
}

#[test]
fn a_page_runs_and_takes_its_looks_from_files_alone() {
    let server = Served::start();
    let browser = Browser::start();
    browser.open(&server.url("/"));
    wait_until("the script of a file ran", || browser.count("#events li") == 2);
    assert_eq!(browser.script("return document.title"), "untouched");
    let colour =
        |id| browser.script(&format!("return getComputedStyle(document.getElementById('{id}')).color"));
    assert_eq!(
        (colour("inline").as_str(), colour("linked").as_str()),
        (Some(TRANSPARENT), Some("rgb(0, 128, 128)"))
    );
    let refused = browser.complaints().iter().filter(|line| line.contains("Content Security Policy")).count();
    assert_eq!(refused, 2, "the script and the style in the page");
}

#[test]
fn the_developers_page_has_its_looks() {
    let server = Served::start();
    let browser = Browser::start();
    browser.open(&server.url("/fail?reason=none"));
    assert_eq!(browser.status(), 500);
    assert_eq!(browser.script("return getComputedStyle(document.body).maxWidth"), "960px");
    assert_eq!(browser.count("mark"), 1, "the line that failed");
    assert!(browser.texts("dd").contains(&"reason=none".to_owned()));
    let complaints = browser.complaints();
    assert!(!complaints.iter().any(|line| line.contains("Content Security Policy")), "{complaints:?}");
}

fn app() -> App {
    App::new("features")
        .environment(|environment| environment.add_template("page.html", PAGE).expect("it is Jinja"))
        .get("/", index)
        .get("/page.css", style)
        .get("/page.js", script)
        .get("/events", events)
        .post("/upload", upload)
        .get("/fail", async |_| Err(Error::status(500).message("out of ink")))
}

async fn index(request: Request) -> Result<Response> {
    request.render("page.html", context! {}).await
}

async fn style(_: Request) -> Result<Response> {
    Ok(typed("text/css; charset=utf-8", "#linked { color: teal }"))
}

async fn script(_: Request) -> Result<Response> {
    Ok(typed("text/javascript; charset=utf-8", SCRIPT))
}

async fn events(_: Request) -> Result<Response> {
    let events = ["the kettle\nboils", "ready"].map(|text| Event::new(text).name("tea"));
    Ok(sse(stream::iter(events)))
}

async fn upload(request: Request) -> Result<Response> {
    let mut form = request.multipart().await?;
    let map = form.take_file("map").ok_or(Error::status(422).message("choose a map"))?;
    let (title, name) = (form.field("title").unwrap_or_default(), map.safe_name().unwrap_or_default());
    Ok(typed("text/plain; charset=utf-8", format!("{title}: {name}, {} bytes", map.len())))
}

fn wait_until(what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(60), "{what}, at last");
        thread::sleep(Duration::from_millis(30));
    }
}

/// The app on a thread of this test, for development. Stopped when dropped.
struct Served {
    address: SocketAddr,
    folder: TempDir,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Served {
    fn start() -> Served {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let secret = folder.path().join("secret");
        fs::write(&secret, crate::SECRET).expect("a temporary folder can be written to");
        let settings =
            Settings { port: 0, development: true, secret_key_file: Some(secret), ..Settings::default() };
        let (stop, stopped) = oneshot::channel();
        let (said, address) = oneshot::channel();
        let thread = thread::spawn(move || {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
            runtime.block_on(async {
                let secrets = Secrets::from_env(&settings, "features").expect("the secret is good");
                let server = app().bind(&settings, &secrets).await.expect("the app starts");
                let _ = said.send(server.address().expect("it is TCP"));
                server.serve(async { drop(stopped.await) }).await.expect("it serves to the end");
            });
        });
        let address = address.blocking_recv().expect("the app says where it listens");
        Served { address, folder, stop: Some(stop), thread: Some(thread) }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // The thread itself has reported whatever went wrong.
            let _ = thread.join();
        }
    }
}
