//! Names that look like settings but are not.

use clap::Command;

const PREFIX: &str = "WAXSEAL_";
/// Variables with our prefix that are not settings.
const OTHERS: [&str; 3] = ["WAXSEAL_SECRET_KEY", "WAXSEAL_SECRET_KEY_FALLBACKS", "WAXSEAL_SECRET_KEY_FILE"];
/// The similarity from 0 to 1 that a name needs to be suggested.
const SIMILAR: f64 = 0.8;

/// A sentence about a name in a configuration file that looks like a setting but is not; `None` for other names.
pub(crate) fn unknown_setting(name: &str, command: &Command) -> Option<String> {
    unknown(name, command).map(|hint| format!("{name} is no setting{hint}"))
}

/// For a variable with our prefix that is not a setting: the end of a sentence, which suggests the nearest setting or
/// is empty. `None` for other variables.
pub(crate) fn unknown(variable: &str, command: &Command) -> Option<String> {
    if !variable.starts_with(PREFIX) {
        return None;
    }
    let names = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
    let known: Vec<_> = names.chain(OTHERS).collect();
    if known.contains(&variable) {
        return None;
    }
    let likeness = |name: &&str| strsim::normalized_damerau_levenshtein(name, variable);
    let nearest = known.iter().copied().max_by(|a, b| likeness(a).total_cmp(&likeness(b)));
    let meant = nearest.filter(|name| likeness(name) >= SIMILAR);
    Some(meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default())
}
