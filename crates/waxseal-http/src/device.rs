//! A name for a visitor's browser, for lists of sessions.

use http::HeaderValue;

/// Names the browser and its system by `User-Agent`: "Firefox on Linux", or "A browser" if it is unknown. It is a
/// guess, by which people can recognise their own devices. Nothing may depend on it.
pub(crate) fn device(user_agent: Option<&HeaderValue>) -> String {
    let agent = user_agent.and_then(|value| value.to_str().ok()).unwrap_or_default();
    // The first match counts, and the order matters: browsers also name others as which they want to be treated, and
    // systems those to which they are related.
    let named =
        |names: &[(&str, &'static str)]| names.iter().find(|(mark, _)| agent.contains(mark)).map(|n| n.1);
    let browser = named(&[
        ("Edg", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = named(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS X", "macOS"),
        ("CrOS", "ChromeOS"),
        ("Linux", "Linux"),
    ]);
    match (browser, system) {
        (browser, Some(system)) => format!("{} on {system}", browser.unwrap_or("A browser")),
        (browser, None) => browser.unwrap_or("A browser").to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_are_called_what_their_users_call_them() {
        for (agent, expected) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 \
                 Safari/537.36 Edg/140.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Mobile \
                 Safari/537.36",
                "Chrome on Android",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605 Version/18.0 Mobile Safari/604",
                "Safari on iPhone",
            ),
            ("curl/8.5.0", "curl"),
            ("", "A browser"),
            ("<script>", "A browser"),
        ] {
            assert_eq!(device(Some(&agent.parse().unwrap())), expected, "{agent}");
        }
        assert_eq!(device(None), "A browser");
    }
}
