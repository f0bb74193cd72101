//! The command `waxseal gen-secret`: makes one new secret key.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::Args;
use serde_json::json;
use waxseal::KeyFile;
use waxseal_crypto::SecretKey;
use waxseal_keys::{DEVELOPMENT_FILE, make_secret};

use crate::failure::Failure;
use crate::key_file_path::key_file_path;
use crate::keys;
use crate::output::{print_json, say};

const EXAMPLES: &str = "\
Examples:
  SECRET_KEY=$(waxseal gen-secret) my-app  for this one start
  waxseal gen-secret --write secret        a file for SECRET_KEY_FILE, which its owner alone can read
  waxseal gen-secret --write               for development, into .waxseal/secret
  waxseal gen-secret --rotate              a new key for a server that has its file to itself
After a key leaked: `waxseal keys revoke-all`. With --rotate the old key still opens, whoever has it.";

/// Prints one new secret key, alone on standard output.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// Writes it to this file instead, unless that exists; without a name, to .waxseal/secret, where development has it.
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with_all = ["rotate", "file"])]
    write: Option<Option<PathBuf>>,
    /// The folder of .waxseal/secret.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// Adds it to a secret file and promotes it at once: `keys add` and `keys promote` for one server.
    #[arg(long)]
    rotate: bool,
    /// The secret file for --rotate [default: SECRET_KEY_FILE, else .waxseal/secret].
    #[arg(long, value_name = "FILE", requires = "rotate")]
    file: Option<PathBuf>,
    /// The app's name, if the file holds a passphrase.
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Prints JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, Failure> {
    match (&options.write, options.rotate) {
        (Some(file), _) => write(options, file.as_deref()),
        (_, true) => rotate(options),
        _ => {
            let key = SecretKey::generate()?;
            if options.json {
                return print_json(&json!({ "kid": key.id().to_string(), "secret_key": *key.to_text() }));
            }
            say!("{}", *key.to_text());
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn write(options: &Options, file: Option<&Path>) -> Result<ExitCode, Failure> {
    let file = file.map_or_else(|| options.folder.join(DEVELOPMENT_FILE), Path::to_owned);
    let made = make_secret(&file)?;
    match (file, made) {
        (path, true) if options.json => print_json(&json!({ "file": path })),
        (path, true) => {
            eprintln!("a new secret key is in {}", path.display());
            Ok(ExitCode::SUCCESS)
        }
        (path, false) => Err(Failure::Refused(format!(
            "{} is there already and was left as it is; --rotate puts a new key before the old one",
            path.display()
        ))),
    }
}

fn rotate(options: &Options) -> Result<ExitCode, Failure> {
    let path = key_file_path(options.file.as_deref())?;
    let file = match &options.app {
        Some(app) => KeyFile::new(&path).with_app(app),
        None => KeyFile::new(&path),
    };
    if !path.exists() {
        let hint = match path == Path::new(DEVELOPMENT_FILE) {
            true => "make one with `waxseal gen-secret --write`",
            false => "make one with `waxseal gen-secret`",
        };
        return Err(Failure::Failed(anyhow::anyhow!("there is no {}; {hint}", path.display())));
    }
    let (old, new) = file.rotate(SystemTime::now()).map_err(keys::failure)?;
    let (old, new) = (old.to_string(), new.to_string());
    if options.json {
        return print_json(&json!({ "file": path, "seals": new, "replaced": old }));
    }
    say!("key {new} seals now, {old} still opens, in {}", path.display());
    say!("a running server takes it within a few seconds; one that is not running needs nothing");
    say!("");
    say!(
        "If other machines use this file, copy it to them now: until then they do not open sessions that were"
    );
    say!("sealed here. Next time, rotate in three steps:");
    say!("  waxseal keys add             a fallback; bring the file to every machine");
    say!("  waxseal keys promote KID     it seals; bring the file to every machine again");
    say!("  waxseal keys retire {old} once all of it has expired; and the file once more");
    Ok(ExitCode::SUCCESS)
}
