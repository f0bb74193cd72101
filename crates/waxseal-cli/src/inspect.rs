//! `waxseal inspect`: what is in a cookie, or why nobody can say.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Parser};
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};
use waxseal::json_view::Readable;
use waxseal::{SecretError, Secrets, SessionState, Settings};
use waxseal_crypto::{KeyId, Keyring, SealedParts, SignedParts, SignedTokens, Times};
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_store::{Inspection, MemoryStore, Parts, Reason, SessionId, SessionManager};

use crate::{Failure, place, print_json};

const EXAMPLES: &str = "\
Examples:
  waxseal inspect --app wizard                  then paste the cookie and press Enter, Ctrl-D
  pbpaste | waxseal inspect --app wizard        a value, `name=value`, or a whole Cookie or Set-Cookie header
  waxseal inspect --app wizard --json < cookie  for scripts

A cookie given as an argument stays in the shell's history, and whoever has it is its visitor until it ends.
The keys are those a server would find here: SECRET_KEY, SECRET_KEY_FILE, or .waxseal/secret; or --file.";

/// The most that is read: a head with many cookies.
const MAX_INPUT_BYTES: u64 = 64 * 1024;
const MAX_COOKIE_BYTES: usize = waxseal_crypto::MAX_TEXT_BYTES;
const NAMES: [&str; 2] = ["__Host-session", "waxseal-dev-session"];

/// Shows what is in a session cookie: its key, its times, its contents; or at which step it does not open, and why.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Options {
    /// The cookie; read from standard input if it is absent or `-`.
    #[arg(allow_hyphen_values = true)]
    cookie: Option<String>,
    /// The app's name, as in `App::new`.
    #[arg(long, value_name = "NAME")]
    app: String,
    /// The cookie's complete name [default: the one in the input, else __Host-session and waxseal-dev-session].
    #[arg(long, value_name = "NAME")]
    cookie_name: Option<String>,
    /// Where its session lives [default: what it says itself].
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
    let settings = Settings::try_parse_from(["waxseal"])?;
    let named = options.cookie_name.as_deref().or(settings.session_cookie_name.as_deref());
    let candidates = candidates(&input, named).map_err(Failure::Usage)?;
    let secrets = secrets(options, &settings)?;
    let (now, keyring) = (SystemTime::now(), secrets.keyring());
    let states = [SessionState::Cookie, SessionState::Store, SessionState::Mirrored].into_iter();
    let states = states.filter(|state| options.session_state.is_none_or(|named| named == *state));
    // The first wins among equals, which is looked at last.
    let seen = candidates
        .into_iter()
        .flat_map(|candidate| states.clone().map(move |state| (candidate.clone(), state)))
        .filter(|(candidate, state)| options.session_state.is_some() || candidate.can_be_of(*state));
    let seen = seen.map(|(candidate, state)| look(candidate, state, keyring, options, &settings, now));
    // The name and state that come furthest are the right ones: foreign ones are refused at the commitment.
    let best = seen.collect::<Result<Vec<_>, _>>()?.into_iter().rev().max_by_key(Seen::furthest);
    let seen = best.ok_or_else(|| Failure::Usage("there is no cookie in the input".to_owned()))?;
    let code = if seen.refusal().is_none() { ExitCode::SUCCESS } else { ExitCode::from(4) };
    if options.json {
        print_json(&seen.json(keyring, now))?;
    } else {
        print!("{}", seen.text(keyring, now)?);
    }
    Ok(code)
}

fn read_input() -> Result<String, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("paste the cookie, then press Enter and Ctrl-D:");
    }
    let mut text = String::new();
    let read = input.take(MAX_INPUT_BYTES + 1).read_to_string(&mut text);
    match read.map_err(|error| anyhow::anyhow!("standard input cannot be read: {}", error.kind()))? as u64 {
        0..=MAX_INPUT_BYTES => Ok(text),
        _ => Err(Failure::Usage("standard input holds more than 64 KiB, and no cookie does".to_owned())),
    }
}

fn secrets(options: &Options, settings: &Settings) -> Result<Secrets, Failure> {
    // Nothing is served with these keys, so weak ones may look, too.
    let settings = Settings { allow_weak_secret: true, development: false, ..settings.clone() };
    let development = Path::new(place::DEVELOPMENT_FILE);
    Ok(match &options.file {
        Some(file) => Secrets::from_file(file, &settings, &options.app)?,
        None => match Secrets::from_env(&settings, &options.app) {
            Err(SecretError::Missing) if development.exists() => {
                Secrets::from_file(development, &settings, &options.app)?
            }
            found => found?,
        },
    })
}

/// A value, and a name that it may have been sealed for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Candidate {
    name: String,
    value: String,
}

impl Candidate {
    /// Tokens of state `store` have one length, and what is damaged of another state would be refused for that alone.
    fn can_be_of(&self, state: SessionState) -> bool {
        const SIGNED: usize = SignedTokens::<{ SessionId::BYTES }>::CHARACTERS;
        state != SessionState::Store || self.value.len() == SIGNED
    }
}

/// What the input may mean: a bare value, `name=value`, a `Cookie` or a `Set-Cookie` header.
fn candidates(input: &str, named: Option<&str>) -> Result<Vec<Candidate>, String> {
    let (header, text) = header(input.trim());
    // Sealed values have no `=`; a bare one may be for any of our names.
    if !text.contains('=') {
        let names: Vec<&str> = named.map_or(NAMES.to_vec(), |name| vec![name]);
        return Ok(names
            .into_iter()
            .map(|name| Candidate { name: name.to_owned(), value: text.to_owned() })
            .collect());
    }
    // What follows the first pair of a Set-Cookie are its attributes.
    let attributes = header == Header::SetCookie || text.to_ascii_lowercase().contains("; path=");
    let pairs = text.split(';').take(if attributes { 1 } else { usize::MAX });
    let pairs: Vec<_> = pairs.filter_map(|pair| pair.trim().split_once('=')).collect();
    let ours = |name: &str| match named {
        Some(named) => name == named,
        None => NAMES.contains(&name) || pairs.len() == 1,
    };
    let found: Vec<_> = pairs
        .iter()
        .filter(|(name, _)| ours(name))
        .map(|&(name, value)| Candidate { name: name.to_owned(), value: value.to_owned() })
        .collect();
    if found.is_empty() {
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        return Err(format!(
            "the input has no cookie of that name; give --cookie-name. It has: {}",
            names.join(", ")
        ));
    }
    Ok(found)
}

#[derive(PartialEq, Eq)]
enum Header {
    None,
    Cookie,
    SetCookie,
}

fn header(text: &str) -> (Header, &str) {
    match text.split_once(':') {
        Some((name, rest)) if name.trim().eq_ignore_ascii_case("cookie") => (Header::Cookie, rest.trim()),
        Some((name, rest)) if name.trim().eq_ignore_ascii_case("set-cookie") => {
            (Header::SetCookie, rest.trim())
        }
        _ => (Header::None, text),
    }
}

/// A candidate, and what came of opening it.
struct Seen {
    candidate: Candidate,
    state: SessionState,
    result: Result<Inspection, waxseal_store::Rejected>,
}

fn look(
    candidate: Candidate,
    state: SessionState,
    keyring: &Keyring,
    options: &Options,
    settings: &Settings,
    now: SystemTime,
) -> Result<Seen, Failure> {
    // No store is asked; one has to be there to say what a token may be.
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

impl Seen {
    fn refusal(&self) -> Option<&Reason> {
        match &self.result {
            Ok(inspection) => inspection.refused(),
            Err(rejected) => Some(rejected.reason()),
        }
    }

    fn furthest(&self) -> u8 {
        self.refusal().map_or(u8::MAX, |reason| reason.step().unwrap_or(9))
    }

    fn bytes(&self) -> usize {
        self.candidate.name.len() + self.candidate.value.len()
    }

    /// The key that the value names, whether or not it opens.
    fn key(&self) -> Option<KeyId> {
        KeyId::of_text(self.candidate.value.as_bytes()).ok()
    }

    /// Of the format: 1 is sealed, 2 is signed.
    fn version(&self) -> Option<u8> {
        let value = self.candidate.value.as_bytes();
        let sealed = SealedParts::of_text(value).map(|parts| parts.version);
        sealed.or_else(|_| SignedParts::of_text(value).map(|parts| parts.version)).ok()
    }

    fn text(&self, keyring: &Keyring, now: SystemTime) -> Result<String, Failure> {
        let now = unix_seconds(now);
        let mut lines = Vec::new();
        let mut line = |name: &str, value: String| lines.push(format!("{name:<13} {value}\n"));
        line("cookie", self.candidate.name.clone());
        line("size", format!("{} of {MAX_COOKIE_BYTES} bytes, name and value", self.bytes()));
        if let Some(key) = self.key() {
            line("version", self.version().map_or_else(String::new, |version| version.to_string()));
            let place = match &self.result {
                Ok(seen) => place_in(keyring, seen.key_position()),
                Err(_) if keyring.ids().any(|id| id == key) => "which is configured here".to_owned(),
                Err(_) => "which is not configured here".to_owned(),
            };
            line("key", format!("{key}, {place}"));
        }
        if let Ok(seen) = &self.result {
            for (name, value) in self.parts() {
                line(name, value);
            }
            if let Some(session) = seen.session() {
                line("class", if session.is_permanent() { "permanent" } else { "ordinary" }.to_owned());
            }
            for (name, time) in times(seen) {
                line(&name.replace('_', " "), format_time::moment(time, now));
            }
        }
        match self.refusal() {
            None => line("opens", "yes".to_owned()),
            Some(reason) => {
                line("opens", format!("no: {reason}"));
                line(
                    "refused at",
                    match reason.step() {
                        Some(step) if matches!(reason, Reason::Seal(waxseal_crypto::Reason::Mac)) => {
                            format!("step {step}, MAC (docs/format.md, \"Signed tokens\")")
                        }
                        Some(step) => {
                            format!("step {step} of 8, {} (docs/format.md, \"Open\")", step_name(step))
                        }
                        None => {
                            "the contents, after all 8 steps (docs/format.md, \"What is sealed\")".to_owned()
                        }
                    },
                );
                if let Some(advice) = advice(reason) {
                    line("", advice.to_owned());
                }
            }
        }
        if matches!(self.refusal(), Some(Reason::Seal(waxseal_crypto::Reason::UnknownKey(_)))) {
            let ids: Vec<_> = keyring.ids().map(|id| id.to_string()).collect();
            line("configured", ids.join(", "));
        }
        if let Some(contents) = self.contents() {
            line("contents", serde_json::to_string_pretty(&contents)?);
        }
        Ok(lines.concat())
    }

    fn json(&self, keyring: &Keyring, now: SystemTime) -> impl serde::Serialize {
        let mut object = vec![
            ("cookie", json!(self.candidate.name)),
            ("bytes", json!(self.bytes())),
            ("max_bytes", json!(MAX_COOKIE_BYTES)),
            ("version", json!(self.version())),
            ("kid", json!(self.key().map(|key| key.to_string()))),
            ("configured", json!(keyring.ids().map(|id| id.to_string()).collect::<Vec<_>>())),
            ("opens", json!(self.refusal().is_none())),
        ];
        if let Some(reason) = self.refusal() {
            object.push((
                "refused",
                json!({ "reason": reason.word(), "step": reason.step(), "text": reason.to_string() }),
            ));
        }
        if let Ok(seen) = &self.result {
            object.push(("position", json!(seen.key_position())));
            object.push(("state", json!(state_name(self.state))));
            if let Some(parts) = seen.parts() {
                object.push(("public_id", json!(parts.public_id())));
                if let Parts::Mirror { revision, has_copy, .. } = parts {
                    object.push(("revision", json!(revision.counter())));
                    object.push(("has_copy", json!(has_copy)));
                }
            }
            object.push((
                "class",
                match seen.session() {
                    Some(session) if session.is_permanent() => json!("permanent"),
                    Some(_) => json!("ordinary"),
                    None => Value::Null,
                },
            ));
            object.push(("now", json!(unix_seconds(now))));
            object.extend(times(seen).map(|(name, time)| (name, json!(time))));
        }
        Object(object, self.contents())
    }

    /// What the token is made of, for people.
    fn parts(&self) -> Vec<(&'static str, String)> {
        let mut lines = vec![("state", state_name(self.state).to_owned())];
        let Some(parts) = self.result.as_ref().ok().and_then(Inspection::parts) else { return lines };
        lines.push(("public id", parts.public_id()));
        match parts {
            Parts::Mirror { revision, has_copy, .. } => {
                let copy = if has_copy { "with a copy of it" } else { "without a copy: it is too large" };
                lines.push(("revision", format!("{}, {copy}", revision.counter())));
            }
            Parts::Id { .. } => lines.push(("", "the session is in the store alone".to_owned())),
            _ => {}
        }
        lines
    }

    /// Entries in their order, readable. What cannot be read says so in its place.
    fn contents(&self) -> Option<Readable> {
        let session = self.result.as_ref().ok()?.session()?;
        let entries = session.iter().map(|(key, value)| {
            let value = value.decode().unwrap_or_else(|_| {
                Readable::Map(vec![(
                    Readable::Text("$unreadable".to_owned()),
                    Readable::Bytes(value.bytes().to_vec()),
                )])
            });
            (Readable::Text(key), value)
        });
        Some(Readable::Map(entries.collect()))
    }
}

/// An object whose fields keep their order.
struct Object(Vec<(&'static str, Value)>, Option<Readable>);

impl serde::Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        if let Some(contents) = &self.1 {
            map.serialize_entry("contents", contents)?;
        }
        map.end()
    }
}

/// In states `store` and `mirrored` the record says when it was idle for too long.
fn times(seen: &Inspection) -> impl Iterator<Item = (&'static str, u64)> {
    let (times, limits) = (seen.times(), seen.limits());
    [
        ("created", times.created()),
        ("last_sealed", times.sealed()),
        ("idle_end", times.idle_end(limits)),
        ("absolute_end", times.absolute_end(limits)),
    ]
    .into_iter()
    .filter(move |(name, _)| *name != "idle_end" || times.idle().min(limits.idle) != Times::NO_IDLE)
}

fn state_name(state: SessionState) -> &'static str {
    match state {
        SessionState::Store => "store",
        SessionState::Mirrored => "mirrored",
        _ => "cookie",
    }
}

fn place_in(keyring: &Keyring, position: usize) -> String {
    let keys = keyring.ids().count();
    match position {
        0 => format!("number 1 of {keys}: it seals"),
        _ => format!("number {} of {keys}: it opens, and the next answer seals with number 1", position + 1),
    }
}

fn step_name(step: u8) -> &'static str {
    match step {
        1 => "text form",
        2 => "length",
        3 => "version",
        4 => "key id",
        5 => "commitment",
        6 => "tag",
        7 => "padding",
        _ => "times",
    }
}

fn advice(reason: &Reason) -> Option<&'static str> {
    use waxseal_crypto::Reason as Seal;
    Some(match reason {
        Reason::Seal(Seal::Alphabet) => "copy the whole value, and nothing around it",
        Reason::Seal(Seal::Length) => "copy the whole value; is it a cookie of Waxseal's?",
        Reason::Seal(Seal::Version(_)) => "a newer release sealed it, or it is no cookie of Waxseal's",
        Reason::Seal(Seal::UnknownKey(_)) => {
            "was the key retired, or is it another server's? see docs/keys.md"
        }
        Reason::Seal(Seal::Commitment | Seal::Mac) => "check --app and --cookie-name: they are sealed in",
        Reason::Seal(Seal::Future) => "this clock is behind, or the one that sealed it ahead",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(input: &str, named: Option<&str>) -> Vec<(String, String)> {
        let found = candidates(input, named).unwrap_or_default();
        found.into_iter().map(|candidate| (candidate.name, candidate.value)).collect()
    }

    #[test]
    fn a_cookie_is_found_however_it_was_copied() {
        let host = ("__Host-session".to_owned(), "AU57".to_owned());
        let development = ("waxseal-dev-session".to_owned(), "AU57".to_owned());
        let shop = ("shop".to_owned(), "AU57".to_owned());
        for (input, named, expected) in [
            (" AU57\n", None, vec![host.clone(), development.clone()]),
            ("AU57", Some("shop"), vec![shop.clone()]),
            ("__Host-session=AU57", None, vec![host.clone()]),
            ("shop=AU57", None, vec![shop.clone()]),
            ("shop=AU57", Some("other"), vec![]),
            ("Cookie: theme=dark; __Host-session=AU57; x=y", None, vec![host.clone()]),
            ("cookie: theme=dark; shop=AU57", Some("shop"), vec![shop.clone()]),
            ("theme=dark; shop=AU57", None, vec![]),
            ("Set-Cookie: shop=AU57; HttpOnly; SameSite=Lax; Path=/", None, vec![shop]),
            ("set-cookie:__Host-session=AU57; Secure", None, vec![host.clone()]),
            ("__Host-session=AU57; HttpOnly; SameSite=Lax; Secure; Path=/", None, vec![host]),
        ] {
            assert_eq!(found(input, named), expected, "{input}");
        }
    }
}
