//! The server over sockets: what a client may do, and how it ends.

mod clients;
mod heads;
mod http_1_0;
mod listening;
mod proxies;
mod shutdown;
mod support;
mod unix_socket;
