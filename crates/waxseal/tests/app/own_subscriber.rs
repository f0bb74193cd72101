//! The example with a subscriber of its own.

#[path = "../../examples/own_subscriber.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod example;

use std::sync::{Arc, Mutex};

use waxseal::Settings;
use waxseal::testing::Client;

#[tokio::test]
async fn a_subscriber_of_the_apps_own_gets_each_request_as_a_span() {
    let ended = Arc::new(Mutex::new(Vec::new()));
    let export = Arc::clone(&ended);
    let subscriber = example::subscriber(move |span| export.lock().unwrap().push(span));
    let _guard = tracing::subscriber::set_default(subscriber);
    let client = Client::with_settings(example::app(), &Settings::default()).unwrap();
    for visits in 1..=2 {
        assert_eq!(client.get("/").await.text(), format!("Visit {visits}.\n"));
    }
    let ended = ended.lock().unwrap();
    let requests: Vec<_> = ended.iter().filter(|span| span.starts_with("request id=")).collect();
    assert_eq!(requests.len(), 2, "{ended:?}");
    for words in [" method=GET route=\"/\"", " status=200 ", " session=\"changed\""] {
        assert!(requests.iter().all(|span| span.contains(words)), "{words}: {requests:?}");
    }
}
