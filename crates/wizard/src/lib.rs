//! The tutorial's app: a form whose two fields go into the session, and a page that reads them from there.

mod routes;
mod sessions;
mod wizard;

pub use routes::app;
