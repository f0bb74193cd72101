//! Errors of rendering.

use std::fmt;

use minijinja::Template;

/// An error of rendering a page, with the template, the line and the detail.
///
/// minijinja's own error keeps every value that the template could see and prints them in its debug form. This one
/// prints only the name, line and detail, in every form, so it can be logged. (If a template includes another by a name
/// from the session, that name is printed.)
pub struct Error {
    detail: String,
    name: Option<String>,
    line: Option<usize>,
    source: Option<String>,
    missing: bool,
    wants_session: bool,
}

impl Error {
    pub(crate) fn not_utf8(name: &str) -> Self {
        Self::plain("the template is not UTF-8", name, false)
    }

    pub(crate) fn session_wanted(name: &str) -> Self {
        Self::plain("the template reads the session, which is not loaded", name, true)
    }

    pub(crate) fn unknown_name(kind: &str, unknown: &str, place: &Template<'_, '_>, line: usize) -> Self {
        let detail = format!("there is no {kind} called {unknown}; the environment needs one of this name");
        let source = Some(place.source().to_owned());
        Self { line: Some(line), source, ..Self::plain(&detail, place.name(), false) }
    }

    fn plain(detail: &str, name: &str, wants_session: bool) -> Self {
        let (detail, name) = (detail.to_owned(), Some(name.to_owned()));
        Self { detail, name, line: None, source: None, missing: false, wants_session }
    }

    /// The detail of the error, without the name and line.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// The name of the template with the error, if known.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The line of the error, from 1, if known.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        self.line
    }

    /// Returns true if no template has the requested name.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        self.missing
    }

    /// Returns true if the template asked for a session that was not loaded: load it and render again.
    #[must_use]
    pub fn wants_session(&self) -> bool {
        self.wants_session
    }

    /// The lines of the template around the error, at most `around` on either side, with their numbers.
    pub fn excerpt(&self, around: usize) -> impl Iterator<Item = (usize, &str)> {
        let line = self.line.unwrap_or(1);
        let lines = self.source.as_deref().unwrap_or("").lines();
        let numbered = lines.enumerate().map(|(at, text)| (at + 1, text));
        numbered
            .skip_while(move |(number, _)| number + around < line)
            .take_while(move |(number, _)| *number <= line + around)
    }
}

impl From<minijinja::Error> for Error {
    fn from(error: minijinja::Error) -> Self {
        // An error inside an include or a macro is the source of the outer one. The innermost place is the one to look at.
        let mut innermost = &error;
        let mut detail = describe(&error);
        while let Some(source) = std::error::Error::source(innermost) {
            match source.downcast_ref::<minijinja::Error>() {
                Some(inner) => {
                    innermost = inner;
                    detail = describe(inner);
                }
                None => {
                    detail = format!("{detail}: {source}");
                    break;
                }
            }
        }
        Self {
            detail,
            name: innermost.name().map(str::to_owned),
            line: innermost.line(),
            source: innermost.template_source().map(str::to_owned),
            missing: error.kind() == minijinja::ErrorKind::TemplateNotFound,
            wants_session: false,
        }
    }
}

fn describe(error: &minijinja::Error) -> String {
    match error.detail() {
        Some(detail) => format!("{}: {detail}", error.kind()),
        None => error.kind().to_string(),
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.line) {
            (Some(name), Some(line)) => write!(f, "template {name}, line {line}: {}", self.detail),
            (Some(name), None) => write!(f, "template {name}: {}", self.detail),
            _ => f.write_str(&self.detail),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Error({self})")
    }
}

impl std::error::Error for Error {}
