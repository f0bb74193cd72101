//! An app whose requests are spans of OpenTelemetry.
//!
//! `cargo run --manifest-path xtask/beside/Cargo.toml --example telemetry -- --development`, then ask http://127.0.0.1:5000/.
//!
//! Here spans are printed. To send them to a collector, give [`subscriber`] an exporter of the crate `opentelemetry-otlp`, and
//! the provider a batch processor in place of the simple one.

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use waxseal::{App, Request, Response, Result, StartError, html};

async fn greet(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.add("visits", 1)?;
    // A span within the request's.
    let page = tracing::info_span!("write the page").in_scope(|| "Good day.\n");
    Ok(html(page))
}

/// The app.
pub fn app() -> App {
    App::new("telemetry").get("/greet/{whom}", greet)
}

/// A subscriber whose spans go to `exporter`, each when it ends. The provider is shut down when the program ends, so that
/// none is left behind.
pub fn subscriber(
    exporter: impl SpanExporter + 'static,
) -> (impl tracing::Subscriber + Send + Sync, SdkTracerProvider) {
    let service =
        Resource::builder_empty().with_attribute(KeyValue::new("service.name", "telemetry")).build();
    let provider = SdkTracerProvider::builder().with_resource(service).with_simple_exporter(exporter).build();
    let spans = tracing_opentelemetry::layer().with_tracer(provider.tracer("waxseal"));
    (Registry::default().with(spans.with_filter(LevelFilter::INFO)), provider)
}

/// Prints spans.
#[derive(Debug)]
struct Printer;

impl SpanExporter for Printer {
    async fn export(&self, spans: Vec<SpanData>) -> OTelSdkResult {
        for span in spans {
            let attributes =
                span.attributes.iter().map(|KeyValue { key, value, .. }| format!(" {key}={value}"));
            println!("{}{}", span.name, attributes.collect::<String>());
        }
        Ok(())
    }
}

fn main() -> Result<(), StartError> {
    let (subscriber, provider) = subscriber(Printer);
    // Before the app: it keeps a subscriber that is there.
    tracing::subscriber::set_global_default(subscriber).expect("nobody has installed one before");
    let ended = app().run();
    let _ = provider.shutdown();
    ended
}
