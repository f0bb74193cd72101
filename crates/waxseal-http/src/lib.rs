//! Sessions over HTTP for any hyper or tower service.
//!
//! | part | for |
//! |---|---|
//! | [`SessionLayer`] | sessions loaded when asked for, and committed before the answer's head leaves |
//! | [`RequestSession`] | one request's session, in its extensions |
//! | [`SessionCookie`] | the cookie that carries them: attributes that browsers accept together |
//! | [`cookies`] | the values of one cookie in a request, byte by byte |
//! | [`host`](mod@host) | exactly one valid `Host`; the guard of development mode |
//! | [`origin`] | the rule that refuses unsafe requests from other sites |
//! | [`Clock`] | the time of day, or a test's |
//!
//! Every error of a request has a `status()` for its answer. Messages are plain text; a page must escape them.
//!
//! Left to others: connections, bodies, forms and routes. `waxseal-server` has them.

mod caches;
mod carrier;
mod clock;
pub mod cookies;
pub mod host;
mod maintenance;
pub mod origin;
mod request_session;
mod service;
mod session_cookie;
mod session_layer;
mod status;

pub use clock::Clock;
pub use cookie::SameSite;
pub use host::{Host, HostError};
pub use origin::{CrossSite, Scheme};
pub use request_session::RequestSession;
pub use service::SessionService;
pub use session_cookie::{Builder, CookieError, SessionCookie};
pub use session_layer::SessionLayer;
pub use status::{is_failure, status_of};
