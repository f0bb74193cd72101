//! The answers in `known_answers/answers.json`, and the descriptions of values in it.

use serde_json::{Value as Json, json};
use waxseal_flask::{Derivation, Dict, Digest, FlaskCookie, FlaskKey, Signing, Value};

/// The second at which the answers were signed.
pub(crate) const NOW: u64 = 1_700_000_000;

/// One session, signed by Flask.
pub(crate) struct Answer(pub(crate) Json);

pub(crate) fn answers() -> Vec<Answer> {
    let answers: Vec<Json> =
        serde_json::from_str(include_str!("../known_answers/answers.json")).expect("a list");
    answers.into_iter().map(Answer).collect()
}

/// What Flask-Session keeps, made by `make.py` as well.
pub(crate) fn records() -> Vec<Answer> {
    let records: Vec<Json> =
        serde_json::from_str(include_str!("../known_answers/records.json")).expect("a list");
    records.into_iter().map(Answer).collect()
}

/// The key of most answers.
pub(crate) fn dev() -> FlaskKey {
    FlaskKey::from_text("dev").expect("not empty")
}

impl Answer {
    pub(crate) fn name(&self) -> &str {
        self.0["name"].as_str().expect("a name")
    }

    pub(crate) fn cookie(&self) -> String {
        self.0["cookie"].as_str().expect("a cookie").to_owned()
    }

    pub(crate) fn content(&self) -> Json {
        self.0["content"].clone()
    }

    pub(crate) fn record(&self) -> Vec<u8> {
        unhex(self.0["record"].as_str().expect("hex"))
    }

    pub(crate) fn refused(&self) -> Option<&str> {
        self.0["refused"].as_str()
    }

    pub(crate) fn remember_token(&self) -> Option<(&str, &str)> {
        Some((self.0["remember_token"].as_str()?, self.0["user_id"].as_str()?))
    }

    pub(crate) fn key(&self) -> FlaskKey {
        let text = self.0["key"][1].as_str();
        let key = match self.0["key"][0].as_str() {
            None => return dev(),
            Some("bytes") => FlaskKey::from_bytes(&unhex(text.expect("hex"))),
            Some(_) => FlaskKey::from_text(text.expect("text")),
        };
        key.expect("not empty")
    }

    pub(crate) fn signing(&self) -> Signing {
        let default = Signing::default();
        Signing {
            salt: self.0["salt"].as_str().map_or(default.salt, |salt| salt.as_bytes().to_vec()),
            derivation: match self.0["derivation"].as_str() {
                Some("concat") => Derivation::Concat,
                Some("django-concat") => Derivation::DjangoConcat,
                Some("none") => Derivation::None,
                _ => Derivation::Hmac,
            },
            digest: match self.0["digest"].as_str() {
                Some("sha256") => Digest::Sha256,
                Some("sha512") => Digest::Sha512,
                _ => Digest::Sha1,
            },
        }
    }

    pub(crate) fn flask_cookie(&self) -> FlaskCookie {
        FlaskCookie::new(self.key()).signing(self.signing())
    }
}

/// A value as `make.py` describes it.
pub(crate) fn described(value: &Value) -> Json {
    match value {
        Value::None => json!(["none", null]),
        Value::Bool(bool) => json!(["bool", bool]),
        Value::Int(int) => json!(["int", int.to_string()]),
        Value::Float(float) => json!(["float", python_float(*float)]),
        Value::Str(text) => json!(["str", text]),
        Value::List(values) => json!(["list", described_all(values)]),
        Value::Tuple(values) => json!(["tuple", described_all(values)]),
        Value::Dict(dict) => json!(["dict", described_dict(dict)]),
        Value::Bytes(bytes) => json!(["bytes", hex(bytes)]),
        Value::Markup(text) => json!(["markup", text]),
        Value::Uuid(bytes) => json!(["uuid", hex(bytes)]),
        Value::DateTime(date) => json!(["datetime", format!("{}.{:06}", date.unix(), date.micros())]),
        other => panic!("a type without a description: {other:?}"),
    }
}

fn described_all(values: &[Value]) -> Vec<Json> {
    values.iter().map(described).collect()
}

fn described_dict(dict: &Dict) -> Vec<Json> {
    dict.iter().map(|(key, value)| json!([key, described(value)])).collect()
}

/// Python's `repr` of the floats in the answers.
fn python_float(float: f64) -> String {
    let text = format!("{float:?}").replace("NaN", "nan");
    match text.split_once('e') {
        None => text,
        Some((digits, exponent)) => {
            let number: i32 = exponent.parse().expect("an exponent");
            format!("{digits}e{}{:02}", if number < 0 { '-' } else { '+' }, number.abs())
        }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(digits: &str) -> Vec<u8> {
    let digit = |index| u8::from_str_radix(&digits[index..index + 2], 16).expect("hex digits");
    (0..digits.len()).step_by(2).map(digit).collect()
}
