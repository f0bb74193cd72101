#![doc = include_str!("../README.md")]
//!
//! # A form, and a page after it
//!
//! ```no_run
//! use serde::Deserialize;
//! use waxseal::{App, Request, Response, Result, StartError, context, folder, redirect};
//!
//! #[derive(Deserialize)]
//! struct Wizard {
//!     name: String,
//!     magic_school: String,
//! }
//!
//! async fn create_wizard(request: Request) -> Result<Response> {
//!     let wizard: Wizard = request.form().await?;
//!     let session = request.session().await?;
//!     session.insert("name", wizard.name)?;
//!     session.insert("magic_school", wizard.magic_school)?;
//!     Ok(redirect("/wizard/success"))
//! }
//!
//! async fn success(request: Request) -> Result<Response> {
//!     request.render("success.html", context! {}).await
//! }
//!
//! fn main() -> Result<(), StartError> {
//!     App::new("wizard")
//!         .templates(folder!("$CARGO_MANIFEST_DIR/tests/templates"))
//!         .post("/wizard/create", create_wizard)
//!         .get("/wizard/success", success)
//!         .run()
//! }
//! ```
//!
//! `success.html` reads `{{ session['name'] }}`, although the handler passes it nothing.
//!
//! # Its parts
//!
//! This crate is composed of others, each of which can be used alone: `waxseal-server` serves HTTP, `waxseal-http`
//! carries sessions in cookies, `waxseal-manager` opens and saves them, `waxseal-session` is the session's dictionary,
//! `waxseal-store` defines what a store is, `waxseal-templates` renders pages, `waxseal-keys` reads and rotates the
//! secret keys, and `waxseal-crypto` seals. The program `waxseal`, for operators, is in `waxseal-cli`.

mod admin;
mod app;
mod app_context;
mod cli;
mod config_file;
mod counters;
mod csrf;
mod csrf_error;
mod device_bound;
mod device_setup;
mod endpoint;
mod ends;
mod error;
mod error_page;
mod g;
mod handler;
mod hooks;
mod http_metrics;
pub mod json_view;
mod listening;
mod log;
mod log_filter;
mod migration;
mod open_store;
mod owner;
mod pages;
mod panel;
mod panel_log;
mod panic_limit;
mod policy_advice;
mod readiness;
mod redirects;
mod repeat_limit;
mod request;
mod request_id;
mod request_log;
mod request_view;
mod response;
mod route;
mod routes;
mod run;
mod security_headers;
mod server;
mod service;
mod service_manager;
mod session_state;
mod set_cookie;
mod settings;
mod signals;
mod sqlite_parameters;
mod start_error;
mod start_line;
mod start_warnings;
mod states;
mod static_source;
mod store_url;
mod store_url_argument;
mod template_setup;
pub mod testing;
#[cfg(feature = "tls")]
mod tls_files;
mod under_path;
mod urls;
#[cfg(feature = "websocket")]
mod websocket;

pub use app::App;
pub use cli::Cli;
pub use csrf_error::CsrfError;
pub use device_bound::DeviceBound;
pub use endpoint::Endpoint;
pub use error::{Error, Result, abort};
pub use g::G;
pub use handler::{BoxFuture, Handler, wrap};
pub use log_filter::LogFilter;
pub use owner::OwnSession;
pub use redirects::{redirect, redirect_as, redirect_to};
pub use repeat_limit::RepeatLimit;
pub use request::Request;
pub use response::{Response, html, json, typed};
pub use route::Route;
pub use routes::Routes;
pub use security_headers::SecurityHeaders;
pub use server::AppServer;
pub use service::AppService;
pub use session_state::SessionState;
pub use set_cookie::{Cookie, ResponseExt};
pub use settings::Settings;
pub use settings::arguments::args;
pub use settings::limits::LimitSettings;
pub use settings::proxies::ProxySettings;
#[cfg(unix)]
pub use settings::values::FileMode;
pub use settings::values::LogFormat;
pub use start_error::StartError;
pub use store_url::StoreUrl;
#[cfg(feature = "device")]
pub use waxseal_http::Device;
#[cfg(feature = "django")]
pub use waxseal_http::Django;
#[cfg(feature = "flask")]
pub use waxseal_http::{
    Derivation, Digest, Flask, FlaskKey, FlaskRecord, FlaskRemember, FlaskServerSide, Signing,
};
pub use waxseal_http::{
    EndReason, ForeignSessions, NotYet, SameSite, Scheme, SessionCookie, SessionEnded, WrittenCookie,
    local_path,
};
#[cfg(feature = "rails")]
pub use waxseal_http::{Rails, RailsDigest, RailsKey};
pub use waxseal_keys::{
    Error as KeyError, KeyFile, ListedKey, Promoted, Retired, Retirement, RevokedAll, Secrets,
    make_development_secret,
};
pub use waxseal_manager::{Adoption, Foreign, FormerState, WhenAway};
pub use waxseal_server::{Body, Event, Limits, Multipart, StaticFiles, Upload, UploadLimits, sse};
pub use waxseal_server::{ForwardedHeaders, Peer, RootPath, TrustedProxies};
#[cfg(feature = "websocket")]
pub use waxseal_server::{Message, WebSocketClosed, WebSocketLimits};
pub use waxseal_session::{Flash, Markup, Session, is_owner_name};
pub use waxseal_store::{MemoryStore, SessionStore};
pub use waxseal_templates::{Context, context, folder};

#[cfg(feature = "websocket")]
pub use websocket::{SessionView, WebSocket};

pub use http::{Method, StatusCode};
/// The template engine. Its types are needed for [`App::filter`] and [`App::environment`].
pub use minijinja;
