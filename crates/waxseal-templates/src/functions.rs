//! Functions of the session in templates: messages and CSRF tokens. The names are those of Flask and Flask-WTF.

use minijinja::value::Kwargs;
use minijinja::{Error, ErrorKind, Value};
use waxseal_session::Session;

/// The names of the functions.
pub(crate) const NAMES: [&str; 3] = ["get_flashed_messages", "csrf_token", "csrf_field"];

/// The function of this name, if it is one of [`NAMES`]. The session is asked for when the function is called.
pub(crate) fn look_up(
    name: &str,
    session: impl Fn() -> Result<Session, Error> + Send + Sync + 'static,
) -> Option<Value> {
    Some(match name {
        "get_flashed_messages" => {
            Value::from_function(move |with: Option<bool>, only: Option<Vec<String>>, named: Kwargs| {
                let with = with.map_or_else(|| named.get("with_categories"), |with| Ok(Some(with)))?;
                let only = only.map_or_else(|| named.get("category_filter"), |only| Ok(Some(only)))?;
                named.assert_all_used()?;
                Ok(messages(&session()?, with.unwrap_or_default(), &only.unwrap_or_default()))
            })
        }
        "csrf_token" => Value::from_function(move || csrf_token(&session()?)),
        "csrf_field" => Value::from_function(move || {
            let token = csrf_token(&session()?)?;
            let field = format!(r#"<input type="hidden" name="csrf_token" value="{token}">"#);
            Ok::<_, Error>(Value::from_safe_string(field))
        }),
        _ => return None,
    })
}

fn messages(session: &Session, with_categories: bool, only: &[String]) -> Value {
    let only: Vec<_> = only.iter().map(String::as_str).collect();
    let flashes = session.flashed_messages(&only).into_iter();
    flashes
        .map(|flash| {
            let message = match flash.is_markup {
                true => Value::from_safe_string(flash.message),
                false => flash.message.into(),
            };
            if with_categories { Value::from(vec![flash.category.into(), message]) } else { message }
        })
        .collect()
}

fn csrf_token(session: &Session) -> Result<String, Error> {
    session
        .csrf_token()
        .map_err(|error| Error::new(ErrorKind::InvalidOperation, "there is no CSRF token").with_source(error))
}
