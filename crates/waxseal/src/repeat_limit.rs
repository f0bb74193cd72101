//! A limit on log lines that repeat.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::callsite::Identifier;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

use crate::log_filter::{ACCESS_LOG, REPEATED};

/// The interval at which repetitions are reported.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
/// The most lines of one place in the code that are told apart. Beyond that, all its lines count as one. Each place has
/// its own count: what a client chooses is in the text of some lines, and must not crowd out others.
const MAX_LINES: usize = 32;
/// The most bytes of a line's text that a report quotes.
const MAX_TEXT_BYTES: usize = 300;

/// A format of log lines that limits repeated lines of Waxseal's crates. Of lines with the same text the first is written;
/// then, once a minute, one line says how often it was repeated. So neither an outage nor an attack floods the log.
///
/// [`App::run`](crate::App::run) uses it, except in development. A program with its own subscriber wraps the event
/// format of the layer that writes the log. Lines of other crates, lines of level `debug` and `trace`, and the access
/// log are not limited. The counts are logged by a server that is being [served](crate::AppServer::serve).
///
/// # Example
///
/// ```
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let lines = tracing_subscriber::fmt::layer().map_event_format(waxseal::RepeatLimit::new);
/// let subscriber = tracing_subscriber::registry().with(lines);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RepeatLimit<F>(F);

/// There is one table for the process, as there is one log.
static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

#[derive(Default)]
struct Table {
    places: Mutex<HashMap<Identifier, Lines>>,
    hasher: RandomState,
}

/// The lines of one place in the code, by the hash of their text; `None` stands for all beyond [`MAX_LINES`].
type Lines = HashMap<Option<u64>, Line>;

/// A line that was logged.
struct Line {
    level: Level,
    text: String,
    /// How often the line was repeated since then, or since the last report.
    repeated: u64,
}

impl<F> RepeatLimit<F> {
    /// Wraps `format` and limits the lines that it writes.
    #[must_use]
    pub fn new(format: F) -> Self {
        Self(format)
    }
}

/// Logs how often each line was repeated since the last report. A line that was not repeated is forgotten, and written
/// again when it next occurs.
pub(crate) fn report() {
    for Line { level, text: line, repeated } in TABLE.take_repeated() {
        match level {
            Level::ERROR => tracing::error!(target: REPEATED, repeated, line, "repeated lines"),
            Level::WARN => tracing::warn!(target: REPEATED, repeated, line, "repeated lines"),
            _ => tracing::info!(target: REPEATED, repeated, line, "repeated lines"),
        }
    }
}

impl Table {
    /// Counts a line. Returns `true` if it is to be logged.
    fn note(&self, event: &Event<'_>) -> bool {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let key = Some(self.hasher.hash_one(&text.0));
        let mut places = self.lock();
        let lines = places.entry(metadata.callsite()).or_default();
        let is_beyond = lines.len() >= MAX_LINES && !lines.contains_key(&key);
        match lines.entry(key.filter(|_| !is_beyond)) {
            Entry::Occupied(line) => {
                line.into_mut().repeated += 1;
                false
            }
            Entry::Vacant(place) => {
                place.insert(Line { level: *metadata.level(), text: text.0, repeated: 0 });
                true
            }
        }
    }

    /// Takes the lines that were repeated, and sets their counts to 0. The others are forgotten.
    fn take_repeated(&self) -> Vec<Line> {
        let mut places = self.lock();
        places.retain(|_, lines| {
            lines.retain(|_, line| line.repeated > 0);
            !lines.is_empty()
        });
        let taken = |line: &mut Line| {
            let repeated = std::mem::take(&mut line.repeated);
            Line { level: line.level, text: line.text.clone(), repeated }
        };
        places.values_mut().flat_map(HashMap::values_mut).map(taken).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Identifier, Lines>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The fields beside the message that tell lines of one place apart: why it happened, and to which session, key or server, for
/// which somebody would look in the log. Other fields differ from request to request.
const TELLING: [&str; 9] =
    ["message", "reason", "error", "failure", "panic", "of", "address", "kid", "public_id"];

/// The text of a line: its message, and what [tells](TELLING) it apart.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if TELLING.contains(&field.name()) && self.0.len() < MAX_TEXT_BYTES {
            let _ = write!(self.0, "{}{value:?}", if self.0.is_empty() { "" } else { ": " });
            let mut ends = (0..=MAX_TEXT_BYTES.min(self.0.len())).rev();
            let end = ends.find(|at| self.0.is_char_boundary(*at)).unwrap_or_default();
            self.0.truncate(end);
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

fn is_limited(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let is_ours = target.starts_with("waxseal") && target != REPEATED && target != ACCESS_LOG;
    metadata.is_event() && is_ours && *metadata.level() <= Level::INFO
}

impl<S, N, F> FormatEvent<S, N> for RepeatLimit<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        match !is_limited(event.metadata()) || TABLE.note(event) {
            true => self.0.format_event(context, writer, event),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

    use super::*;

    #[derive(Clone, Default)]
    struct Noted(Arc<(Table, Mutex<Vec<bool>>)>);

    impl<S: Subscriber> Layer<S> for Noted {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            let is_logged = self.0.0.note(event);
            self.0.1.lock().unwrap().push(is_logged);
        }
    }

    /// An operator who is told of it has to find each in the log.
    #[test]
    fn a_line_about_another_server_session_or_key_is_no_repetition() {
        let noted = Noted::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(noted.clone()));
        for of in ["10.0.0.1", "10.0.0.2", "10.0.0.1"] {
            tracing::warn!(of, "out of reach");
        }
        for public_id in ["a", "b"] {
            tracing::warn!(public_id, "two devices hold the cookie of one session");
        }
        for (kid, request) in [(1, "GET /"), (2, "GET /"), (2, "GET /other")] {
            tracing::warn!(%kid, request, "a session's record does not open");
        }
        assert_eq!(*noted.0.1.lock().unwrap(), [true, true, false, true, true, true, true, false]);
    }

    #[test]
    fn lines_of_one_place_crowd_out_no_other_place() {
        let noted = Noted::default();
        let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(noted.clone()));
        let logged = || std::mem::take(&mut *noted.0.1.lock().unwrap());
        for _ in 0..3 {
            for number in 0..300 {
                tracing::info!("a foreign origin: {number}");
            }
            for number in 0..5 {
                tracing::error!("out of ink: {number}");
            }
            let logged = logged();
            let count = |lines: &[bool]| lines.iter().filter(|is_logged| **is_logged).count();
            let (origins, errors) = logged.split_at(300);
            // One more stands for all those beyond.
            assert!(count(origins) <= MAX_LINES + 1, "{origins:?}");
            assert_eq!(count(errors), 5, "each is another line");
            // No error was repeated, so all are forgotten; what stands for the origins beyond stays.
            let repeated = noted.0.0.take_repeated();
            assert!(repeated.iter().all(|line| line.text.starts_with("a foreign origin")), "in the report");
        }
    }
}
