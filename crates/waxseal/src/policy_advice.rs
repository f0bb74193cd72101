//! In development: log lines about what the `Content-Security-Policy` of a page blocks. Otherwise only the browser's
//! console would say so.

use http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION};
use waxseal_http::origin;

use crate::request::Request;
use crate::response::Response;

/// The number of characters of a script that a log line shows.
const SHOWN: usize = 40;

/// Logs the inline scripts and styles of a page that its policy blocks, and a redirect that it blocks.
pub(crate) fn log(request: &Request, response: &Response) {
    let policy = response.headers().get(CONTENT_SECURITY_POLICY).and_then(|policy| policy.to_str().ok());
    let Some(policy) = policy else { return };
    let place = format_args!("{} {}", request.method(), request.path()).to_string();
    for element in ["script", "style"].into_iter().filter(|element| drops_inline(policy, element)) {
        for (line, text) in page(response).map(|page| inline(page, element)).unwrap_or_default() {
            tracing::warn!(
                request = place,
                "the browser drops the {element} in line {line} of this page, `{text}`: put it into a file of \
                 App::static_folder, or allow it in {element}-src by App::security_headers"
            );
        }
    }
    if let Some(target) = redirect_of_a_form(request, response)
        && directive(policy, "form-action").is_some_and(|sources| !allows(sources, target))
    {
        tracing::warn!(
            request = place,
            "Chromium stops this redirect after a form: name {target} in form-action by App::security_headers"
        );
    }
}

fn page(response: &Response) -> Option<&str> {
    let content_type = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    let html = content_type.starts_with("text/html");
    response.body().as_bytes().filter(|_| html).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// The sources of a directive in a policy.
fn directive<'p>(policy: &'p str, name: &str) -> Option<&'p str> {
    policy.split(';').find_map(|part| {
        let (found, sources) = part.trim().split_once(' ').unwrap_or((part.trim(), ""));
        found.eq_ignore_ascii_case(name).then_some(sources)
    })
}

/// Returns `true` if the policy allows no inline elements of this kind. A policy with hashes or nonces is not judged.
fn drops_inline(policy: &str, element: &str) -> bool {
    let sources = directive(policy, &format!("{element}-src")).or_else(|| directive(policy, "default-src"));
    let allowing = ["'unsafe-inline'", "'nonce-", "'sha256-", "'sha384-", "'sha512-"];
    sources.is_some_and(|sources| !allowing.iter().any(|word| sources.contains(word)))
}

/// The line number and the first characters of each inline element of this name.
fn inline(page: &str, element: &str) -> Vec<(usize, String)> {
    let lower = page.to_ascii_lowercase();
    let start = format!("<{element}");
    let starts = lower.match_indices(&start).map(|(at, found)| (at, at + found.len()));
    let found = starts.filter_map(|(at, behind)| {
        let (attributes, content) = lower[behind..].split_once('>')?;
        let is_element =
            attributes.is_empty() || attributes.starts_with(|next: char| next.is_ascii_whitespace());
        // JSON in a script element is data, which is not run.
        let runs = !attributes.contains(" src") && !attributes.contains("json");
        let content = content.split("</").next().unwrap_or_default();
        let start = behind + attributes.len() + 1;
        let text: String = page[start..start + content.len()].trim().chars().take(SHOWN).collect();
        let line = page[..at].matches('\n').count() + 1;
        (is_element && runs && !text.is_empty()).then_some((line, text))
    });
    found.collect()
}

/// The origin of the redirect that answers a form, if it is not this app's.
fn redirect_of_a_form<'r>(request: &Request, response: &'r Response) -> Option<&'r str> {
    let target = response.headers().get(LOCATION)?.to_str().ok()?;
    let host = target.find("://")? + 3;
    let end = target[host..].find(['/', '?', '#']).map_or(target.len(), |at| host + at);
    let (origin, is_form) = (&target[..end], !origin::is_safe(request.method()));
    Some(origin).filter(|origin| is_form && *origin != request.site())
}

fn allows(sources: &str, origin: &str) -> bool {
    let host = origin.split("://").nth(1).unwrap_or_default();
    let scheme = origin.split_inclusive(':').next().unwrap_or_default();
    sources.split_ascii_whitespace().any(|source| {
        let wild = source.split_once("*.").is_some_and(|(_, domain)| host.ends_with(&format!(".{domain}")));
        source == "*" || source == scheme || source == host || source.trim_end_matches('/') == origin || wild
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_with_content_are_found_where_they_stand() {
        let page = "<SCRIPT src=/a.js></SCRIPT>\n<script>\n alert(1)\n</script><scripture>x</scripture>\n\
                    <script type=\"application/json\">{}</script><script> </script><script type=module>é()</script>";
        let expected = [(2, "alert(1)".to_owned()), (5, "é()".to_owned())];
        assert_eq!(inline(page, "script"), expected);
        assert_eq!(inline("<style>p { color: red }", "style"), [(1, "p { color: red }".to_owned())]);
        assert_eq!(inline("<script", "script"), []);
    }

    #[test]
    fn what_is_allowed_is_not_dropped() {
        for (policy, dropped) in [
            ("default-src 'self'", true),
            ("default-src 'self'; script-src 'unsafe-inline'", false),
            ("script-src 'self' 'nonce-abc'", false),
            ("default-src *; Script-Src 'self'", true),
            ("form-action 'self'", false),
        ] {
            assert_eq!(drops_inline(policy, "script"), dropped, "{policy}");
        }
    }

    #[test]
    fn a_form_goes_where_the_policy_says() {
        for (sources, allowed) in [
            ("'self'", false),
            ("'self' https://id.example.org", true),
            ("https://other.example", false),
            ("*.example.org", true),
            ("https://*.example.org", true),
            ("https:", true),
            ("*", true),
            ("id.example.org", true),
        ] {
            assert_eq!(allows(sources, "https://id.example.org"), allowed, "{sources}");
        }
    }
}
