//! `waxseal inspect --flask`: the content of a Flask app's cookie, and which key signed it.

use std::path::Path;
use std::process::ExitCode;
use std::time::SystemTime;

use anyhow::Context;
use serde_json::{Value as Json, json};
use waxseal::json_view::Readable;
use waxseal_flask::{Derivation, Digest, Signing};
use waxseal_flask::{
    Dict, Error, FlaskCookie, FlaskKey, LIFETIME_SECONDS, MAX_COOKIE_BYTES, Unverified, Value, uuid_text,
};
use waxseal_keys::format_time::{self, unix_seconds};

use super::input::{Candidate, candidates};
use crate::failure::Failure;
use crate::output::{print_json, write};

/// The default name of Flask's cookie.
const NAME: &str = "session";
/// The variable with the old app's `SECRET_KEY`.
const VARIABLE: &str = "FLASK_SECRET_KEY";
/// A hint at another possible reason.
const OTHERWISE: &str =
    "an app that changed Flask's signing is read with --flask-salt, --flask-derivation and --flask-digest";

/// The way in which the app signs, if it changed Flask's.
#[derive(clap::Args)]
pub(super) struct SigningOptions {
    /// The salt of the Flask app's session interface [default: cookie-session].
    #[arg(long, requires = "flask", value_name = "TEXT")]
    flask_salt: Option<String>,
    /// Its key derivation [default: hmac].
    #[arg(long, requires = "flask", value_parser = ["hmac", "concat", "django-concat", "none"])]
    flask_derivation: Option<String>,
    /// Its digest method [default: sha1].
    #[arg(long, requires = "flask", value_parser = ["sha1", "sha256", "sha512"])]
    flask_digest: Option<String>,
}

impl SigningOptions {
    fn signing(&self) -> Signing {
        let flasks = Signing::default();
        Signing {
            salt: self.flask_salt.as_ref().map_or(flasks.salt, |salt| salt.clone().into_bytes()),
            derivation: match self.flask_derivation.as_deref() {
                Some("concat") => Derivation::Concat,
                Some("django-concat") => Derivation::DjangoConcat,
                Some("none") => Derivation::None,
                _ => flasks.derivation,
            },
            digest: match self.flask_digest.as_deref() {
                Some("sha256") => Digest::Sha256,
                Some("sha512") => Digest::Sha512,
                _ => flasks.digest,
            },
        }
    }
}

/// Which cookie to inspect, and how.
pub(super) struct Query<'a> {
    pub(super) input: &'a str,
    pub(super) cookie_name: Option<&'a str>,
    /// The file of keys.
    pub(super) file: Option<&'a Path>,
    pub(super) signing: &'a SigningOptions,
    pub(super) json: bool,
}

/// What is known about a signature.
enum Signature {
    /// There is no key to check it with.
    Unchecked,
    /// None of this many keys made it.
    Refused(usize),
    /// It was made by the key with this number, from 1, of this many.
    Holds(usize, usize),
}

pub(super) fn run(query: &Query) -> Result<ExitCode, Failure> {
    let Candidate { name, value } = found(query)?;
    let keys = keys(query)?;
    let now = unix_seconds(SystemTime::now());
    let (parts, signature) = (Unverified::parse(&value), signature(&value, &keys, &query.signing.signing()));
    if query.json {
        print_json(&as_json(&name, &value, &parts, &signature, now)?)?;
    } else {
        write(format_args!("{}", text(&name, &value, &parts, &signature, now)?))?;
    }
    let is_good = parts.is_ok() && !matches!(signature, Signature::Refused(_));
    Ok(if is_good { ExitCode::SUCCESS } else { ExitCode::from(4) })
}

fn found(query: &Query) -> Result<Candidate, Failure> {
    let Query { input, cookie_name: named, .. } = *query;
    let found = candidates(input, Some(named.unwrap_or(NAME)));
    // If there is only one cookie, it is the one to inspect, whatever its name.
    let found = if named.is_none() { found.or_else(|_| candidates(input, None)) } else { found };
    let found = found.map_err(Failure::Usage)?;
    found.into_iter().next().ok_or_else(|| Failure::Usage("there is no cookie in the input".to_owned()))
}

/// The keys in the file, one on each line, or else the key in the environment.
fn keys(query: &Query) -> Result<Vec<FlaskKey>, Failure> {
    let text = match query.file {
        Some(file) => {
            std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?
        }
        None => std::env::var(VARIABLE).unwrap_or_default(),
    };
    let lines = text.lines().filter(|line| !line.is_empty());
    Ok(lines.map(FlaskKey::from_text).collect::<Result<_, _>>()?)
}

fn signature(value: &str, keys: &[FlaskKey], signing: &Signing) -> Signature {
    if keys.is_empty() {
        return Signature::Unchecked;
    }
    let holds = |key: &FlaskKey| {
        let read = FlaskCookie::new(key.clone()).signing(signing.clone()).read(value, u64::MAX, u64::MAX);
        // Anything else is checked only after the signature, so any other error means that the signature is good.
        !matches!(read, Err(Error::Form | Error::Signature))
    };
    match keys.iter().position(holds) {
        Some(at) => Signature::Holds(at + 1, keys.len()),
        None => Signature::Refused(keys.len()),
    }
}

fn text(
    name: &str,
    value: &str,
    parts: &Result<Unverified, Error>,
    signature: &Signature,
    now: u64,
) -> Result<String, Failure> {
    let mut lines = vec![
        ("cookie", format!("{name}, of Flask")),
        ("size", format!("{} of {MAX_COOKIE_BYTES} bytes, name and value", name.len() + value.len())),
        ("signature", said(signature)),
    ];
    match parts {
        Ok(parts) => {
            lines.push(("signed", format_time::moment(parts.signed_at, now)));
            let end = parts.signed_at.saturating_add(LIFETIME_SECONDS);
            lines.push((
                "good until",
                format!("{}, with Flask's {} days", format_time::moment(end, now), LIFETIME_SECONDS / 86_400),
            ));
            lines.push(("contents", serde_json::to_string_pretty(&readable_dict(&parts.entries))?));
        }
        Err(error) => lines.push(("contents", format!("cannot be read: {}", chain(error)))),
    }
    Ok(lines.into_iter().map(|(name, value)| format!("{name:<13} {value}\n")).collect())
}

fn said(signature: &Signature) -> String {
    match signature {
        Signature::Unchecked => format!(
            "not checked; give the app's SECRET_KEY in {VARIABLE}, or in a file by --file, and never as an argument"
        ),
        Signature::Refused(1) => format!("does not hold with the key; {OTHERWISE}"),
        Signature::Refused(count) => format!("does not hold with any of {count} keys; {OTHERWISE}"),
        Signature::Holds(at, count) => format!("holds, with key number {at} of {count}"),
    }
}

fn as_json(
    name: &str,
    value: &str,
    parts: &Result<Unverified, Error>,
    signature: &Signature,
    now: u64,
) -> Result<Json, Failure> {
    let (holds, key) = match signature {
        Signature::Unchecked => (Json::Null, Json::Null),
        Signature::Refused(_) => (json!(false), Json::Null),
        Signature::Holds(at, _) => (json!(true), json!(at)),
    };
    let mut object = json!({
        "cookie": name, "framework": "flask", "bytes": name.len() + value.len(), "max_bytes": MAX_COOKIE_BYTES,
        "signature_holds": holds, "key": key, "now": now,
    });
    match parts {
        Ok(parts) => {
            object["signed_at"] = json!(parts.signed_at);
            object["contents"] = serde_json::to_value(readable_dict(&parts.entries))?;
        }
        Err(error) => object["refused"] = json!(chain(error)),
    }
    Ok(object)
}

/// An error and its causes.
fn chain(error: &Error) -> String {
    format!("{:#}", anyhow::Error::new(error.clone()))
}

fn readable_dict(dict: &Dict) -> Readable {
    Readable::Map(dict.iter().map(|(key, value)| (Readable::Text(key.clone()), readable(value))).collect())
}

/// A value, with a marked map for each type that JSON does not have.
fn readable(value: &Value) -> Readable {
    let marked = |mark: &str, value| Readable::Map(vec![(Readable::Text(mark.to_owned()), value)]);
    let list = |items: &[Value]| Readable::List(items.iter().map(readable).collect());
    match value {
        Value::None => Readable::Null,
        Value::Bool(value) => Readable::Bool(*value),
        Value::Int(value) => Readable::Signed(*value),
        Value::Float(value) => Readable::Float(*value),
        Value::Str(text) => Readable::Text(text.clone()),
        Value::List(items) => list(items),
        Value::Tuple(items) => marked("$tuple", list(items)),
        Value::Dict(dict) => readable_dict(dict),
        Value::Bytes(bytes) => Readable::Bytes(bytes.clone()),
        Value::Markup(html) => marked("$markup", Readable::Text(html.clone())),
        Value::Uuid(bytes) => marked("$uuid", Readable::Text(uuid_text(bytes))),
        Value::DateTime(time) => marked("$datetime", Readable::Text(time.rfc3339())),
        _ => marked("$unreadable", Readable::Text("a type of a later release".to_owned())),
    }
}
