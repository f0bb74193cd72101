//! Proxies in front of the server, and what they say about the client.

mod element;
mod forwarded;
mod headers;
mod network;
pub(crate) mod protocol;
mod root_path;
mod trusted;

pub use forwarded::Forwarded;
pub use headers::ForwardedHeaders;
pub use root_path::RootPath;
pub use trusted::TrustedProxies;
