//! A request as a template sees it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use http::HeaderName;
use http::header::COOKIE;
use minijinja::value::{Enumerator, Object};
use minijinja::{Error, ErrorKind, State, Value};
use percent_encoding::percent_decode_str;

use crate::Request;

/// The variable `request` in a template, with Flask's names. Values are computed when they are read.
pub(crate) struct RequestView(pub(crate) Request);

/// The value `request.headers` in a template. Names match in any case. `Cookie` is left out, since it holds the session's.
struct HeadersView(Request);

/// The variable `g` in a template.
pub(crate) struct GView(pub(crate) Request);

/// Pairs of names and values, where the first of each name is used: `request.args`, `request.form`, `request.cookies`.
struct Pairs(Vec<(String, String)>);

const NAMES: [&str; 17] = [
    "method",
    "path",
    "full_path",
    "url",
    "base_url",
    "host",
    "scheme",
    "remote_addr",
    "root_path",
    "query_string",
    "endpoint",
    "blueprint",
    "headers",
    "form",
    "view_args",
    "args",
    "cookies",
];

impl Object for RequestView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let request = &self.0;
        let query = || request.uri().query().unwrap_or_default();
        let root = request.root_path();
        let site = || format!("{}{root}", request.site());
        Some(match key {
            "method" => request.method().as_str().into(),
            "path" => percent_decode_str(request.path()).decode_utf8_lossy().into_owned().into(),
            "full_path" => format!("{}?{}", request.path(), query()).into(),
            "url" if query().is_empty() => format!("{}{}", site(), request.path()).into(),
            "url" => format!("{}{}?{}", site(), request.path(), query()).into(),
            "base_url" => format!("{}{}", site(), request.path()).into(),
            "host" => request.host().into(),
            "scheme" => request.scheme().as_str().into(),
            "remote_addr" => request.remote_addr().map_or(().into(), |address| address.to_string().into()),
            "root_path" => root.into(),
            "query_string" => query().into(),
            "endpoint" => request.endpoint().map_or(().into(), Value::from),
            "blueprint" => request.group().map_or(().into(), Value::from),
            "headers" => Value::from_object(HeadersView(request.clone())),
            "form" => Value::from_object(Pairs(request.form_fields())),
            "view_args" => pairs(request.params().iter()),
            "args" => {
                let pairs = request.args().map(|(name, value)| (name.into_owned(), value.into_owned()));
                Value::from_object(Pairs(pairs.collect()))
            }
            "cookies" => Value::from_object(Pairs(request.cookies().collect())),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&NAMES)
    }
}

impl Object for HeadersView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        let name = HeaderName::from_bytes(key.as_bytes()).ok().filter(|name| *name != COOKIE)?;
        let value = self.0.headers().get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned().into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let names = self.0.headers().keys().filter(|name| **name != COOKIE);
        Enumerator::Values(names.map(|name| name.as_str().into()).collect())
    }
}

impl Object for GView {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.g().shown(key)
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Value {
    Value::from_object(Pairs(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()))
}

impl Object for Pairs {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str().into())
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut seen = HashSet::new();
        let names = self.0.iter().filter(|(name, _)| seen.insert(name));
        Enumerator::Values(names.map(|(name, _)| name.as_str().into()).collect())
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match (method, args) {
            ("getlist", [name]) => {
                let of_name = self.0.iter().filter(|(found, _)| Some(found.as_str()) == name.as_str());
                Ok(of_name.map(|(_, value)| value.as_str()).collect())
            }
            // `.get()` and `.items()` are Python's methods, which the environment handles.
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

/// minijinja may print its context into the debug output of an error, so these show no values.
impl fmt::Debug for RequestView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("request")
    }
}

impl fmt::Debug for HeadersView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("headers")
    }
}

impl fmt::Debug for GView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("g")
    }
}

impl fmt::Debug for Pairs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pairs(..)")
    }
}
