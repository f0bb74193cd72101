//! Names that look like settings and are none.

use clap::Command;

const PREFIX: &str = "WAXSEAL_";
/// Variables of ours that are no settings.
const OTHERS: [&str; 3] = ["WAXSEAL_SECRET_KEY", "WAXSEAL_SECRET_KEY_FALLBACKS", "WAXSEAL_SECRET_KEY_FILE"];
/// From 0 to 1: below it, no name is near enough to have been meant.
const SIMILAR: f64 = 0.8;

/// The sentence about a line of a configuration file that looks like a setting and is none.
pub(crate) fn unknown_setting(name: &str, command: &Command) -> Option<String> {
    unknown(name, command).map(|hint| format!("{name} is no setting{hint}"))
}

/// The nearest setting, as the end of a sentence, for a variable that looks like one of ours and is none.
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
