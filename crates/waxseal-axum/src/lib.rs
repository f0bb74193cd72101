#![doc = include_str!("../README.md")]
//!
//! # Which part for what
//!
//! | you want | use |
//! |---|---|
//! | the session of a visitor, a dictionary | [`Session`], `Option<Session>`; [`LazySession`] to sign out while a store is away |
//! | one struct in it | [`SessionData<T>`](SessionData) |
//! | sessions in the browser, on a server, or both | nothing, [`Waxseal::store`], [`Waxseal::mirrored`] |
//! | "signed in for a month" | [`Waxseal::lasting`]`(days(30))` |
//! | `http://localhost` | [`Waxseal::development`]`(cfg!(debug_assertions))` |
//! | to sign in, sign out, list a user's sessions, end the others, lock a user out | methods of [`Session`] |
//! | the user who is signed in, else a redirect or 401 | [`SignedIn<U>`](SignedIn), [`Owner`]; around routes [`RequireSignIn`] |
//! | messages for the next page | [`Flash`], [`Messages`] |
//! | forms with a token | [`FormToken`], [`CheckedForm`], [`CheckedToken`] |
//! | requests from another origin, webhooks | [`Waxseal::cross_origin`] |
#![cfg_attr(
    feature = "device",
    doc = "| a stolen cookie to be worthless | [`Waxseal::device_bound`], [`Session::device`] |"
)]
//! | streams and sockets that end with their session | [`Session::ended`] |
//! | to take over the sessions of a Flask app (feature `flask`), or of another old one | [`Waxseal::migrate_from`] |
//! | an error that is an answer | [`Error`], [`Result`] |
//! | a secret file that is rotated while the app runs | [`Waxseal::layer_following_keys`] |
//!
//! # Order of layers
//!
//! `Router::layer` wraps what the router contains at that point. So add the [`SessionLayer`] after the routes, after
//! `.fallback(…)`, and after the `.layer(…)` of each middleware that uses the session (`middleware::from_fn`,
//! [`RequireSignIn`]). A handler that it does not wrap answers [`Error::NoLayer`].
//!
//! [Device binding](Waxseal::device_bound) needs the layer around the fallback, too, because browsers send requests to
//! two paths that are no routes. These take it away: `.route_layer(sessions)`, `.fallback(…)` after the layer, and
//! `.merge(other)` after the layer, by which the fallback of `other` counts. Write
//! `other.merge(routes.layer(sessions))`.
//!
//! Time limits belong inside of it;
//! CORS, and a `map_response` that makes error pages, belong outside: see [`SessionLayer::layer`]'s service.

mod error;
mod flash;
mod form;
mod local_path;
mod own_session;
mod require_sign_in;
mod session;
mod session_data;
mod signed_in;
mod waxseal;

pub use error::{Error, Result};
pub use flash::{Flash, Messages};
pub use form::{CheckedForm, CheckedToken, FormToken};
pub use local_path::LocalPath;
pub use own_session::OwnSession;
pub use require_sign_in::{RequireSignIn, RequireSignInService};
pub use session::{LazySession, Session};
pub use session_data::{Keyed, SessionData};
pub use signed_in::{LoadUser, Owner, SignedIn};
pub use waxseal::{Waxseal, days};

pub use waxseal_crypto::{Keyring, SecretKey};
#[cfg(feature = "django")]
pub use waxseal_http::Django;
pub use waxseal_http::{
    Clock, CrossOrigin, EndReason, ForeignSessions, LoadedForeign, LoadingForeign, NotYet, RequestSession,
    SameSite, SessionCookie, SessionCookieBuilder, SessionEnded, SessionLayer, SetupError, WrittenCookie,
};
#[cfg(feature = "flask")]
pub use waxseal_http::{
    Derivation, Digest, Flask, FlaskKey, FlaskRecord, FlaskRemember, FlaskServerSide, Signing,
};
#[cfg(feature = "device")]
pub use waxseal_http::{Device, DeviceBinding, DevicePolicy};
#[cfg(feature = "rails")]
pub use waxseal_http::{Rails, RailsDigest, RailsKey};
pub use waxseal_manager::{
    Adoption, Error as ManagerError, Foreign, FormerState, Lifetimes, Mirrored, Revocable, State, Stored,
    WhenAway,
};
pub use waxseal_session::{Error as SessionError, Flash as Message, Largest, Markup, is_owner_name};
pub use waxseal_store::{MemoryStore, SessionStore};
