//! The command line for operators: secret keys, as the crates understand them, what is in a cookie, and the tables of a
//! session store.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]

mod gen_secret;
mod inspect;
mod keys;
mod place;
mod records;
mod schema;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  something could not be read, written or used; nothing was changed
  2  the arguments could not be understood
  3  refused: it would sign visitors out, or overwrite a secret
  4  the cookie is nobody's session

The whole life of a key: docs/keys.md";

/// Makes and looks after Waxseal's secret keys, shows what is in a cookie, and prints the tables of a session store.
#[derive(Parser)]
#[command(name = "waxseal", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    GenSecret(gen_secret::Options),
    Keys(keys::Options),
    Inspect(inspect::Options),
    Schema(schema::Options),
}

/// Why a command ended otherwise than well, as its exit code says.
enum Failure {
    Failed(anyhow::Error),
    Usage(String),
    Refused(String),
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::GenSecret(options) => gen_secret::run(&options),
        Command::Keys(options) => keys::run(&options),
        Command::Inspect(options) => inspect::run(&options),
        Command::Schema(options) => schema::run(&options),
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

/// One JSON value, alone on standard output.
fn print_json(value: &impl serde::Serialize) -> Result<ExitCode, Failure> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(ExitCode::SUCCESS)
}
