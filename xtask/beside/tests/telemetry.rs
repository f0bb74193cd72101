//! The spans that the example with OpenTelemetry exports.

#[path = "../examples/telemetry.rs"]
#[allow(dead_code, reason = "its `main` is the example's")]
mod example;

use std::sync::{Arc, Mutex};

use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};
use waxseal::Settings;
use waxseal::testing::Client;

/// Keeps what is exported.
#[derive(Clone, Debug, Default)]
struct Kept(Arc<Mutex<Vec<SpanData>>>);

impl SpanExporter for Kept {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        self.0.lock().unwrap().extend(spans);
        Ok(())
    }
}

#[tokio::test]
async fn each_request_is_exported_with_its_method_route_and_status() {
    let kept = Kept::default();
    let (subscriber, provider) = example::subscriber(kept.clone());
    let guard = tracing::subscriber::set_default(subscriber);
    let client = Client::with_settings(example::app(), &Settings::default()).unwrap();
    for (path, status) in [("/greet/hagrid", 200), ("/nowhere", 404)] {
        assert_eq!(client.get(path).await.status(), status);
    }
    drop(guard);
    provider.shutdown().unwrap();

    let spans = kept.0.lock().unwrap();
    let attribute = |span: &SpanData, name: &str| {
        let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
        found.map(|attribute| attribute.value.to_string()).unwrap_or_default()
    };
    let requests: Vec<_> = spans.iter().filter(|span| span.name == "request").collect();
    let seen: Vec<_> =
        requests.iter().map(|span| ["method", "route", "status"].map(|name| attribute(span, name))).collect();
    assert_eq!(seen, [["GET", "/greet/{whom}", "200"], ["GET", "unmatched", "404"]]);
    assert!(requests.iter().all(|span| attribute(span, "id").len() == 16), "{requests:?}");
    let within = spans.iter().find(|span| span.name == "write the page").expect("it was exported");
    assert_eq!(within.parent_span_id, requests[0].span_context.span_id());
    assert_eq!(within.span_context.trace_id(), requests[0].span_context.trace_id());
}
