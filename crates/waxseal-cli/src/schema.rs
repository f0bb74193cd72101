//! The command `waxseal schema`: prints the tables of a session store, for an administrator.

use std::process::ExitCode;

use clap::Args;
use waxseal::StoreUrl;

use crate::failure::Failure;
use crate::output::write;

const EXAMPLES: &str = "\
Examples:
  waxseal schema --session-store postgres://db.example.org/shop --role shop | psql postgres://db.example.org/shop
  waxseal schema --session-store 'postgres://db.example.org/shop?schema=sessions' > sessions.sql

Then start the app with ?migrate=false in its URL: docs/stores.md, \"Tables\"";

/// Prints the SQL that makes the tables of sessions in PostgreSQL, or brings them up to date. It connects to nothing.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The URL of the session store: postgres://USER@HOST/DATABASE, of which only ?schema=NAME counts here.
    #[arg(long, env = "WAXSEAL_SESSION_STORE", hide_env_values = true, value_name = "URL")]
    session_store: StoreUrl,
    /// The role of the app, if another role runs the script: grants it the rights that it needs.
    #[arg(long, value_name = "ROLE")]
    role: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    match options.session_store.migration(options.role.as_deref())? {
        Some(script) => {
            write(format_args!("{script}"))?;
            Ok(ExitCode::SUCCESS)
        }
        None => Err(Failure::Usage(format!(
            "{} needs no script; it makes its tables by itself, and only postgres:// has a script",
            options.session_store
        ))),
    }
}
