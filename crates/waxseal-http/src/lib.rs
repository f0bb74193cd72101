#![doc = include_str!("../README.md")]
//!
//! # Parts
//!
//! | part | for |
//! |---|---|
//! | [`SessionLayer`] | loads sessions when asked for, and commits them before the response's head is sent |
//! | [`RequestSession`] | the session of one request, in its extensions |
//! | [`SessionEnded`] | a future that resolves when a session is over while its response is still open |
//! | [`SessionCookie`] | the cookie that carries sessions, with attributes that browsers accept together |
//! | [`cookies`] | the values of one cookie in a request, byte by byte |
//! | [`host`](mod@host) | the host of a request, from exactly one valid `Host` |
//! | [`CrossOrigin`], [`origin`] | the check that refuses unsafe requests from other sites, and its exceptions |
//! | [`development`] | the check that keeps a development server local |
//! | [`local_path`](fn@local_path) | a path for redirects, from a visitor's text |
//! | [`ForeignSessions`], `Flask`, `Django`, `Rails` (features of these names) | readers of another framework's cookies, whose sessions are taken over |
//! | [`Clock`] | the system's clock, or that of a test |
//!
//! # Errors
//!
//! A request that is refused is an [`Error`], with the status of the response. Its texts are plain text, so a page must
//! escape them. Settings that cannot work are a [`SetupError`]. [`status_of`] maps a [`waxseal_manager::Error`], and
//! [`session_status_of`] an error of reading or writing a session, to the status of the response.

mod caches;
mod carrier;
mod clock;
mod commits;
mod cookie_attributes;
mod cookie_mark;
mod cookie_syntax;
pub mod cookies;
mod cross_origin;
pub mod development;
mod device;
#[cfg(feature = "device")]
mod device_bound;
#[cfg(feature = "django")]
mod django;
mod error;
mod error_chain;
mod excerpt;
#[cfg(feature = "flask")]
mod flask;
mod foreign_cookies;
mod foreign_findings;
#[cfg(any(feature = "django", feature = "flask", feature = "rails"))]
mod foreign_owner;
mod foreign_sessions;
#[cfg(any(feature = "django", feature = "flask", feature = "rails"))]
mod foreign_value;
pub mod host;
mod host_name;
mod in_time;
mod last_ends;
mod local_path;
mod maintainer;
mod maintenance;
pub mod origin;
mod other_cookies;
#[cfg(feature = "rails")]
mod rails;
mod request_session;
mod same_site;
mod service;
mod session_body;
mod session_cookie;
mod session_cookie_builder;
mod session_ended;
mod session_layer;
mod setup_error;
mod side_by_side;
mod status;
#[cfg(any(feature = "flask", feature = "rails"))]
mod undated;

pub use clock::Clock;
pub use cross_origin::CrossOrigin;
#[cfg(feature = "device")]
pub use device_bound::{device::Device, endpoint::DeviceCall, policy::DevicePolicy, settings::DeviceBinding};
#[cfg(feature = "django")]
pub use django::Django;
pub use error::Error;
#[cfg(feature = "flask")]
pub use flask::Flask;
#[cfg(feature = "flask")]
pub use flask::remember::FlaskRemember;
#[cfg(feature = "flask")]
pub use flask::server_side::{FlaskRecord, FlaskServerSide};
pub use foreign_sessions::{ForeignSessions, LoadedForeign, LoadingForeign, NotYet, WrittenCookie};
pub use host_name::Host;
pub use local_path::{is_local_path, local_path};
pub use origin::Scheme;
#[cfg(feature = "rails")]
pub use rails::Rails;
pub use request_session::RequestSession;
pub use same_site::SameSite;
pub use service::SessionService;
pub use session_body::SessionBody;
pub use session_cookie::SessionCookie;
pub use session_cookie_builder::SessionCookieBuilder;
pub use session_ended::SessionEnded;
pub use session_layer::SessionLayer;
pub use setup_error::SetupError;
pub use status::{is_failure, session_status_of, status_of};
#[cfg(feature = "flask")]
#[doc(no_inline)]
pub use waxseal_flask::{Derivation, Digest, FlaskKey, Signing};
/// Why a session is over, by [`SessionEnded`].
pub use waxseal_manager::EndReason;
#[cfg(feature = "rails")]
#[doc(no_inline)]
pub use waxseal_rails::{RailsDigest, RailsKey};
