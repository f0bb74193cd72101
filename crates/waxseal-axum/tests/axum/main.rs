//! The crate in axum apps, without a socket.

mod book;
mod browser;
#[cfg(feature = "device")]
mod device;
#[cfg(feature = "device")]
#[path = "../../../waxseal/tests/app/support/device_key.rs"]
mod device_key;
mod examples;
mod extractors;
mod forms;
mod owners;
mod prepared_session;
mod setup;
mod signed_in;
mod sockets;
mod stack;
mod streams;
mod templates;
