//! Values that a handler passes to a template.

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// Names and values that a handler passes to a template. Values are anything that serde can serialize. Made by
/// [`context!`](crate::context).
#[derive(Clone, Default)]
pub struct Context(Vec<(&'static str, Value)>);

/// Makes a [`Context`] from names and values. A `name` alone stands for `name => name`.
///
/// # Example
///
/// ```
/// use std::collections::BTreeMap;
/// use waxseal_templates::{Templates, context};
///
/// let templates = Templates::from_sources([("page.html", "{{ wizard.name }}, {{ age }}")])?;
/// let wizard = BTreeMap::from([("name", "Merlin")]);
/// let age = 1_500;
/// # let no_session = || unreachable!();
/// assert_eq!(templates.render("page.html", context! { wizard, age => age + 1 }, no_session)?, "Merlin, 1501");
/// # Ok::<(), waxseal_templates::Error>(())
/// ```
#[macro_export]
macro_rules! context {
    ($($name:ident $(=> $value:expr)?),* $(,)?) => {
        $crate::Context::default()$(.with(stringify!($name), $crate::context!(@value $name $(=> $value)?)))*
    };
    (@value $name:ident => $value:expr) => { $value };
    (@value $name:ident) => { $name };
}

impl Context {
    /// Adds a value. If a name has several, the first wins.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Serialize) -> Self {
        self.0.push((name, Value::from(Serde(value))));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<Value> {
        self.0.iter().find(|(found, _)| *found == name).map(|(_, value)| value.clone())
    }
}

/// Shows names without values.
impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
