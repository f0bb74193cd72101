//! A limit on lines of the log that repeat.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{Debug, Write};
use std::hash::{BuildHasher, RandomState};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;

/// The time after which repetitions are reported.
pub(crate) const INTERVAL: Duration = Duration::from_secs(60);
/// Lines that are told apart. Others of the same place in the code count as one.
const MAX_LINES: usize = 256;
/// Bytes of a line's text that a report repeats.
const MAX_TEXT_BYTES: usize = 300;
/// The target of the reports, which are not limited.
const REPORTS: &str = "waxseal::repeated";
/// The target of the access log, which is not limited.
const ACCESS_LOG: &str = "waxseal::access";

/// A format of log lines that limits those of Waxseal's crates that repeat: of the lines with one text, the first is
/// written, and then each minute the number of the others. So neither an outage nor an attack floods the log.
///
/// [`App::run`](crate::App::run) has it, outside development; a program with its own subscriber wraps the format of the
/// layer that writes. The lines of other crates, those of level `debug` and `trace`, and the access log pass. A server
/// that [serves](crate::AppServer::serve) logs the numbers.
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

/// One table for the process, as there is one log.
static TABLE: LazyLock<Table> = LazyLock::new(Table::default);

#[derive(Default)]
struct Table {
    lines: Mutex<HashMap<u64, Line>>,
    hasher: RandomState,
}

/// A line that was logged.
struct Line {
    level: Level,
    text: String,
    /// Lines like it since then, or since the last report.
    repeated: u64,
}

impl<F> RepeatLimit<F> {
    /// Limits the lines that `format` writes.
    #[must_use]
    pub fn new(format: F) -> Self {
        Self(format)
    }
}

/// Logs how often lines were repeated since the last report. A line that was not is forgotten, and logged when it comes
/// again.
pub(crate) fn report() {
    for Line { level, text: line, repeated } in TABLE.take_repeated() {
        match level {
            Level::ERROR => tracing::error!(target: REPORTS, repeated, line, "repeated lines"),
            Level::WARN => tracing::warn!(target: REPORTS, repeated, line, "repeated lines"),
            _ => tracing::info!(target: REPORTS, repeated, line, "repeated lines"),
        }
    }
}

impl Table {
    /// Notes a line, and tells whether it is to be logged.
    fn note(&self, event: &Event<'_>) -> bool {
        let mut text = Text::default();
        event.record(&mut text);
        let metadata = event.metadata();
        let key = self.hasher.hash_one((metadata.callsite(), &text.0));
        let mut lines = self.lock();
        let is_full = lines.len() >= MAX_LINES;
        let key = if is_full && !lines.contains_key(&key) {
            self.hasher.hash_one(metadata.callsite())
        } else {
            key
        };
        match lines.entry(key) {
            Entry::Occupied(line) => {
                line.into_mut().repeated += 1;
                false
            }
            // Beyond the limit there is one line for each place in the code, of which there are few.
            Entry::Vacant(place) => {
                place.insert(Line { level: *metadata.level(), text: text.0, repeated: 0 });
                true
            }
        }
    }

    /// The lines that were repeated, which count from 0 again. The others are forgotten.
    fn take_repeated(&self) -> Vec<Line> {
        let mut lines = self.lock();
        lines.retain(|_, line| line.repeated > 0);
        let taken = |line: &mut Line| {
            let repeated = std::mem::take(&mut line.repeated);
            Line { level: line.level, text: line.text.clone(), repeated }
        };
        lines.values_mut().map(taken).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Line>> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line's message, and the reason or error that it gives. Other fields differ from request to request.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if matches!(field.name(), "message" | "reason" | "error" | "panic") && self.0.len() < MAX_TEXT_BYTES {
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
    let is_ours = target.starts_with("waxseal") && target != REPORTS && target != ACCESS_LOG;
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
