use std::collections::BTreeMap;

use crate::date::DateTime;

/// A dictionary of a session, in the order in which Flask writes keys: by code points.
pub type Dict = BTreeMap<String, Value>;

/// A value of a Flask session, with all types that Flask's cookie distinguishes.
///
/// What Python does not write is lost: keys that were numbers are text, a `Decimal` and a `date` are text, and a
/// `datetime` has whole seconds in UTC. Tags that an app registered itself are read as dictionaries with one key.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// `None`.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// An `int` of at most 128 bits; larger ones are [`Undecodable::Integer`](crate::Undecodable::Integer).
    Int(i128),
    /// A `float`. NaN and the infinities are written as Python does, although standard JSON does not have them.
    Float(f64),
    /// A `str`.
    Str(String),
    /// A `list`.
    List(Vec<Value>),
    /// A `dict`.
    Dict(Dict),
    /// A `tuple`, tag ` t`.
    Tuple(Vec<Value>),
    /// `bytes`, tag ` b`.
    Bytes(Vec<u8>),
    /// `markupsafe.Markup`, tag ` m`: HTML that templates do not escape.
    Markup(String),
    /// A `uuid.UUID`, tag ` u`, as its 16 bytes, the most significant first.
    Uuid([u8; 16]),
    /// A `datetime`, tag ` d`.
    DateTime(DateTime),
}

/// The text of a UUID in lower case with hyphens, like `str` of Python's `UUID`.
pub fn uuid_text(bytes: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
