//! What an app adds to its templates.

use std::collections::BTreeMap;
use std::sync::Arc;

use minijinja::value::{FunctionArgs, FunctionResult, Serde};
use minijinja::{Environment, Value, functions};
use serde::Serialize;
use waxseal_templates::Templates;

use crate::panel;
use crate::request_view::{GView, RequestView};
use crate::urls::{self, Urls};
use crate::{App, Request};

type Change = Box<dyn FnOnce(&mut Environment<'static>) + Send>;
type Processor = Box<dyn Fn(&Request) -> Value + Send + Sync>;

/// What an app adds to its templates.
#[derive(Default)]
pub(crate) struct TemplateSetup {
    changes: Vec<Change>,
    values: TemplateValues,
}

/// Of that, what requests ask for.
#[derive(Default)]
pub(crate) struct TemplateValues {
    processors: Vec<(&'static str, Processor)>,
    pub(crate) config: BTreeMap<&'static str, Value>,
    csrf_tokens: bool,
}

impl App {
    /// Gives every template a filter: `{{ name | shout }}`.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::App;
    ///
    /// let app = App::new("demo")
    ///     .filter("shout", |text: String| text.to_uppercase())
    ///     .template_test("wizard", |name: String| name.ends_with("the Wise"))
    ///     .function("plus_one", |number: u32| number + 1)
    ///     .global("year", 2026);
    /// ```
    #[must_use]
    pub fn filter<F, Rv, Args>(self, name: &'static str, filter: F) -> Self
    where
        F: functions::Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment(move |environment| environment.add_filter(name, filter))
    }

    /// Gives every template a test: `{% if name is wizard %}`.
    #[must_use]
    pub fn template_test<F, Rv, Args>(self, name: &'static str, test: F) -> Self
    where
        F: functions::Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment(move |environment| environment.add_test(name, test))
    }

    /// Gives every template a function: `{{ plus_one(7) }}`.
    #[must_use]
    pub fn function<F, Rv, Args>(self, name: &'static str, function: F) -> Self
    where
        F: functions::Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment(move |environment| environment.add_function(name, function))
    }

    /// Gives every template a value, the same for all requests; what a handler passes under that name wins.
    #[must_use]
    pub fn global(self, name: &'static str, value: impl Serialize) -> Self {
        let value = Value::from(Serde(value));
        self.environment(move |environment| environment.add_global(name, value))
    }

    /// Changes minijinja's environment in any other way, when the app is built.
    #[must_use]
    pub fn environment(mut self, change: impl FnOnce(&mut Environment<'static>) + Send + 'static) -> Self {
        self.templates.changes.push(Box::new(change));
        self
    }

    /// Gives every template a value that depends on the request. It is worked out when a template looks at `name`, at
    /// each look, and for no other page. What has to be waited for belongs into a
    /// [`before_request`](Self::before_request) hook and [`g`](Request::g).
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::{App, Request};
    ///
    /// let app = App::new("demo").context_processor("is_home", |request: &Request| request.path() == "/");
    /// ```
    #[must_use]
    pub fn context_processor<T: Serialize>(
        mut self,
        name: &'static str,
        value: impl Fn(&Request) -> T + Send + Sync + 'static,
    ) -> Self {
        let processor: Processor = Box::new(move |request| Value::from(Serde(value(request))));
        self.templates.values.processors.insert(0, (name, processor));
        self
    }

    /// Sets a value of the app's own configuration that templates may show, as `{{ config.NAME }}`; handlers read it
    /// with [`Request::config`]. Secrets do not belong here: whatever is in it, a template can print.
    #[must_use]
    pub fn config(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.templates.values.config.insert(name, Value::from(Serde(value)));
        self
    }
}

impl TemplateSetup {
    /// Gives an environment what it has whatever the request; the app's own wins.
    pub(crate) fn apply(
        self,
        templates: &mut Templates,
        urls: &Arc<Urls>,
        csrf_tokens: bool,
    ) -> TemplateValues {
        let environment = templates.environment_mut();
        urls::add_to(environment, urls.clone());
        let config = self.values.config.iter().map(|(name, value)| (*name, value.clone()));
        environment.add_global("config", Value::from_pairs(config));
        for change in self.changes {
            change(environment);
        }
        TemplateValues { csrf_tokens, ..self.values }
    }
}

fn switched_off() -> Result<Value, minijinja::Error> {
    let advice = "this app asks for no CSRF tokens; switch them on with App::csrf_tokens()";
    Err(minijinja::Error::new(minijinja::ErrorKind::InvalidOperation, advice))
}

impl TemplateValues {
    /// What every template can look up beyond what it is passed.
    pub(crate) fn look_up(&self, name: &str, request: &Request) -> Option<Value> {
        match name {
            "request" => Some(Value::from_object(RequestView(request.clone()))),
            "g" => Some(Value::from_object(GView(request.clone()))),
            "session_panel" => request.app().panel.is_some().then(|| panel::PATH.into()),
            // A token that nobody asks for protects nobody.
            "csrf_token" | "csrf_field" if !self.csrf_tokens => Some(Value::from_function(switched_off)),
            name => self.processors.iter().find(|(found, _)| *found == name).map(|(_, value)| value(request)),
        }
    }
}
