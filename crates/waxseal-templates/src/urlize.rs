//! Turns addresses in a text into links, by the rules of Jinja's filter `urlize`.

use minijinja::HtmlEscape;

/// The attributes of the links, and options that decide what is an address.
pub(crate) struct Links {
    pub(crate) rel: String,
    /// The longest text of a link, in characters.
    pub(crate) limit: Option<usize>,
    pub(crate) target: Option<String>,
    /// Schemes in addition to `http`, `https` and `mailto`, each with its colon.
    pub(crate) schemes: Vec<String>,
    /// `true` if the text is already HTML.
    pub(crate) is_html: bool,
}

const OPENING: [&str; 3] = ["(", "<", "&lt;"];
const CLOSING: [&str; 6] = [")", ">", ".", ",", "\n", "&gt;"];
const BRACKETS: [(&str, &str); 3] = [("(", ")"), ("<", ">"), ("&lt;", "&gt;")];
/// Top-level domains whose hosts are addresses even without a scheme.
const KNOWN_DOMAINS: [&str; 8] = ["com", "net", "int", "edu", "gov", "org", "info", "mil"];

/// Returns the text as HTML with links.
pub(crate) fn urlize(text: &str, links: &Links) -> String {
    let mut html = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let word = rest.find(char::is_whitespace).unwrap_or(rest.len());
        html.push_str(&links.word(&rest[..word]));
        rest = &rest[word..];
        let space = rest.find(|sign: char| !sign.is_whitespace()).unwrap_or(rest.len());
        html.push_str(&rest[..space]);
        rest = &rest[space..];
    }
    html
}

impl Links {
    fn word(&self, word: &str) -> String {
        let (head, middle, tail) = split(word);
        let link = match address(middle, &self.schemes) {
            Address::None => self.escape(middle),
            Address::Web(prefix) => self.link(&format!("{prefix}{middle}"), &self.shortened(middle), true),
            Address::Mail(address) => self.link(&format!("mailto:{address}"), address, false),
            Address::Other => self.link(middle, middle, true),
        };
        format!("{}{link}{}", self.escape(head), self.escape(tail))
    }

    fn link(&self, address: &str, text: &str, leads_away: bool) -> String {
        let (mut rel, mut target) = (String::new(), String::new());
        if leads_away {
            rel = format!(" rel=\"{}\"", HtmlEscape(&self.rel));
            if let Some(name) = &self.target {
                target = format!(" target=\"{}\"", HtmlEscape(name));
            }
        }
        format!("<a href=\"{}\"{rel}{target}>{}</a>", self.escape(address), self.escape(text))
    }

    fn shortened(&self, text: &str) -> String {
        match self.limit.and_then(|limit| text.char_indices().nth(limit)) {
            Some((end, _)) => format!("{}...", &text[..end]),
            None => text.to_owned(),
        }
    }

    fn escape(&self, text: &str) -> String {
        if self.is_html { text.to_owned() } else { HtmlEscape(text).to_string() }
    }
}

/// Splits brackets and punctuation off a word. A closing bracket stays if the address contains its opening one.
fn split(word: &str) -> (&str, &str, &str) {
    let mut start = 0;
    while let Some(mark) = OPENING.iter().find(|mark| word[start..].starts_with(**mark)) {
        start += mark.len();
    }
    let mut end = word.len();
    while let Some(mark) = CLOSING.iter().find(|mark| word[start..end].ends_with(**mark)) {
        end -= mark.len();
    }
    for (open, close) in BRACKETS {
        let opened = word[start..end].matches(open).count();
        if opened <= word[start..end].matches(close).count() {
            continue;
        }
        for _ in 0..opened {
            let Some(at) = word[end..].find(close) else { break };
            end += at + close.len();
        }
    }
    (&word[..start], &word[start..end], &word[end..])
}

enum Address<'a> {
    None,
    /// A web address, with the prefix that its link needs.
    Web(&'static str),
    Mail(&'a str),
    Other,
}

fn address<'a>(text: &'a str, schemes: &[String]) -> Address<'a> {
    let has_scheme = text.starts_with("https://") || text.starts_with("http://");
    if is_web(text) {
        return Address::Web(if has_scheme { "" } else { "https://" });
    }
    match text.strip_prefix("mailto:") {
        Some(mail) if is_mail(mail) => return Address::Mail(mail),
        None if !text.starts_with("www.") && !text.contains(':') && is_mail(text) => {
            return Address::Mail(text);
        }
        _ => {}
    }
    let is_other = |scheme: &String| text.len() > scheme.len() && text.starts_with(scheme.as_str());
    if schemes.iter().any(is_other) { Address::Other } else { Address::None }
}

fn is_web(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let (host, is_named) = match lower.strip_prefix("https://").or_else(|| lower.strip_prefix("http://")) {
        Some(host) => (host, true),
        None => match lower.strip_prefix("www.") {
            Some(host) => (host, true),
            None => (&*lower, false),
        },
    };
    let end = host.find(['/', '?', '#']).unwrap_or(host.len());
    is_host(&host[..end], is_named)
}

/// Checks a host and its port. Without a scheme or `www.` before it, a host must have one of the [`KNOWN_DOMAINS`].
fn is_host(host: &str, is_named: bool) -> bool {
    if let Some(inside) = host.strip_prefix('[') {
        let Some((address, port)) = inside.split_once(']') else { return false };
        return is_named && is_port(port) && address.parse::<std::net::Ipv6Addr>().is_ok();
    }
    let (name, port) = host.split_at(host.find(':').unwrap_or(host.len()));
    if !is_port(port) {
        return false;
    }
    if is_named && name.parse::<std::net::Ipv4Addr>().is_ok() {
        return true;
    }
    let labels: Vec<_> = name.split('.').collect();
    let Some((last, before)) = labels.split_last() else { return false };
    let is_label = |label: &&str| {
        !label.is_empty() && label.chars().all(|sign| sign.is_alphanumeric() || "_%-".contains(sign))
    };
    let is_domain = match is_named {
        true => (2..=63).contains(&last.len()) && (last.starts_with("xn--") || is_letters(last)),
        false => !before.is_empty() && KNOWN_DOMAINS.contains(last),
    };
    is_domain && before.iter().all(is_label)
}

fn is_letters(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase())
}

/// Checks that nothing follows a host, or a colon and up to five digits.
fn is_port(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(':') else { return text.is_empty() };
    (1..=5).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Checks for a name, an `@` and a domain with a dot.
fn is_mail(text: &str) -> bool {
    let Some((name, domain)) = text.rsplit_once('@') else { return false };
    let is_letter = |sign: char| sign.is_alphanumeric() || sign == '_';
    let Some((front, last)) = domain.rsplit_once('.') else { return false };
    !name.is_empty()
        && front.starts_with(is_letter)
        && front.chars().all(|sign| is_letter(sign) || ".-".contains(sign))
        && !last.is_empty()
        && last.chars().all(is_letter)
}
