//! Filters and functions of Jinja that minijinja lacks, with Jinja's parameters.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, HtmlEscape, State, Value};
use minijinja_contrib::{filters as contrib, globals};

use crate::arguments::named;
use crate::cycler::cycler;
use crate::urlize::{self, Links};
use crate::word_wrap::{Wrap, wrap};

/// Adds the filters and functions. They replace those of the same names in the environment.
pub(crate) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("center", center);
    environment.add_filter("filesizeformat", file_size_format);
    environment.add_filter("forceescape", force_escape);
    environment.add_filter("random", random);
    environment.add_filter("striptags", |text: String| contrib::striptags(text));
    environment.add_filter("truncate", truncate);
    environment.add_filter("urlize", urlize);
    environment.add_filter("wordcount", word_count);
    environment.add_filter("wordwrap", word_wrap);
    environment.add_filter("xmlattr", xml_attributes);
    #[cfg(feature = "dates")]
    {
        environment.add_filter("dateformat", contrib::dateformat);
        environment.add_filter("datetimeformat", contrib::datetimeformat);
        environment.add_filter("timeformat", contrib::timeformat);
        environment.add_function("now", globals::now);
    }
    environment.add_function("cycler", cycler);
    environment.add_function("joiner", globals::joiner);
    environment.add_function("lipsum", lipsum);
}

/// `lipsum(n=5, html=True, min=20, max=100)`
fn lipsum(state: &mut State<'_, '_>, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["n", "html", "min", "max"], positional, &arguments)?;
    let all = arguments.args().map(|name| Ok((name, arguments.get::<Value>(name)?)));
    let mut all: Vec<_> = all.collect::<Result<_, Error>>()?;
    if !arguments.has("html") {
        all.push(("html", true.into()));
    }
    globals::lipsum(state, None, all.into_iter().collect())
}

/// `random(seq)`
fn random(state: &mut State<'_, '_>, list: &Value) -> Result<Value, Error> {
    // As Jinja does for an empty list; minijinja-contrib would panic.
    if list.len() == Some(0) { Ok(Value::UNDEFINED) } else { contrib::random(state, list) }
}

/// `truncate(s, length=255, killwords=False, end='...', leeway=5)`
fn truncate(
    state: &mut State<'_, '_>,
    text: &Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let arguments = named(&["length", "killwords", "end", "leeway"], positional, &arguments)?;
    contrib::truncate(state, text, arguments)
}

/// `filesizeformat(value, binary=False)`
fn file_size_format(size: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<String, Error> {
    let arguments = named(&["binary"], positional, &arguments)?;
    let binary = arguments.get::<Option<bool>>("binary")?.unwrap_or_default();
    arguments.assert_all_used()?;
    let bytes: f64 = match size.as_str().map(|text| text.trim().parse()) {
        Some(Ok(bytes)) => bytes,
        Some(Err(_)) => return Err(Error::new(ErrorKind::InvalidOperation, "a size in bytes is a number")),
        None => size.clone().try_into()?,
    };
    let least = if binary { 1024.0 } else { 1000.0 };
    Ok(match bytes {
        1.0 => "1 Byte".to_owned(),
        bytes if bytes < least => format!("{} Bytes", bytes.trunc()),
        _ => contrib::filesizeformat(bytes, Some(binary)),
    })
}

/// `center(value, width=80)`
fn center(text: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["width"], positional, &arguments)?;
    let width = arguments.get::<Option<usize>>("width")?.unwrap_or(80);
    arguments.assert_all_used()?;
    let is_safe = text.is_safe();
    let text = text.to_string();
    let space = room(width)?.saturating_sub(text.chars().count());
    // If the number of spaces is odd, Python puts the extra one to the left if the width is odd, too.
    let left = space / 2 + (space & width & 1);
    let centered = format!("{}{text}{}", " ".repeat(left), " ".repeat(space - left));
    Ok(with_safety(centered, is_safe))
}

/// Checks a width from a template. It may come from a visitor, so it is limited to keep a page from filling the memory.
fn room(width: usize) -> Result<usize, Error> {
    const MOST: usize = 100_000;
    if width <= MOST {
        return Ok(width);
    }
    Err(Error::new(ErrorKind::InvalidOperation, format!("a width is at most {MOST}, found {width}")))
}

/// `forceescape(value)`: escapes safe strings, too.
fn force_escape(text: &Value) -> Value {
    Value::from_safe_string(HtmlEscape(&text.to_string()).to_string())
}

/// `wordcount(s)`
fn word_count(text: &Value) -> usize {
    let text = text.to_string();
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .count()
}

/// `wordwrap(s, width=79, break_long_words=True, wrapstring='\n', break_on_hyphens=True)`
fn word_wrap(text: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<String, Error> {
    let parameters = ["width", "break_long_words", "wrapstring", "break_on_hyphens"];
    let arguments = named(&parameters, positional, &arguments)?;
    let options = Wrap {
        width: arguments.get::<Option<usize>>("width")?.unwrap_or(79),
        break_long_words: arguments.get::<Option<bool>>("break_long_words")?.unwrap_or(true),
        break_on_hyphens: arguments.get::<Option<bool>>("break_on_hyphens")?.unwrap_or(true),
    };
    let between = arguments.get::<Option<String>>("wrapstring")?.unwrap_or_else(|| "\n".to_owned());
    arguments.assert_all_used()?;
    if options.width == 0 {
        return Err(Error::new(
            ErrorKind::InvalidOperation,
            "a line is at least one character wide, found 0",
        ));
    }
    Ok(text
        .to_string()
        .lines()
        .map(|line| wrap(line, &options).join(&between))
        .collect::<Vec<_>>()
        .join(&between))
}

/// `urlize(value, trim_url_limit=None, nofollow=False, target=None, rel=None, extra_schemes=None)`
fn urlize(text: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let parameters = ["trim_url_limit", "nofollow", "target", "rel", "extra_schemes"];
    let arguments = named(&parameters, positional, &arguments)?;
    let mut rel: Vec<String> = vec!["noopener".to_owned()];
    let more = arguments.get::<Option<String>>("rel")?.unwrap_or_default();
    rel.extend(more.split_whitespace().map(str::to_owned));
    if arguments.get::<Option<bool>>("nofollow")?.unwrap_or_default() {
        rel.push("nofollow".to_owned());
    }
    rel.sort();
    rel.dedup();
    let links = Links {
        rel: rel.join(" "),
        limit: arguments.get("trim_url_limit")?,
        target: arguments.get("target")?,
        schemes: arguments.get::<Option<Vec<String>>>("extra_schemes")?.unwrap_or_default(),
        is_html: text.is_safe(),
    };
    arguments.assert_all_used()?;
    Ok(Value::from_safe_string(urlize::urlize(&text.to_string(), &links)))
}

/// `xmlattr(d, autospace=True)`
fn xml_attributes(values: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["autospace"], positional, &arguments)?;
    let autospace = arguments.get::<Option<bool>>("autospace")?.unwrap_or(true);
    arguments.assert_all_used()?;
    let mut written = Vec::new();
    for name in values.try_iter()? {
        let value = values.get_item(&name)?;
        if matches!(value.kind(), ValueKind::None | ValueKind::Undefined) {
            continue;
        }
        let name = name.to_string();
        // A name with one of these would begin another attribute, or end the tag.
        if name.is_empty() || name.contains(|sign: char| sign.is_whitespace() || "/>=".contains(sign)) {
            let detail = format!(
                "{name:?} is no name of an attribute: it is empty, or has white space, '/', '>' or '='"
            );
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
        let value =
            if value.is_safe() { value.to_string() } else { HtmlEscape(&value.to_string()).to_string() };
        written.push(format!("{}=\"{value}\"", HtmlEscape(&name)));
    }
    let space = if autospace && !written.is_empty() { " " } else { "" };
    Ok(Value::from_safe_string(format!("{space}{}", written.join(" "))))
}

fn with_safety(text: String, is_safe: bool) -> Value {
    if is_safe { Value::from_safe_string(text) } else { text.into() }
}
