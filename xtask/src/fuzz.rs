//! `cargo xtask fuzz`: mutated input for all that reads what comes from outside.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::cargo::{become_command, cargo};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds the targets and becomes their program.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    become_command(with(cargo()).args(&options.arguments))
}

/// A short run of each target.
pub(crate) fn smoke(command: Command) -> Command {
    let mut command = with(command);
    command.arg("--smoke");
    command
}

/// A workspace of its own, so that nobody who builds Waxseal compiles it.
fn with(mut command: Command) -> Command {
    command.args(["run", "--quiet", "--locked", "--manifest-path", "xtask/fuzz/Cargo.toml"]);
    command.args(["--target-dir", "target/fuzz", "--"]);
    command
}
