//! URLs of an app that is below a root path.

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue};
use waxseal_server::RootPath;

/// Puts the root path in front of a redirect to a page of this app, unless it is there already.
pub(crate) fn complete_location(root: &RootPath, headers: &mut HeaderMap) {
    if root.as_str().is_empty() {
        return;
    }
    let Some(location) = headers.get(LOCATION).and_then(|location| location.to_str().ok()) else { return };
    let is_path = location.starts_with('/') && !location.starts_with("//");
    if is_path && !root.contains(location) {
        let whole = HeaderValue::try_from(format!("{}{location}", root.as_str()));
        headers.insert(LOCATION, whole.expect("both are of visible ASCII"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_that_lack_the_root_get_it() {
        for (root, location, expected) in [
            ("/app", "/", "/app/"),
            ("/app", "/a?b=/c#d", "/app/a?b=/c#d"),
            ("/app", "/apple", "/app/apple"),
            ("/app", "/app", "/app"),
            ("/app", "/app/a", "/app/a"),
            ("/app", "/app?a", "/app?a"),
            ("/app", "//other.example/a", "//other.example/a"),
            ("/app", "https://other.example/a", "https://other.example/a"),
            ("/app", "a", "a"),
            ("/", "/a", "/a"),
        ] {
            let mut headers = HeaderMap::from_iter([(LOCATION, HeaderValue::from_static(location))]);
            complete_location(&root.parse().unwrap(), &mut headers);
            assert_eq!(headers[LOCATION], expected, "{location}");
        }
    }
}
