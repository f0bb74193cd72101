//! Where the secret keys come from.

use std::fmt;
use std::path::{Path, PathBuf};

use waxseal_crypto::{Keyring, SecretKey};
use zeroize::Zeroizing;

use crate::{SecretError, Settings, secret_file, strength};

/// The secret keys of an app, and where they were found.
///
/// | from | holds |
/// |---|---|
/// | `SECRET_KEY` | one key |
/// | `SECRET_KEY_FALLBACKS` | a JSON list of keys that open what they once sealed and seal nothing |
/// | `SECRET_KEY_FILE` | instead of both: UTF-8, one key a line, the first seals |
///
/// Each also with the prefix `WAXSEAL_`. A key is what `cargo xtask gen-secret` prints, or any other text, a
/// passphrase: that goes through Argon2id, once, which takes about a quarter of a second and 64 MiB. Outside
/// development a passphrase that is too weak is refused, and so is a missing key; in development one is made and
/// kept in `.waxseal/secret`.
pub struct Secrets {
    keyring: Keyring,
    source: Source,
    warnings: Vec<String>,
}

/// Where the secret keys were found.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Variable(&'static str),
    File(PathBuf),
    Made(PathBuf),
}

type Text = Zeroizing<String>;

/// A variable's value by its name, as [`std::env::var_os`] gives it.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<std::ffi::OsString>;

impl Secrets {
    /// Reads the keys of the app called `app` from the environment or a file, as `settings` say.
    ///
    /// # Errors
    ///
    /// [`SecretError`] says what was found, never a key, and what to do.
    pub fn from_env(settings: &Settings, app: &str) -> Result<Self, SecretError> {
        Self::find(settings, app, Path::new(""), &|name| std::env::var_os(name))
    }

    /// The ring: its first key seals, all of them open.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// What a person should know about these keys: each a sentence without a secret.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    fn find(settings: &Settings, app: &str, folder: &Path, lookup: Lookup<'_>) -> Result<Self, SecretError> {
        let variable = Variable::find("SECRET_KEY", lookup, settings.development)?;
        let fallbacks = Variable::find("SECRET_KEY_FALLBACKS", lookup, settings.development)?;
        let named = Variable::find("SECRET_KEY_FILE", lookup, settings.development)?;
        let file = settings.secret_key_file.clone().or_else(|| named.map(|file| PathBuf::from(&*file.value)));
        let (texts, source) = match (variable, file) {
            (Some(variable), Some(_)) => return Err(SecretError::Both(variable.name)),
            (Some(variable), None) => {
                let fallbacks = fallbacks.map_or(Ok(Vec::new()), |fallbacks| fallbacks.list())?;
                let source = Source::Variable(variable.name);
                ([vec![variable.value], fallbacks].concat(), source)
            }
            (None, _) if fallbacks.is_some() => return Err(SecretError::FallbacksAlone),
            (None, Some(file)) => (secret_file::read_keys(&file)?, Source::File(file)),
            (None, None) if settings.development => {
                let (text, path, made) = secret_file::read_or_make(folder)?;
                (vec![text], if made { Source::Made(path) } else { Source::File(path) })
            }
            (None, None) => return Err(SecretError::Missing),
        };
        let mut warnings = Vec::new();
        for text in &texts {
            let verdict = strength::judge(text);
            match verdict.refusal {
                Some(why) if !settings.development && !settings.allow_weak_secret => {
                    return Err(SecretError::Weak(why));
                }
                why => warnings.extend(why.into_iter().chain(verdict.warnings).map(weak_warning)),
            }
        }
        Ok(Self { keyring: ring(&texts, app)?, source, warnings })
    }
}

fn weak_warning(why: &str) -> String {
    format!("the secret key {why}; make one with `cargo xtask gen-secret`")
}

fn ring(texts: &[Text], app: &str) -> Result<Keyring, SecretError> {
    // Argon2id takes 64 MiB and a quarter of a second for each passphrase: count before working.
    if texts.len() > Keyring::MAX_KEYS {
        return Err(SecretError::TooMany(texts.len()));
    }
    let mut keys = texts.iter().map(|text| SecretKey::parse(text, app));
    let mut keyring = Keyring::new(keys.next().ok_or(SecretError::Missing)??);
    for key in keys {
        keyring = keyring.with_fallback(key?)?;
    }
    Ok(keyring)
}

impl fmt::Display for Secrets {
    /// Where the keys were found.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Variable(name) => write!(f, "from {name}"),
            Source::File(path) => write!(f, "from {}", path.display()),
            Source::Made(path) => write!(f, "made just now and kept in {}", path.display()),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({self})")
    }
}

/// An environment variable that is set, under its name with or without the prefix.
struct Variable {
    name: &'static str,
    value: Text,
}

impl Variable {
    fn find(name: &'static str, lookup: Lookup<'_>, development: bool) -> Result<Option<Self>, SecretError> {
        let prefixed = match name {
            "SECRET_KEY" => "WAXSEAL_SECRET_KEY",
            "SECRET_KEY_FALLBACKS" => "WAXSEAL_SECRET_KEY_FALLBACKS",
            _ => "WAXSEAL_SECRET_KEY_FILE",
        };
        let read = |name| match lookup(name).map(std::ffi::OsString::into_string) {
            None => Ok(None),
            Some(Err(_)) => Err(SecretError::VariableNotUtf8(name)),
            Some(Ok(value)) if !value.is_empty() => Ok(Some(Self { name, value: Zeroizing::new(value) })),
            Some(Ok(_)) if development => Ok(None),
            Some(Ok(_)) => Err(SecretError::Empty(name)),
        };
        match (read(prefixed)?, read(name)?) {
            (Some(one), Some(other)) if one.value != other.value => Err(SecretError::Differ(prefixed, name)),
            (one, other) => Ok(one.or(other)),
        }
    }

    /// A JSON list of strings and nothing else: a plain string there once became one-letter keys in Flask.
    fn list(&self) -> Result<Vec<Text>, SecretError> {
        let list: Result<Vec<String>, _> = serde_json::from_str(&self.value);
        // serde_json's error may quote what it found.
        list.map(|list| list.into_iter().map(Zeroizing::new).collect())
            .map_err(|_| SecretError::NotAList(self.name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "a passphrase of a decent length";
    /// A key of these tests alone: the one in `docs/format.md` is refused.
    const GENERATED: &str = "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6";

    fn find(development: bool, folder: &Path, variables: &[(&str, &str)]) -> Result<Secrets, SecretError> {
        let settings = Settings { development, ..Settings::default() };
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        Secrets::find(&settings, "demo", folder, &lookup)
    }

    fn production(variables: &[(&str, &str)]) -> Result<Secrets, SecretError> {
        find(false, Path::new("unused"), variables)
    }

    #[test]
    fn keys_are_found_under_both_names() {
        for name in ["SECRET_KEY", "WAXSEAL_SECRET_KEY"] {
            let secrets = production(&[(name, GENERATED)]).unwrap();
            assert_eq!((secrets.to_string(), secrets.warnings().len()), (format!("from {name}"), 0));
            assert_eq!(secrets.keyring().ids().map(|id| id.to_string()).collect::<Vec<_>>(), ["5ae566ad"]);
        }
        assert!(production(&[("SECRET_KEY", GENERATED), ("WAXSEAL_SECRET_KEY", GENERATED)]).is_ok());
    }

    #[test]
    fn fallbacks_are_a_json_list() {
        let ids = |fallbacks: &str| {
            let secrets = production(&[("SECRET_KEY", GENERATED), ("SECRET_KEY_FALLBACKS", fallbacks)]);
            secrets.map(|secrets| secrets.keyring().ids().count())
        };
        assert_eq!(ids("[]").unwrap(), 1);
        assert_eq!(ids(&format!("[{GOOD:?}]")).unwrap(), 2);
        for wrong in [GOOD, "\"a string\"", "[1]", "{}", "[\"cut short"] {
            assert!(matches!(ids(wrong), Err(SecretError::NotAList(_))), "{wrong}");
        }
        assert!(ids(&format!("[{GENERATED:?}]")).is_err(), "a key twice");
        assert!(
            ids(&format!("[{}]", vec!["\"a long enough passphrase\""; 16].join(","))).is_err(),
            "17 keys"
        );
        assert!(ids("[\"short\"]").is_err(), "a weak fallback");
    }

    #[test]
    fn what_cannot_be_used_is_refused_outside_development() {
        for (case, variables) in [
            ("nothing", &[][..]),
            ("empty", &[("SECRET_KEY", "")]),
            ("too short", &[("SECRET_KEY", "hunter2")]),
            ("a sample of Flask's documentation", &[("SECRET_KEY", "dev")]),
            ("a generated key with a slip", &[("SECRET_KEY", &GENERATED[..56])]),
            ("fallbacks alone", &[("SECRET_KEY_FALLBACKS", "[]")]),
            ("two that differ", &[("SECRET_KEY", GOOD), ("WAXSEAL_SECRET_KEY", GENERATED)]),
            ("variable and file", &[("SECRET_KEY", GOOD), ("SECRET_KEY_FILE", "a file")]),
            ("a file that is not there", &[("SECRET_KEY_FILE", "/nonexistent/secret")]),
        ] {
            let error = production(variables).expect_err(case);
            let shown = format!("{error} {error:?}");
            for (_, value) in
                variables.iter().filter(|(name, value)| *name == "SECRET_KEY" && value.len() > 3)
            {
                assert!(!shown.contains(value), "{case}: {shown}");
            }
        }
    }

    #[test]
    fn missing_and_weak_keys_name_the_command() {
        for variables in [&[][..], &[("SECRET_KEY", "hunter2")], &[("SECRET_KEY", "")]] {
            let error = production(variables).unwrap_err().to_string();
            assert!(error.contains("cargo xtask gen-secret"), "{error}");
        }
    }

    #[test]
    fn a_weak_key_can_be_allowed_and_is_warned_about() {
        let settings = Settings { allow_weak_secret: true, ..Settings::default() };
        let lookup = |name: &str| (name == "SECRET_KEY").then(|| "hunter2".into());
        let secrets = Secrets::find(&settings, "demo", Path::new(""), &lookup).unwrap();
        assert!(!secrets.warnings().is_empty() && !format!("{:?}", secrets.warnings()).contains("hunter2"));
    }

    #[test]
    fn development_makes_a_secret_once_and_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let ids = |secrets: &Secrets| secrets.keyring().ids().collect::<Vec<_>>();
        let first = find(true, folder.path(), &[("SECRET_KEY", "")]).unwrap();
        assert!(first.to_string().starts_with("made just now"), "{first}");
        let second = find(true, folder.path(), &[]).unwrap();
        assert!(second.to_string().starts_with("from "), "{second}");
        assert_eq!(ids(&first), ids(&second));
    }
}
