#![doc = include_str!("../README.md")]

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
pub use signed_in::{Owner, SignedIn, User};
pub use waxseal::{Waxseal, days};

pub use waxseal_crypto::{Keyring, SecretKey};
pub use waxseal_http::{Clock, CrossOrigin, InvalidOrigin, SameSite, SessionCookie, SessionLayer};
pub use waxseal_manager::{Lifetimes, Mirrored, Revocable, State, Stored, WhenAway};
pub use waxseal_session::Flash as Message;
pub use waxseal_store::{MemoryStore, SessionStore};
