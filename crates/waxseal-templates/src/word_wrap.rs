//! Wraps text to a width, as Python's `textwrap` does: each line takes as many words as fit.

/// The options of Jinja's filter `wordwrap`.
pub(crate) struct Wrap {
    /// The most characters in a line, at least 1.
    pub(crate) width: usize,
    pub(crate) break_long_words: bool,
    pub(crate) break_on_hyphens: bool,
}

/// Breaks one line of text into lines. White space at a line break is dropped.
pub(crate) fn wrap(text: &str, options: &Wrap) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let (mut line, mut taken) = (String::new(), 0);
    for chunk in chunks(text, options.break_on_hyphens) {
        let mut rest = chunk;
        loop {
            // Count no more characters than are compared. Otherwise a long word would be counted again for each of its
            // lines.
            let length = rest.chars().take(options.width.saturating_add(1)).count();
            let is_space = rest.starts_with(char::is_whitespace);
            if is_space && taken == 0 && !lines.is_empty() {
                break;
            }
            if taken + length <= options.width || (taken == 0 && !is_space && !options.break_long_words) {
                line.push_str(rest);
                taken += length;
                break;
            }
            if length > options.width && options.break_long_words && taken < options.width {
                let end = rest.char_indices().nth(options.width - taken).map_or(rest.len(), |(at, _)| at);
                line.push_str(&rest[..end]);
                rest = &rest[end..];
            }
            finish(&mut lines, &mut line);
            taken = 0;
            if is_space {
                break;
            }
        }
    }
    finish(&mut lines, &mut line);
    lines
}

fn finish(lines: &mut Vec<String>, line: &mut String) {
    let kept = line.trim_end();
    if !kept.is_empty() {
        lines.push(kept.to_owned());
    }
    line.clear();
}

/// Words and the white space between them, in turn. With `break_on_hyphens`, words also end after a hyphen between letters.
fn chunks(text: &str, break_on_hyphens: bool) -> Vec<&str> {
    let mut chunks = Vec::new();
    let mut start = 0;
    let mut before = [' ', ' '];
    for (at, character) in text.char_indices() {
        let [hyphen, previous] = before;
        let turns = at > 0 && previous.is_whitespace() != character.is_whitespace();
        let is_behind_hyphen = previous == '-' && hyphen.is_alphanumeric() && character.is_alphanumeric();
        if turns || (break_on_hyphens && is_behind_hyphen) {
            chunks.push(&text[start..at]);
            start = at;
        }
        before = [previous, character];
    }
    if start < text.len() {
        chunks.push(&text[start..]);
    }
    chunks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cost of each line of a broken word must not grow with the whole word. If it did, this test would take minutes.
    #[test]
    fn a_word_without_end_costs_its_length() {
        let options = Wrap { width: 20, break_long_words: true, break_on_hyphens: true };
        assert_eq!(wrap(&"x".repeat(2_000_000), &options).len(), 100_000);
    }

    /// The results of Python 3.11's `textwrap.wrap`, with `expand_tabs=False` and `replace_whitespace=False`.
    #[test]
    fn lines_break_as_in_python() {
        let wrapped = |text, width, break_long_words, break_on_hyphens| {
            wrap(text, &Wrap { width, break_long_words, break_on_hyphens }).join("|")
        };
        for (text, width, long, hyphens, expected) in [
            ("the quick brown fox", 10, true, true, "the quick|brown fox"),
            ("a well-known owl", 8, true, true, "a well-|known|owl"),
            ("a well-known owl", 8, true, false, "a well-k|nown owl"),
            ("abcdefghij kl", 4, true, true, "abcd|efgh|ij|kl"),
            ("ab cdefghij", 4, true, true, "ab c|defg|hij"),
            ("abcdefghij kl", 4, false, true, "abcdefghij|kl"),
            ("  indented text", 10, true, true, "  indented|text"),
            ("", 4, true, true, ""),
            ("   ", 4, true, true, ""),
            ("one   two", 5, true, true, "one|two"),
            ("x          y", 3, true, true, "x|y"),
            ("a well-known owl", 3, false, true, "a|well-|known|owl"),
        ] {
            assert_eq!(wrapped(text, width, long, hyphens), expected, "{text:?} at {width}");
        }
    }
}
