//! The command `waxseal inspect`: shows what is in a cookie, or why it does not open.

mod flask;
mod input;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use waxseal::{SessionState, Settings};
use waxseal_crypto::Keyring;
use waxseal_manager::SessionManager;
use waxseal_store::MemoryStore;

use self::input::{Candidate, candidates, read_input};
use self::view::Seen;
use crate::configured::{configured_keys, configured_settings};
use crate::failure::Failure;
use crate::output::{print_json, write};

const EXAMPLES: &str = "\
Examples:
  waxseal inspect --app wizard                  then paste the cookie and press Enter, Ctrl-D
  pbpaste | waxseal inspect --app wizard        a value, `name=value`, or a whole Cookie or Set-Cookie header
  waxseal inspect --app wizard --json < cookie  for scripts
  waxseal inspect --flask < cookie              a cookie of a Flask app, with its SECRET_KEY in FLASK_SECRET_KEY

A cookie given as an argument stays in the shell's history, and whoever has it is its visitor until it ends.
The keys are those a server would find here: SECRET_KEY, SECRET_KEY_FILE, or .waxseal/secret; or --file.
With --flask, --file has one SECRET_KEY on each line; without any key the signature is not checked.";

/// Shows what is in a session cookie: its key, its times, its contents; or at which step it does not open, and why.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The cookie; read from standard input if it is absent or `-`.
    #[arg(allow_hyphen_values = true)]
    cookie: Option<String>,
    /// The app's name, as in `App::new`.
    #[arg(long, value_name = "NAME", required_unless_present = "flask", default_value = "")]
    app: String,
    /// Shows a cookie of a Flask app, such as one that is being migrated.
    #[arg(long)]
    flask: bool,
    #[command(flatten)]
    flask_signing: flask::SigningOptions,
    /// The cookie's complete name [default: the one in the input, else __Host-session and waxseal-dev-session].
    #[arg(long, value_name = "NAME")]
    cookie_name: Option<String>,
    /// The state of its session [default: detected].
    #[arg(long, value_enum)]
    session_state: Option<SessionState>,
    /// A file of keys, whatever the environment says.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let input = match options.cookie.as_deref() {
        None | Some("-") => read_input()?,
        Some(cookie) => cookie.to_owned(),
    };
    if options.flask {
        return flask::run(&flask::Query {
            input: &input,
            cookie_name: options.cookie_name.as_deref(),
            file: options.file.as_deref(),
            signing: &options.flask_signing,
            json: options.json,
        });
    }
    let settings = configured_settings()?;
    let named = options.cookie_name.as_deref().or(settings.session_cookie_name.as_deref());
    let candidates = candidates(&input, named).map_err(Failure::Usage)?;
    let secrets = configured_keys(options.file.as_deref(), &settings, &options.app)?;
    let (now, keyring) = (SystemTime::now(), secrets.keyring());
    let states = [SessionState::Cookie, SessionState::Store, SessionState::Mirrored].into_iter();
    let states = states.filter(|state| options.session_state.is_none_or(|named| named == *state));
    // Reversed below, since `max_by_key` takes the last of equals and the first should win.
    let seen = candidates
        .into_iter()
        .flat_map(|candidate| states.clone().map(move |state| (candidate.clone(), state)))
        .filter(|(candidate, state)| options.session_state.is_some() || candidate.can_be_of(*state));
    let seen = seen.map(|(candidate, state)| look(candidate, state, keyring, options, &settings, now));
    // The name and state that get furthest are the right ones: with wrong ones the value is refused at the commitment.
    let best = seen.collect::<Result<Vec<_>, _>>()?.into_iter().rev().max_by_key(Seen::furthest);
    let seen = best.ok_or_else(|| Failure::Usage("there is no cookie in the input".to_owned()))?;
    let code = if seen.refusal().is_none() { ExitCode::SUCCESS } else { ExitCode::from(4) };
    if options.json {
        print_json(&seen.json(keyring, now))?;
    } else {
        write(format_args!("{}", seen.text(keyring, now)?))?;
    }
    Ok(code)
}

fn look(
    candidate: Candidate,
    state: SessionState,
    keyring: &Keyring,
    options: &Options,
    settings: &Settings,
    now: SystemTime,
) -> Result<Seen, Failure> {
    // The store is never asked, but a manager for these states needs one.
    let (name, app, store) = (&candidate.name, &options.app, MemoryStore::new());
    let sessions = match state {
        SessionState::Store => SessionManager::store(keyring, name, app, store)?,
        SessionState::Mirrored => SessionManager::mirrored(keyring, name, app, store)?,
        _ => SessionManager::cookie(keyring, name, app)?,
    };
    let sessions = sessions.lifetimes(settings.lifetimes()?);
    let result = sessions.inspect(candidate.value.as_bytes(), now);
    Ok(Seen { candidate, state, result })
}
