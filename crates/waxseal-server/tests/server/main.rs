//! The server over sockets: what a client may do, and how it ends.

mod clients;
mod heads;
mod listening;
mod proxies;
mod shutdown;
mod support;
