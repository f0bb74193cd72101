//! The command line, completed by the environment and a configuration file.

use std::env;
use std::ffi::OsString;

use clap::builder::BoolishValueParser;
use clap::builder::TypedValueParser;
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command, Parser};

use super::unknown::unknown_setting;
use super::values;
use crate::config_file::{self, ConfigFile, SECRET_KEY_FILE};

/// Parses this program's flags, environment and [configuration file](crate::Settings::config) into the app's own type,
/// which has [`Settings`](crate::Settings) flattened into it. On `--help` and on mistakes it prints a text and ends the
/// program.
///
/// # Example
///
/// Flags and commands of the app, by clap's derive, in addition to those of [`run`](crate::App::run):
///
/// ```no_run
/// use waxseal::{App, Settings, StartError};
///
/// #[derive(clap::Parser)]
/// struct Args {
///     #[command(flatten)]
///     settings: Settings,
///     /// The words on the first page.
///     #[arg(long, env = "GREETING", default_value = "Hello.")]
///     greeting: String,
/// }
///
/// #[tokio::main]
/// async fn main() -> Result<(), StartError> {
///     let args: Args = waxseal::args();
///     App::new("demo").config("GREETING", args.greeting).run_with(args.settings).await
/// }
/// ```
#[must_use]
pub fn args<T: Parser>() -> T {
    T::from_arg_matches(&matches(T::command(), env::args_os().collect())).unwrap_or_else(|error| error.exit())
}

/// Parses `args`, completed by the environment and the configuration file. Ends the program on mistakes.
pub(crate) fn matches(command: Command, args: Vec<OsString>) -> ArgMatches {
    try_matches(command, args).unwrap_or_else(|error| error.exit())
}

pub(super) fn try_matches(command: Command, mut args: Vec<OsString>) -> Result<ArgMatches, clap::Error> {
    let mut command = command.mut_args(values::without_empty_variable);
    let is_command = |word: &str| command.find_subcommand(word).is_some();
    let path = config_file::named_by(args.iter().cloned(), env::var_os("WAXSEAL_CONFIG"), is_command);
    if let Some(path) = path {
        let has = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_set = |name: &str| has(name) || name == SECRET_KEY_FILE && has("SECRET_KEY_FILE");
        let flags = ConfigFile::read(&path).map_err(|error| format!("{error:?}"));
        let flags = flags.and_then(|file| flags_of(&file, &command, is_set));
        let flags = flags.map_err(|problem| command.error(ErrorKind::InvalidValue, problem))?;
        command = command.args_override_self(true);
        args.splice(1.min(args.len())..1.min(args.len()), flags);
    }
    command.try_get_matches_from(args)
}

/// The lines of a configuration file as flags. They are put before the program's own flags, which win over them. Lines
/// whose variable is set are left out.
fn flags_of(
    file: &ConfigFile,
    command: &Command,
    is_set: impl Fn(&str) -> bool,
) -> Result<Vec<OsString>, String> {
    let mut command = command.clone();
    command.build();
    let mut flags = Vec::new();
    for (name, value) in file.iter() {
        let Some(argument) =
            command.get_arguments().find(|argument| variable(argument) == Some(name.to_owned()))
        else {
            match unknown_setting(name, &command) {
                Some(problem) => return Err(problem),
                None => continue,
            }
        };
        if is_set(name) || value.is_empty() {
            continue;
        }
        let flag = argument.get_long().expect("a setting is a flag");
        match argument.get_action() {
            ArgAction::SetTrue => {
                let on = BoolishValueParser::new().parse_ref(&command, Some(argument), value.as_ref());
                flags.extend(on.map_err(|error| error.to_string())?.then(|| format!("--{flag}").into()));
            }
            _ => flags.push(format!("--{flag}={value}").into()),
        }
    }
    Ok(flags)
}

/// The environment variable of a flag.
fn variable(argument: &Arg) -> Option<String> {
    match argument.get_env() {
        Some(variable) => variable.to_str().map(str::to_owned),
        // The secret file's flag has no variable here, since `Secrets` reads it.
        None => Some(format!("WAXSEAL_{}", argument.get_long()?.to_uppercase().replace('-', "_"))),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::settings::Settings;

    fn flags(text: &str, set: &str) -> Result<Vec<OsString>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("shop.conf");
        std::fs::write(&path, text).unwrap();
        flags_of(&ConfigFile::read(&path).unwrap(), &Settings::command(), |name| name == set)
    }

    #[test]
    fn a_file_is_flags_that_variables_win_over() {
        let text = "WAXSEAL_PORT=8080\nWAXSEAL_HOST=127.0.0.2\nWAXSEAL_SHARE_PORT=yes\nWAXSEAL_DEVELOPMENT=off\n\
                    WAXSEAL_ACCESS_LOG=true\nWAXSEAL_SECRET_KEY_FILE=/run/key\nWAXSEAL_LOG=\nGREETING=hello\n";
        let found = flags(text, "WAXSEAL_PORT").unwrap();
        let expected =
            ["--host=127.0.0.2", "--share-port", "--access-log=true", "--secret-key-file=/run/key"];
        assert_eq!(found, expected.map(OsString::from));
    }

    #[test]
    fn flags_win_over_the_file() {
        let args =
            [vec!["app".into()], flags("WAXSEAL_PORT=8080\n", "").unwrap(), vec!["--port=9".into()]].concat();
        let command = Settings::command().args_override_self(true);
        assert_eq!(command.get_matches_from(args).get_one("port"), Some(&9_u16));
    }

    #[test]
    fn a_name_that_is_no_setting_is_said() {
        let problem = flags("WAXSEAL_PROT=1\n", "").unwrap_err();
        assert_eq!(problem, "WAXSEAL_PROT is no setting; did you mean WAXSEAL_PORT?");
        assert!(flags("WAXSEAL_SHARE_PORT=perhaps\n", "").is_err());
    }
}
