//! What a module of Rust source says: its items, its imports, the names in its code.

use std::collections::BTreeSet;

use crate::tokens::{Kind, Token, tokens};

/// A module: a whole file, or the braces of `mod name { … }`.
#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) items: Vec<Item>,
    /// `mod name;`
    pub(crate) child_files: Vec<String>,
    /// `mod name { … }`
    pub(crate) inline_modules: Vec<(String, Module)>,
    pub(crate) imports: Vec<Import>,
    /// Paths and lone names in the code, `use` declarations left out.
    pub(crate) mentions: Vec<Mention>,
}

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: String,
    /// Functions, constants and statics: nothing can follow them in a path.
    pub(crate) is_value: bool,
    pub(crate) is_macro: bool,
}

#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) path: Vec<String>,
    /// The name in this module; nothing for `*` and `_`.
    pub(crate) name: Option<String>,
    pub(crate) is_glob: bool,
    /// `pub use`, `pub(crate) use`: the name may only be passed on, not used here.
    pub(crate) is_passed_on: bool,
    pub(crate) line: usize,
}

#[derive(Debug)]
pub(crate) struct Mention {
    pub(crate) path: Vec<String>,
    pub(crate) is_macro: bool,
    pub(crate) line: usize,
}

/// Reads a file, without what is under `#[cfg(test)]`. A file of tests alone is an empty module.
pub(crate) fn module(source: &str) -> Module {
    read_module(&without_tests(&tokens(source)))
}

/// Lines that hold code: no blanks, no comments, nothing under `#[cfg(test)]`.
pub(crate) fn code_lines(source: &str) -> usize {
    let tokens = without_tests(&tokens(source));
    tokens.iter().flat_map(|token| token.line..=token.last_line).collect::<BTreeSet<_>>().len()
}

fn without_tests(tokens: &[Token]) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match attribute(tokens, at) {
            Some(attribute) if attribute.is_test && attribute.is_inner => return Vec::new(),
            Some(attribute) if attribute.is_test => at = end_of_item(tokens, attribute.end),
            _ => {
                kept.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    kept
}

struct Attribute {
    is_test: bool,
    is_inner: bool,
    end: usize,
}

/// `#[…]` or `#![…]` at `at`. Of tests alone are `cfg(test)` and `cfg(all(test, …))`; `cfg(any(test, …))` is not.
fn attribute(tokens: &[Token], at: usize) -> Option<Attribute> {
    let is_inner = tokens.get(at + 1)?.is('!');
    let open = at + 1 + usize::from(is_inner);
    if !tokens[at].is('#') || !tokens.get(open)?.is('[') {
        return None;
    }
    let word = |at: usize| tokens.get(at).and_then(Token::word);
    let is_test = word(open + 1) == Some("cfg")
        && (word(open + 3) == Some("test")
            || word(open + 3) == Some("all") && word(open + 5) == Some("test"));
    Some(Attribute { is_test, is_inner, end: closing(tokens, open) + 1 })
}

/// The first token after the item, statement, field or arm that begins at `at`.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    while let Some(attribute) = attribute(tokens, at) {
        at = attribute.end;
    }
    if tokens.get(at).is_some_and(|token| token.is_word("pub")) {
        at += 1;
        if tokens.get(at).is_some_and(|token| token.is('(')) {
            at = closing(tokens, at) + 1;
        }
    }
    let first = tokens.get(at).and_then(Token::word).unwrap_or("");
    let ends_with_semicolon = matches!(first, "use" | "static" | "type" | "let")
        || first == "const" && !tokens.get(at + 1).is_some_and(|token| token.is_word("fn"));
    let ends_with_braces = matches!(
        first,
        "mod"
            | "fn"
            | "impl"
            | "struct"
            | "enum"
            | "union"
            | "trait"
            | "const"
            | "async"
            | "unsafe"
            | "extern"
            | "macro_rules"
    ) && !ends_with_semicolon;
    while let Some(token) = tokens.get(at) {
        match token.kind {
            Kind::Mark('{') if ends_with_braces => return closing(tokens, at) + 1,
            Kind::Mark('{' | '(' | '[') => at = closing(tokens, at),
            Kind::Mark('}' | ')' | ']') => return at,
            Kind::Mark(';') => return at + 1,
            Kind::Mark(',') if !ends_with_braces && !ends_with_semicolon => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

/// Where the bracket that opens at `open` is closed.
fn closing(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            Kind::Mark('{' | '(' | '[') => depth += 1,
            Kind::Mark('}' | ')' | ']') => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    tokens.len()
}

fn read_module(tokens: &[Token]) -> Module {
    let mut module = Module::default();
    let mut depth = 0;
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let next = tokens.get(at + 1);
        match &token.kind {
            Kind::Mark('{' | '(' | '[') => depth += 1,
            Kind::Mark('}' | ')' | ']') => depth -= 1,
            Kind::Word(word) if word == "use" && !next.is_some_and(|next| next.is('<')) => {
                at = read_use(tokens, at, &mut module.imports);
            }
            Kind::Word(word) if word == "mod" && depth == 0 => at = read_mod(tokens, at, &mut module),
            Kind::Word(_) => {
                if depth == 0 {
                    module.items.extend(item(tokens, at));
                }
                at = read_mention(tokens, at, &mut module.mentions);
            }
            _ => {}
        }
        at += 1;
    }
    module
}

/// `mod name;` or `mod name { … }` at `at`; answers with its last token.
fn read_mod(tokens: &[Token], at: usize, module: &mut Module) -> usize {
    let (Some(name), Some(after)) = (tokens.get(at + 1).and_then(Token::word), tokens.get(at + 2)) else {
        return at;
    };
    if after.is('{') {
        let end = closing(tokens, at + 2);
        module.inline_modules.push((name.to_owned(), read_module(&tokens[at + 3..end])));
        return end;
    }
    module.child_files.push(name.to_owned());
    at + 2
}

/// The item that the keyword at `at` begins.
fn item(tokens: &[Token], at: usize) -> Option<Item> {
    let keyword = tokens[at].word()?;
    let is_macro = keyword == "macro_rules";
    let is_value = matches!(keyword, "fn" | "const" | "static");
    let is_type = matches!(keyword, "struct" | "enum" | "union" | "trait" | "type");
    // Neither `*const T` nor the first word of `const fn` begins an item.
    let is_pointer = at > 0 && tokens[at - 1].is('*');
    let is_qualifier = tokens.get(at + 1).is_some_and(|next| next.is_word("fn") || next.is_word("unsafe"));
    if is_pointer || is_qualifier || !(is_macro || is_value || is_type) {
        return None;
    }
    let mut name = at + 1;
    while tokens.get(name).is_some_and(|token| token.is('!') || token.is_word("mut")) {
        name += 1;
    }
    let name = tokens.get(name)?.word()?.to_owned();
    Some(Item { name, is_value, is_macro })
}

/// A path or a name at `at`; answers with its last token. What follows a dot is a field or a method.
fn read_mention(tokens: &[Token], at: usize, mentions: &mut Vec<Mention>) -> usize {
    let before = at.checked_sub(1).map(|before| &tokens[before]);
    let mut end = at;
    let mut path = vec![tokens[at].word().unwrap_or("").to_owned()];
    while let (Some(colons), Some(word)) = (tokens.get(end + 1), tokens.get(end + 2).and_then(Token::word)) {
        if colons.kind != Kind::Colons {
            break;
        }
        path.push(word.to_owned());
        end += 2;
    }
    let is_macro = tokens.get(end + 1).is_some_and(|token| token.is('!'));
    // `::std::…` begins outside; `<…>::name` belongs to a type.
    if !before.is_some_and(|before| before.is('.') || before.kind == Kind::Colons) {
        mentions.push(Mention { path, is_macro, line: tokens[at].line });
    }
    end
}

/// The `use` declaration at `at`; answers with its last token.
fn read_use(tokens: &[Token], at: usize, imports: &mut Vec<Import>) -> usize {
    let length = tokens[at..].iter().position(|token| token.is(';')).unwrap_or(tokens.len() - at - 1);
    let tree = &tokens[at + 1..at + length];
    // A path that begins with `::` is another crate's.
    if tree.first().is_some_and(|token| token.kind != Kind::Colons) {
        let is_passed_on = at > 0 && (tokens[at - 1].is_word("pub") || tokens[at - 1].is(')'));
        read_use_tree(tree, &[], is_passed_on, imports);
    }
    at + length
}

fn read_use_tree(tree: &[Token], prefix: &[String], is_passed_on: bool, imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut name = None;
    let mut is_glob = false;
    let Some(line) = tree.first().map(|token| token.line) else { return };
    for (at, token) in tree.iter().enumerate() {
        match &token.kind {
            Kind::Word(word) if word == "as" => {
                name = tree.get(at + 1).and_then(Token::word).map(str::to_owned);
                break;
            }
            // `{self, …}` means the path so far.
            Kind::Word(word) if word == "self" && !path.is_empty() => {}
            Kind::Word(word) => path.push(word.clone()),
            Kind::Mark('*') => is_glob = true,
            Kind::Mark('{') => {
                for branch in branches(&tree[at + 1..closing(tree, at)]) {
                    read_use_tree(branch, &path, is_passed_on, imports);
                }
                return;
            }
            _ => {}
        }
    }
    let name = name.or_else(|| path.last().cloned()).filter(|name| name != "_" && !is_glob);
    imports.push(Import { path, name, is_glob, is_passed_on, line });
}

/// The parts between the outermost commas.
fn branches(tokens: &[Token]) -> Vec<&[Token]> {
    let mut depth = 0;
    let is_comma = |token: &Token| {
        match token.kind {
            Kind::Mark('{') => depth += 1,
            Kind::Mark('}') => depth -= 1,
            _ => {}
        }
        depth == 0 && token.is(',')
    };
    tokens.split(is_comma).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_use_tree_is_read_branch_by_branch() {
        let module = module("use crate::{a::{self, B as C}, d::*, e::F as _};\npub(crate) use self::g::H;");
        let imports: Vec<_> = module
            .imports
            .iter()
            .map(|import| {
                (import.path.join("::"), import.name.as_deref(), import.is_glob, import.is_passed_on)
            })
            .collect();
        let expected = [
            ("crate::a", Some("a"), false, false),
            ("crate::a::B", Some("C"), false, false),
            ("crate::d", None, true, false),
            ("crate::e::F", None, false, false),
            ("self::g::H", Some("H"), false, true),
        ];
        assert_eq!(imports, expected.map(|(path, name, glob, passed)| (path.to_owned(), name, glob, passed)));
    }

    #[test]
    fn items_are_those_of_the_module_and_not_of_its_blocks() {
        let module = module(
            "pub const fn a() { const B: u8 = 1; fn c() {} }\nstatic mut D: u8 = 0;\nmacro_rules! e { () => {} }\n\
             impl F { fn g() {} }\npub(crate) enum H { I }\nmod j { struct K; }\nmod l;\ntype M = *const u8;",
        );
        let items: Vec<_> = module.items.iter().map(|item| item.name.as_str()).collect();
        assert_eq!(items, ["a", "D", "e", "H", "M"]);
        assert_eq!(module.inline_modules[0].1.items[0].name, "K");
        assert_eq!(module.child_files, ["l"]);
    }

    #[test]
    fn mentions_are_paths_and_names_and_not_fields() {
        let module = module("fn f() { crate::a::b(c.d, E::<u8>::new(), ::std::g(), h!()) }");
        let mentions: Vec<_> = module.mentions.iter().map(|mention| mention.path.join("::")).collect();
        for expected in ["crate::a::b", "c", "E", "h"] {
            assert!(
                mentions.iter().any(|mention| mention == expected),
                "{expected} is missing in {mentions:?}"
            );
        }
        for unexpected in ["d", "g", "std::g"] {
            assert!(!mentions.iter().any(|mention| mention == unexpected), "{unexpected} is in {mentions:?}");
        }
    }

    #[test]
    fn code_for_tests_is_no_code() {
        for (case, source) in [
            ("a module", "#[cfg(test)]\nmod tests {\n  fn f() {}\n}\nfn kept() {}"),
            ("a file", "#[cfg(test)]\n#[path = \"t.rs\"]\nmod tests;\nfn kept() {}"),
            (
                "a function",
                "#[cfg(all(test, unix))]\npub(crate) fn f<A, B>(a: [u8; 2]) -> A {\n}\nfn kept() {}",
            ),
            ("an import", "#[cfg(test)]\nuse a::{b, c};\nfn kept() {}"),
            ("a constant", "#[cfg(test)]\nconst C: [u8; 2] = { [1, 2] };\nfn kept() {}"),
        ] {
            assert_eq!(code_lines(source), 1, "{case}");
            assert_eq!(module(source).items[0].name, "kept", "{case}");
        }
        assert_eq!(code_lines("struct S {\n  #[cfg(test)]\n  a: Vec<u8>,\n  b: u8,\n}"), 3);
        assert_eq!(code_lines("#![cfg(test)]\nfn f() {}"), 0);
        assert_eq!(code_lines("#[cfg(any(test, unix))]\nfn f() {}"), 2);
    }
}
