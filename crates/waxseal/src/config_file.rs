//! Configuration files: one `NAME=value` on each line.

use std::path::{Path, PathBuf};

use minijinja::Value;
use minijinja::value::Serde;

use crate::start_error::StartError;

/// Names of secrets. A configuration file must not contain them, because templates can read its values.
const SECRETS: [&str; 4] =
    ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "WAXSEAL_SECRET_KEY", "WAXSEAL_SECRET_KEY_FALLBACKS"];
const PREFIX: &str = "WAXSEAL_";
/// The one setting that has a variable without our prefix, and so is read under both names.
pub(crate) const SECRET_KEY_FILE: &str = "WAXSEAL_SECRET_KEY_FILE";

/// The lines of a configuration file. It has the format of systemd's `EnvironmentFile=` and Docker's `--env-file`, so
/// that one file works for all three.
#[derive(Debug)]
pub(crate) struct ConfigFile(Vec<(String, String)>);

impl ConfigFile {
    pub(crate) fn read(path: &Path) -> Result<Self, StartError> {
        let unfit = |problem| StartError::Config { path: path.to_owned(), problem };
        let text = std::fs::read_to_string(path).map_err(|error| unfit(error.to_string()))?;
        Self::parse(&text).map_err(|(line, problem)| unfit(format!("line {line}: {problem}")))
    }

    /// Parses the lines. An error has the number of its line, from 1.
    fn parse(text: &str) -> Result<Self, (usize, String)> {
        let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let pairs = lines.map(|(at, line)| pair(line).map_err(|problem| (at, problem)));
        pairs.collect::<Result<_, _>>().map(Self)
    }

    /// All names and values.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The values that belong to the app: those whose names do not begin with our prefix. A value that parses as JSON
    /// has its JSON type, as with Flask's `from_prefixed_env`; any other is a string.
    pub(crate) fn of_the_app(&self) -> impl Iterator<Item = (&str, Value)> {
        let own = self.iter().filter(|(name, _)| !name.starts_with(PREFIX));
        own.map(|(name, value)| (name, serde_json::from_str(value).map_or_else(|_| value.into(), json)))
    }
}

fn json(value: serde_json::Value) -> Value {
    Value::from(Serde(value))
}

fn pair(line: &str) -> Result<(String, String), String> {
    let (name, value) = line.split_once('=').ok_or("write NAME=value, or begin a comment with #")?;
    let (name, value) = (name.trim_end(), value.trim_start());
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    if name.is_empty() || !name.bytes().all(is_name) {
        return Err("a name has letters, digits and underscores".to_owned());
    }
    if SECRETS.contains(&name) {
        return Err(format!(
            "{name} does not belong here, since templates can read this file; use SECRET_KEY_FILE"
        ));
    }
    let name = if SECRET_KEY_FILE.strip_prefix(PREFIX) == Some(name) { SECRET_KEY_FILE } else { name };
    let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    Ok((name.to_owned(), unquoted.unwrap_or(value).to_owned()))
}

/// The file that the command line or the environment names.
pub(crate) fn named_by(
    args: impl Iterator<Item = std::ffi::OsString>,
    variable: Option<std::ffi::OsString>,
    is_command: impl Fn(&str) -> bool,
) -> Option<PathBuf> {
    // Arguments after a command belong to the command.
    let args: Vec<_> = args.take_while(|word| !word.to_str().is_some_and(&is_command)).collect();
    let found = args.iter().enumerate().find_map(|(at, word)| match word.to_str()? {
        "--config" => args.get(at + 1).map(PathBuf::from),
        word => word.strip_prefix("--config=").map(PathBuf::from),
    });
    found.or_else(|| variable.filter(|value| !value.is_empty()).map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_names_and_values() {
        let text = "# the shop\n\nWAXSEAL_PORT=8080\n GREETING = \"good day\" \r\nOWLS=['a']\nPAGES=[1, 2]\nOPEN=true\nURL=a=b\nNONE=\nSECRET_KEY_FILE=/etc/shop/secret\n";
        let file = ConfigFile::parse(text).unwrap();
        let pairs: Vec<_> = file.iter().collect();
        assert_eq!(pairs[..3], [("WAXSEAL_PORT", "8080"), ("GREETING", "good day"), ("OWLS", "['a']")]);
        assert_eq!(
            pairs.last(),
            Some(&("WAXSEAL_SECRET_KEY_FILE", "/etc/shop/secret")),
            "as if it had the prefix"
        );
        let own: Vec<_> =
            file.of_the_app().map(|(name, value)| format!("{name} {value} {}", value.kind())).collect();
        let expected = [
            "GREETING good day string",
            "OWLS ['a'] string",
            "PAGES [1, 2] sequence",
            "OPEN True bool",
            "URL a=b string",
            "NONE  string",
        ];
        assert_eq!(own, expected);
    }

    #[test]
    fn a_line_that_is_none_is_named() {
        for (text, line, word) in [
            ("A=1\nB", 2, "write NAME=value"),
            ("\n\n-x=1", 3, "a name has letters"),
            ("=1", 1, "a name has letters"),
            ("SECRET_KEY=abc", 1, "SECRET_KEY does not belong here"),
        ] {
            let (found, problem) = ConfigFile::parse(text).unwrap_err();
            assert!(found == line && problem.contains(word) && !problem.contains("abc"), "{text}: {problem}");
        }
    }

    #[test]
    fn the_file_is_named_by_the_flag_or_the_variable() {
        for (args, variable, expected) in [
            (&["app", "--config", "a"][..], Some("b"), Some("a")),
            (&["app", "--port=1", "--config=a"], None, Some("a")),
            (&["app"], Some("b"), Some("b")),
            (&["app"], Some(""), None),
            (&["app", "--config"], None, None),
            (&["app", "import", "--config", "a"], Some("b"), Some("b")),
            (&["app", "--config", "a", "import"], None, Some("a")),
        ] {
            let found =
                named_by(args.iter().map(Into::into), variable.map(Into::into), |word| word == "import");
            assert_eq!(found, expected.map(PathBuf::from), "{args:?}");
        }
    }
}
