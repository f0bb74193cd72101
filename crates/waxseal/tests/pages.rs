//! Pages whose session the store has to be asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use waxseal::testing::Client;
use waxseal::{App, MemoryStore, Request, Response, Result, SessionState, Settings, context};
use waxseal_store::testing::{FaultyStore, Operation};

/// A page that reads the session at `/named` and does without it at `/`, and counts how often it begins.
const PAGE: &str = "{{ begin() }}{% if named %}{{ session['name'] }}{% else %}nobody{% endif %}";

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
async fn a_template_that_read_the_session_once_finds_it_there_from_then_on() {
    let setting = Setting::new().await;
    assert_eq!(setting.get("/named").await, (200, "Merlin".to_owned(), 2, 1));
    for _ in 0..2 {
        assert_eq!(setting.get("/named").await, (200, "Merlin".to_owned(), 1, 1));
    }
}

#[tokio::test]
async fn a_page_without_the_session_asks_nobody_until_its_template_has_read_one() {
    let setting = Setting::new().await;
    assert_eq!(setting.get("/").await, (200, "nobody".to_owned(), 1, 0));
    setting.get("/named").await;
    assert_eq!(setting.get("/").await, (200, "nobody".to_owned(), 1, 1));
}

#[tokio::test]
async fn while_the_store_is_away_a_page_that_does_without_the_session_is_shown() {
    let setting = Setting::new().await;
    setting.get("/named").await;
    setting.store.set_away(true);
    let (status, page, ..) = setting.get("/").await;
    assert_eq!((status, page.as_str()), (200, "nobody"));
    let (status, _, _, asked) = setting.get("/named").await;
    assert_eq!((status, asked), (503, 1), "and is not asked twice");
    setting.store.set_away(false);
    assert_eq!(setting.get("/named").await.1, "Merlin");
}
