//! The templates of an app, ready to render.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use minijinja::{Environment, Value, path_loader};
use waxseal_session::Session;

use crate::auto_escape::auto_escape;
use crate::environment::{check_names, prepare};
use crate::page::Page;
use crate::{Context, Error, Folder, session_use, unknown_names};

/// The templates of an app, in Jinja's language. Those that [`auto_escape`] names are escaped, and all of them have
/// `session`.
///
/// Undefined variables print as nothing, as in Flask. Python's methods (`session.get('name')`, `.items()`, `.upper()`)
/// work on the values that have them in Python.
#[derive(Debug)]
pub struct Templates {
    environment: Environment<'static>,
    /// Cached results of [`reads_session`](Self::reads_session); `None` if templates may change at any time.
    session_readers: Option<RwLock<BTreeMap<String, bool>>>,
}

impl Templates {
    /// Compiles all templates of a folder that was built into the program.
    ///
    /// # Errors
    ///
    /// [`Error`] for the first template that has a syntax error or is not UTF-8.
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

    /// Reads templates from `path` when they are first used, and again when they change. For development.
    #[must_use]
    pub fn reloading(path: &std::path::Path) -> Self {
        let mut environment = environment();
        environment.set_loader(path_loader(path));
        environment.set_auto_reload(true);
        Self { environment, session_readers: None }
    }

    /// minijinja's environment, to add filters, tests, functions and globals.
    pub fn environment_mut(&mut self) -> &mut Environment<'static> {
        // The caller may replace templates, so cached results are dropped.
        self.session_readers = self.session_readers.take().map(|_| RwLock::default());
        &mut self.environment
    }

    /// Checks the compiled templates as [`check_names`] does. Call it once the environment has everything that the app
    /// adds.
    ///
    /// [Reloaded](Self::reloading) templates, and those that they include, import or extend, are checked when they are
    /// rendered.
    ///
    /// # Errors
    ///
    /// [`Error`] with the place of the first unknown name.
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

    /// Returns `true` if the template named `name` may read the session (`session`, messages or CSRF tokens), either
    /// itself or in a template that it includes, imports or extends.
    ///
    /// A caller that has to wait for the session can then load it first and render once. The result errs towards
    /// `true`: a branch may not be taken, and a template that is included by a computed name may be any. A function of
    /// the environment that looks up `session` by itself is not seen; [`Error::wants_session`] reports it.
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
        // Names of templates that do not exist are not cached, since there may be any number of them.
        if self.contains(name) {
            known.write().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), reads);
        }
        reads
    }

    /// Renders the template named `name` with `context`.
    ///
    /// `session` is called only when the template asks for the session. A `session` in the context wins. If `session`
    /// returns `None`, because loading has to wait for a store, rendering fails with an error
    /// ([`Error::wants_session`]): load the session and render again.
    ///
    /// # Errors
    ///
    /// [`Error`] if there is no such template, it has a syntax error, or rendering it fails.
    pub fn render<S>(&self, name: &str, context: Context, session: S) -> Result<String, Error>
    where
        S: Fn() -> Option<Session> + Send + Sync + 'static,
    {
        self.render_with(name, context, session, |_: &str| None)
    }

    /// Renders with further names. `names` is called for each name that is neither in the context nor `session`, before
    /// the environment's globals are looked up.
    ///
    /// It is called for each lookup, so it should be cheap, or the caller should cache its results.
    ///
    /// # Errors
    ///
    /// Those of [`render`](Self::render).
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
        // A template may go on after the error value; its output is then not this visitor's page.
        if wanted.load(Ordering::Relaxed) { Err(Error::session_wanted(name)) } else { Ok(rendered?) }
    }
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    prepare(&mut environment);
    environment.set_auto_escape_callback(auto_escape);
    // Debug mode keeps the source around an error. It also keeps values, which are never shown: see `Error`.
    environment.set_debug(true);
    environment
}
