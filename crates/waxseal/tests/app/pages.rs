//! Pages whose session the store has to be asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use waxseal::minijinja::{Error, State, Value};
use waxseal::testing::Client;
use waxseal::{App, MemoryStore, Request, Response, Result, SessionState, Settings, context};
use waxseal_store::testing::{FaultyStore, Operation};

/// A page that reads the session at `/named` and does not at `/`, and counts how often it begins.
const PAGE: &str = "{{ begin() }}{% if named %}{{ session['name'] }}{% else %}nobody{% endif %}";

/// Pages that do not name the session: of which the second has it read by a function of the app.
const PLAIN: &str = "{{ begin() }}plain";
const PEEK: &str = "{{ begin() }}{{ peek() }}";

async fn plain(request: Request) -> Result<Response> {
    request.render("plain.txt", context! {}).await
}

async fn peek(request: Request) -> Result<Response> {
    request.render("peek.txt", context! {}).await
}

fn name_in_session(state: &State<'_, '_>) -> std::result::Result<Value, Error> {
    state.lookup("session").unwrap_or_default().get_attr("name")
}

async fn page(request: Request) -> Result<Response> {
    request.render("page.txt", context! { named => request.path() == "/named" }).await
}

struct Setting {
    client: Client,
    store: FaultyStore<MemoryStore>,
    begun: Arc<AtomicUsize>,
}

impl Setting {
    async fn new() -> Self {
        let (store, begun) = (FaultyStore::new(MemoryStore::new()), Arc::<AtomicUsize>::default());
        let count = begun.clone();
        let app = App::new("demo")
            .session_store(store.clone())
            .environment(|environment| environment.add_template("page.txt", PAGE).unwrap())
            .function("begin", move || {
                count.fetch_add(1, Ordering::Relaxed);
                ""
            })
            .environment(|environment| environment.add_template("plain.txt", PLAIN).unwrap())
            .environment(|environment| environment.add_template("peek.txt", PEEK).unwrap())
            .function("peek", name_in_session)
            .get("/plain", plain)
            .get("/peek", peek)
            .get("/", page)
            .get("/named", page);
        let settings = Settings { session_state: SessionState::Store, ..Settings::default() };
        let client = Client::with_settings(app, &settings).unwrap();
        client.with_session(|session| session.insert("name", "Merlin")).await.unwrap();
        store.forget();
        Self { client, store, begun }
    }

    /// Status and page, how often it was rendered, and how often the store was asked.
    async fn get(&self, path: &str) -> (u16, String, usize, usize) {
        let answer = self.client.get(path).await;
        let counts = (self.begun.swap(0, Ordering::Relaxed), self.store.count(Operation::Load));
        self.store.forget();
        (answer.status().as_u16(), answer.text(), counts.0, counts.1)
    }
}

#[tokio::test]
async fn a_template_that_reads_the_session_finds_it_there_and_is_rendered_once() {
    let setting = Setting::new().await;
    for _ in 0..2 {
        assert_eq!(setting.get("/named").await, (200, "Merlin".to_owned(), 1, 1));
    }
}

#[tokio::test]
async fn a_template_that_does_not_name_the_session_asks_nobody() {
    let setting = Setting::new().await;
    assert_eq!(setting.get("/plain").await, (200, "plain".to_owned(), 1, 0));
    // A template that may read it asks, also if it does without this time.
    assert_eq!(setting.get("/").await, (200, "nobody".to_owned(), 1, 1));
}

#[tokio::test]
async fn a_session_that_a_function_reads_is_loaded_when_that_is_found_out() {
    let setting = Setting::new().await;
    for _ in 0..2 {
        assert_eq!(setting.get("/peek").await, (200, "Merlin".to_owned(), 2, 1));
    }
}

#[tokio::test]
async fn while_the_store_is_away_a_page_that_does_without_the_session_is_shown() {
    let setting = Setting::new().await;
    setting.store.set_away(true);
    let (status, page, ..) = setting.get("/").await;
    assert_eq!((status, page.as_str()), (200, "nobody"));
    let (status, _, _, asked) = setting.get("/named").await;
    assert_eq!((status, asked), (503, 1), "and is not asked twice");
    setting.store.set_away(false);
    assert_eq!(setting.get("/named").await.1, "Merlin");
}
