#![doc = include_str!("../README.md")]

mod beside;
mod change;
mod change_log;
mod content;
mod device_binding;
mod device_change;
mod entries;
mod error;
mod extension;
mod flash;
mod form_token_keys;
mod form_tokens;
mod handover;
mod lifecycle;
mod markup;
mod messages;
mod metadata;
mod operation;
mod seeds;
mod session;
mod session_debug_view;
mod sign_in;
mod state;
mod unix_time;
mod value;
mod varint;
mod wide;

pub use entries::Value;
pub use error::{Error, Largest};
pub use markup::Markup;
pub use messages::Flash;
pub use session::Session;
pub use session_debug_view::SessionDebugView;
pub use sign_in::is_owner_name;
pub use value::{MAX_DEPTH, ValueError};

/// The types for session managers: `waxseal-manager`, or one of your own.
///
/// A manager turns a [`Content`](backend::Content) into a [`Session`] with [`Session::restore`], and gets what a
/// request did to it from [`Session::close`]. Handlers need none of these types.
pub mod backend {
    pub use crate::beside::CookieMark;
    pub use crate::change_log::ChangeLog;
    pub use crate::content::Content;
    pub use crate::device_binding::MAX_DEVICE_STATE_BYTES;
    pub use crate::device_change::OfferSaved;
    pub use crate::entries::Entries;
    pub use crate::form_token_keys::{FormTokenKeys, SEED_BYTES, Seed};
    pub use crate::lifecycle::{AtOnce, Closed, SoFar, Terms};
    pub use crate::markup::MARKUP;
    pub use crate::metadata::Metadata;
    pub use crate::sign_in::{MAX_DEVICE_BYTES, MAX_OWNER_BYTES};
    pub use crate::state::{Phase, ReadOnly};
}
