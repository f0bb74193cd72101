//! The project's own commands: `cargo xtask run`, `cargo xtask test`, `cargo xtask bench` and
//! `cargo xtask gen-secret`.
//!
//! Nothing here knows the other crates. It starts cargo in the project's root and leaves the work to it.

#![expect(clippy::print_stderr, reason = "a command line tool speaks to the person who started it")]

mod bench;
mod cargo;
mod gen_secret;
mod run;
mod system;
mod test;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build and serve the wizard, for development, on this machine only
    Run(run::Options),
    /// Run every check: format, lints, tests, documentation, the browser test
    Test(test::Options),
    /// Measure Waxseal beside other servers; `--help` says what else it does
    Bench(bench::Options),
    /// Print one new secret key, alone on standard output
    GenSecret(gen_secret::Options),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Run(options) => run::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::GenSecret(options) => gen_secret::run(&options),
    }
}
