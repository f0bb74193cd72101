//! An app with a `tracing` subscriber of its own: Waxseal's spans and lines go where the app says.
//!
//! `cargo run -p waxseal --example own_subscriber -- --development`, then ask http://127.0.0.1:5000/ a few times.
//!
//! For OpenTelemetry, the layer [`Spans`] is replaced by `tracing_opentelemetry::layer().with_tracer(tracer)`, as in
//! `xtask/beside/examples/telemetry.rs`. It gets the same spans: one for each request, called `request`, with id, method, route, status, latency and use of the session.

use std::fmt;
use std::time::Instant;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use waxseal::{App, RepeatLimit, Request, Response, Result, StartError, html};

async fn index(request: Request) -> Result<Response> {
    let session = request.session().await?;
    session.add("visits", 1)?;
    let visits: i64 = session.get("visits")?.unwrap_or_default();
    // In the request's span, so with its id.
    tracing::info!(visits, "somebody is here");
    Ok(html(format!("Visit {visits}.\n")))
}

/// Prints each span when it ends, as an exporter would send it.
struct Spans<W>(W);

/// The fields of a span so far, and its start.
struct Fields {
    text: String,
    start: Instant,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use fmt::Write;
        let _ = write!(self.text, " {}={value:?}", field.name());
    }
}

impl<S: tracing::Subscriber + for<'a> LookupSpan<'a>, W: Fn(String) + 'static> Layer<S> for Spans<W> {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields { text: String::new(), start: Instant::now() };
        attributes.record(&mut fields);
        if let Some(span) = context.span(id) {
            span.extensions_mut().insert(fields);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(fields) = span.extensions_mut().get_mut::<Fields>()
        {
            values.record(fields);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        if let Some(span) = context.span(&id)
            && let Some(Fields { text, start }) = span.extensions().get::<Fields>()
        {
            (self.0)(format!("{}{text} in {:?}", span.name(), start.elapsed()));
        }
    }
}

/// Lines to standard error, repeated ones counted, and ended spans to `export`.
pub(crate) fn subscriber(
    export: impl Fn(String) + Send + Sync + 'static,
) -> impl tracing::Subscriber + Send + Sync {
    let lines =
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).map_event_format(RepeatLimit::new);
    let levels = Targets::new().with_default(LevelFilter::INFO);
    Registry::default().with(lines.with_filter(levels)).with(Spans(export).with_filter(LevelFilter::INFO))
}

pub(crate) fn app() -> App {
    App::new("own-subscriber").get("/", index)
}

#[expect(clippy::print_stdout, reason = "an example of where spans may go")]
fn main() -> Result<(), StartError> {
    // Before the app: it keeps a subscriber that is there.
    let installed = tracing::subscriber::set_global_default(subscriber(|span| println!("{span}")));
    installed.expect("nobody has installed one before");
    app().run()
}
