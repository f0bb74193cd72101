//! `cargo xtask keys` and `cargo xtask inspect`: the wizard's keys and cookies, by the `waxseal` program.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;

use crate::cargo::{become_command, cargo};

/// What the wizard calls itself: its name is part of what its keys seal.
const APP: &str = "wizard";

#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// What the `waxseal` program understands; `--help` shows it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS")]
    arguments: Vec<OsString>,
}

/// Hands over to the `waxseal` program, in the project's root.
pub(crate) fn run(verb: &str, options: &Options) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "waxseal-cli", "--bin", "waxseal"]);
    // `rewrap` finds its store in the environment, too.
    let about_a_store = |argument: &OsString| {
        argument == "rewrap" || argument.to_string_lossy().starts_with("--session-store")
    };
    if options.arguments.iter().any(about_a_store) {
        command.args(["--features", "sqlite,redis,postgres"]);
    }
    command.args(["--", verb]);
    let given = |name: &str| {
        options.arguments.iter().any(|argument| {
            let argument = argument.to_string_lossy();
            argument == name || argument.strip_prefix(name).is_some_and(|rest| rest.starts_with('='))
        })
    };
    if !given("--app") {
        command.args(["--app", APP]);
    }
    become_command(command.args(&options.arguments))
}
