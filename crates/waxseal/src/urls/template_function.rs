//! The function `url_for` of templates.

use std::sync::Arc;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, ErrorKind, Value};
use percent_encoding::utf8_percent_encode;

use super::{ESCAPED, Urls};

/// Adds `url_for('name', part=…)` to an environment.
pub(crate) fn add_to(environment: &mut Environment<'_>, urls: Arc<Urls>) {
    environment.add_function("url_for", move |name: &str, arguments: Kwargs| {
        let failed = |text: String| minijinja::Error::new(ErrorKind::InvalidOperation, text);
        let names: Vec<String> = arguments.args().map(str::to_owned).collect();
        let mut pairs: Vec<(&str, String)> = Vec::new();
        let mut anchor = None;
        for name in &names {
            let value: Value = arguments.get(name)?;
            match name.as_str() {
                "_anchor" => anchor = Some(value.to_string()),
                name if name.starts_with('_') => {
                    return Err(failed(format!(
                        "url_for has no `{name}`: it makes addresses of this app alone"
                    )));
                }
                name if value.kind() == ValueKind::Seq => {
                    pairs.extend(value.try_iter()?.map(|value| (name, value.to_string())));
                }
                // As in Flask: what has no value is left out.
                _ if value.is_none() || value.is_undefined() => {}
                name => pairs.push((name, value.to_string())),
            }
        }
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let mut url = urls.url_for(name, &pairs).map_err(|error| failed(error.to_string()))?;
        if let Some(anchor) = anchor {
            url.push('#');
            url.extend(utf8_percent_encode(&anchor, ESCAPED));
        }
        // minijinja would escape slashes, too: a URL without a character of HTML's is marked as safe.
        let plain = !url.contains(['&', '<', '>', '"', '\'']);
        Ok(if plain { Value::from_safe_string(url) } else { Value::from(url) })
    });
}
