//! `waxseal schema`: the tables of a session store, for an administrator.

use std::process::ExitCode;

use clap::Args;
use waxseal::StorePlace;

use crate::Failure;

const EXAMPLES: &str = "\
Examples:
  waxseal schema --session-store postgres://db.example.org/shop --role shop | psql shop
  waxseal schema --session-store 'postgres://db.example.org/shop?schema=sessions' > sessions.sql

Then start the app with ?migrate=false in its URL: docs/stores.md, \"Tables\"";

/// Prints the SQL that makes the tables of sessions in PostgreSQL, or brings them up to date. It connects to nothing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Where the sessions are to be: postgres://USER@HOST/DATABASE, of which only ?schema=NAME counts here.
    #[arg(long, env = "WAXSEAL_SESSION_STORE", hide_env_values = true, value_name = "PLACE")]
    session_store: StorePlace,
    /// The role that the app signs in with, if it is another than the one that runs the script: grants it what it needs.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    match options.session_store.migration(options.role.as_deref())? {
        Some(script) => {
            print!("{script}");
            Ok(ExitCode::SUCCESS)
        }
        None => Err(Failure::Usage(format!(
            "{} makes what it needs by itself; a script is for postgres://",
            options.session_store
        ))),
    }
}
