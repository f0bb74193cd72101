//! The crate in axum apps, without a socket.

mod browser;
mod examples;
mod extractors;
mod forms;
mod setup;
mod signed_in;
mod stack;
