//! Secret keys from the environment or a file.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use waxseal_crypto::{KeyId, Keyring, SecretKey};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::rotation::Rotation;
use crate::secret_options::SecretOptions;
use crate::variable::{Lookup, Text, Variable};
use crate::{secret_file, strength};

/// If reading the keys takes this long, a debug build warns. In an optimised build, sixteen passphrases take about four
/// seconds.
const FELT: Duration = Duration::from_secs(5);

/// The secret keys of an app, and the variable or file that they came from.
///
/// | from | holds |
/// |---|---|
/// | `SECRET_KEY` | one key |
/// | `SECRET_KEY_FALLBACKS` | a JSON list of keys that only open what they sealed earlier |
/// | `SECRET_KEY_FILE` | instead of both: UTF-8, one key a line, the first seals |
///
/// Each variable may have the prefix `WAXSEAL_`. A key is the output of `waxseal gen-secret`, or any other text: a
/// passphrase, from which Argon2id derives a key once, in about a quarter of a second and with 64 MiB of memory.
/// Outside development a weak passphrase and a missing key are refused; in development a key is made and kept in
/// `.waxseal/secret`.
///
/// # Example
///
/// ```no_run
/// use waxseal_keys::{SecretOptions, Secrets};
///
/// let secrets = Secrets::from_env(SecretOptions::new(), "wizard")?;
/// println!("secret keys {secrets}: {}", secrets.roles());
/// # Ok::<(), waxseal_keys::Error>(())
/// ```
pub struct Secrets {
    keyring: Keyring,
    kinds: Vec<KeyKind>,
    source: Source,
    /// The bytes of the file that the keys came from, with which a running server compares the file.
    file: Option<Zeroizing<Vec<u8>>>,
    warnings: Vec<String>,
    /// `true` if the file's record exists and cannot be read.
    is_record_unread: bool,
    policy: Policy,
}

/// The origin of a secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyKind {
    /// 256 bits from the operating system's randomness.
    Generated,
    /// Any other text, from which Argon2id derives a key.
    Passphrase,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Variable(&'static str),
    File(PathBuf),
    Made(PathBuf),
    Program,
}

/// The app that keys are derived for, and whether weak ones are accepted.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    pub(crate) app: String,
    /// Weak keys cause a warning and are used.
    pub(crate) weak: bool,
}

impl Secrets {
    /// Reads the keys of the app `app` from the environment or a file, as `options` say.
    ///
    /// A passphrase blocks the thread for about a quarter of a second. Inside a runtime, use [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// [`Error`]. Its text says what was found and what to do, and never contains a key.
    pub fn from_env(options: impl Into<SecretOptions>, app: &str) -> Result<Self, Error> {
        Self::find(&options.into(), app, Path::new(""), &|name| std::env::var_os(name))
    }

    /// Reads the keys as [`from_env`](Self::from_env) does, on a thread that is allowed to block.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    ///
    /// # Panics
    ///
    /// If called outside a tokio runtime.
    pub async fn load(options: impl Into<SecretOptions>, app: &str) -> Result<Self, Error> {
        let (options, app) = (options.into(), app.to_owned());
        let found = tokio::task::spawn_blocking(move || Self::from_env(options, &app)).await;
        found.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
    }

    /// Reads the keys of the app `app` from this file, whatever the environment says.
    ///
    /// # Errors
    ///
    /// Those of [`from_env`](Self::from_env).
    pub fn from_file(path: &Path, options: impl Into<SecretOptions>, app: &str) -> Result<Self, Error> {
        Self::read(path.to_owned(), &Policy::new(&options.into(), app))
    }

    /// Checks and parses the text of one key that the program got from elsewhere.
    ///
    /// # Errors
    ///
    /// [`Error::Weak`], unless `options` accept weak keys, and [`Error::Key`].
    pub fn from_text(text: &str, options: impl Into<SecretOptions>, app: &str) -> Result<Self, Error> {
        let text = Zeroizing::new(text.to_owned());
        Self::new(&[text], Source::Program, &Policy::new(&options.into(), app))
    }

    /// The ring: its first key seals, all of them open.
    #[must_use]
    pub fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// The weaknesses of these keys, and in a debug build the reason why a passphrase was slow. Each is a sentence
    /// without a secret.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(crate) fn is_record_unread(&self) -> bool {
        self.is_record_unread
    }

    /// The file that the keys were read from, if there is one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::Variable(_) | Source::Program => None,
            Source::File(path) | Source::Made(path) => Some(path),
        }
    }

    /// The app that the keys were read for, and the rules that applied.
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The bytes of that file.
    pub(crate) fn file_bytes(&self) -> Option<&[u8]> {
        self.file.as_ref().map(|bytes| bytes.as_slice())
    }

    /// The id and origin of each key, in ring order: the first seals.
    pub fn kinds(&self) -> impl Iterator<Item = (KeyId, KeyKind)> {
        self.keyring.ids().zip(self.kinds.iter().copied())
    }

    /// The ids of the key that seals and of those that only open, as a phrase for a log. Never show them to a visitor.
    #[must_use]
    pub fn roles(&self) -> String {
        let ids: Vec<String> = self.keyring.ids().map(|id| id.to_string()).collect();
        match ids.split_first() {
            Some((first, [])) => format!("seals with {first}"),
            Some((first, others)) => format!("seals with {first}, opens with {} too", others.join(", ")),
            None => String::new(),
        }
    }

    fn find(options: &SecretOptions, app: &str, folder: &Path, lookup: Lookup<'_>) -> Result<Self, Error> {
        let policy = Policy::new(options, app);
        let variable = Variable::find("SECRET_KEY", lookup, options.development)?;
        let fallbacks = Variable::find("SECRET_KEY_FALLBACKS", lookup, options.development)?;
        let named = Variable::find("SECRET_KEY_FILE", lookup, options.development)?;
        let file = options.file.clone().or_else(|| named.map(|file| PathBuf::from(&*file.value)));
        match (variable, file) {
            (Some(variable), Some(_)) => Err(Error::Both(variable.name)),
            (Some(variable), None) => {
                let fallbacks = fallbacks.map_or(Ok(Vec::new()), |fallbacks| fallbacks.list())?;
                let texts = [vec![variable.value], fallbacks].concat();
                Self::new(&texts, Source::Variable(variable.name), &policy)
            }
            (None, _) if fallbacks.is_some() => Err(Error::FallbacksAlone),
            (None, Some(file)) => Self::read(file, &policy),
            (None, None) if options.development => {
                let (path, made) = secret_file::find_or_make(folder)?;
                let mut secrets = Self::read(path.clone(), &policy)?;
                secrets.source = if made { Source::Made(path) } else { Source::File(path) };
                Ok(secrets)
            }
            (None, None) => Err(Error::Missing),
        }
    }

    fn read(path: PathBuf, policy: &Policy) -> Result<Self, Error> {
        let bytes = secret_file::read(&path)?;
        let record = Rotation::read(&path).map_err(|error| error.one_line());
        let revoked = record.as_ref().map(|record| &record.revoked).map_err(String::as_str);
        Self::from_bytes(path, bytes, revoked, policy)
    }

    /// Parses the bytes of a file. Warns of revoked keys, or that it is not known which are.
    pub(crate) fn from_bytes(
        path: PathBuf,
        bytes: Zeroizing<Vec<u8>>,
        revoked_keys: Result<&BTreeMap<String, u64>, &str>,
        policy: &Policy,
    ) -> Result<Self, Error> {
        let texts = secret_file::parse(&path, &bytes)?;
        let mut secrets = Self::new(&texts, Source::File(path), policy)?;
        match revoked_keys {
            Ok(revoked_keys) => {
                let ids = secrets.keyring.ids().filter(|id| revoked_keys.contains_key(&id.to_string()));
                secrets
                    .warnings
                    .extend(ids.map(|id| format!("the secret key {id} is in use {}", revoked(id))));
            }
            // The keys can be used. It must not keep a server from starting.
            Err(why) => {
                secrets.warnings.push(format!("a revoked key would not be noticed: {why}"));
                secrets.is_record_unread = true;
            }
        }
        Ok(Self { file: Some(bytes), ..secrets })
    }

    /// Makes a ring from the texts. They are checked first, because Argon2id takes a quarter of a second for each
    /// passphrase.
    fn new(texts: &[Text], source: Source, policy: &Policy) -> Result<Self, Error> {
        if texts.len() > Keyring::MAX_KEYS {
            return Err(Error::TooMany(texts.len()));
        }
        let verdicts: Vec<_> = texts.iter().map(|text| strength::judge(text)).collect();
        if let Some(why) = verdicts.iter().find_map(|verdict| verdict.refusal).filter(|_| !policy.weak) {
            return Err(Error::Weak(why));
        }
        let began = Instant::now();
        let keyring = ring(texts, &policy.app)?;
        let slow = slow_build(began.elapsed()).filter(|_| cfg!(debug_assertions));
        let warnings = keyring.ids().zip(verdicts).flat_map(|(id, verdict)| {
            let whys = verdict.refusal.into_iter().chain(verdict.warnings);
            whys.map(move |why| format!("the secret key {id} {why}; make one with `waxseal gen-secret`"))
        });
        let kind = |text: &Text| match SecretKey::is_generated_text(text) {
            true => KeyKind::Generated,
            false => KeyKind::Passphrase,
        };
        let (warnings, kinds) = (warnings.chain(slow).collect(), texts.iter().map(kind).collect());
        Ok(Self {
            keyring,
            kinds,
            source,
            file: None,
            warnings,
            is_record_unread: false,
            policy: policy.clone(),
        })
    }
}

impl Policy {
    fn new(options: &SecretOptions, app: &str) -> Self {
        Self { app: app.to_owned(), weak: options.development || options.allow_weak }
    }
}

impl KeyKind {
    /// The word for logs and JSON: `generated` or `passphrase`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Generated => "generated",
            Self::Passphrase => "passphrase",
        }
    }
}

/// What to do about a revoked key that is in a file, as a phrase.
pub(crate) fn revoked(id: KeyId) -> String {
    format!(
        "although it was revoked, and whoever else has it can make any session; take it out of the file with \
         `waxseal keys retire {id} --revoke`, or allow it again with `waxseal keys promote {id}`"
    )
}

/// The advice for a program in which Argon2id is not optimised, if the keys took noticeably long.
fn slow_build(took: Duration) -> Option<String> {
    (took >= FELT).then(|| {
        format!(
            "the passphrase took {:.1} s, since Argon2id is not optimised in this build; put three lines into the Cargo.toml of \
             your workspace: `[profile.dev.package]`, `argon2.opt-level = 3` and `blake2.opt-level = 3`",
            took.as_secs_f32()
        )
    })
}

fn ring(texts: &[Text], app: &str) -> Result<Keyring, Error> {
    let mut keys = texts.iter().map(|text| SecretKey::parse(text, app));
    let mut keyring = Keyring::new(keys.next().ok_or(Error::Missing)??);
    for key in keys {
        keyring = keyring.with_fallback(key?)?;
    }
    Ok(keyring)
}

impl fmt::Display for Secrets {
    /// The source of the keys, as a phrase that follows "secret keys".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            Source::Variable(name) => write!(f, "from {name}"),
            Source::File(path) => write!(f, "from {}", path.display()),
            Source::Program => f.write_str("from the program"),
            Source::Made(path) => write!(f, "made just now and kept in {}", path.display()),
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "a passphrase of a decent length";
    /// A key used only in these tests: the example in the format's description is refused.
    const GENERATED: &str = "waxseal1_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwdkv1U6";

    fn find(development: bool, folder: &Path, variables: &[(&str, &str)]) -> Result<Secrets, Error> {
        let options = SecretOptions::new().development(development);
        let lookup = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        Secrets::find(&options, "demo", folder, &lookup)
    }

    fn production(variables: &[(&str, &str)]) -> Result<Secrets, Error> {
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
    fn a_passphrase_that_takes_seconds_is_followed_by_the_lines_that_make_it_fast() {
        assert_eq!(slow_build(Duration::from_millis(4_900)), None);
        let advice = slow_build(Duration::from_millis(11_600)).unwrap();
        for part in ["11.6 s", "[profile.dev.package]", "argon2.opt-level = 3", "blake2.opt-level = 3"] {
            assert!(advice.contains(part), "{advice}");
        }
    }

    #[test]
    fn a_text_of_the_programs_is_judged_as_any() {
        let secrets = Secrets::from_text(GENERATED, SecretOptions::new(), "demo").unwrap();
        assert_eq!((secrets.to_string().as_str(), secrets.file()), ("from the program", None));
        assert_eq!(secrets.keyring().ids().map(|id| id.to_string()).collect::<Vec<_>>(), ["5ae566ad"]);
        let weak = |options| Secrets::from_text("secret", options, "demo");
        assert!(matches!(weak(SecretOptions::new()), Err(Error::Weak(_))));
        assert!(weak(SecretOptions::new().development(true)).is_ok());
        assert!(Secrets::from_text("", SecretOptions::new(), "demo").is_err());
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
            assert!(matches!(ids(wrong), Err(Error::NotAList(_))), "{wrong}");
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
    fn a_generated_key_with_anything_around_it_is_refused_wherever_it_stands() {
        let other = SecretKey::from_bytes([8; 32]).to_text();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (case, text) in [
            ("double quotes", format!("\"{GENERATED}\"")),
            ("single quotes", format!("'{GENERATED}'")),
            ("backticks", format!("`{GENERATED}`")),
            ("a space before", format!(" {GENERATED}")),
            ("a space behind", format!("{GENERATED} ")),
            ("a carriage return", format!("{GENERATED}\r")),
            ("the variable's name", format!("SECRET_KEY={GENERATED}")),
            ("two keys", format!("{GENERATED},{}", *other)),
            ("a JSON list", format!("[\"{GENERATED}\"]")),
            ("upper case", GENERATED.to_uppercase()),
            ("no prefix", GENERATED["waxseal1_".len()..].to_owned()),
            ("cut short", GENERATED[..40].to_owned()),
            ("a wrong checksum", GENERATED.replace("kv1U6", "kv1U7")),
            ("quoted and cut short", format!("\"{}", &GENERATED[..40])),
        ] {
            let fallbacks = serde_json::to_string(&[&text]).unwrap();
            std::fs::write(&path, format!("{}\n{text}\n", *other)).unwrap();
            let file = path.to_str().unwrap();
            for (place, variables) in [
                ("SECRET_KEY", &[("SECRET_KEY", &*text)][..]),
                ("SECRET_KEY_FALLBACKS", &[("SECRET_KEY", &*other), ("SECRET_KEY_FALLBACKS", &*fallbacks)]),
                ("SECRET_KEY_FILE", &[("SECRET_KEY_FILE", file)]),
            ] {
                for development in [false, true] {
                    let error = find(development, folder.path(), variables).expect_err(case);
                    let line = crate::error_chain::one_line(crate::error_chain::texts(&error));
                    assert!(line.contains("secret key text"), "{case}, {place}: {line}");
                    assert!(!line.contains("BwcHBwcH"), "{case}, {place}: {line}");
                }
            }
            assert!(crate::KeyFile::new(&path).list().is_err(), "{case}");
            let error = crate::KeyFile::new(&path).with_app("demo").list().expect_err(case);
            assert!(error.one_line().contains("secret key text"), "{case}: {error}");
        }
    }

    const NAMES: [&str; 3] = ["SECRET_KEY", "SECRET_KEY_FALLBACKS", "SECRET_KEY_FILE"];

    #[test]
    fn set_to_nothing_is_unset_in_development_and_refused_elsewhere() {
        for name in NAMES {
            for name in [name.to_owned(), format!("WAXSEAL_{name}")] {
                let variables = [(&*name, ""), ("SECRET_KEY", GENERATED), ("WAXSEAL_SECRET_KEY", GENERATED)];
                let error = production(&variables).expect_err(&name);
                assert_eq!(
                    error.to_string(),
                    format!("{name} is set but empty; make a secret key with `waxseal gen-secret`")
                );
                let secrets = find(true, Path::new("unused"), &variables).unwrap();
                assert_eq!(secrets.keyring().ids().count(), 1, "{name}");
            }
        }
    }

    #[test]
    fn one_setting_under_two_names_must_be_the_same() {
        for name in NAMES {
            let prefixed = format!("WAXSEAL_{name}");
            let error = production(&[(name, "one"), (&prefixed, "another")]).expect_err(name);
            assert_eq!(
                error.to_string(),
                format!("{prefixed} and {name} are both set, and differ; unset one")
            );
        }
    }

    #[test]
    fn a_ring_is_refused_with_a_sentence() {
        let seventeen: Vec<_> = (0..16).map(|number| format!("a long enough passphrase {number}")).collect();
        let seventeen = serde_json::to_string(&seventeen).unwrap();
        for (fallbacks, expected) in [
            (&*seventeen, "17 secret keys are more than a ring's 16; retire the oldest"),
            (
                &*format!("[{GENERATED:?}]"),
                "a secret key cannot be used: key 5ae566ad is in the key ring already; list each key once",
            ),
            (
                "[\"\"]",
                "the secret key is shorter than 8 bytes; make one with `waxseal gen-secret`, or allow this one with --allow-weak-secret",
            ),
        ] {
            let error =
                production(&[("SECRET_KEY", GENERATED), ("SECRET_KEY_FALLBACKS", fallbacks)]).unwrap_err();
            assert_eq!(crate::error_chain::one_line(crate::error_chain::texts(&error)), expected);
        }
    }

    #[test]
    fn a_development_file_may_hold_old_keys_too() {
        let folder = tempfile::tempdir().unwrap();
        find(true, folder.path(), &[]).unwrap();
        let file = crate::KeyFile::new(folder.path().join(".waxseal/secret"));
        let (old, new) = file.rotate(std::time::SystemTime::now()).unwrap();
        let secrets = find(true, folder.path(), &[]).unwrap();
        assert_eq!(secrets.keyring().ids().collect::<Vec<_>>(), [new, old]);
    }

    #[test]
    fn a_warning_names_the_key_and_a_passphrase_says_what_it_is() {
        let secrets =
            production(&[("SECRET_KEY", GENERATED), ("SECRET_KEY_FALLBACKS", "[\"1111111111\"]")]).unwrap();
        let ids: Vec<_> = secrets.keyring().ids().map(|id| id.to_string()).collect();
        assert_eq!(secrets.roles(), format!("seals with {}, opens with {} too", ids[0], ids[1]));
        assert_eq!(
            secrets.warnings().first(),
            Some(&format!(
                "the secret key {} is shorter than 16 bytes; make one with `waxseal gen-secret`",
                ids[1]
            ))
        );
        assert_eq!(secrets.warnings().len(), 3);
        assert_eq!(
            secrets.kinds().map(|(_, kind)| kind.name()).collect::<Vec<_>>(),
            ["generated", "passphrase"]
        );
    }

    #[tokio::test]
    async fn a_runtime_goes_on_while_a_passphrase_is_worked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, GOOD).unwrap();
        let options = SecretOptions::new().file(path);
        let mut ticks = tokio::time::interval(std::time::Duration::from_millis(1));
        let mut loading = std::pin::pin!(Secrets::load(&options, "demo"));
        let mut ticked = 0;
        let secrets = loop {
            tokio::select! {
                biased;
                secrets = &mut loading => break secrets.unwrap(),
                _ = ticks.tick() => ticked += 1,
            }
        };
        assert!(ticked > 5, "{ticked} ticks");
        assert_eq!(secrets.keyring().ids().count(), 1);
    }

    #[test]
    fn missing_and_weak_keys_name_the_command() {
        for variables in [&[][..], &[("SECRET_KEY", "hunter2")], &[("SECRET_KEY", "")]] {
            let error = production(variables).unwrap_err().to_string();
            assert!(error.contains("waxseal gen-secret"), "{error}");
        }
    }

    #[test]
    fn a_weak_key_can_be_allowed_and_is_warned_about() {
        let options = SecretOptions::new().allow_weak(true);
        let lookup = |name: &str| (name == "SECRET_KEY").then(|| "hunter2".into());
        let secrets = Secrets::find(&options, "demo", Path::new(""), &lookup).unwrap();
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
