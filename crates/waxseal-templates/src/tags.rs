//! A tokenizer for a template's block tags, `{% … %}`, and expressions, `{{ … }}`.
//!
//! minijinja's parser is private, its list of undeclared variables does not cover other templates, and it looks up
//! filters only when it renders their line. This module reads just enough of the language to find them: Jinja's default
//! delimiters, comments, `raw` blocks and strings.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or a keyword. A name after a dot is an attribute and is left out.
    Name(&'a str),
    /// A string, without its quotes and with escapes as they are.
    Text(&'a str),
    Mark(char),
}

/// A tag or an expression of a template.
pub(crate) enum Part<'a> {
    Tag(Vec<Token<'a>>),
    Expression(Vec<Token<'a>>),
}

/// All tags of a template, in order.
pub(crate) fn tags(source: &str) -> Vec<Vec<Token<'_>>> {
    let tag = |part| match part {
        Part::Tag(tokens) => Some(tokens),
        Part::Expression(_) => None,
    };
    parts(source).into_iter().filter_map(tag).collect()
}

/// All tags and expressions of a template, in order.
pub(crate) fn parts(source: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        rest = &rest[at + 1..];
        if let Some(comment) = rest.strip_prefix('#') {
            rest = after(comment, "#}");
        } else if let Some(expression) = rest.strip_prefix('{') {
            let (expression, behind) = tokens(expression, "}}");
            rest = behind;
            parts.push(Part::Expression(expression));
        } else if let Some(block) = rest.strip_prefix('%') {
            let (tag, behind) = tokens(block, "%}");
            rest = behind;
            if tag.first() == Some(&Token::Name("raw")) {
                rest = behind_raw(behind);
            } else {
                parts.push(Part::Tag(tag));
            }
        }
    }
    parts
}

/// The tokens up to `end`, and the rest of the source after it.
fn tokens<'a>(source: &'a str, end: &str) -> (Vec<Token<'a>>, &'a str) {
    // Skip the signs that trim white space.
    let mut rest = source.strip_prefix(['-', '+']).unwrap_or(source);
    let mut tokens = Vec::new();
    let mut is_attribute = false;
    while let Some(first) = rest.chars().next() {
        if let Some(behind) = rest.strip_prefix(end) {
            return (tokens, behind);
        }
        let token = &rest[..token_length(rest, first)];
        rest = &rest[token.len()..];
        match first {
            '\'' | '"' => tokens.push(Token::Text(token[1..].strip_suffix(first).unwrap_or(&token[1..]))),
            _ if first.is_alphabetic() || first == '_' => {
                tokens.extend((!is_attribute).then_some(Token::Name(token)));
            }
            _ if first.is_whitespace() => continue,
            _ if first.is_numeric() => {}
            _ => tokens.push(Token::Mark(first)),
        }
        is_attribute = first == '.';
    }
    (tokens, "")
}

fn token_length(source: &str, first: char) -> usize {
    let body = &source[first.len_utf8()..];
    let more = match first {
        '\'' | '"' => text_length(body, first),
        _ if first.is_alphanumeric() || first == '_' => {
            body.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(body.len())
        }
        _ => 0,
    };
    first.len_utf8() + more
}

/// The length of a string's body, including its closing quote.
fn text_length(body: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in body.char_indices() {
        if character == quote && !is_escaped {
            return at + 1;
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    body.len()
}

fn behind_raw(source: &str) -> &str {
    let mut rest = source;
    while !rest.is_empty() {
        rest = after(rest, "{%");
        let (tag, behind) = tokens(rest, "%}");
        if tag == [Token::Name("endraw")] {
            return behind;
        }
    }
    rest
}

fn after<'a>(source: &'a str, mark: &str) -> &'a str {
    source.split_once(mark).map_or("", |(_, behind)| behind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Token::{Mark, Name, Text};

    #[test]
    fn tags_are_found_among_text_comments_expressions_and_raw_blocks() {
        let source = "{ {# {% no %} #} {{ '{% no %}' }} {{ {'a': {'b': 1}} }} {%- raw -%} {% no %} {{ {%+ endraw %}\
                      {%- include \"a'b\" -%}{% set x = y.z['%}'] %}{% open";
        let expected = [
            vec![Name("include"), Text("a'b"), Mark('-')],
            vec![Name("set"), Name("x"), Mark('='), Name("y"), Mark('.'), Mark('['), Text("%}"), Mark(']')],
            vec![Name("open")],
        ];
        assert_eq!(tags(source), expected);
    }
}
