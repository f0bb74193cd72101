//! The arguments of a filter or test, by position and by name.

use minijinja::value::{Kwargs, Rest};
use minijinja::{Error, ErrorKind, Value};

/// Gives names to the positional arguments, as Python does.
pub(crate) fn named(parameters: &[&str], positional: Rest<Value>, named: &Kwargs) -> Result<Kwargs, Error> {
    if positional.len() > parameters.len() {
        return Err(ErrorKind::TooManyArguments.into());
    }
    let mut all: Vec<(String, Value)> = Vec::new();
    for name in named.args() {
        if parameters.iter().take(positional.len()).any(|taken| *taken == name) {
            let detail = format!("argument {name} is given twice, once by position");
            return Err(Error::new(ErrorKind::InvalidOperation, detail));
        }
        all.push((name.to_owned(), named.get(name)?));
    }
    all.extend(parameters.iter().map(|name| (*name).to_owned()).zip(positional.0));
    Ok(all.into_iter().collect())
}
