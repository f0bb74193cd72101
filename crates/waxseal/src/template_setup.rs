//! Values, functions and filters that an app adds to its templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::{Environment, Value};
use waxseal_templates::Templates;

use crate::config_file::ConfigFile;
use crate::panel;
use crate::request::Request;
use crate::request_view::{GView, RequestView};
use crate::urls::Urls;
use crate::urls::template_function::{self, SiteRoot};

type EnvironmentChange = Box<dyn FnOnce(&mut Environment<'static>) + Send>;
type Processor = Box<dyn Fn(&Request) -> Value + Send + Sync>;

/// Values, functions and filters that an app adds to its templates.
#[derive(Default)]
pub(crate) struct TemplateSetup {
    changes: Vec<EnvironmentChange>,
    processors: Vec<(&'static str, Processor)>,
    config: BTreeMap<String, Value>,
}

/// Values that are computed from the request when a template looks them up.
pub(crate) struct RequestValues {
    processors: Vec<(&'static str, Processor)>,
    csrf_tokens: bool,
    development: bool,
}

impl TemplateSetup {
    pub(crate) fn add_change(&mut self, change: EnvironmentChange) {
        self.changes.push(change);
    }

    /// Adds a context processor. It replaces earlier ones of its name.
    pub(crate) fn add_processor(&mut self, name: &'static str, processor: Processor) {
        self.processors.insert(0, (name, processor));
    }

    pub(crate) fn set_config(&mut self, name: &'static str, value: Value) {
        self.config.insert(name.to_owned(), value);
    }

    /// Sets the values of a configuration file, which replace those of the same names.
    pub(crate) fn set_config_from(&mut self, file: &ConfigFile) {
        self.config.extend(file.of_the_app().map(|(name, value)| (name.to_owned(), value)));
    }

    pub(crate) fn config(&self) -> &BTreeMap<String, Value> {
        &self.config
    }

    /// Adds everything that does not depend on the request to the environment. The app's own names win over the
    /// framework's.
    pub(crate) fn apply(
        self,
        templates: &mut Templates,
        urls: &Arc<Urls>,
        root: SiteRoot,
        csrf_tokens: bool,
        development: bool,
    ) -> RequestValues {
        let environment = templates.environment_mut();
        template_function::add_to(environment, urls.clone(), root);
        let config = self.config.iter().map(|(name, value)| (name.clone(), value.clone()));
        environment.add_global("config", Value::from_pairs(config));
        for change in self.changes {
            change(environment);
        }
        RequestValues { processors: self.processors, csrf_tokens, development }
    }
}

fn switched_off() -> Result<Value, minijinja::Error> {
    let advice = "this app asks for no CSRF tokens; switch them on with App::csrf_tokens()";
    Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, advice))
}

impl RequestValues {
    /// The value of a name that neither the handler's context nor the environment defines.
    pub(crate) fn look_up(&self, name: &str, request: &Request) -> Option<Value> {
        match name {
            "request" => Some(Value::from_object(RequestView(request.clone()))),
            "g" => Some(Value::from_object(GView(request.clone()))),
            "session_panel" => self.development.then(|| request.at_root(panel::PATH).into()),
            // Only a page that has read the session gets the answer: it is not loaded for this alone.
            "session_is_bound" => {
                let session = request.asked_session().and_then(|session| session.loaded());
                Some(session.is_some_and(|session| session.is_device_bound()).into())
            }
            // If the app does not check tokens, a token in a form protects nothing, so using it is an error.
            "csrf_token" | "csrf_field" if !self.csrf_tokens => Some(Value::from_function(switched_off)),
            name => self.processors.iter().find(|(found, _)| *found == name).map(|(_, value)| value(request)),
        }
    }
}
