//! An app over its whole height, with a client that needs no socket where none is tried: one program, because linking one
//! takes longer than most of its tests.

mod support;

mod app_templates;
mod bad_input;
mod bodies;
mod book;
mod cookies;
mod csrf;
mod developer_page;
#[cfg(feature = "device")]
mod device_bound;
#[cfg(feature = "device")]
mod device_streams;
mod docs;
mod docs_flask;
mod docs_rust;
mod errors;
mod failed_requests;
mod flash;
mod flaskr;
mod hooks;
mod keys_swap;
mod malformed_values;
mod many_panics;
#[cfg(feature = "flask")]
mod migration;
mod own_subscriber;
mod owners;
mod pages;
mod panel;
mod proxies;
mod redirects;
mod request_log;
mod route_groups;
mod same_words;
mod security_headers;
mod sign_out;
mod sockets;
mod state;
mod static_files;
mod streams;
mod testing_client;
#[cfg(feature = "tls")]
mod tls;
mod tutorial_app;
#[cfg(feature = "websocket")]
mod websocket;
