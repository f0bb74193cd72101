//! The command `waxseal sessions`: lists and ends the sessions of one owner, for an operator.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use waxseal::{SessionState, StoreUrl};
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_manager::SessionManager;
use waxseal_store::Listed;

use crate::failure::Failure;
use crate::key_file_path::key_file_path;
use crate::output::{print_json, say};
use crate::records;

const EXAMPLES: &str = "\
Examples, where somebody's account was stolen; WAXSEAL_SESSION_STORE and WAXSEAL_SESSION_STATE are those of the app:
  waxseal sessions list --app shop --owner 7
  waxseal sessions end-all --app shop --owner 7

--owner is what the app gives to `sign_in`. Servers that run see an end as that of another server: at
once in state `store`, and in the others within the time that docs/states.md says. It keeps nobody
from signing in again.";

/// The sessions that are asked for at once.
const PAGE: usize = 500;

/// Lists or ends the sessions of one owner, beside the app, for an operator.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the owner's sessions, in states `store` and `mirrored`.
    List(Whose),
    /// Ends all of the owner's sessions.
    EndAll(Whose),
}

#[derive(Args)]
struct Whose {
    /// The owner's name, as the app gives it to `sign_in`.
    #[arg(long, value_name = "NAME")]
    owner: String,
    /// The app's name.
    #[arg(long, value_name = "NAME")]
    app: String,
    /// The URL of the session store: sqlite:PATH, redis://HOST or postgres://USER@HOST/DATABASE.
    #[arg(long, env = "WAXSEAL_SESSION_STORE", hide_env_values = true, value_name = "URL")]
    session_store: StoreUrl,
    /// The app's state: with another one than the app's, nothing that the app asks for is ended.
    #[arg(long, env = "WAXSEAL_SESSION_STATE", value_enum, value_name = "STATE")]
    session_state: SessionState,
    /// The file of keys [default: SECRET_KEY_FILE, else .waxseal/secret].
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let (Verb::List(whose) | Verb::EndAll(whose)) = &options.verb;
    let Whose { owner, app, session_store: store, session_state: state, file, json } = whose;
    let (file, now) = (key_file_path(file.as_deref())?, SystemTime::now());
    let ends = matches!(options.verb, Verb::EndAll(_));
    let listed = records::waiting(async {
        let sessions = records::open(&file, store, app, *state).await?;
        match ends {
            true => sessions.end_all(owner, now).await.map(|()| Vec::new()).map_err(Failure::from),
            false => all_of(&sessions, owner, now).await,
        }
    })?;
    match (ends, *json) {
        (true, true) => print_json(&json!({ "store": store.to_string(), "owner": owner, "ended": true })),
        (true, false) => {
            say!("all sessions of {owner} are ended, in {store}");
            Ok(ExitCode::SUCCESS)
        }
        (false, true) => print_json(&listed.iter().map(described).collect::<Vec<_>>()),
        (false, false) => {
            say!("sessions of {owner}, in {store}: {}", listed.len());
            let moment = |time: u64| format_time::moment(time, unix_seconds(now));
            for Listed { public_id, device, life } in &listed {
                say!("  {public_id}  {device}");
                say!("    begun {}", moment(life.created.as_secs()));
                say!(
                    "    used {}; ends {}",
                    moment(life.last_seen.as_secs()),
                    moment(life.expires.as_secs())
                );
            }
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn all_of(sessions: &SessionManager, owner: &str, now: SystemTime) -> Result<Vec<Listed>, Failure> {
    let (mut listed, mut after) = (Vec::new(), None);
    loop {
        let page = sessions.list(owner, after.as_ref(), PAGE, now).await?;
        listed.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(listed),
        }
    }
}

fn described(listed: &Listed) -> Value {
    let Listed { public_id, device, life } = listed;
    json!({
        "public_id": public_id.to_string(),
        "device": device,
        "begun": life.created.as_secs(),
        "used": life.last_seen.as_secs(),
        "ends": life.expires.as_secs(),
    })
}
