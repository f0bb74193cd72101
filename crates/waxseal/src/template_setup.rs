//! Names and functions that an app adds to its templates.

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

/// Names and functions that an app adds to its templates.
#[derive(Default)]
pub(crate) struct TemplateSetup {
    changes: Vec<EnvironmentChange>,
    processors: Vec<(&'static str, Processor)>,
    config: BTreeMap<String, Value>,
}

/// Values that templates look up by name while they render, computed from the request.
pub(crate) struct RequestValues {
    processors: Vec<(&'static str, Processor)>,
    csrf_tokens: bool,
    development: bool,
}

impl TemplateSetup {
    pub(crate) fn add_change(&mut self, change: EnvironmentChange) {
        self.changes.push(change);
    }

    /// Adds a processor that goes before those of its name that are there.
    pub(crate) fn add_processor(&mut self, name: &'static str, processor: Processor) {
        self.processors.insert(0, (name, processor));
    }

    pub(crate) fn set_config(&mut self, name: &'static str, value: Value) {
        self.config.insert(name.to_owned(), value);
    }

    /// Sets the values of a file, in place of those of their names.
    pub(crate) fn set_config_from(&mut self, file: &ConfigFile) {
        self.config.extend(file.of_the_app().map(|(name, value)| (name.to_owned(), value)));
    }

    pub(crate) fn config(&self) -> &BTreeMap<String, Value> {
        &self.config
    }

    /// Adds to an environment what does not depend on the request. The app's own names win over the framework's.
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
    /// The value of a name that neither the handler nor the environment has.
    pub(crate) fn look_up(&self, name: &str, request: &Request) -> Option<Value> {
        match name {
            "request" => Some(Value::from_object(RequestView(request.clone()))),
            "g" => Some(Value::from_object(GView(request.clone()))),
            "session_panel" => self.development.then(|| request.at_root(panel::PATH).into()),
            // Of a page that has read the session: what has not been looked at is not loaded for this.
            "session_is_bound" => {
                let session = request.asked_session().and_then(|session| session.loaded());
                Some(session.is_some_and(|session| session.is_device_bound()).into())
            }
            // A token in a form of an app that does not check it protects from nothing.
            "csrf_token" | "csrf_field" if !self.csrf_tokens => Some(Value::from_function(switched_off)),
            name => self.processors.iter().find(|(found, _)| *found == name).map(|(_, value)| value(request)),
        }
    }
}
