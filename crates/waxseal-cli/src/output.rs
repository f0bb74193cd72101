//! Standard output.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::failure::Failure;

/// Prints a line as `println!` does, but without a panic if nobody reads it.
macro_rules! say {
    ($($text:tt)*) => { $crate::output::write(format_args!("{}\n", format_args!($($text)*)))? };
}

pub(crate) use say;

/// Writes text to standard output.
///
/// A reader that has closed its end, such as `grep -q`, has what it wanted. What the command changed is changed.
pub(crate) fn write(text: fmt::Arguments<'_>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints one JSON value, alone on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<ExitCode, Failure> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}
