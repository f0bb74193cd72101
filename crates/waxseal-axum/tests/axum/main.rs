//! The crate in axum apps, without a socket.

mod book;
mod browser;
#[cfg(feature = "device")]
mod device;
mod examples;
mod extractors;
mod forms;
mod setup;
mod signed_in;
mod sockets;
mod stack;
mod streams;
mod templates;
