//! The log of a program that [`App::run`](crate::App::run) serves.

use std::io::{IsTerminal, stderr};

use tracing_subscriber::layer::{Layer, SubscriberExt};

use crate::log_filter::LogFilter;
use crate::repeat_limit::RepeatLimit;
use crate::settings::Settings;
use crate::settings::values::LogFormat;

/// Installs a log to standard error, as the settings say, unless the program has installed one. Returns `true` if the log
/// is text on standard error.
pub(crate) fn to_stderr(settings: &Settings) -> bool {
    let (filter, wrong) = match &settings.log {
        Some(filter) => (filter.clone(), None),
        None => LogFilter::from_rust_log(std::env::var("RUST_LOG").ok().as_deref()),
    };
    let lines = tracing_subscriber::fmt::layer().with_writer(stderr);
    // In development each line is shown, however often it is repeated.
    let is_limited = !settings.development;
    let lines = match settings.log_format {
        LogFormat::Text => {
            let text = lines.with_target(false).with_ansi(stderr().is_terminal());
            if is_limited { text.map_event_format(RepeatLimit::new).boxed() } else { text.boxed() }
        }
        LogFormat::Json => {
            let json = lines.json().flatten_event(true).with_span_list(false);
            if is_limited { json.map_event_format(RepeatLimit::new).boxed() } else { json.boxed() }
        }
    };
    let log = tracing_subscriber::registry().with(lines.with_filter(filter.targets(settings.access_log)));
    let is_ours = tracing::subscriber::set_global_default(log).is_ok();
    if let Some(wrong) = wrong {
        tracing::warn!("{wrong}");
    }
    is_ours && matches!(settings.log_format, LogFormat::Text)
}
