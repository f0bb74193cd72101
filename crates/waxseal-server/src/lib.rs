//! HTTP/1.1 on raw hyper: a listener whose connections keep to limits, a router, and readers for bodies.
//!
//! | part | for |
//! |---|---|
//! | [`Server`] | a listener whose connections keep to the limits |
//! | [`Limits`] | every size and time in one place, with defaults fit for the open internet |
//! | [`Body`] | the body of requests and of responses, read within a size and a time |
//! | [`guard`](fn@guard) | a time limit and a net for panics around one request |
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
//!
//! # Example
//!
//! ```no_run
//! # async fn run() -> Result<(), waxseal_server::ServerError> {
//! use std::convert::Infallible;
//! use hyper::service::service_fn;
//! use waxseal_server::{Body, Limits, Server};
//!
//! let hello = service_fn(|_request| async { Ok::<_, Infallible>(http::Response::new(Body::from("hello"))) });
//! let server = Server::bind(([127, 0, 0, 1], 5000)).await?.limits(Limits::default().body(64 * 1024));
//! server.serve(hello, std::future::pending()).await
//! # }
//! ```
//!
//! Every error of a request has a `status()` for its answer. Messages are plain text; a page must escape them.
//!
//! Left to others: TLS, HTTP/2 and compression.

mod body;
mod descriptors;
pub mod encoding;
mod excerpt;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "forms")]
pub mod forms;
mod head_timer;
#[cfg(feature = "json")]
pub mod json;
mod limits;
#[cfg(feature = "multipart")]
pub mod multipart;
#[cfg(any(feature = "forms", feature = "router"))]
mod percent;
#[cfg(feature = "files")]
mod range;
#[cfg(feature = "router")]
mod router;
mod server;
mod socket;
mod sse;
mod stream;
mod timeout;

pub use body::{Body, BodyError};
pub use encoding::EncodingError;
#[cfg(feature = "files")]
pub use files::StaticFiles;
#[cfg(feature = "forms")]
pub use forms::FormError;
#[cfg(feature = "json")]
pub use json::JsonError;
pub use limits::Limits;
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, MultipartError, Upload};
#[cfg(feature = "router")]
pub use router::{BadPath, Found, Params, Router, RouterError};
pub use server::{Server, ServerError};
pub use sse::{Event, sse};
pub use timeout::{GuardError, guard};
