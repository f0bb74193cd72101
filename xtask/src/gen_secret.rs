//! `cargo xtask gen-secret`: one new secret key.

use std::process::ExitCode;

use anyhow::Result;

use crate::cargo::{become_command, cargo};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Put it into the project's secret file instead; an existing one is never overwritten
    #[arg(long, conflicts_with = "rotate")]
    write: bool,
    /// Put it before the key in the project's secret file, which then only opens what it sealed. If that one leaked:
    /// `cargo xtask keys revoke-all`
    #[arg(long)]
    rotate: bool,
}

/// Hands over to the `waxseal` program. Cargo is quiet and writes to standard error,
/// so `SECRET_KEY=$(cargo xtask gen-secret)` gets the secret and nothing else.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", "waxseal-cli", "--bin", "waxseal", "--", "gen-secret"]);
    if options.write {
        command.arg("--write");
    }
    if options.rotate {
        command.args(["--rotate", "--app", "wizard"]);
    }
    become_command(&mut command)
}
