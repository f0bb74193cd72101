//! Filters, functions and values that an app adds to its templates.

use minijinja::value::{FunctionArgs, FunctionResult, Serde};
use minijinja::{Environment, Value, functions};
use serde::Serialize;

use super::App;
use crate::request::Request;

impl App {
    /// Adds a filter to all templates: `{{ name | shout }}`.
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

    /// Adds a test to all templates: `{% if name is wizard %}`.
    #[must_use]
    pub fn template_test<F, Rv, Args>(self, name: &'static str, test: F) -> Self
    where
        F: functions::Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment(move |environment| environment.add_test(name, test))
    }

    /// Adds a function to all templates: `{{ plus_one(7) }}`.
    #[must_use]
    pub fn function<F, Rv, Args>(self, name: &'static str, function: F) -> Self
    where
        F: functions::Function<Rv, Args>,
        Rv: FunctionResult,
        Args: for<'a> FunctionArgs<'a>,
    {
        self.environment(move |environment| environment.add_function(name, function))
    }

    /// Adds a value to all templates, the same for every request. A value that a handler passes under the same name wins.
    #[must_use]
    pub fn global(self, name: &'static str, value: impl Serialize) -> Self {
        let value = Value::from(Serde(value));
        self.environment(move |environment| environment.add_global(name, value))
    }

    /// Changes minijinja's environment in any other way. The closure runs when the app is built.
    #[must_use]
    pub fn environment(mut self, change: impl FnOnce(&mut Environment<'static>) + Send + 'static) -> Self {
        self.templates.add_change(Box::new(change));
        self
    }

    /// Adds a value to all templates that depends on the request.
    ///
    /// It is computed each time a template reads `name`, and not otherwise. A value that has to be awaited belongs in a
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
        self.templates.add_processor(name, Box::new(move |request| Value::from(Serde(value(request)))));
        self
    }

    /// Sets a value of the app's configuration. Templates read it as `{{ config.NAME }}`, handlers with
    /// [`Request::config`].
    ///
    /// Secrets do not belong here: a template can print them.
    #[must_use]
    pub fn config(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.templates.set_config(name, Value::from(Serde(value)));
        self
    }
}
