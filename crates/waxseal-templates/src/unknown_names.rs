//! Finds filters and tests that a template names but its environment lacks, before the template is rendered.

use std::collections::HashSet;

use minijinja::syntax::SyntaxConfig;
use minijinja::{Environment, Template, Value};

use crate::Error;
use crate::session_use::references;
use crate::tags::{Part, Token, parts, tags};

/// Checks all templates that the environment has compiled.
pub(crate) fn check_all(environment: &Environment<'_>) -> Result<(), Error> {
    let mut templates: Vec<_> = environment.templates().map(|(_, template)| template).collect();
    templates.sort_by(|one, other| one.name().cmp(other.name()));
    templates.iter().try_for_each(|template| check_one(environment, template))
}

/// Checks the template named `name` and those that it includes, imports or extends.
pub(crate) fn check(environment: &Environment<'_>, name: &str) -> Result<(), Error> {
    let mut seen = HashSet::new();
    let mut next = vec![name.to_owned()];
    while let Some(name) = next.pop() {
        // A template that cannot be loaded is an error of the line that includes it.
        let Ok(template) = environment.get_template(&name) else { continue };
        if !seen.insert(name) {
            continue;
        }
        check_one(environment, &template)?;
        next.extend(references(&template, &tags(template.source())).unwrap_or_default());
    }
    Ok(())
}

fn check_one(environment: &Environment<'_>, template: &Template<'_, '_>) -> Result<(), Error> {
    // With custom delimiters, `{{ … }}` is text.
    if delimiters(environment.syntax()) != delimiters(&SyntaxConfig::default()) {
        return Ok(());
    }
    let mut state = environment.empty_state();
    let source = template.source();
    for part in parts(source) {
        for (kind, name) in names(&part) {
            if !state.perform_test(kind, &[Value::from(name)])? {
                return Err(Error::unknown_name(kind, name, template, line_of(source, name)));
            }
        }
    }
    Ok(())
}

fn delimiters(syntax: &SyntaxConfig) -> [(&str, &str); 3] {
    [syntax.block_delimiters(), syntax.variable_delimiters(), syntax.comment_delimiters()]
}

/// The filters and tests that a part of a template names, each with its kind: `filter` or `test`. The kinds are also
/// the names of the tests that tell whether one exists.
fn names<'a>(part: &Part<'a>) -> Vec<(&'static str, &'a str)> {
    let (tokens, is_tag) = match part {
        Part::Tag(tokens) => (tokens, true),
        Part::Expression(tokens) => (tokens, false),
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let behind = &tokens[at + 1..];
        match (token, behind) {
            (Token::Mark('|'), [Token::Name(name), ..]) => found.push(("filter", *name)),
            (Token::Name("filter"), [Token::Name(name), ..]) if is_tag && at == 0 => {
                found.push(("filter", *name));
            }
            (Token::Name("is"), [Token::Name("not"), Token::Name(name), ..] | [Token::Name(name), ..]) => {
                found.push(("test", *name));
            }
            _ => {}
        }
    }
    found
}

/// The line number of `name`, which is a slice of `source`, from 1.
fn line_of(source: &str, name: &str) -> usize {
    let at = name.as_ptr() as usize - source.as_ptr() as usize;
    source[..at].matches('\n').count() + 1
}
