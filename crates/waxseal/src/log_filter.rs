//! Which lines are logged.

use std::str::FromStr;

use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;

/// The target of requests' spans.
pub(crate) const REQUESTS: &str = "waxseal::request";
/// The target of the access log.
pub(crate) const ACCESS_LOG: &str = "waxseal::access";
/// The target of the counts of repeated lines.
pub(crate) const REPEATED: &str = "waxseal::repeated";

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
        Self(Targets::new().with_default(Level::INFO))
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

    /// The targets of this filter, and those that a level for all modules does not decide unless they are named: the
    /// counts of lines that passed the filter, and an access log that was asked for, with the spans that it shows.
    pub(crate) fn targets(&self, access_log: bool) -> Targets {
        let added = [
            (REPEATED, Level::INFO, true),
            (ACCESS_LOG, Level::INFO, access_log),
            (REQUESTS, Level::ERROR, access_log),
        ];
        added.into_iter().fold(self.0.clone(), |targets, (target, level, is_wanted)| {
            let is_decided =
                self.0.would_enable(target, &level) || self.0.iter().any(|(named, _)| named == target);
            if is_wanted && !is_decided { targets.with_target(target, level) } else { targets }
        })
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
            assert_eq!(filter.targets(false).would_enable(target, &level), is_logged, "{target} at {level}");
        }
    }

    /// Whoever wants warnings alone and an access log gets both, and how often a line was repeated.
    #[test]
    fn a_level_for_all_modules_hides_neither_counts_nor_an_access_log_that_was_asked_for() {
        for (text, access_log, enabled) in [
            ("info", false, [true, true, true]),
            ("warn", false, [true, false, true]),
            ("warn", true, [true, true, true]),
            ("off", false, [true, false, false]),
            ("off", true, [true, true, true]),
            ("waxseal=error,shop=info", true, [true, true, true]),
            ("info,waxseal::access=off", true, [true, false, true]),
            ("off,waxseal::request=off,waxseal::repeated=off", true, [false, true, false]),
        ] {
            let targets = text.parse::<LogFilter>().unwrap().targets(access_log);
            let found = [(REPEATED, Level::INFO), (ACCESS_LOG, Level::INFO), (REQUESTS, Level::ERROR)]
                .map(|(target, level)| targets.would_enable(target, &level));
            assert_eq!(found, enabled, "{text}, {access_log}");
            let below = targets.would_enable("waxseal::request::body", &Level::WARN);
            assert_eq!(
                below,
                matches!(text, "info" | "warn" | "info,waxseal::access=off"),
                "{text}: no other module's lines"
            );
        }
    }

    #[test]
    fn a_text_that_is_no_filter_says_what_to_write() {
        for text in ["loud", "waxseal=loud", "waxseal[request]=info", "[{id=7}]=debug"] {
            let wrong = text.parse::<LogFilter>().unwrap_err();
            assert!(wrong.contains(text) && wrong.contains("info,waxseal_manager=debug"), "{wrong}");
        }
        let (filter, wrong) = LogFilter::from_rust_log(Some("a=b=c"));
        assert!(filter.targets(false).would_enable("shop", &Level::INFO));
        assert!(wrong.unwrap().starts_with("RUST_LOG is not used: `a=b=c` is no log filter"));
        assert_eq!(LogFilter::from_rust_log(Some("")).1, None);
        let (filter, wrong) = LogFilter::from_rust_log(Some("shop"));
        assert!(filter.targets(false).would_enable("shop::cart", &Level::TRACE) && wrong.is_none());
    }
}
