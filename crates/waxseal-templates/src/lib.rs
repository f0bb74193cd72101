#![doc = include_str!("../README.md")]
//!
//! # Names in templates
//!
//! | name | in a template |
//! |---|---|
//! | `session` | the session's entries, as a dictionary |
//! | `get_flashed_messages(with_categories=False, category_filter=[])` | [messages](waxseal_session::Session::flashed_messages), a list of texts or, with categories, of pairs of category and text |
//! | `session.permanent`, `.new`, `.modified`, `.accessed` | as in Flask's session; `session['new']` is the entry of this name |
//! | `session.pop(key)`, `session.pop(key, default)` | removes an entry and returns its value |
//! | `session.owner()` | the name of who is signed in, or `none` |
//! | `csrf_token()`, `csrf_field()` | a [token](waxseal_session::Session::csrf_token) for forms; the same as a hidden field |
//!
//! An app with a minijinja environment of its own, as is usual in axum and actix-web, uses [`add_to`],
//! [`session_value`] and [`check_names`], and sets [`auto_escape`].
//!
//! Filters, tests and functions are those of Jinja, with its parameters: all of them except the test `callable`. A
//! [`Markup`](waxseal_session::Markup) in the session or in a message is not escaped.
//!
//! A template that never names `session` does not load it. One that does decodes only the entries that it reads.
//! [`Templates::reads_session`] tells before rendering which kind a template is.

mod arguments;
mod auto_escape;
mod context;
mod cycler;
mod environment;
mod error;
mod folder;
mod functions;
mod jinja;
mod page;
mod parameters;
mod session;
mod session_use;
mod tags;
mod template_value;
mod templates;
mod unknown_names;
mod urlize;
mod word_wrap;

pub use auto_escape::auto_escape;
pub use context::Context;
pub use environment::{add_to, check_names, session_value};
pub use error::Error;
pub use folder::Folder;
pub use templates::Templates;

/// The template engine, for an app with an environment of its own.
pub use minijinja;

#[doc(hidden)]
pub use include_dir;
