//! `cargo xtask bench`: a workspace of its own, so that nobody who builds Waxseal compiles its rivals.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::cargo::{become_command, cargo};

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Passed on; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds the benchmark and becomes it.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--release", "--locked", "--manifest-path", "xtask/bench/Cargo.toml"]);
    command.args(["--package", "bench", "--"]).args(&options.arguments);
    become_command(&mut command)
}
