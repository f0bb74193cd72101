//! Which lines are logged.

use std::str::FromStr;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// Which lines are logged: a level for all modules, and levels for single modules, as in `RUST_LOG`.
///
/// # Example
///
/// ```
/// use waxseal::LogFilter;
///
/// let filter: LogFilter = "info,waxseal_manager=debug,hyper=off".parse()?;
/// assert!("info,waxseal_manager=loud".parse::<LogFilter>().is_err());
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct LogFilter(Targets);

impl Default for LogFilter {
    /// `info`.
    fn default() -> Self {
        Self(Targets::new().with_default(tracing::Level::INFO))
    }
}

impl LogFilter {
    /// The filter of the variable `RUST_LOG`. Without the variable, or if its text is not a filter, it is the default.
    /// The second value says what is wrong with the text.
    pub(crate) fn from_rust_log(variable: Option<&str>) -> (Self, Option<String>) {
        // In `RUST_LOG` a module's name alone means all of its lines.
        let parsed = variable.filter(|text| !text.is_empty()).map(|text| match is_module(text) {
            true => Self::from_str(&format!("{text}=trace")),
            false => text.parse(),
        });
        match parsed {
            None => (Self::default(), None),
            Some(Ok(filter)) => (filter, None),
            Some(Err(wrong)) => (Self::default(), Some(format!("RUST_LOG is not used: {wrong}"))),
        }
    }

    pub(crate) fn targets(&self) -> Targets {
        self.0.clone()
    }
}

impl FromStr for LogFilter {
    type Err = String;

    /// # Errors
    ///
    /// A sentence that says what to write. A single word that is not a level is refused too, since it may be a misspelt
    /// level.
    fn from_str(text: &str) -> Result<Self, String> {
        let form = "write a level (error, warn, info, debug, trace, off), also for a module, as in \
                    info,waxseal_manager=debug; fields and spans cannot be chosen";
        if text.contains(['[', '{']) {
            return Err(format!("`{text}` chooses fields or spans; {form}"));
        }
        let parsed = text.parse().ok().filter(|_| !is_module(text));
        parsed.map(Self).ok_or_else(|| format!("`{text}` is no log filter; {form}"))
    }
}

/// Returns `true` if the text is a single word that is not a level.
fn is_module(text: &str) -> bool {
    !text.contains(['=', ',', '[', '{']) && text.parse::<LevelFilter>().is_err()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn levels_stand_for_all_modules_or_for_one() {
        let filter: LogFilter = "warn,waxseal_manager=debug,hyper=off".parse().unwrap();
        for (target, level, is_logged) in [
            ("shop", Level::WARN, true),
            ("shop", Level::INFO, false),
            ("waxseal_manager::open", Level::DEBUG, true),
            ("waxseal_manager::open", Level::TRACE, false),
            ("hyper::proto", Level::ERROR, false),
        ] {
            assert_eq!(filter.targets().would_enable(target, &level), is_logged, "{target} at {level}");
        }
    }

    #[test]
    fn a_text_that_is_no_filter_says_what_to_write() {
        for text in ["loud", "waxseal=loud", "waxseal[request]=info", "[{id=7}]=debug"] {
            let wrong = text.parse::<LogFilter>().unwrap_err();
            assert!(wrong.contains(text) && wrong.contains("info,waxseal_manager=debug"), "{wrong}");
        }
        let (filter, wrong) = LogFilter::from_rust_log(Some("a=b=c"));
        assert!(filter.targets().would_enable("shop", &Level::INFO));
        assert!(wrong.unwrap().starts_with("RUST_LOG is not used: `a=b=c` is no log filter"));
        assert_eq!(LogFilter::from_rust_log(Some("")).1, None);
        let (filter, wrong) = LogFilter::from_rust_log(Some("shop"));
        assert!(filter.targets().would_enable("shop::cart", &Level::TRACE) && wrong.is_none());
    }
}
