//! The result of `waxseal inspect`, as text and as JSON.

use std::time::SystemTime;

use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};
use waxseal::SessionState;
use waxseal::json_view::Readable;
use waxseal_crypto::{KeyId, Keyring, MAX_TEXT_BYTES, SealedParts, SignedParts, Times};
use waxseal_keys::format_time::{self, unix_seconds};
use waxseal_manager::{Inspection, Parts, Reason};

use super::input::Candidate;
use crate::failure::Failure;

/// A candidate and the result of opening it.
pub(crate) struct Seen {
    pub(crate) candidate: Candidate,
    pub(crate) state: SessionState,
    pub(crate) result: Result<Inspection, waxseal_manager::Rejected>,
}

impl Seen {
    /// The reason why the value does not open.
    pub(crate) fn refusal(&self) -> Option<&Reason> {
        match &self.result {
            Ok(inspection) => inspection.refused(),
            Err(rejected) => Some(rejected.reason()),
        }
    }

    /// The step of opening at which the value is refused; the largest number if it opens.
    pub(crate) fn furthest(&self) -> u8 {
        self.refusal().map_or(u8::MAX, |reason| reason.step().unwrap_or(9))
    }

    fn bytes(&self) -> usize {
        self.candidate.name.len() + self.candidate.value.len()
    }

    /// The id of the key in the value, whether or not it opens.
    fn key(&self) -> Option<KeyId> {
        KeyId::of_text(self.candidate.value.as_bytes()).ok()
    }

    /// The version of the format: 1 is sealed, 2 is signed.
    fn version(&self) -> Option<u8> {
        let value = self.candidate.value.as_bytes();
        let sealed = SealedParts::of_text(value).map(|parts| parts.version);
        sealed.or_else(|_| SignedParts::of_text(value).map(|parts| parts.version)).ok()
    }

    pub(crate) fn text(&self, keyring: &Keyring, now: SystemTime) -> Result<String, Failure> {
        let mut lines = self.key_lines(keyring);
        lines.extend(self.session_lines(unix_seconds(now)));
        lines.extend(self.verdict_lines(keyring));
        if let Some(contents) = self.contents() {
            lines.push(("contents".to_owned(), serde_json::to_string_pretty(&contents)?));
        }
        Ok(lines.into_iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect())
    }

    /// Lines about the cookie and the key that its value names.
    fn key_lines(&self, keyring: &Keyring) -> Vec<(String, String)> {
        let mut lines = vec![
            ("cookie".to_owned(), self.candidate.name.clone()),
            ("size".to_owned(), format!("{} of {MAX_TEXT_BYTES} bytes, name and value", self.bytes())),
        ];
        if let Some(key) = self.key() {
            let version = self.version().map_or_else(String::new, |version| version.to_string());
            let place = match &self.result {
                Ok(seen) => place_in(keyring, seen.key_position()),
                Err(_) if keyring.ids().any(|id| id == key) => "which is configured here".to_owned(),
                Err(_) => "which is not configured here".to_owned(),
            };
            lines.push(("version".to_owned(), version));
            lines.push(("key".to_owned(), format!("{key}, {place}")));
        }
        lines
    }

    /// Lines about the token's parts, class and times, if it opens far enough.
    fn session_lines(&self, now: u64) -> Vec<(String, String)> {
        let Ok(seen) = &self.result else { return Vec::new() };
        let parts = self.parts().into_iter().map(|(name, value)| (name.to_owned(), value));
        let class = seen.session().map(|session| {
            let class = if session.is_permanent() { "permanent" } else { "ordinary" };
            ("class".to_owned(), class.to_owned())
        });
        let times = times(seen).map(|(name, time)| (name.replace('_', " "), format_time::moment(time, now)));
        parts.chain(class).chain(times).collect()
    }

    /// The verdict. For a refusal also the step, the reason and some advice.
    fn verdict_lines(&self, keyring: &Keyring) -> Vec<(String, String)> {
        let Some(reason) = self.refusal() else { return vec![("opens".to_owned(), "yes".to_owned())] };
        let mut lines = vec![
            ("opens".to_owned(), format!("no: {reason}")),
            ("refused at".to_owned(), refused_at(reason)),
        ];
        if let Some(advice) = advice(reason) {
            lines.push((String::new(), advice.to_owned()));
        }
        if matches!(reason, Reason::Seal(waxseal_crypto::Reason::UnknownKey(_))) {
            let ids: Vec<_> = keyring.ids().map(|id| id.to_string()).collect();
            lines.push(("configured".to_owned(), ids.join(", ")));
        }
        lines
    }

    pub(crate) fn json(&self, keyring: &Keyring, now: SystemTime) -> impl serde::Serialize {
        let mut object = vec![
            ("cookie", json!(self.candidate.name)),
            ("bytes", json!(self.bytes())),
            ("max_bytes", json!(MAX_TEXT_BYTES)),
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

    /// The parts of the token, in readable form.
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

    /// The entries in their order. A value that cannot be read is shown as `$unreadable`, with its bytes.
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

/// The times in the token. In states `store` and `mirrored` only the record has the idle end.
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

fn refused_at(reason: &Reason) -> String {
    match reason.step() {
        Some(step) if matches!(reason, Reason::Seal(waxseal_crypto::Reason::Mac)) => {
            format!("step {step}, MAC (docs/format.md, \"Signed tokens\")")
        }
        Some(step) => format!("step {step} of 8, {} (docs/format.md, \"Open\")", step_name(step)),
        None => "the contents, after all 8 steps (docs/format.md, \"What is sealed\")".to_owned(),
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
