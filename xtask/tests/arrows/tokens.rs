//! Rust source as tokens: words and marks, without comments, each with its line.

/// One token. What stands in a literal is of no interest here.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    /// The first line, counted from one.
    pub(crate) line: usize,
    /// The last line: a text may run over several.
    pub(crate) last_line: usize,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// An identifier or a keyword.
    Word(String),
    /// `::`
    Colons,
    /// Any other punctuation, one character at a time.
    Mark(char),
    /// A number, a character, a text, or a lifetime.
    Literal,
}

impl Token {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.kind {
            Kind::Word(word) => Some(word),
            _ => None,
        }
    }

    pub(crate) fn is_word(&self, word: &str) -> bool {
        self.word() == Some(word)
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.kind == Kind::Mark(mark)
    }
}

pub(crate) fn tokens(source: &str) -> Vec<Token> {
    let mut reader = Reader { rest: source, line: 1 };
    let mut tokens = Vec::new();
    while let Some(first) = reader.peek(0) {
        let line = reader.line;
        if let Some(kind) = reader.next_token(first) {
            tokens.push(Token { kind, line, last_line: reader.line });
        }
    }
    tokens
}

struct Reader<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Reader<'a> {
    /// The token that begins with `first`, or nothing for blanks and comments.
    fn next_token(&mut self, first: char) -> Option<Kind> {
        if first.is_whitespace() {
            self.advance(first.len_utf8());
            return None;
        }
        if self.rest.starts_with("//") {
            self.advance(self.rest.find('\n').unwrap_or(self.rest.len()));
            return None;
        }
        if self.rest.starts_with("/*") {
            self.block_comment();
            return None;
        }
        if self.rest.starts_with("::") {
            self.advance(2);
            return Some(Kind::Colons);
        }
        if let Some(text) = text_length(self.rest).or_else(|| number_length(self.rest)) {
            self.advance(text);
            return Some(Kind::Literal);
        }
        let raw = self.rest.strip_prefix("r#").unwrap_or(self.rest);
        let word = word_length(raw);
        if word > 0 {
            let word = raw[..word].to_owned();
            self.advance(self.rest.len() - raw.len() + word.len());
            return Some(Kind::Word(word));
        }
        self.advance(first.len_utf8());
        Some(Kind::Mark(first))
    }

    fn block_comment(&mut self) {
        let mut depth = 0;
        loop {
            if self.rest.starts_with("/*") {
                depth += 1;
                self.advance(2);
            } else if self.rest.starts_with("*/") {
                depth -= 1;
                self.advance(2);
            } else if let Some(other) = self.peek(0) {
                self.advance(other.len_utf8());
            }
            if depth == 0 || self.rest.is_empty() {
                return;
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.chars().nth(ahead)
    }

    fn advance(&mut self, bytes: usize) {
        let (passed, rest) = self.rest.split_at(bytes);
        self.line += passed.matches('\n').count();
        self.rest = rest;
    }
}

/// The length of a text, a character or a lifetime at the start of `source`, with prefix and quotes.
fn text_length(source: &str) -> Option<usize> {
    if let Some(quoted) = source.strip_prefix('\'') {
        return Some(1 + character_or_lifetime_length(quoted));
    }
    let prefix = source.find(|c| !matches!(c, 'b' | 'c' | 'r'))?;
    let (prefix, quoted) = source.split_at(prefix);
    if prefix == "b" && quoted.starts_with('\'') {
        return Some(2 + character_or_lifetime_length(&quoted[1..]));
    }
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    if !quoted[hashes..].starts_with('"') || prefix.len() > 2 {
        return None;
    }
    let body = &quoted[hashes + 1..];
    let length = if prefix.ends_with('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        body.find(&end).map_or(body.len(), |at| at + end.len())
    } else if hashes == 0 {
        escaped_length(body, '"')
    } else {
        return None;
    };
    Some(prefix.len() + hashes + 1 + length)
}

/// What follows a single quote: `x'`, `\n'`, or a lifetime's name.
fn character_or_lifetime_length(quoted: &str) -> usize {
    let mut characters = quoted.chars();
    let first = characters.next();
    if first == Some('\\') || characters.next() == Some('\'') {
        return escaped_length(quoted, '\'');
    }
    word_length(quoted)
}

fn escaped_length(body: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, character) in body.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return at + quote.len_utf8(),
            _ => {}
        }
    }
    body.len()
}

/// `1_000u64`, `0xff`, `1.5`; not the dots of `0..9` or of `pair.0.len()`.
fn number_length(source: &str) -> Option<usize> {
    if !source.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    let whole = source.find(|c| !in_word(c)).unwrap_or(source.len());
    let fraction =
        source[whole..].strip_prefix('.').filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let fraction = fraction.map_or(0, |rest| 1 + rest.find(|c| !in_word(c)).unwrap_or(rest.len()));
    Some(whole + fraction)
}

fn word_length(source: &str) -> usize {
    if source.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    source.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(source.len())
}

#[test]
fn words_survive_and_comments_and_literals_do_not() {
    let source = r####"
        //! crate::doc
        /* crate::outer /* crate::inner */ crate::outer */
        fn a<'b>(c: &'b str) -> char { 'd'; '\''; b'e'; "crate::f \" g"; br#"crate::h "i""#; 1.5e3; r#type }
    "####;
    let words: Vec<_> =
        tokens(source).into_iter().filter_map(|token| token.word().map(str::to_owned)).collect();
    assert_eq!(words, ["fn", "a", "c", "str", "char", "type"]);
}

#[test]
fn tokens_know_their_lines() {
    let tokens = tokens("a\n\"b\nc\"\nd");
    let lines: Vec<_> = tokens.iter().map(|token| (token.line, token.last_line)).collect();
    assert_eq!(lines, [(1, 1), (2, 3), (4, 4)]);
}
