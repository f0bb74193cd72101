//! Names and functions that an app gives its templates.

use minijinja::value::{FunctionArgs, FunctionResult, Serde};
use minijinja::{Environment, Value, functions};
use serde::Serialize;

use super::App;
use crate::request::Request;

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

    /// Gives every template a value, the same for all requests. A value that a handler passes under that name wins.
    #[must_use]
    pub fn global(self, name: &'static str, value: impl Serialize) -> Self {
        let value = Value::from(Serde(value));
        self.environment(move |environment| environment.add_global(name, value))
    }

    /// Changes minijinja's environment in any other way, when the app is built.
    #[must_use]
    pub fn environment(mut self, change: impl FnOnce(&mut Environment<'static>) + Send + 'static) -> Self {
        self.templates.add_change(Box::new(change));
        self
    }

    /// Gives every template a value that depends on the request.
    ///
    /// It is computed each time a template reads `name`, and for no other page. A value that has to be awaited belongs
    /// into a [`before_request`](Self::before_request) hook and [`g`](Request::g).
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

    /// Sets a value of the app's configuration: `{{ config.NAME }}` in templates, [`Request::config`] in handlers.
    ///
    /// Secrets do not belong here: a template can print them.
    #[must_use]
    pub fn config(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.templates.set_config(name, Value::from(Serde(value)));
        self
    }
}
