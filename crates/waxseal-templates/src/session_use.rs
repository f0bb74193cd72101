//! Whether a template reads the session, found out before it is rendered.

use std::collections::HashSet;

use minijinja::{Environment, Template};

use crate::functions;
use crate::tags::{Token, tags};

/// Returns `true` if the template named `name` may read the session, either itself or in a template that it includes,
/// imports or extends. A template that does not exist reads nothing.
pub(crate) fn reads_session(environment: &Environment<'_>, name: &str) -> bool {
    let mut seen = HashSet::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        let Ok(template) = environment.get_template(&name) else { continue };
        if !seen.insert(name) {
            continue;
        }
        let tags = tags(template.source());
        if names_session(&template, &tags) {
            return true;
        }
        let Some(names) = references(&template, &tags) else { return true };
        next.extend(names);
    }
    false
}

/// The names of the templates that these tags of `template` include, import or extend. `None` if a name is computed
/// during rendering, so that it may be any template.
pub(crate) fn references(template: &Template<'_, '_>, tags: &[Vec<Token<'_>>]) -> Option<Vec<String>> {
    let mut found = Vec::new();
    for tag in tags {
        match reference(tag) {
            Reference::None => {}
            Reference::To(names) => found.extend(names.iter().filter_map(|name| joined(template, name))),
            Reference::Unknown => return None,
        }
    }
    Some(found)
}

fn names_session(template: &Template<'_, '_>, tags: &[Vec<Token<'_>>]) -> bool {
    let undeclared = template.undeclared_variables(false);
    undeclared.iter().any(|name| is_session_name(name)) || tags.iter().any(|tag| is_missed(tag))
}

fn is_session_name(name: &str) -> bool {
    name == "session" || functions::NAMES.contains(&name)
}

/// Returns `true` if a tag may read a name of the session that minijinja's list of undeclared variables misses.
///
/// That list takes a name as declared too early: in `{% set session = session %}`, in `with`, and in the defaults of a
/// macro. It also ignores the arguments of block filters.
fn is_missed(tag: &[Token<'_>]) -> bool {
    let [Token::Name(keyword), arguments @ ..] = tag else { return false };
    let count = |tokens: &[Token<'_>]| {
        tokens.iter().filter(|token| matches!(token, Token::Name(name) if is_session_name(name))).count()
    };
    match *keyword {
        "set" => {
            let target = arguments.iter().position(|token| matches!(token, Token::Mark('=' | '|')));
            target.is_some_and(|end| count(&arguments[end..]) > 0)
        }
        "with" | "macro" | "call" => count(arguments) > 1,
        "filter" | "autoescape" => count(arguments) > 0,
        _ => false,
    }
}

/// The templates that a tag includes, imports or extends.
enum Reference<'a> {
    None,
    To(Vec<&'a str>),
    Unknown,
}

fn reference<'a>(tag: &[Token<'a>]) -> Reference<'a> {
    let [Token::Name("include" | "import" | "from" | "extends"), target @ ..] = tag else {
        return Reference::None;
    };
    let (names, rest) = match target {
        [Token::Text(name), rest @ ..] => (vec![*name], rest),
        [Token::Mark('[' | '('), list @ ..] => {
            let end = list.iter().position(|token| matches!(token, Token::Mark(']' | ')'))).unwrap_or(0);
            let names = list[..end].iter().filter(|token| **token != Token::Mark(','));
            let names: Option<Vec<_>> = names.map(literal).collect();
            let Some(names) = names else { return Reference::Unknown };
            (names, &list[end + 1..])
        }
        _ => return Reference::Unknown,
    };
    let is_whole = matches!(
        rest,
        [] | [Token::Mark('-' | '+')] | [Token::Name("ignore" | "with" | "without" | "as" | "import"), ..]
    );
    let is_plain = names.iter().all(|name| !name.contains('\\'));
    if is_whole && is_plain { Reference::To(names) } else { Reference::Unknown }
}

fn literal<'a>(token: &Token<'a>) -> Option<&'a str> {
    match token {
        Token::Text(text) => Some(text),
        _ => None,
    }
}

/// Resolves `name` within `template`, since an environment may resolve names relative to a template.
fn joined(template: &Template<'_, '_>, name: &str) -> Option<String> {
    let state = template.new_state();
    state.get_template(name).ok().map(|found| found.name().to_owned())
}
