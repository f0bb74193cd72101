//! The command `waxseal keys`: the steps of a rotation.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use waxseal::{KeyError, KeyFile, ListedKey, Promoted, Retired, Retirement, RevokedAll, Settings, StoreUrl};
use waxseal_keys::format_time::{self, unix_seconds};

use crate::configured::{configured_keys, configured_settings};
use crate::failure::Failure;
use crate::key_file_path::key_file_path;
use crate::output::{print_json, say};
use crate::records;

const EXAMPLES: &str = "\
Examples, for a file that lies on several machines:
  waxseal keys add                  1. a new key, as a fallback; copy the file to every machine
  waxseal keys promote 1f2e3d4c     2. it seals from now on; copy the file to every machine
  waxseal keys retire 5ae566ad      3. the old one goes, half a year later; copy the file to every machine
  waxseal keys list --json          for scripts
After a key leaked: signs everybody out
  waxseal keys revoke-all           one new key in place of all; copy the file to every machine
Sessions on the server, before the third step:
  waxseal keys rewrap --app NAME --session-store sqlite:data/sessions.db

Copy FILE.rotation along with FILE: it says when keys were promoted, and which were revoked. It holds no key.";

/// The exit code if a key was revoked whose id is not on record: most likely a wrong id, or a wrong name of the app.
const REVOKED_UNKNOWN: u8 = 5;

/// Lists and changes the keys of a file: add, promote, retire, revoke. Keys are named by their ids and never shown.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    #[command(subcommand)]
    verb: Verb,
    /// The file of keys [default: SECRET_KEY_FILE, else .waxseal/secret].
    #[arg(long, global = true, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The app's name, if the file holds a passphrase.
    #[arg(long, global = true, value_name = "NAME")]
    app: Option<String>,
    /// Prints JSON.
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Lists the keys, with the one that seals, and the time from which each may be retired.
    List(Lifetime),
    /// Makes a new key and adds it as a fallback: it opens cookies, but does not seal.
    Add,
    /// Makes a key the one that seals. Every machine must have it already.
    Promote {
        /// The key's id: eight hex digits.
        kid: String,
    },
    /// Removes a key from the file, once everything that it sealed has expired.
    Retire {
        /// The key's id: eight hex digits.
        kid: String,
        /// Removes it at once, which signs out the visitors whose sessions it sealed.
        #[arg(long)]
        revoke: bool,
        #[command(flatten)]
        lifetime: Lifetime,
        /// Refuses while a record in this store is sealed with the key: sqlite:PATH, redis://HOST or
        /// postgres://USER@HOST/DATABASE. Needs --app.
        #[arg(long, value_name = "URL", requires = "app", conflicts_with = "revoke")]
        session_store: Option<StoreUrl>,
    },
    /// Puts a new key in place of all keys of the file, which are revoked: for keys that leaked. Signs everybody out.
    RevokeAll,
    /// Seals the records in a session store with the key that seals now, a batch at a time. Needs --app.
    Rewrap {
        /// The URL of the session store: sqlite:PATH, redis://HOST or postgres://USER@HOST/DATABASE.
        #[arg(long, env = "WAXSEAL_SESSION_STORE", hide_env_values = true, value_name = "URL")]
        session_store: StoreUrl,
    },
}

#[derive(Args)]
struct Lifetime {
    /// The longest absolute lifetime of a session [default: of WAXSEAL_PERMANENT_SESSION_ABSOLUTE_LIFETIME and
    /// WAXSEAL_SESSION_ABSOLUTE_LIFETIME the longer, in the environment or the file of WAXSEAL_CONFIG, else 15552000,
    /// which is 180 days].
    #[arg(long, value_name = "SECONDS")]
    absolute_lifetime: Option<u64>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    let (now, json) = (SystemTime::now(), options.json);
    let file = || {
        let file = KeyFile::new(key_file_path(options.file.as_deref())?);
        Ok::<_, Failure>(match &options.app {
            Some(app) => file.with_app(app),
            None => file,
        })
    };
    match &options.verb {
        // It changes no key, and so takes the keys wherever a server does.
        Verb::Rewrap { session_store } => rewrap(session_store, options),
        Verb::List(lifetime) => list(&file()?, now, lifetime.longest()?, json),
        Verb::Add => add(&file()?, now, json),
        Verb::Promote { kid } => promote(&file()?, kid, now, json),
        Verb::RevokeAll => revoke_all(&file()?, options.app.as_deref(), now, json),
        Verb::Retire { kid, revoke, lifetime, session_store } => {
            let file = file()?;
            if let (Some(store), Some(app)) = (session_store, &options.app) {
                refuse_while_used(&file, store, app, kid, now)?;
            }
            // A revocation asks for no lifetime, and must not fail for a setting.
            let lifetime = if *revoke { Duration::ZERO } else { lifetime.longest()? };
            retire(&file, kid, *revoke, lifetime, now, json)
        }
    }
}

fn add(file: &KeyFile, now: SystemTime, json: bool) -> Result<ExitCode, Failure> {
    let id = file.add(now).map_err(failure)?.to_string();
    if json {
        return print_json(&json!({ "file": file.path(), "added": id }));
    }
    say!("key {id} opens, in {}; it seals nothing yet", file.path().display());
    say!("next: once every machine has it, `waxseal keys promote {id}`");
    Ok(ExitCode::SUCCESS)
}

fn promote(file: &KeyFile, kid: &str, now: SystemTime, json: bool) -> Result<ExitCode, Failure> {
    let Promoted { seals: new, replaced, was_revoked, .. } = file.promote(kid, now).map_err(failure)?;
    if json {
        return print_json(&json!({
            "file": file.path(), "seals": new.to_string(),
            "replaced": replaced.map(|old| old.to_string()), "was_revoked": was_revoked,
        }));
    }
    let path = file.path().display();
    match replaced {
        Some(old) => {
            say!("key {new} seals now, {old} still opens, in {path}");
            say!("next: once all that it sealed has expired, `waxseal keys retire {old}`");
        }
        None if was_revoked => say!("key {new} seals as before"),
        None => {
            say!("key {new} seals already; {path} was not changed");
            say!("a server that refuses it as revoked takes it once it has the new {path}.rotation");
        }
    }
    if was_revoked {
        say!("{new} was revoked and is no longer: bring {path} and {path}.rotation to every machine");
    }
    Ok(ExitCode::SUCCESS)
}

fn revoke_all(file: &KeyFile, app: Option<&str>, now: SystemTime, json: bool) -> Result<ExitCode, Failure> {
    let RevokedAll { seals, revoked, passphrases, unknown, .. } = file.revoke_all(now).map_err(failure)?;
    let code = if unknown.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(REVOKED_UNKNOWN) };
    let [revoked, passphrases, unknown] =
        [revoked, passphrases, unknown].map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    if json {
        print_json(&json!({
            "file": file.path(), "seals": seals.to_string(), "revoked": revoked,
            "passphrases": passphrases, "unknown": unknown,
        }))?;
        return Ok(code);
    }
    let path = file.path().display();
    say!("key {seals} seals now and is alone in {path}; revoked: {}", revoked.join(", "));
    say!(
        "next: bring {path} and {path}.rotation to every machine; until a server has them, the old keys work there"
    );
    for id in passphrases {
        let app = app.unwrap_or_default();
        say!(
            "{id} is the id of a passphrase in the app {app}; an app of another name that reads this file has another id \
             for it and refuses the new file, until the id that its log then names is revoked, too: \
             `waxseal keys retire ID --revoke`"
        );
    }
    for id in unknown {
        say!(
            "{id} was not on record: is --app right? With another name, servers may refuse the new file likewise"
        );
    }
    Ok(code)
}

fn rewrap(store: &StoreUrl, options: &Options) -> Result<ExitCode, Failure> {
    let app = options.app.as_deref().ok_or_else(|| Failure::Usage("rewrap needs --app".to_owned()))?;
    let keys = configured_keys(options.file.as_deref(), &configured_settings()?, app)?;
    let done = records::rewrap(keys.keyring(), store, app)?;
    if options.json {
        return print_json(&json!({ "store": store.to_string(), "rewrapped": done }));
    }
    say!("{done} records were sealed with another key, in {store}, and are sealed anew");
    say!("`waxseal keys retire KID --session-store URL` tells whether any is left that could not be");
    Ok(ExitCode::SUCCESS)
}

fn refuse_while_used(
    file: &KeyFile,
    store: &StoreUrl,
    app: &str,
    kid: &str,
    now: SystemTime,
) -> Result<(), Failure> {
    let keys = configured_keys(Some(file.path()), &Settings::default(), app)?;
    match records::count(keys.keyring(), store, app, kid, now)? {
        0 => Ok(()),
        left => Err(Failure::Refused(format!(
            "{left} records in {store} are sealed with {kid}; run `waxseal keys rewrap` first"
        ))),
    }
}

fn retire(
    file: &KeyFile,
    kid: &str,
    revoke: bool,
    lifetime: Duration,
    now: SystemTime,
    json: bool,
) -> Result<ExitCode, Failure> {
    let found = file.retire(kid, now, lifetime, revoke).map_err(failure)?;
    let (id, path) = (kid.to_ascii_lowercase(), file.path().display());
    let opens: Vec<_> = file.list().map_err(failure)?.iter().map(|key| key.id().to_string()).collect();
    let code = if found == Retired::Unknown { ExitCode::from(REVOKED_UNKNOWN) } else { ExitCode::SUCCESS };
    if json {
        let (in_file, on_record) = (found == Retired::Removed, found != Retired::Unknown);
        print_json(&json!({
            "file": file.path(), "retired": id, "revoked": revoke,
            "was_in_file": in_file, "was_known": on_record, "opens": opens,
        }))?;
        return Ok(code);
    }
    match found {
        Retired::Removed => say!("key {id} is gone from {path}; what it sealed opens no more"),
        Retired::OnRecord => say!("key {id} was not in {path} any more; what it sealed opens no more"),
        _ => say!("key {id} was neither in {path} nor on record; is the id right, and --app?"),
    }
    if found != Retired::Removed {
        say!("these keys of the file still open: {}", opens.join(", "));
    }
    if revoke {
        say!("{id} is revoked: bring {path} and {path}.rotation to every machine");
        say!(
            "if it leaked: `waxseal keys revoke-all`, since sessions made with it may be sealed with another key by now"
        );
    }
    Ok(code)
}

fn list(file: &KeyFile, now: SystemTime, lifetime: Duration, json: bool) -> Result<ExitCode, Failure> {
    let keys = file.list().map_err(failure)?;
    if json {
        let keys: Vec<Value> = keys.iter().map(|key| described(key, now, lifetime)).collect();
        return print_json(&json!({ "file": file.path(), "keys": keys }));
    }
    say!("{}, {} of at most 16 keys", file.path().display(), keys.len());
    for key in &keys {
        let role = if key.seals() { "seals" } else { "opens" };
        let kind = if key.is_passphrase() { "passphrase" } else { "generated" };
        say!("  {}  {role}  {kind:<10}  {}", key.id(), story(key, now, lifetime));
    }
    Ok(ExitCode::SUCCESS)
}

/// The dates of a key and the time from which it may be retired, as a phrase.
fn story(key: &ListedKey, now: SystemTime, lifetime: Duration) -> String {
    let moment = |time: SystemTime| format_time::moment(unix_seconds(time), unix_seconds(now));
    let past = match (key.promoted(), key.added()) {
        (Some(time), _) => format!("promoted {}", moment(time)),
        (None, Some(time)) => format!("added {}, never promoted", moment(time)),
        (None, None) => "from before the record".to_owned(),
    };
    match key.retirement(now, lifetime) {
        _ if key.is_revoked() => format!("{past}; revoked, and in the file again: retire it with --revoke"),
        Retirement::Seals => past,
        Retirement::Now => format!("{past}; may be retired"),
        Retirement::From(time) => format!("{past}; may be retired {}", moment(time)),
        _ => format!("{past}; not on record when it ceased to seal"),
    }
}

fn described(key: &ListedKey, now: SystemTime, lifetime: Duration) -> Value {
    let may_be_retired = match key.retirement(now, lifetime) {
        Retirement::Now => Some(unix_seconds(now)),
        Retirement::From(time) => Some(unix_seconds(time)),
        _ => None,
    };
    json!({
        "kid": key.id().to_string(),
        "revoked": key.is_revoked(),
        "role": if key.seals() { "seals" } else { "opens" },
        "kind": if key.is_passphrase() { "passphrase" } else { "generated" },
        "added": key.added().map(unix_seconds),
        "promoted": key.promoted().map(unix_seconds),
        "replaced": key.replaced().map(unix_seconds),
        "may_be_retired_from": may_be_retired,
    })
}

pub(crate) fn failure(error: KeyError) -> Failure {
    match error.is_refusal() {
        true => Failure::Refused(error.one_line()),
        false => Failure::Failed(anyhow::anyhow!(error.one_line())),
    }
}

impl Lifetime {
    fn longest(&self) -> Result<Duration, Failure> {
        if let Some(seconds) = self.absolute_lifetime {
            return Ok(Duration::from_secs(seconds));
        }
        let settings = configured_settings()?;
        let longest = settings.session_absolute_lifetime.max(settings.permanent_session_absolute_lifetime);
        Ok(Duration::from_secs(longest))
    }
}
