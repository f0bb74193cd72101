//! One input, run so that a panic is caught, and its time and memory are known.

use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::time::{Duration, Instant};

use crate::MEMORY;
use crate::target::Target;

thread_local! {
    /// The message and the place of the last panic.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    /// An input is being run.
    static RUNS: Cell<bool> = const { Cell::new(false) };
}

/// What one input did.
pub(crate) struct Run {
    /// The outcome, or the panic's message.
    pub(crate) outcome: Result<String, String>,
    pub(crate) time: Duration,
    /// The most memory that was held beyond what was held before, in bytes.
    pub(crate) memory: usize,
}

/// Keeps the messages of inputs' panics instead of printing them.
pub(crate) fn install() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| if RUNS.get() { PANIC.set(info.to_string()) } else { print(info) }));
}

pub(crate) fn run(target: &mut dyn Target, input: &[u8]) -> Run {
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    let start = Instant::now();
    RUNS.set(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| target.read(input))).map_err(|_| PANIC.take());
    let time = start.elapsed();
    RUNS.set(false);
    Run { outcome, time, memory: MEMORY.peak_usage().saturating_sub(before) }
}
