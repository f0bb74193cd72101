//! Filters and tests that in minijinja have fewer parameters than in Jinja, or take them only by position or only by name.

use std::borrow::Cow;

use minijinja::value::{Kwargs, Rest, StringInput, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, Value, filters, tests};

use crate::arguments::named;

/// Replaces these filters and tests.
pub(crate) fn add_to(environment: &mut Environment<'_>) {
    environment.add_filter("batch", batch);
    environment.add_filter("d", default);
    environment.add_filter("default", default);
    environment.add_filter("dictsort", dict_sort);
    environment.add_filter("float", float);
    environment.add_filter("groupby", group_by);
    environment.add_filter("int", int);
    environment.add_filter("join", join);
    environment.add_filter("max", max);
    environment.add_filter("min", min);
    environment.add_filter("replace", replace);
    environment.add_filter("slice", slice);
    environment.add_filter("sort", sort);
    environment.add_filter("sum", sum);
    environment.add_filter("trim", trim);
    environment.add_filter("unique", unique);
    environment.add_filter("urlencode", url_encode);
    environment.add_test("divisibleby", is_divisible_by);
    environment.add_test("sequence", is_sequence);
}

/// `batch(value, linecount, fill_with=None)`
fn batch(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let (count, fill_with) = parts("linecount", positional, &arguments)?;
    filters::batch(state, list, count, fill_with)
}

/// `slice(value, slices, fill_with=None)`
fn slice(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let (count, fill_with) = parts("slices", positional, &arguments)?;
    filters::slice(state, list, count, fill_with)
}

/// The number of parts (or of items in a part), and the value that fills missing items.
fn parts(count: &str, positional: Rest<Value>, arguments: &Kwargs) -> Result<(usize, Option<Value>), Error> {
    let arguments = named(&[count, "fill_with"], positional, arguments)?;
    let parts = (arguments.get(count)?, arguments.get("fill_with")?);
    arguments.assert_all_used()?;
    Ok(parts)
}

/// `default(value, default_value='', boolean=False)`
fn default(
    state: &State<'_, '_>,
    value: &Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let arguments = named(&["default_value", "boolean"], positional, &arguments)?;
    let values = vec![or(&arguments, "default_value", "".into())?, or(&arguments, "boolean", false.into())?];
    arguments.assert_all_used()?;
    filters::default(state, value, Rest(values))
}

/// `dictsort(value, case_sensitive=False, by='key', reverse=False)`
fn dict_sort(dict: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    filters::dictsort(dict, named(&["case_sensitive", "by", "reverse"], positional, &arguments)?)
}

/// `groupby(value, attribute, default=None, case_sensitive=False)`
fn group_by(list: Value, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    filters::groupby(
        list,
        None,
        with_path(&["attribute", "default", "case_sensitive"], positional, &arguments)?,
    )
}

/// `join(value, d='', attribute=None)`
fn join(
    state: &mut State<'_, '_>,
    list: &Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::join(state, list, None, None, with_path(&["d", "attribute"], positional, &arguments)?)
}

/// `max(value, case_sensitive=False, attribute=None)`
fn max(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::max(state, list, with_path(&["case_sensitive", "attribute"], positional, &arguments)?)
}

/// `min(value, case_sensitive=False, attribute=None)`
fn min(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::min(state, list, with_path(&["case_sensitive", "attribute"], positional, &arguments)?)
}

/// `sort(value, reverse=False, case_sensitive=False, attribute=None)`
fn sort(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::sort(
        state,
        list,
        with_path(&["reverse", "case_sensitive", "attribute"], positional, &arguments)?,
    )
}

/// `int(value, default=0, base=10)`
fn int(
    state: &State<'_, '_>,
    value: &Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let arguments = named(&["default", "base"], positional, &arguments)?;
    let (default, base) = (or(&arguments, "default", 0.into())?, arguments.get("base")?);
    arguments.assert_all_used()?;
    filters::int(state, &trimmed(value), Some(default), base, no_arguments())
}

/// `float(value, default=0.0)`
fn float(
    state: &State<'_, '_>,
    value: &Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let arguments = named(&["default"], positional, &arguments)?;
    let default = or(&arguments, "default", 0.0.into())?;
    arguments.assert_all_used()?;
    filters::float(state, &trimmed(value), Some(default), no_arguments())
}

/// The argument of this name, or `other` if it is not given.
fn or(arguments: &Kwargs, name: &str, other: Value) -> Result<Value, Error> {
    if arguments.has(name) { arguments.get(name) } else { Ok(other) }
}

/// A text without the white space around it, which Python ignores in a number.
fn trimmed(value: &Value) -> Value {
    value.as_str().map_or_else(|| value.clone(), |text| text.trim().into())
}

fn no_arguments() -> Kwargs {
    std::iter::empty::<(&str, Value)>().collect()
}

/// `sum(iterable, attribute=None, start=0)`
fn sum(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::sum(state, list, None, None, with_path(&["attribute", "start"], positional, &arguments)?)
}

/// `unique(value, case_sensitive=False, attribute=None)`
fn unique(
    state: &State<'_, '_>,
    list: Value,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    filters::unique(state, list, with_path(&["case_sensitive", "attribute"], positional, &arguments)?)
}

/// The named arguments, where `attribute` may also be an index.
fn with_path(parameters: &[&str], positional: Rest<Value>, arguments: &Kwargs) -> Result<Kwargs, Error> {
    let arguments = named(parameters, positional, arguments)?;
    let text = |name: &str, value: Value| match value.kind() {
        ValueKind::Number if name == "attribute" => value.to_string().into(),
        _ => value,
    };
    let all = arguments.args().map(|name| Ok((name.to_owned(), text(name, arguments.get(name)?))));
    Ok(all.collect::<Result<Vec<(String, Value)>, Error>>()?.into_iter().collect())
}

/// `replace(s, old, new, count=None)`
fn replace(
    state: &mut State<'_, '_>,
    text: StringInput<'_>,
    positional: Rest<Value>,
    arguments: Kwargs,
) -> Result<Value, Error> {
    let arguments = named(&["old", "new", "count"], positional, &arguments)?;
    let (old, new): (Value, Value) = (arguments.get("old")?, arguments.get("new")?);
    let count = arguments.get::<Option<i64>>("count")?.and_then(|count| usize::try_from(count).ok());
    let count = count.unwrap_or(usize::MAX);
    arguments.assert_all_used()?;
    let (old, new) = (StringInput::new(state, &old)?, StringInput::new(state, &new)?);
    let is_html = text.is_safe() || old.is_safe() || new.is_safe();
    if !is_html || matches!(state.auto_escape(), AutoEscape::None) {
        return Ok(text.as_str().replacen(old.as_str(), new.as_str(), count).into());
    }
    let (text, new) = (text.format(state)?, new.format(state)?);
    Ok(Value::from_safe_string(text.replacen(old.as_str(), &new, count)))
}

/// `trim(value, chars=None)`
fn trim(text: StringInput<'_>, positional: Rest<Value>, arguments: Kwargs) -> Result<Value, Error> {
    let arguments = named(&["chars"], positional, &arguments)?;
    let chars = arguments.get::<Option<String>>("chars")?;
    arguments.assert_all_used()?;
    Ok(filters::trim(text, chars.map(Cow::Owned)))
}

/// `urlencode(value)`: a dictionary or a list of pairs becomes a query, where a space is `+`.
fn url_encode(value: &Value) -> Result<String, Error> {
    let pairs: Vec<(Value, Value)> = match value.kind() {
        ValueKind::Map => {
            let keys = value.try_iter()?;
            keys.map(|key| Ok((key.clone(), value.get_item(&key)?))).collect::<Result<_, Error>>()?
        }
        ValueKind::Seq | ValueKind::Iterable => {
            let pairs = value.try_iter()?;
            pairs
                .map(|pair| Ok((pair.get_item(&0.into())?, pair.get_item(&1.into())?)))
                .collect::<Result<_, Error>>()?
        }
        ValueKind::Undefined => return Ok(String::new()),
        _ => return Ok(quoted(&value.to_string(), "/", "%20")),
    };
    let pair = |(key, value): &(Value, Value)| {
        format!("{}={}", quoted(&key.to_string(), "", "+"), quoted(&value.to_string(), "", "+"))
    };
    Ok(pairs.iter().map(pair).collect::<Vec<_>>().join("&"))
}

/// Python's `urllib.parse.quote`, with these safe characters, and `space` for a space.
fn quoted(text: &str, safe: &str, space: &str) -> String {
    let mut quoted = String::new();
    for byte in text.bytes() {
        match char::from(byte) {
            ' ' => quoted.push_str(space),
            sign if sign.is_ascii_alphanumeric() || "_.-~".contains(sign) || safe.contains(sign) => {
                quoted.push(sign);
            }
            _ => quoted.push_str(&format!("%{byte:02X}")),
        }
    }
    quoted
}

/// `divisibleby(value, num)`
fn is_divisible_by(value: &Value, positional: Rest<Value>, arguments: Kwargs) -> Result<bool, Error> {
    let arguments = named(&["num"], positional, &arguments)?;
    let number: Value = arguments.get("num")?;
    arguments.assert_all_used()?;
    if number.is_number() && !number.is_true() {
        return Err(Error::new(ErrorKind::InvalidOperation, "division by zero"));
    }
    Ok(tests::is_divisibleby(value, &number))
}

/// `sequence(value)`: true for values with a length and items by key, including strings and dictionaries.
fn is_sequence(value: &Value) -> bool {
    use ValueKind::{Bytes, Map, Seq, String, Undefined};
    matches!(value.kind(), Bytes | Map | Seq | String | Undefined)
}
