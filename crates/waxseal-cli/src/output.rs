//! Output for scripts.

use std::process::ExitCode;

use crate::failure::Failure;

/// Prints one JSON value, alone on standard output.
pub(crate) fn print_json(value: &impl serde::Serialize) -> Result<ExitCode, Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}
