//! The function `url_for` of templates.

use std::sync::Arc;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{Environment, ErrorKind, State, Value};
use percent_encoding::utf8_percent_encode;
use waxseal_server::RootPath;

use super::{ESCAPED, Urls};
use crate::request_view::RequestView;
use crate::settings::proxies::ProxySettings;

/// The root path before the URLs of a template.
#[derive(Debug)]
pub(crate) struct SiteRoot {
    set: RootPath,
    /// A proxy may tell another one with each request.
    is_told: bool,
}

impl SiteRoot {
    pub(crate) fn new(proxies: &ProxySettings) -> Self {
        let is_told = proxies.forwarded_headers.reads_prefix() && !proxies.trusted_proxies.is_empty();
        Self { set: proxies.root_path.clone(), is_told }
    }

    /// Puts the root path of the request that is rendered for before a URL. A template that hides `request` has the one
    /// that was set.
    fn before(&self, url: String, state: &State<'_, '_>) -> String {
        let request = if self.is_told { state.lookup("request") } else { None };
        match request.as_ref().and_then(|request| request.downcast_object_ref::<RequestView>()) {
            Some(RequestView(request)) => request.at_root(&url),
            None if self.set.as_str().is_empty() => url,
            None => format!("{}{url}", self.set.as_str()),
        }
    }
}

/// Adds `url_for('name', part=…)` to an environment.
pub(crate) fn add_to(environment: &mut Environment<'_>, urls: Arc<Urls>, root: SiteRoot) {
    environment.add_function("url_for", move |state: &State<'_, '_>, name: &str, arguments: Kwargs| {
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
        let url = urls.url_for(name, &pairs).map_err(|error| failed(error.to_string()))?;
        let mut url = root.before(url, state);
        if let Some(anchor) = anchor {
            url.push('#');
            url.extend(utf8_percent_encode(&anchor, ESCAPED));
        }
        // minijinja would escape slashes, too: a URL without a character of HTML's is marked as safe.
        let plain = !url.contains(['&', '<', '>', '"', '\'']);
        Ok(if plain { Value::from_safe_string(url) } else { Value::from(url) })
    });
}
