#![doc = include_str!("../README.md")]
//!
//! # Parts
//!
//! | part | for |
//! |---|---|
//! | [`HttpServer`] | a listener whose connections are held to the limits |
//! | [`Limits`] | all limits of size and time, with defaults that suit the open internet |
//! | [`Body`] | the body of requests and of responses, read within limits of size and time |
//! | [`Forwarded`] | a request's client, according to [trusted proxies](TrustedProxies) |
//! | [`timeout_catching_panics`] | a timeout around one request that catches its panics |
//! | [`encoding`] | the rule that refuses compressed bodies |
//! | [`sse`](fn@sse) | server-sent events, kept alive |
#![cfg_attr(feature = "router", doc = "| [`Router`] | routes by method and path; HEAD and OPTIONS |")]
#![cfg_attr(feature = "forms", doc = "| [`forms`] | URL-encoded forms and query strings into serde types |")]
#![cfg_attr(feature = "json", doc = "| [`json`] | JSON bodies into serde types |")]
#![cfg_attr(
    feature = "multipart",
    doc = "| [`multipart`] | uploads: fields to memory, files to disk, within limits |"
)]
#![cfg_attr(
    feature = "files",
    doc = "| [`StaticFiles`] | files built in or in a folder, with tags and ranges |"
)]
#![cfg_attr(feature = "websocket", doc = "| [`WebSocketUpgrade`] | WebSockets, within limits |")]
//!
//! # Errors
//!
//! Every error of a request is an [`Error`], with the status of the response. Its text is plain, so a page must escape
//! it. Mistakes that are found when a program starts are a [`SetupError`]; no request is answered with them.

mod accept;
mod addresses;
mod body;
#[cfg(feature = "tls")]
mod certificate_end;
mod connection;
mod connection_metrics;
mod descriptors;
pub mod encoding;
mod ending;
mod error;
mod excerpt;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "forms")]
pub mod forms;
mod framing;
mod head_timer;
mod http_server;
#[cfg(feature = "json")]
pub mod json;
#[cfg(feature = "websocket")]
mod lease;
mod limits;
mod log_limit;
#[cfg(feature = "multipart")]
pub mod multipart;
mod open_connections;
mod paced;
mod panics;
#[cfg(feature = "router")]
mod params;
mod patient;
mod peer;
#[cfg(any(feature = "forms", feature = "router"))]
mod percent;
mod phase;
mod proxies;
#[cfg(feature = "files")]
mod range;
#[cfg(feature = "router")]
mod route_match;
#[cfg(feature = "router")]
mod router;
mod sent;
mod setup_error;
mod socket;
mod sse;
mod stream;
mod terms;
mod timeout;
#[cfg(feature = "tls")]
mod tls;
mod traffic;
mod transport;
mod waits;
mod watched;
#[cfg(feature = "websocket")]
mod websocket;

pub use body::Body;
pub use error::Error;
#[cfg(feature = "files")]
pub use files::StaticFiles;
pub use http_server::HttpServer;
pub use limits::Limits;
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, Upload, UploadLimits};
pub use panics::catching_panics_of;
#[cfg(feature = "router")]
pub use params::Params;
pub use peer::Peer;
pub use proxies::{Forwarded, ForwardedHeaders, RootPath, TrustedProxies};
#[cfg(feature = "router")]
pub use route_match::RouteMatch;
#[cfg(feature = "router")]
pub use router::Router;
pub use setup_error::SetupError;
pub use sse::{Event, EventStream, sse};
pub use timeout::timeout_catching_panics;
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use waits::Waits;
#[cfg(feature = "websocket")]
pub use websocket::{
    limits::WebSocketLimits,
    message::Message,
    socket::{WebSocket, WebSocketClosed},
    upgrade::WebSocketUpgrade,
};
