//! HTTP for Waxseal on raw hyper: what a request may be, how long it may take, and where it goes.
//!
//! Each part stands alone and knows nothing of the others' users; `waxseal` composes them.
//!
//! | part | for |
//! |---|---|
//! | [`SessionLayer`] | sessions for any hyper or tower service, loaded when asked for, committed before the head leaves |
//! | [`SessionCookie`] | the cookie that carries them: attributes that browsers accept together |
//! | [`Body`] | the body of requests and of responses, read within a size and a time |
//! | [`sse`](fn@sse) | server-sent events, kept alive |
//! | [`cookies`] | the values of one cookie in a request, byte by byte |
//! | [`host`](mod@host) | whom a request is for: exactly one valid `Host`; the guard of development mode |
//! | [`origin`] | the rule that refuses unsafe requests from other sites |
//! | [`encoding`] | the rule that refuses compressed bodies |
//! | [`guard`](fn@guard) | a time limit and a net for panics around one request |
//! | [`Limits`] | every size and time in one place, with defaults fit for the open internet |
//! | [`Clock`] | the time of day, or a test's |
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
#![cfg_attr(feature = "server", doc = "| [`Server`] | a listener whose connections keep to the limits |")]
//!
//! # Example
//!
//! ```no_run
//! # #[cfg(feature = "server")]
//! # async fn run() -> Result<(), waxseal_http::ServerError> {
//! use std::convert::Infallible;
//! use hyper::service::service_fn;
//! use waxseal_http::{Body, Limits, Server};
//!
//! let hello = service_fn(|_request| async { Ok::<_, Infallible>(http::Response::new(Body::from("hello"))) });
//! let server = Server::bind(([127, 0, 0, 1], 5000)).await?.limits(Limits::default().body(64 * 1024));
//! server.serve(hello, std::future::pending()).await
//! # }
//! ```
//!
//! Every error of a request has a `status()`: what to answer with. Messages are plain text; a page must escape them.
//!
//! Left to others: TLS, HTTP/2 and compression. Configuration and templates are `waxseal`'s.

mod body;
mod caches;
mod clock;
pub mod cookies;
#[cfg(feature = "server")]
mod descriptors;
pub mod encoding;
#[cfg(feature = "files")]
mod files;
#[cfg(feature = "forms")]
pub mod forms;
#[cfg(feature = "server")]
mod head_timer;
pub mod host;
#[cfg(feature = "json")]
pub mod json;
mod limits;
#[cfg(feature = "multipart")]
pub mod multipart;
pub mod origin;
#[cfg(any(feature = "forms", feature = "router"))]
mod percent;
#[cfg(feature = "files")]
mod range;
#[cfg(feature = "router")]
mod router;
#[cfg(feature = "server")]
mod server;
mod service;
mod session;
mod session_cookie;
#[cfg(feature = "server")]
mod socket;
mod sse;
mod stream;
mod timeout;

pub use body::{Body, BodyError};
pub use clock::Clock;
pub use cookie::SameSite;
pub use encoding::EncodingError;
#[cfg(feature = "files")]
pub use files::StaticFiles;
#[cfg(feature = "forms")]
pub use forms::FormError;
pub use host::{Host, HostError};
#[cfg(feature = "json")]
pub use json::JsonError;
pub use limits::Limits;
#[cfg(feature = "multipart")]
pub use multipart::{Multipart, MultipartError, Upload};
pub use origin::{CrossSite, Scheme};
#[cfg(feature = "router")]
pub use router::{BadPath, Found, Params, Router, RouterError};
#[cfg(feature = "server")]
pub use server::{Server, ServerError};
pub use service::SessionService;
pub use session::{SessionHandle, SessionLayer, is_failure, status_of};
pub use session_cookie::{Builder, CookieError, SessionCookie};
pub use sse::{Event, sse};
pub use timeout::{GuardError, guard};
