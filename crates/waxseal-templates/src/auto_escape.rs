//! The names of templates that are escaped.

use minijinja::{AutoEscape, default_auto_escape_callback};

/// Escapes HTML in templates of the names that Flask escapes: `.html`, `.htm`, `.xml`, `.xhtml` and `.svg`, also with
/// `.j2`, `.jinja` or `.jinja2` behind. Any other name is as minijinja has it.
///
/// [`Templates`](crate::Templates) use this rule. minijinja's own leaves out `.xhtml` and `.svg`, so an app with an
/// environment of its own sets it there.
///
/// # Example
///
/// ```
/// use waxseal_templates::auto_escape;
/// use waxseal_templates::minijinja::{Environment, context};
///
/// let mut environment = Environment::new();
/// environment.set_auto_escape_callback(auto_escape);
/// environment.add_template("avatar.svg", "<title>{{ name }}</title>")?;
/// let picture = environment.get_template("avatar.svg")?.render(context! { name => "<script>" })?;
/// assert_eq!(picture, "<title>&lt;script&gt;</title>");
/// # Ok::<(), waxseal_templates::minijinja::Error>(())
/// ```
#[must_use]
pub fn auto_escape(name: &str) -> AutoEscape {
    let stripped = [".j2", ".jinja2", ".jinja"].iter().find_map(|ending| name.strip_suffix(ending));
    match stripped.unwrap_or(name).rsplit_once('.') {
        Some((_, "svg" | "xhtml")) => AutoEscape::Html,
        _ => default_auto_escape_callback(name),
    }
}
