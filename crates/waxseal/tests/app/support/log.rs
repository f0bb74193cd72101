//! The log as it is printed, of this thread's test alone: a test runs on one thread.

use std::cell::RefCell;
use std::io;
use std::sync::Once;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::{Layer, SubscriberExt};

thread_local! {
    static PRINTED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// From now on what is logged is kept, of each thread for itself.
pub(crate) fn start() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        let lines = tracing_subscriber::fmt::layer().with_ansi(false).without_time().with_target(false);
        // Without the requests' spans, whose ids differ from run to run; `request_log.rs` tests them.
        let filter =
            Targets::new().with_default(Level::INFO).with_target("waxseal::request", LevelFilter::OFF);
        let log = tracing_subscriber::registry().with(lines.with_writer(|| Printer).with_filter(filter));
        tracing::subscriber::set_global_default(log).expect("it is the only one");
    });
}

pub(crate) fn clear() {
    PRINTED.take();
}

/// The lines since the last `clear`, from level info up.
pub(crate) fn lines() -> Vec<String> {
    let printed = PRINTED.with_borrow(|bytes| String::from_utf8(bytes.clone()).unwrap());
    printed.lines().map(|line| line.trim_start().to_owned()).collect()
}

struct Printer;

impl io::Write for Printer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        PRINTED.with_borrow_mut(|printed| printed.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
