//! Headers that keep a response with a session out of shared caches.

use http::header::{CACHE_CONTROL, EXPIRES, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

const PRIVATE_NO_STORE: HeaderValue = HeaderValue::from_static("private, no-store");
/// Fields that some caches obey before `Cache-Control`, in addition to those whose names end in `cdn-cache-control`
/// (RFC 9213).
const OBEYED_BEFORE_CACHE_CONTROL: [HeaderName; 4] = [
    EXPIRES,
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("x-accel-expires"),
    HeaderName::from_static("edge-control"),
];

/// Adds `Cookie` to `Vary`. It is put in one line with the handler's values, since some caches read only one line.
pub(crate) fn vary_by_cookie(headers: &mut HeaderMap) {
    if headers.get_all(VARY).iter().next().is_none() {
        headers.insert(VARY, HeaderValue::from_static("Cookie"));
        return;
    }
    if headers.get_all(VARY).iter().any(|value| has_token(value, &["cookie", "*"])) {
        return;
    }
    let said = headers.get_all(VARY).iter().map(HeaderValue::as_bytes).filter(|value| !value.is_empty());
    let line = said.chain([&b"Cookie"[..]]).collect::<Vec<_>>().join(&b", "[..]);
    headers.insert(VARY, HeaderValue::from_bytes(&line).expect("its parts were values"));
}

/// Sets `private, no-store` if a shared cache could otherwise store what only this visitor may see.
///
/// If the response only shows the session, a handler's `Cache-Control` is kept. If the response `changed` the session,
/// one that allows shared caches to store it is replaced.
pub(crate) fn keep_private(headers: &mut HeaderMap, personal: bool, changed: bool) {
    if !personal && !changed {
        return;
    }
    let is_said = headers.get_all(CACHE_CONTROL).iter().next().is_some();
    if !is_said {
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
    }
    if changed {
        if is_said {
            replace_public(headers);
        }
        let obeyed_before: Vec<_> = headers.keys().filter(is_obeyed_before).cloned().collect();
        for name in obeyed_before {
            headers.remove(name);
        }
    }
}

/// Replaces a handler's `Cache-Control` if it lets shared caches store the response.
fn replace_public(headers: &mut HeaderMap) {
    let says = |tokens: &[&str]| headers.get_all(CACHE_CONTROL).iter().any(|value| has_token(value, tokens));
    // If directives contradict each other, it is up to the cache which one it obeys.
    if says(&["public"]) || !says(&["private", "no-store"]) {
        tracing::warn!("Cache-Control was replaced: an answer that changes the session is never public");
        headers.insert(CACHE_CONTROL, PRIVATE_NO_STORE);
    }
}

fn is_obeyed_before(name: &&HeaderName) -> bool {
    OBEYED_BEFORE_CACHE_CONTROL.contains(name) || name.as_str().ends_with("cdn-cache-control")
}

fn has_token(value: &HeaderValue, tokens: &[&str]) -> bool {
    let is_one =
        |part: &[u8]| tokens.iter().any(|token| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()));
    value.as_bytes().split(|byte| *byte == b',').any(is_one)
}
