//! The command `waxseal sessions`: lists and ends the sessions of one owner, for an operator.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use waxseal::{SessionState, StoreUrl};
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_manager::SessionManager;
use waxseal_store::Listed;

use crate::failure::Failure;
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
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let (Verb::List(whose) | Verb::EndAll(whose)) = &options.verb;
    let Whose { owner, app, session_store: store, session_state: state, json } = whose;
    let (now, ends) = (SystemTime::now(), matches!(options.verb, Verb::EndAll(_)));
    // Owners and devices are not sealed: whoever ends sessions need not be able to make any.
    let keys = Keyring::new(SecretKey::generate()?);
    let listed = records::waiting(async {
        let sessions = store.sessions(&keys, app, *state).await?;
        let listed = all_of(&sessions, owner, now).await;
        if ends {
            // Also where they cannot be listed.
            sessions.end_all(owner, now).await?;
            return Ok(listed.ok());
        }
        listed.map(Some)
    })?;
    match (ends, *json) {
        (true, true) => {
            let number = listed.map(|listed| listed.len());
            print_json(
                &json!({ "store": store.to_string(), "owner": owner, "ended": true, "listed": number }),
            )
        }
        (true, false) => {
            say!("all sessions of {owner} are ended, in {store}");
            if listed.is_some_and(|listed| listed.is_empty()) {
                say!("none was listed there: are --owner, --app and the store right?");
            }
            Ok(ExitCode::SUCCESS)
        }
        (false, true) => print_json(&listed.unwrap_or_default().iter().map(described).collect::<Vec<_>>()),
        (false, false) => {
            let listed = listed.unwrap_or_default();
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
