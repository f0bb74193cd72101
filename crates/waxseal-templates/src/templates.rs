//! The templates of an app, ready to render.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use minijinja::{Environment, Value, path_loader};
use waxseal_session::Session;

use crate::environment::{check_names, prepare};
use crate::page::Page;
use crate::{Context, Error, Folder, session_use, unknown_names};

/// The templates of an app in Jinja's language, escaped in `.html`, with `session` in all of them.
///
/// Undefined variables print as nothing, as in Flask; Python's methods (`session.get('name')`, `.items()`,
/// `.upper()`) work on the values that have them.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Answers of [`reads_session`](Self::reads_session); `None` if templates may change at any time.
    session_readers: Option<RwLock<BTreeMap<String, bool>>>,
}

impl Templates {
    /// Compiles all templates of a folder that was built into the program.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first template with a syntax error, or not in UTF-8.
    pub fn embedded(folder: &Folder) -> Result<Self, Error> {
        let mut sources = Vec::new();
        for (name, bytes) in folder.files() {
            let source = std::str::from_utf8(bytes).map_err(|_| Error::not_utf8(&name))?;
            sources.push((name, source));
        }
        Self::from_sources(sources)
    }

    /// Compiles templates from names and sources.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first template with a syntax error.
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
        Ok(Self { environment, session_readers: Some(RwLock::default()) })
    }

    /// Reads templates from `path` when they are first used, and again when they change: for development.
    #[must_use]
    pub fn reloading(path: &std::path::Path) -> Self {
        let mut environment = environment();
        environment.set_loader(path_loader(path));
        environment.set_auto_reload(true);
        Self { environment, session_readers: None }
    }

    /// minijinja's environment, to add filters, tests, functions and globals.
    pub fn environment_mut(&mut self) -> &mut Environment<'static> {
        // The caller may replace templates.
        self.session_readers = self.session_readers.take().map(|_| RwLock::default());
        &mut self.environment
    }

    /// Checks the compiled templates as [`check_names`] does, once the environment has all of the app's own.
    ///
    /// Templates that are [reloaded](Self::reloading) are checked when they are rendered, and those that they bring in.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place of the first name that is unknown.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_templates::Templates;
    ///
    /// let templates = Templates::from_sources([("page.html", "{{ name|truncat(10) }}")])?;
    /// let error = templates.check_names().unwrap_err();
    /// assert!(error.to_string().starts_with("template page.html, line 1: there is no filter called truncat;"));
    /// # Ok::<(), waxseal_templates::Error>(())
    /// ```
    pub fn check_names(&self) -> Result<(), Error> {
        check_names(&self.environment)
    }

    /// Returns true if a template of this name exists and compiles.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.environment.get_template(name).is_ok()
    }

    /// Returns true if the template called `name` may read the session: `session`, messages or form tokens, itself or by a
    /// template that it includes, imports or extends.
    ///
    /// So a caller that has to wait for the session can load it first and render once. The answer errs towards true: a
    /// branch may not be taken, and a template that is included by a computed name may be any. It does not see a function
    /// of the environment that looks up `session` by itself; [`Error::wants_session`] tells of that.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal_templates::Templates;
    ///
    /// let templates = Templates::from_sources([
    ///     ("base.html", "{% block body %}{% endblock %}{{ session.name }}"),
    ///     ("page.html", "{% extends 'base.html' %}"),
    ///     ("plain.html", "{% for session in sessions %}{{ session.name }}{% endfor %}"),
    /// ])?;
    /// assert!(templates.reads_session("page.html"));
    /// assert!(!templates.reads_session("plain.html"));
    /// # Ok::<(), waxseal_templates::Error>(())
    /// ```
    #[must_use]
    pub fn reads_session(&self, name: &str) -> bool {
        let Some(known) = &self.session_readers else {
            return session_use::reads_session(&self.environment, name);
        };
        if let Some(&reads) = known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            return reads;
        }
        let reads = session_use::reads_session(&self.environment, name);
        // Names of templates that do not exist may come from anywhere; they are not kept.
        if self.contains(name) {
            known.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), reads);
        }
        reads
    }

    /// Renders the template called `name` with `context`.
    ///
    /// `session` is called when the template asks for the session, and only then. A `session` in the context wins. If
    /// `session` returns `None`, because loading has to wait for a store, rendering ends with an error
    /// ([`Error::wants_session`]): load the session and render again.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no such template, or it has a syntax error, or fails.
    pub fn render<S>(&self, name: &str, context: Context, session: S) -> Result<String, Error>
    where
        S: Fn() -> Option<Session> + Send + Sync + 'static,
    {
        self.render_with(name, context, session, |_: &str| None)
    }

    /// Renders with further names: `names` is asked for each that neither the context nor `session` answers, before
    /// globals of the environment.
    ///
    /// It is asked at each lookup, so its answers should cost little, or be kept by the caller.
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
        if self.session_readers.is_none() {
            unknown_names::check(&self.environment, name)?;
        }
        let wanted = Arc::new(AtomicBool::new(false));
        let page = Value::from_object(Page::new(context, session, names, wanted.clone()));
        let rendered = template.render(page);
        // A template may continue after the error value; its output then is not this visitor's page.
        if wanted.load(Ordering::Relaxed) { Err(Error::session_wanted(name)) } else { Ok(rendered?) }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    prepare(&mut environment);
    // For the source around an error. The values that it keeps, too, are never shown: see `Error`.
    environment.set_debug(true);
    environment
}
