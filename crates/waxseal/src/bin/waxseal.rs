//! The command line for operators: secret keys, as the crates understand them.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use waxseal_crypto::SecretKey;

/// Makes and looks after Waxseal's secret keys.
#[derive(Parser)]
#[command(name = "waxseal", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prints one new secret key, alone on standard output.
    ///
    /// For example: SECRET_KEY=$(waxseal gen-secret)
    GenSecret {
        /// Writes it into the development secret file of this folder instead, unless there is one.
        #[arg(long)]
        write: bool,
        /// The folder for --write.
        #[arg(long, value_name = "FOLDER", default_value = ".")]
        folder: PathBuf,
    },
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "a program talks to its user")]
fn main() -> Result<()> {
    let Command::GenSecret { write, folder } = Arguments::parse().command;
    if !write {
        println!("{}", *SecretKey::generate()?.to_text());
        return Ok(());
    }
    match waxseal::make_development_secret(&folder)? {
        (path, true) => eprintln!("a new secret key is in {}", path.display()),
        (path, false) => bail!("{} is there already and was left as it is", path.display()),
    }
    Ok(())
}
