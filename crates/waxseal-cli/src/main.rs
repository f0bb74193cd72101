//! The program `waxseal`: makes new apps, makes and rotates secret keys, inspects session cookies, prints the schema of a
//! session store, and ends an owner's sessions.

#![expect(clippy::print_stderr, reason = "a program talks to its user")]

mod configured;
mod failure;
mod gen_secret;
mod inspect;
mod key_file_path;
mod keys;
mod new;
mod output;
mod records;
mod schema;
mod sessions;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::failure::Failure;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something could not be read, written or used; no key was changed, unless it is the output that failed
  2  the arguments could not be understood
  3  refused: it would sign visitors out, or overwrite what is there
  4  the cookie does not open
  5  the key to revoke was unknown; it is on record as revoked now

The whole life of a key: docs/keys.md";

/// Makes new apps, makes and rotates their secret keys, inspects session cookies, prints the schema of a session store, and ends an owner's
/// sessions.
#[derive(Parser)]
#[command(name = "waxseal", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    New(new::Options),
    GenSecret(gen_secret::Options),
    Keys(keys::Options),
    Inspect(inspect::Options),
    Schema(schema::Options),
    Sessions(sessions::Options),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::New(options) => new::run(&options),
        Command::GenSecret(options) => gen_secret::run(&options),
        Command::Keys(options) => keys::run(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Schema(options) => schema::run(&options),
        Command::Sessions(options) => sessions::run(&options),
    };
    let (message, code) = match done {
        Ok(code) => return code,
        Err(Failure::Failed(error)) => (format!("{error:#}"), 1),
        Err(Failure::Usage(message)) => (message, 2),
        Err(Failure::Refused(message)) => (message, 3),
    };
    eprintln!("error: {message}");
    ExitCode::from(code)
}
