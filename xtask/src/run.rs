//! `cargo xtask run`: the wizard, served for development.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo::{become_command, cargo};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port to listen on; 0 takes any free one
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Address to listen on; development allows loopback addresses only
    #[arg(long, default_value = "127.0.0.1")]
    host: String,
    /// Where a session's state lives
    #[arg(long, default_value = "cookie")]
    state: String,
    /// Build with optimisations and the templates built in
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build without optimisations (the default)
    #[arg(long)]
    debug: bool,
}

/// Builds the wizard and becomes it: `cargo run` replaces itself with the program it built,
/// so Ctrl-C and a SIGTERM reach the server directly.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--package", "wizard"]);
    if options.release {
        command.arg("--release");
    }
    command.args(["--", "--development", "--host", &options.host]);
    command.args(["--port", &options.port.to_string(), "--session-state", &options.state]);
    become_command(&mut command)
}
