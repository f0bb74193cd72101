//! An app in actix-web, whose own minijinja environment has the session: `tests/actix.rs`.
