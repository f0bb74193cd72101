//! Flask's sessions for Rust, on raw hyper: a `session` dictionary that follows each visitor, sealed so that nobody
//! without the secret key can read or change it, and already there in every template.
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
//!     request.render("success.html", context! {}).await // which reads {{ session['name'] }}
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
//! This crate composes six, each of use alone: `waxseal-crypto` seals, `waxseal-keys` finds the keys, `waxseal-store` is the
//! session, `waxseal-templates` renders, `waxseal-http` carries sessions, `waxseal-server` serves.

mod admin;
mod app;
mod counters;
mod csrf;
mod device;
mod error;
mod error_page;
mod g;
mod handler;
mod hooks;
pub mod json_view;
mod owner;
mod pages;
mod panel;
mod place_argument;
mod redirects;
mod request;
mod request_view;
mod response;
mod route;
mod security_headers;
mod server;
mod service;
mod settings;
mod start_error;
mod static_folder;
mod store_url;
mod template_setup;
pub mod testing;
mod urls;

pub use app::App;
pub use csrf::CsrfError;
pub use error::{Error, Result, abort};
pub use g::G;
pub use handler::{BoxFuture, Handler};
pub use owner::OwnSession;
pub use redirects::{local_path, redirect, redirect_as, redirect_to};
pub use request::Request;
pub use response::{Response, html, json, typed};
pub use route::Route;
pub use security_headers::SecurityHeaders;
pub use server::Server;
pub use service::AppService;
pub use settings::{LogLevel, SessionState, Settings, WhenAway};
pub use start_error::StartError;
pub use store_url::{NoStorePlace, StorePlace};
pub use urls::UrlError;
pub use waxseal_http::SameSite;
pub use waxseal_keys::{
    KeyFile, KeyFileError, ListedKey, Retirement, SecretError, Secrets, make_development_secret,
};
pub use waxseal_server::{Body, Event, Limits, Multipart, StaticFiles, Upload, UploadLimits, sse};
pub use waxseal_store::{Flash, MemoryStore, Session, SessionStore};
pub use waxseal_templates::{Context, context, folder};

pub use http::{Method, StatusCode};
/// The template engine, for what [`App::filter`] and [`App::environment`] take.
pub use minijinja;
