//! Sessions through the manager, in every state: one program, because linking one takes as long as all of its tests.

mod counted;
mod gated;
mod holds;
mod meddler;
mod states_support;

mod adoption;
mod flash;
mod former_states;
mod keys_swap;
mod maintenance_sqlite;
mod malformed_values;
mod metrics_of_sessions;
mod promises;
mod refreshes;
mod revocations;
mod session;
mod several_tokens;
mod state_change;
mod states;
mod states_capacities;
mod states_copies;
mod states_end_others;
mod states_many;
mod states_questions;
mod states_races;
mod states_rows;
mod states_saves;
mod states_sign_in;
mod states_sums;
mod states_turns;
mod unconfirmed;
mod values;
