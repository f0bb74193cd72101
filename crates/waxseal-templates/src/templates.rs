//! The templates of an app, ready to render.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use minijinja::value::ValueKind;
use minijinja::{Environment, ErrorKind, Value, path_loader};
use minijinja_contrib::pycompat;
use waxseal_store::Session;

use crate::page::Page;
use crate::{Context, Error, Folder};

/// The templates of an app: Jinja's language, escaped in `.html`, with `session` in every one of them.
///
/// Undefined variables print as nothing, as in Flask; Python's methods (`session.get('name')`, `.items()`,
/// `.upper()`) work on the values that have them.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
}

impl Templates {
    /// Templates that were built into the program. All are compiled now, none is looked at again.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first template that is no Jinja, or not UTF-8.
    pub fn embedded(folder: &Folder) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (name, bytes) in folder.files() {
            let source = std::str::from_utf8(bytes).map_err(|_| Error::not_utf8(&name))?;
            sources.push((name, source));
        }
        Self::from_sources(sources)
    }

    /// Templates given as names and sources. All are compiled now.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first template that is no Jinja.
    pub fn from_sources<N, S>(sources: impl IntoIterator<Item = (N, S)>) -> Result<Self, Error>
    where
        N: Into<Cow<'static, str>>,
        S: Into<Cow<'static, str>>,
    {
        let mut environment = environment();
        environment.set_auto_reload(false);
        for (name, source) in sources {
            environment.add_template_owned(name, source)?;
        }
        Ok(Self { environment })
    }

    /// Templates that are read from `path` when first used, and again when they change: for development.
    #[must_use]
    pub fn reloading(path: &std::path::Path) -> Self {
        let mut environment = environment();
        environment.set_loader(path_loader(path));
        environment.set_auto_reload(true);
        Self { environment }
    }

    /// minijinja's environment, to add filters, tests, functions and globals.
    pub fn environment_mut(&mut self) -> &mut Environment<'static> {
        &mut self.environment
    }

    /// Whether a template of this name is there and compiles.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.environment.get_template(name).is_ok()
    }

    /// Renders the template called `name` with `context`.
    ///
    /// `session` is called when the template asks for it, and only then. A `session` in the context wins. If it has none
    /// to give because somebody has to be waited for, rendering ends with an error that says so
    /// ([`Error::wants_session`]): load the session and render again.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no such template, or it is no Jinja, or fails.
    pub fn render<S>(&self, name: &str, context: Context, session: S) -> Result<String, Error>
    where
        S: Fn() -> Option<Session> + Send + Sync + 'static,
    {
        self.render_with(name, context, session, |_: &str| None)
    }

    /// The same, where `names` is asked for what neither the context nor `session` is; a global of the environment comes
    /// last. It is asked at each look, so what it gives should cost little, or be kept by the caller.
    ///
    /// # Errors
    ///
    /// As for [`render`](Self::render).
    ///
    /// # Example
    ///
    /// ```
    /// use minijinja::Value;
    /// use waxseal_templates::{Templates, context};
    ///
    /// let templates = Templates::from_sources([("page.txt", "{{ path }} {{ nothing }}")])?;
    /// let names = |name: &str| (name == "path").then(|| Value::from("/wizard"));
    /// # let no_session = || unreachable!();
    /// assert_eq!(templates.render_with("page.txt", context! {}, no_session, names)?, "/wizard ");
    /// # Ok::<(), waxseal_templates::Error>(())
    /// ```
    pub fn render_with<S, N>(
        &self,
        name: &str,
        context: Context,
        session: S,
        names: N,
    ) -> Result<String, Error>
    where
        S: Fn() -> Option<Session> + Send + Sync + 'static,
        N: Fn(&str) -> Option<Value> + Send + Sync + 'static,
    {
        let template = self.environment.get_template(name)?;
        let wanted = Arc::new(AtomicBool::new(false));
        let page = Value::from_object(Page::new(context, session, names, wanted.clone()));
        let rendered = template.render(page);
        // A template may go on without: whatever it made then is no page of this visitor's.
        if wanted.load(Ordering::Relaxed) { Err(Error::session_wanted(name)) } else { Ok(rendered?) }
    }
}

fn check(value: &Value) -> Result<(), minijinja::Error> {
    match value.kind() {
        ValueKind::Invalid => Err(minijinja::Error::new(ErrorKind::InvalidOperation, value.to_string())),
        _ => Ok(()),
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    // An entry that cannot be read is a value that fails when something is done with it; minijinja lets two ways pass.
    environment.set_unknown_method_callback(|state, value, method, arguments| {
        let found = pycompat::unknown_method_callback(state, value, method, arguments)?;
        check(&found).map(|()| found)
    });
    environment.set_formatter(|out, state, value| {
        check(value)?;
        minijinja::escape_formatter(out, state, value)
    });
    // So that an error knows the source around it. The values it also keeps are never shown: see `Error`.
    environment.set_debug(true);
    environment
}
