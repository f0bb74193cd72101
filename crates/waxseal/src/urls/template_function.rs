//! The function `url_for` of templates.

use std::sync::Arc;

use minijinja::value::{Kwargs, ValueKind};
use minijinja::{AutoEscape, Environment, ErrorKind, State, Value};
use waxseal_server::RootPath;

use super::Urls;
use super::address::EXTERNAL;
use super::url_error::UrlError;
use crate::request_view::RequestView;
use crate::settings::proxies::ProxySettings;

/// In place of a URL that cannot be built from a value.
const DEAD_LINK: &str = "#";

/// The root path that is put in front of a template's URLs.
#[derive(Debug)]
pub(crate) struct SiteRoot {
    set: RootPath,
    /// A proxy may name another one with each request.
    is_told: bool,
}

impl SiteRoot {
    pub(crate) fn new(proxies: &ProxySettings) -> Self {
        let is_told = proxies.forwarded_headers.reads_prefix() && !proxies.trusted_proxies.is_empty();
        Self { set: proxies.root_path.clone(), is_told }
    }

    /// `true` if this URL depends on the request that the template is rendered for.
    fn asks_the_request(&self, name: &str, arguments: &[(&str, &str)]) -> bool {
        self.is_told || name.starts_with('.') || arguments.iter().any(|(name, _)| *name == EXTERNAL)
    }
}

/// Adds `url_for('name', part=…)` to an environment.
pub(crate) fn add_to(environment: &mut Environment<'_>, urls: Arc<Urls>, root: SiteRoot) {
    environment.add_function("url_for", move |state: &State<'_, '_>, name: &str, arguments: Kwargs| {
        let arguments = pairs(&arguments)?;
        let arguments: Vec<_> =
            arguments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let asks = root.asks_the_request(name, &arguments);
        let request = if asks { state.lookup("request") } else { None };
        let url = match request.as_ref().and_then(|request| request.downcast_object_ref::<RequestView>()) {
            Some(RequestView(request)) => request.address(name, &arguments),
            // Without a request, the root path of the settings is most likely the one that the proxy names.
            None if asks && !root.is_told => Err(UrlError::WithoutRequest(name.to_owned())),
            None => urls.address(name, &arguments).map(|url| url.below(root.set.as_str(), String::new)),
        };
        let failed = |error: UrlError| minijinja::Error::new(ErrorKind::InvalidOperation, error.to_string());
        let url = match url {
            // The value is most often some visitor's, and must not take the page from everybody.
            Err(error @ (UrlError::Unfit { .. } | UrlError::Slash { .. })) => {
                tracing::warn!("{error}; in template {}, the link leads nowhere", state.name());
                DEAD_LINK.to_owned()
            }
            url => url.map_err(failed)?,
        };
        // minijinja would escape slashes, too, so a URL without special characters of HTML is marked as safe. In a template of
        // JavaScript or JSON it is always written in one way, without quotes, and there `&` is no special character.
        let special: &[char] = match state.auto_escape() {
            AutoEscape::Html => &['<', '>', '"', '\'', '&'],
            _ => &['<', '>', '"', '\''],
        };
        Ok(if url.contains(special) { Value::from(url) } else { Value::from_safe_string(url) })
    });
}

/// The arguments as strings. As in Flask, those without a value are left out.
fn pairs(arguments: &Kwargs) -> Result<Vec<(String, String)>, minijinja::Error> {
    let mut pairs = Vec::new();
    for name in arguments.args() {
        let value: Value = arguments.get(name)?;
        match name {
            EXTERNAL => pairs.push((name.to_owned(), value.is_true().to_string())),
            _ if value.is_none() || value.is_undefined() => {}
            _ if value.kind() == ValueKind::Seq && !name.starts_with('_') => {
                pairs.extend(value.try_iter()?.map(|value| (name.to_owned(), value.to_string())));
            }
            _ => pairs.push((name.to_owned(), value.to_string())),
        }
    }
    Ok(pairs)
}
