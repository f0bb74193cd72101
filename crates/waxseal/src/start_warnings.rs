//! Warnings about settings that work but are probably not intended.

use clap::CommandFactory;

use crate::session_state::SessionState;
use crate::settings::Settings;
use crate::settings::unknown::unknown;

/// The warnings about these settings. `has_own_store` says that the app sets its store in code; `variables` are the
/// names of the environment variables.
pub(crate) fn of(
    settings: &Settings,
    has_own_store: bool,
    variables: impl Iterator<Item = String>,
) -> Vec<String> {
    let in_memory = settings.session_store.as_ref().is_none_or(|url| url.is_memory()) && !has_own_store;
    let has_store = settings.session_store.is_some() || has_own_store;
    let state = settings.session_state;
    let lost = (state != SessionState::Cookie && in_memory && !settings.development).then(|| {
        format!(
            "sessions in state {} are in this process's memory: they end with it, and no other server has them; \
             name a --session-store",
            state.name()
        )
    });
    let list_alone = (state == SessionState::Cookie && has_store).then(|| {
        "sessions are in the visitors' cookies, and the session store keeps the list of revoked ones alone; \
         to keep sessions in it, choose --session-state store or mirrored"
            .to_owned()
    });
    let trusted = &settings.proxies.trusted_proxies;
    let all_trusted = trusted.contains_all().then(|| {
        format!(
            "--trusted-proxies {trusted} has a network of all addresses: every visitor can claim any address, scheme and \
             host; name your proxies alone"
        )
    });
    let command = Settings::command();
    let unknown = variables.filter_map(|variable| {
        unknown(&variable, &command)
            .map(|hint| format!("the variable {variable} is no setting and is not used{hint}"))
    });
    lost.into_iter().chain(list_alone).chain(all_trusted).chain(unknown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(settings: &Settings, has_own_store: bool, variables: &[&str]) -> Vec<String> {
        of(settings, has_own_store, variables.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn sessions_in_memory_and_a_store_that_keeps_none_are_said() {
        let memory = Some("memory:".parse().unwrap());
        let sqlite = Some("sqlite:sessions.db".parse().unwrap());
        for (state, store, has_own, development, word) in [
            (SessionState::Cookie, None, false, false, None),
            (SessionState::Cookie, sqlite.clone(), false, false, Some("revoked ones alone")),
            (SessionState::Cookie, None, true, false, Some("revoked ones alone")),
            (SessionState::Mirrored, None, false, false, Some("state mirrored are in this process's memory")),
            (
                SessionState::Store,
                memory.clone(),
                false,
                false,
                Some("state store are in this process's memory"),
            ),
            (SessionState::Store, memory, false, true, None),
            (SessionState::Store, sqlite, false, false, None),
            (SessionState::Store, None, true, false, None),
        ] {
            let settings =
                Settings { session_state: state, session_store: store, development, ..Settings::default() };
            let found = warnings(&settings, has_own, &[]);
            assert_eq!(found.len(), usize::from(word.is_some()), "{state:?}: {found:?}");
            assert!(word.is_none_or(|word| found[0].contains(word)), "{state:?}: {found:?}");
        }
    }

    #[test]
    fn networks_of_all_addresses_are_no_proxies() {
        for (proxies, is_said) in [
            ("0.0.0.0/0", true),
            ("10.0.0.1,::/0", true),
            ("10.0.0.0/8,fd00::/8,::1,127.0.0.1,0.0.0.0,::,unix", false),
            ("", false),
        ] {
            let mut settings = Settings::default();
            settings.proxies.trusted_proxies = proxies.parse().unwrap();
            let found = warnings(&settings, false, &[]);
            assert_eq!(!found.is_empty(), is_said, "{proxies}: {found:?}");
        }
    }

    #[test]
    fn a_variable_that_is_no_setting_is_said_with_the_nearest_one() {
        let found = warnings(
            &Settings::default(),
            false,
            &[
                "WAXSEAL_SESION_STORE",
                "WAXSEAL_PORT",
                "WAXSEAL_SECRET_KEY_FILE",
                "WAXSEAL_LOG",
                "PATH",
                "WAXSEAL_WEATHER",
            ],
        );
        assert_eq!(
            found,
            [
                "the variable WAXSEAL_SESION_STORE is no setting and is not used; did you mean WAXSEAL_SESSION_STORE?",
                "the variable WAXSEAL_WEATHER is no setting and is not used",
            ]
        );
    }
}
