//! The project's own commands: `cargo xtask run`, `cargo xtask test`, `cargo xtask fuzz`, `cargo xtask bench`,
//! `cargo xtask gen-secret`, `cargo xtask keys` and `cargo xtask inspect`.
//!
//! Nothing here knows the other crates. It starts cargo in the project's root and leaves the work to it.

#![expect(clippy::print_stderr, reason = "a command line tool speaks to the person who started it")]

mod bench;
mod book;
mod cargo;
mod certificate;
mod deny;
mod device_demo;
mod flask;
mod fuzz;
mod gen_secret;
mod operate;
mod packages;
mod run;
mod servers;
mod step;
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
    /// Feed mutated input to everything that reads input from outside; `--help` says what else it does
    Fuzz(fuzz::Options),
    /// Measure Waxseal and other servers side by side; `--help` says what else it does
    Bench(bench::Options),
    /// Print one new secret key, alone on standard output; `--rotate` changes the local secret file's
    GenSecret(gen_secret::Options),
    /// List, add, promote, retire and revoke the keys of a secret file
    Keys(operate::Options),
    /// Show what is in a session cookie, from standard input or as an argument
    Inspect(operate::Options),
}

fn main() -> Result<ExitCode> {
    match Arguments::parse().verb {
        Verb::Run(options) => run::run(&options),
        Verb::Test(options) => test::run(&options),
        Verb::Fuzz(options) => fuzz::run(&options),
        Verb::Bench(options) => bench::run(&options),
        Verb::GenSecret(options) => gen_secret::run(&options),
        Verb::Keys(options) => operate::run("keys", &options),
        Verb::Inspect(options) => operate::run("inspect", &options),
    }
}
