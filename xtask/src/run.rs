//! `cargo xtask run`: the wizard, served for development.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo::{become_command, cargo};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Port to listen on, 5000 unless set; 0 takes any free one
    #[arg(long)]
    port: Option<u16>,
    /// Address to listen on, 127.0.0.1 unless set; development allows loopback addresses only
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Where a session's state lives: cookie, store or mirrored
    #[arg(long, default_value = "mirrored")]
    state: String,
    /// The session store: sqlite:PATH or memory: [default: sqlite:.waxseal/sessions.db, in state cookie none]
    #[arg(long, value_name = "PLACE")]
    store: Option<String>,
    /// Build with optimisations and the templates built in
    #[arg(long, conflicts_with = "debug")]
    release: bool,
    /// Build without optimisations (the default)
    #[arg(long)]
    debug: bool,
    /// Flags of the wizard's own, after `--`; `cargo xtask run -- --help` lists them
    #[arg(last = true)]
    wizard: Vec<String>,
}

/// Builds the wizard and becomes it: `cargo run` replaces itself with the program it built,
/// so Ctrl-C and a SIGTERM reach the server directly.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--package", "wizard"]);
    if options.release {
        command.arg("--release");
    }
    // What is not said here is left to the wizard's own defaults and environment.
    command.args(["--", "--development"]);
    let port = options.port.map(|port| port.to_string());
    for (flag, value) in [("--host", &options.host), ("--port", &port)] {
        if let Some(value) = value {
            command.args([flag, value]);
        }
    }
    command.args(["--session-state", &options.state]);
    let usual = (options.state != "cookie").then_some("sqlite:.waxseal/sessions.db");
    if let Some(store) = options.store.as_deref().or(usual) {
        command.args(["--session-store", store]);
    }
    command.args(&options.wizard);
    become_command(&mut command)
}
