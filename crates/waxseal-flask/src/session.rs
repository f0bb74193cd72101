use std::fmt;

use crate::replay::ReplayId;
use crate::value::{Dict, Value};

/// The key under which Flask keeps `session.permanent`.
pub const PERMANENT: &str = "_permanent";
/// The key under which Flask keeps the messages of `flash`: a list of tuples of category and message.
pub const FLASHES: &str = "_flashes";

/// The session in a Flask cookie that was read.
///
/// `Debug` shows none of its content.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct FlaskSession {
    /// The content.
    pub entries: Dict,
    /// The time at which Flask signed it, in seconds since 1970. It is also the time at which Flask last sent it.
    pub signed_at: u64,
    /// Identifies the cookie, so that it can be refused later.
    pub replay_id: ReplayId,
    /// `true` if a fallback key signed it.
    pub is_fallback: bool,
}

impl FlaskSession {
    /// `session.permanent`: `true` if the cookie has an expiry date in the browser.
    pub fn is_permanent(&self) -> bool {
        is_permanent(&self.entries)
    }

    /// The messages that wait for the next page.
    ///
    /// An entry that is not a pair of category and text is left out. So are texts of a type other than `str` and
    /// `Markup`.
    pub fn flashes(&self) -> Vec<Flash<'_>> {
        flashes(&self.entries)
    }
}

/// `session.permanent` of a session with these entries, such as a [record](crate::records) of Flask-Session.
pub fn is_permanent(entries: &Dict) -> bool {
    matches!(entries.get(PERMANENT), Some(Value::Bool(true)))
}

/// The messages that wait in a session with these entries, like [`FlaskSession::flashes`].
pub fn flashes(entries: &Dict) -> Vec<Flash<'_>> {
    let Some(Value::List(flashes)) = entries.get(FLASHES) else { return Vec::new() };
    flashes.iter().filter_map(flash).collect()
}

/// A message of `flash`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Flash<'a> {
    /// Its category, `message` unless the app chose one.
    pub category: &'a str,
    /// Its text.
    pub message: &'a str,
    /// `true` if the text is `Markup`, which templates do not escape.
    pub is_markup: bool,
}

fn flash(value: &Value) -> Option<Flash<'_>> {
    let (Value::Tuple(pair) | Value::List(pair)) = value else { return None };
    let (category, message, is_markup) = match pair.as_slice() {
        [Value::Str(category), Value::Str(text)] => (category, text, false),
        [Value::Str(category), Value::Markup(html)] => (category, html, true),
        _ => return None,
    };
    Some(Flash { category, message, is_markup })
}

impl fmt::Debug for FlaskSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlaskSession")
            .field("entries", &self.entries.len())
            .field("signed_at", &self.signed_at)
            .field("replay_id", &self.replay_id)
            .field("is_fallback", &self.is_fallback)
            .finish()
    }
}
