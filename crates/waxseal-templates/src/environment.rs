//! The minijinja environment for templates that use a session.

use minijinja::value::{Kwargs, Rest, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, Value};
use minijinja_contrib::pycompat;
use waxseal_session::Session;

use crate::session::SessionMap;
use crate::{functions, jinja, parameters, unknown_names};

/// Prepares an app's own environment for templates that use a session.
///
/// Afterwards, Python's methods work on values (`session.get('name')`, `.items()`, `.upper()`), and the filters and
/// functions of Jinja that minijinja lacks are available (`truncate`, `urlize`, `wordwrap` …).
/// `get_flashed_messages()`, `csrf_token()` and `csrf_field()` are functions that use the `session` in the context,
/// which [`session_value`] makes.
///
/// Which templates are escaped stays as it is in the environment: see [`auto_escape`](crate::auto_escape).
///
/// This replaces the environment's formatter, its callback for unknown methods, and everything of the same name. So add
/// the app's own functions afterwards, and then call [`check_names`].
///
/// # Example
///
/// ```
/// use waxseal_session::Session;
/// use waxseal_templates::minijinja::{Environment, context};
/// use waxseal_templates::{add_to, session_value};
///
/// let mut environment = Environment::new();
/// environment.add_template("hello.html", "{{ session.get('name', 'stranger') }}: {{ get_flashed_messages()[0] }}")?;
/// add_to(&mut environment);
///
/// let session = Session::new();
/// session.insert("name", "Rincewind")?;
/// session.flash("info", "Welcome.")?;
/// let page = environment.get_template("hello.html")?.render(context! { session => session_value(&session) })?;
/// assert_eq!(page, "Rincewind: Welcome.");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn add_to(environment: &mut Environment<'_>) {
    prepare(environment);
    for name in functions::NAMES {
        environment.add_function(
            name,
            move |state: &mut State<'_, '_>, arguments: Rest<Value>, named: Kwargs| {
                let session = session_of(state)?;
                let is_named = named.args().next().is_some();
                let arguments: Vec<_> =
                    arguments.0.into_iter().chain(is_named.then(|| named.into())).collect();
                let function =
                    functions::look_up(name, move || Ok(session.clone())).expect("it is one of the names");
                function.call(state, &arguments)
            },
        );
    }
}

/// Checks that the environment has every filter and test that its templates name, so that a misspelt name is found at
/// start and not when its line is rendered. Call it once the environment has everything that the app adds.
///
/// Names in strings, as in `map('upper')`, are not checked; they are looked up when the line is rendered, as in Jinja.
/// Neither are templates that a loader has not loaded yet, nor those of an environment with custom delimiters.
///
/// # Errors
///
/// [`crate::Error`] with the place of the first unknown name.
///
/// # Example
///
/// ```
/// use waxseal_templates::{add_to, check_names, minijinja::Environment};
///
/// let mut environment = Environment::new();
/// environment.add_template("page.html", "{{ name|truncat(10) }}")?;
/// add_to(&mut environment);
/// let error = check_names(&environment).unwrap_err();
/// assert!(error.to_string().starts_with("template page.html, line 1: there is no filter called truncat;"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn check_names(environment: &Environment<'_>) -> Result<(), crate::Error> {
    unknown_names::check_all(environment)
}

/// The session as a value for the context of any template, under the name `session`. An entry is decoded when a
/// template reads it. A template that reads none does not access the session.
#[must_use]
pub fn session_value(session: &Session) -> Value {
    Value::from_object(SessionMap(session.clone()))
}

/// The session in the template's context.
fn session_of(state: &State<'_, '_>) -> Result<Session, Error> {
    let found = state.lookup("session");
    let session = found.as_ref().and_then(|value| value.downcast_object_ref::<SessionMap>());
    session.map(|map| map.0.clone()).ok_or_else(|| {
        let text =
            "the context has no session; render with `session => waxseal_templates::session_value(&session)`";
        Error::new(ErrorKind::UndefinedError, text)
    })
}

/// Adds what minijinja lacks of Jinja, and sets up what session values need.
pub(crate) fn prepare(environment: &mut Environment<'_>) {
    jinja::add_to(environment);
    parameters::add_to(environment);
    // An unreadable entry is a value of which every use fails. minijinja lets two kinds of use pass, which are checked
    // here.
    environment.set_unknown_method_callback(|state, value, method, arguments| {
        let found = pycompat::unknown_method_callback(state, value, method, arguments)?;
        check(&found).map(|()| found)
    });
    environment.set_formatter(|out, state, value| {
        check(value)?;
        minijinja::escape_formatter(out, state, value)
    });
}

fn check(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Invalid => Err(Error::new(ErrorKind::InvalidOperation, value.to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use minijinja::context;

    use super::*;

    fn environment(source: &'static str) -> Environment<'static> {
        let mut environment = Environment::new();
        environment.add_template("page.html", source).unwrap();
        add_to(&mut environment);
        environment
    }

    fn render(source: &'static str, session: &Session) -> Result<String, Error> {
        environment(source).get_template("page.html")?.render(context! { session => session_value(session) })
    }

    #[test]
    fn the_functions_find_the_session_of_the_context_also_in_a_loop_and_an_include() {
        let session = Session::new();
        session.flash("info", "Hello.").unwrap();
        let source =
            "{% for c, m in get_flashed_messages(with_categories=true) %}{{ c }}: {{ m }}{% endfor %}";
        assert_eq!(render(source, &session).unwrap(), "info: Hello.");
        // Only a session from a manager has a key for tokens.
        let error = render("{{ csrf_field() }}", &session).unwrap_err();
        assert!(error.to_string().contains("there is no CSRF token"), "{error}");
        let mut environment = environment("{% for n in [1] %}{% include 'part.html' %}{% endfor %}");
        environment.add_template("part.html", "{{ get_flashed_messages()|length }}").unwrap();
        let session = Session::new();
        session.flash("info", "One.").unwrap();
        let context = context! { session => session_value(&session) };
        assert_eq!(environment.get_template("page.html").unwrap().render(context).unwrap(), "1");
    }

    #[test]
    fn an_environment_of_the_apps_own_has_jinjas_filters_and_finds_unknown_ones() {
        let session = Session::new();
        session.insert("text", "one two three").unwrap();
        let source =
            "{{ session.text|truncate(8, leeway=0) }} {{ session.text|wordcount }} {{ session.text|own }}";
        let mut environment = environment(source);
        let error = check_names(&environment).unwrap_err().to_string();
        assert!(error.starts_with("template page.html, line 1: there is no filter called own"), "{error}");
        environment.add_filter("own", |text: &str| text.len());
        check_names(&environment).unwrap();
        let context = context! { session => session_value(&session) };
        let page = environment.get_template("page.html").unwrap().render(context).unwrap();
        assert_eq!(page, "one... 3 13");
    }

    #[test]
    fn a_template_that_reads_no_entry_has_not_accessed_the_session() {
        let session = Session::new();
        assert_eq!(render("plain", &session).unwrap(), "plain");
        assert!(!session.is_accessed());
        assert_eq!(render("{{ session.name }}", &session).unwrap(), "");
        assert!(session.is_accessed());
    }

    #[test]
    fn without_a_session_in_the_context_a_function_says_what_to_write() {
        let environment = environment("{{ csrf_token() }}");
        let template = environment.get_template("page.html").unwrap();
        for context in [context! {}, context! { session => "mine" }] {
            let error = template.render(context).unwrap_err();
            assert!(error.to_string().contains("session => waxseal_templates::session_value"), "{error}");
        }
    }
}
