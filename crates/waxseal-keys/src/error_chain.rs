//! An error and its causes as one line of a log.

use std::error::Error as StdError;
use std::iter;

/// The error and its causes, the outermost first.
pub fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| error.source())
}

/// The texts of an error and its causes, the outermost first.
pub fn texts<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = String> + 'a {
    chain(error).map(ToString::to_string)
}

/// Joins the texts with colons. If neighbouring texts are equal, only one is kept. Control characters are escaped.
#[must_use]
pub fn one_line(texts: impl Iterator<Item = String>) -> String {
    let mut texts: Vec<String> = texts.collect();
    texts.dedup();
    let mut line = String::new();
    for letter in texts.join(": ").chars() {
        // A text may contain what a visitor sent, and a visitor must not be able to add lines to the log.
        match letter.is_control() {
            true => line.extend(letter.escape_default()),
            false => line.push(letter),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the port is in use")]
    struct PortTaken(#[source] std::io::Error);

    #[test]
    fn a_chain_is_one_line_that_says_each_thing_once() {
        let error = PortTaken(std::io::Error::other("taken\r\n2026-01-01 INFO all is well"));
        assert_eq!(one_line(texts(&error)), "the port is in use: taken\\r\\n2026-01-01 INFO all is well");
        assert_eq!(one_line(["a", "a", "b"].into_iter().map(str::to_owned)), "a: b");
    }
}
