//! The trait of targets, and the list of all.

use crate::targets::{
    device, device_endpoints, django, flask, forms, http_fields, paths, proxies, rails, records, sealed,
    session,
};

/// Something that reads what comes from outside.
pub(crate) trait Target {
    /// Inputs to start from, good ones and refused ones.
    fn seeds(&self) -> Vec<Vec<u8>>;

    /// Reads `input` once. The outcome in words, as `Debug` has them: an input with a new one is kept.
    ///
    /// Panics if a promise is broken.
    fn read(&mut self, input: &[u8]) -> String;
}

type Make = fn() -> Box<dyn Target>;

/// All targets.
pub(crate) const TARGETS: &[(&str, Make)] = &[
    ("sealed-raw", || Box::new(sealed::Raw::new())),
    ("sealed-good-key", || Box::new(sealed::Behind::new())),
    ("signed-token", || Box::new(sealed::Signed::new())),
    ("session-payload", || Box::new(session::Payload)),
    ("cookie-header", || Box::new(http_fields::Cookies::new())),
    ("host", || Box::new(http_fields::HostField)),
    ("forwarded", || Box::new(proxies::Proxies::new())),
    ("forms", || Box::new(forms::Forms)),
    ("multipart", || Box::new(forms::Uploads::new())),
    ("path", || Box::new(paths::Paths::new())),
    ("device-raw", || Box::new(device::Raw::new())),
    ("device-signed", || Box::new(device::Signed::new())),
    ("device-endpoints", || Box::new(device_endpoints::Endpoints::new())),
    ("flask-cookie", || Box::new(flask::Cookie::new())),
    ("flask-signed", || Box::new(flask::Signed::new())),
    ("flask-record", || Box::new(flask::Record::new())),
    ("django-signed", || Box::new(django::Signed::new())),
    ("rails-message", || Box::new(rails::Message::new())),
    ("record-sealed", || Box::new(records::Sealed::new())),
    ("record-sqlite", || Box::new(records::sqlite::Rows::new())),
    ("record-redis", || Box::new(records::redis::Rows::new())),
    ("record-postgres", || Box::new(records::postgres::Rows::new())),
];

/// The outcome of a `Result`: the name of its error's variant, or `good`.
pub(crate) fn outcome<T, E: std::fmt::Debug>(result: &Result<T, E>, good: &str) -> String {
    match result {
        Ok(_) => good.to_owned(),
        Err(error) => words(&format!("{error:?}")),
    }
}

/// The beginning of a text, up to where it quotes the input or counts.
pub(crate) fn words(text: &str) -> String {
    let ends = |character: char| !(character.is_alphabetic() || "_(: {".contains(character));
    text.split(ends).next().unwrap_or_default().chars().take(100).collect()
}
