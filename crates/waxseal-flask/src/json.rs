//! JSON as Python's `json` reads and writes it: with NaN and infinities, and with integers of any size kept apart from
//! floats.
//!
//! `serde_json` refuses NaN and infinities, and silently rounds integers of more than 64 bits.

use std::fmt::Write;

use crate::error::Undecodable;
use crate::limits::MAX_DEPTH;
use crate::value::{Dict, Value};

/// Makes a value from each object, innermost first.
pub(crate) type OfObject = fn(Dict) -> Result<Value, Undecodable>;

/// Reads a JSON dictionary without Flask's tags, such as a session of Django or Rails.
///
/// # Errors
///
/// [`Undecodable::Json`], [`TooDeep`](Undecodable::TooDeep), [`Integer`](Undecodable::Integer),
/// [`Surrogate`](Undecodable::Surrogate), [`NotADict`](Undecodable::NotADict), or [`Entry`](Undecodable::Entry) for an
/// entry that has one of these.
pub fn read_json(text: &str) -> Result<Dict, Undecodable> {
    match parse(text, |dict| Ok(Value::Dict(dict)))? {
        Value::Dict(dict) => Ok(dict),
        _ => Err(Undecodable::NotADict),
    }
}

pub(crate) fn parse(text: &str, of_object: OfObject) -> Result<Value, Undecodable> {
    let mut reader = Reader { rest: text, depth: 0, of_object };
    let value = reader.value()?;
    reader.skip_space();
    if reader.rest.is_empty() { Ok(value) } else { Err(Undecodable::Json) }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
    of_object: OfObject,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Value, Undecodable> {
        self.skip_space();
        match self.rest.as_bytes().first() {
            Some(b'{') => self.nested(Self::object),
            Some(b'[') => self.nested(Self::array),
            Some(b'"') => self.string().map(Value::Str),
            Some(b'-' | b'0'..=b'9') if !self.rest.starts_with("-I") => self.number(),
            _ => self.word(),
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Result<Value, Undecodable>) -> Result<Value, Undecodable> {
        if self.depth == MAX_DEPTH {
            return Err(Undecodable::TooDeep);
        }
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        Ok(value)
    }

    fn array(&mut self) -> Result<Value, Undecodable> {
        let mut values = Vec::new();
        self.members("[", "]", |reader| {
            values.push(reader.value()?);
            Ok(())
        })?;
        Ok(Value::List(values))
    }

    /// If a key occurs twice, its last value counts, as in Python.
    fn object(&mut self) -> Result<Value, Undecodable> {
        let mut dict = Dict::new();
        self.members("{", "}", |reader| {
            let key = reader.string()?;
            reader.skip_space();
            reader.expect(":")?;
            let is_entry = reader.depth == 1;
            let value = reader.value().map_err(|why| if is_entry { why.in_entry(&key) } else { why })?;
            dict.insert(key, value);
            Ok(())
        })?;
        (self.of_object)(dict)
    }

    fn members(
        &mut self,
        begin: &str,
        end: &str,
        mut member: impl FnMut(&mut Self) -> Result<(), Undecodable>,
    ) -> Result<(), Undecodable> {
        self.expect(begin)?;
        self.skip_space();
        if self.takes(end) {
            return Ok(());
        }
        loop {
            self.skip_space();
            member(self)?;
            self.skip_space();
            if self.takes(end) {
                return Ok(());
            }
            self.expect(",")?;
        }
    }

    fn word(&mut self) -> Result<Value, Undecodable> {
        let words = [
            ("null", Value::None),
            ("true", Value::Bool(true)),
            ("false", Value::Bool(false)),
            ("NaN", Value::Float(f64::NAN)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ];
        let found = words.into_iter().find(|(word, _)| self.takes(word));
        found.map(|(_, value)| value).ok_or(Undecodable::Json)
    }

    fn number(&mut self) -> Result<Value, Undecodable> {
        let start = self.rest;
        self.takes("-");
        if !self.takes("0") {
            self.digits()?;
        }
        let whole = start.len() - self.rest.len();
        if self.takes(".") {
            self.digits()?;
        }
        if self.takes("e") || self.takes("E") {
            let _sign = self.takes("+") || self.takes("-");
            self.digits()?;
        }
        let text = &start[..start.len() - self.rest.len()];
        if text.len() == whole {
            text.parse().map(Value::Int).map_err(|_| Undecodable::Integer)
        } else {
            text.parse().map(Value::Float).map_err(|_| Undecodable::Json)
        }
    }

    fn digits(&mut self) -> Result<(), Undecodable> {
        let rest = self.rest.trim_start_matches(|character: char| character.is_ascii_digit());
        if rest.len() == self.rest.len() {
            return Err(Undecodable::Json);
        }
        self.rest = rest;
        Ok(())
    }

    fn string(&mut self) -> Result<String, Undecodable> {
        self.expect("\"")?;
        let mut text = String::new();
        loop {
            let special = |character: char| character == '"' || character == '\\' || character < ' ';
            let end = self.rest.find(special).ok_or(Undecodable::Json)?;
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end..];
            if self.takes("\"") {
                return Ok(text);
            }
            self.expect("\\")?;
            text.push(self.escape()?);
        }
    }

    fn escape(&mut self) -> Result<char, Undecodable> {
        let name = self.rest.chars().next().ok_or(Undecodable::Json)?;
        self.rest = &self.rest[name.len_utf8()..];
        Ok(match name {
            '"' | '\\' | '/' => name,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => return self.unicode(),
            _ => return Err(Undecodable::Json),
        })
    }

    fn unicode(&mut self) -> Result<char, Undecodable> {
        let first = self.unit()?;
        let second = match first {
            0xd800..0xdc00 if self.takes("\\u") => Some(self.unit()?),
            _ => None,
        };
        let mut decoded = char::decode_utf16([first].into_iter().chain(second));
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok(character),
            _ => Err(Undecodable::Surrogate),
        }
    }

    /// Four hexadecimal digits.
    fn unit(&mut self) -> Result<u16, Undecodable> {
        let digits = self.rest.get(..4).ok_or(Undecodable::Json)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(Undecodable::Json);
        }
        self.rest = &self.rest[4..];
        u16::from_str_radix(digits, 16).map_err(|_| Undecodable::Json)
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn takes(&mut self, expected: &str) -> bool {
        let rest: Option<&'a str> = self.rest.strip_prefix(expected);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, expected: &str) -> Result<(), Undecodable> {
        if self.takes(expected) { Ok(()) } else { Err(Undecodable::Json) }
    }
}

/// Writes text in ASCII, as Python does by default.
pub(crate) fn write_str(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(character),
            _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|unit| {
                write!(out, "\\u{unit:04x}").expect("a String takes all text");
            }),
        }
    }
    out.push('"');
}

/// Writes a float like Python's `repr`: the fewest digits that read back as the same float, and exponents with a sign
/// and at least two digits.
pub(crate) fn write_float(out: &mut String, float: f64) {
    if float.is_nan() {
        return out.push_str("NaN");
    }
    if float.is_infinite() {
        return out.push_str(if float > 0.0 { "Infinity" } else { "-Infinity" });
    }
    let text = format!("{float:?}");
    let Some((digits, exponent)) = text.split_once('e') else { return out.push_str(&text) };
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    write!(out, "{digits}e{sign}{exponent:0>2}").expect("a String takes all text");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn plain(text: &str) -> Result<Value, Undecodable> {
        parse(text, |dict| Ok(Value::Dict(dict))).map_err(|why| why.cause().clone())
    }

    #[test]
    fn numbers_keep_their_kind() {
        for (text, value) in [
            ("0", Value::Int(0)),
            ("-0", Value::Int(0)),
            ("9007199254740993", Value::Int(9_007_199_254_740_993)),
            ("18446744073709551616", Value::Int(1 << 64)),
            ("-170141183460469231731687303715884105728", Value::Int(i128::MIN)),
            ("1.0", Value::Float(1.0)),
            ("1e+16", Value::Float(1e16)),
            ("1E-2", Value::Float(0.01)),
            ("1e999", Value::Float(f64::INFINITY)),
            ("Infinity", Value::Float(f64::INFINITY)),
            ("-Infinity", Value::Float(f64::NEG_INFINITY)),
        ] {
            assert_eq!(plain(text), Ok(value), "{text}");
        }
        assert!(matches!(plain("NaN"), Ok(Value::Float(float)) if float.is_nan()));
        assert_eq!(plain("170141183460469231731687303715884105728"), Err(Undecodable::Integer));
        assert_eq!(plain(&"9".repeat(5_000)), Err(Undecodable::Integer));
    }

    #[test]
    fn text_that_is_no_json_is_refused() {
        for text in [
            "",
            " ",
            "nul",
            "True",
            "01",
            "+1",
            ".5",
            "1.",
            "1e",
            "-",
            "-infinity",
            "'a'",
            "\"a",
            "\"\\",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"\\u00\u{e9}9\"",
            "\"\n\"",
            "[",
            "[1",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "1 1",
            "\u{feff}1",
            "\u{a0}1",
        ] {
            assert_eq!(plain(text), Err(Undecodable::Json), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_refused() {
        for text in [
            "\"\\ud83d\"",
            "\"\\ud83dx\"",
            "\"\\ude00\"",
            "\"\\ud83d\\n\"",
            "\"\\ud83d\\u0041\"",
            "\"\\ud83d\\ud83d\"",
        ] {
            assert_eq!(plain(text), Err(Undecodable::Surrogate), "{text}");
        }
        assert_eq!(plain("\"\\ud83d\\ude00\""), Ok(Value::Str("\u{1f600}".to_owned())));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |levels: usize| "[".repeat(levels) + &"]".repeat(levels);
        assert!(plain(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(plain(&nested(MAX_DEPTH + 1)), Err(Undecodable::TooDeep));
        assert_eq!(plain(&"[".repeat(1_000_000)), Err(Undecodable::TooDeep));
        assert_eq!(plain(&"{\"a\":".repeat(1_000_000)), Err(Undecodable::TooDeep));
        // Siblings do not count as levels.
        assert!(plain(&format!("[{}[]]", "[],".repeat(1_000))).is_ok());
    }

    #[test]
    fn the_entry_that_cannot_be_read_is_named_and_nothing_within_it() {
        let long = "k".repeat(200);
        for (text, said) in [
            (r#"{"a":1,"b":1e}"#, r#"session["b"]"#),
            (r#"{"a":[{"b":[[[x]]]}],"c":1}"#, r#"session["a"]"#),
            (&format!("{{\"{long}\":x}}"), &format!("session[\"{}\"]", &long[..40])),
            (r#"[{"a":x}]"#, "payload is not JSON"),
            (r#"{"a":1 "b":2}"#, "payload is not JSON"),
        ] {
            assert_eq!(parse(text, |dict| Ok(Value::Dict(dict))).unwrap_err().to_string(), said, "{text}");
        }
    }

    #[test]
    fn of_two_equal_keys_the_last_counts() {
        assert_eq!(plain(r#"{"a":1,"a":2}"#), plain(r#"{"a":2}"#));
    }

    /// The same value as serde_json has it, for integers that fit.
    fn of_serde(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::None,
            serde_json::Value::Bool(bool) => Value::Bool(*bool),
            serde_json::Value::Number(number) => match number.as_i128() {
                Some(int) => Value::Int(int),
                None => Value::Float(number.as_f64().expect("a float of 64 bits")),
            },
            serde_json::Value::String(text) => Value::Str(text.clone()),
            serde_json::Value::Array(values) => Value::List(values.iter().map(of_serde).collect()),
            serde_json::Value::Object(map) => {
                Value::Dict(map.iter().map(|(key, value)| (key.clone(), of_serde(value))).collect())
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _outcome = plain(&text);
        }

        #[test]
        fn what_serde_json_reads_is_read_the_same(
            text in r#"(\{"a":|\[|"|\\u[0-9a-f]{4}|\\n|-?[0-9]{1,3}|\.[0-9]{1,3}|[eE][+-]?[0-9]|,| |\]|\}|true|null|é){1,12}"#,
        ) {
            // serde_json rounds longer integers, reads -0 as a float, and refuses exponents beyond the range of floats.
            let is_long = |digits: &str| digits.len() > 18;
            if text.split(|letter: char| !letter.is_ascii_digit()).any(is_long) || text.contains("-0") {
                return Ok(());
            }
            match (serde_json::from_str::<serde_json::Value>(&text), plain(&text)) {
                // The last digit of a float depends on serde_json.
                (Ok(theirs), Ok(ours)) if !text.contains(['.', 'e', 'E']) => prop_assert_eq!(of_serde(&theirs), ours),
                (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
                (Err(theirs), Ok(_)) if theirs.to_string().contains("number out of range") => {}
                (theirs, ours) => prop_assert!(false, "{:?} by serde_json, {:?} here", theirs, ours),
            }
        }

        #[test]
        fn text_reads_back(text in ".*") {
            let mut written = String::new();
            write_str(&mut written, &text);
            prop_assert!(written.is_ascii());
            prop_assert_eq!(serde_json::from_str::<String>(&written).ok(), Some(text.clone()));
            prop_assert_eq!(plain(&written), Ok(Value::Str(text)));
        }

        #[test]
        fn floats_read_back(bits in any::<u64>()) {
            let float = f64::from_bits(bits);
            let mut written = String::new();
            write_float(&mut written, float);
            match plain(&written) {
                Ok(Value::Float(read)) => prop_assert!(read.to_bits() == bits || (read.is_nan() && float.is_nan())),
                other => prop_assert!(false, "{:?}", other),
            }
        }
    }
}
