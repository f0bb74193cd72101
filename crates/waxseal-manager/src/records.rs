//! Sessions in a store: states `store` and `mirrored`.

pub(crate) mod adopt;
pub(crate) mod clocks;
pub(crate) mod counts;
pub(crate) mod draft;
pub(crate) mod end;
pub(crate) mod find;
pub(crate) mod freshness;
pub(crate) mod keyed_id;
pub(crate) mod mirrored;
pub(crate) mod near_cache;
pub(crate) mod owners;
pub(crate) mod purge;
pub(crate) mod record_store;
pub(crate) mod rewrap;
pub(crate) mod save;
pub(crate) mod seal_token;
pub(crate) mod sign_in_again;
pub(crate) mod single_flight;
pub(crate) mod standing;
pub(crate) mod stored;
pub(crate) mod token;
pub(crate) mod turns;
pub(crate) mod unfinished;
pub(crate) mod write;
