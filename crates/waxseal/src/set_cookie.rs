//! An app's own cookies, besides the session's.

use std::time::Duration;

use http::HeaderValue;
use http::header::SET_COOKIE;
use waxseal_http::SameSite;

use crate::error::{Error, Result};
use crate::response::Response;

/// What browsers keep of name and value together (RFC 6265bis §5.6).
const MAX_BYTES: usize = 4096;

/// An app's own cookie, which the visitor can read and change, for [`set_cookie`](ResponseExt::set_cookie).
///
/// Unless its methods say otherwise, the browser keeps it until it is closed, sends it to all paths of this host, with
/// requests from this site and when the visitor follows a link to it (`SameSite=Lax`), and hides it from scripts. Data
/// that the visitor must not read or change belongs in the session.
#[derive(Debug, Clone)]
#[must_use]
pub struct Cookie {
    name: String,
    value: String,
    max_age: Option<Duration>,
    path: String,
    domain: Option<String>,
    secure: bool,
    http_only: bool,
    same_site: SameSite,
    partitioned: bool,
}

impl Cookie {
    /// Creates a cookie with this name and value. The value can be any text: it is quoted as in Flask, and
    /// [`Request::cookie`](crate::Request::cookie) returns it unchanged.
    pub fn new(name: &str, value: &str) -> Self {
        Self {
            name: name.to_owned(),
            value: value.to_owned(),
            max_age: None,
            path: "/".to_owned(),
            domain: None,
            // Browsers accept a name with these prefixes only on a Secure cookie.
            secure: ["__Host-", "__Http-", "__Secure-"].iter().any(|prefix| has_prefix(name, prefix)),
            http_only: true,
            same_site: SameSite::default(),
            partitioned: false,
        }
    }

    /// Sets how long the browser keeps the cookie, in whole seconds.
    pub fn max_age(self, age: Duration) -> Self {
        Self { max_age: Some(age), ..self }
    }

    /// Sends the cookie to this path and below.
    pub fn path(self, path: &str) -> Self {
        Self { path: path.to_owned(), ..self }
    }

    /// Sends the cookie to this domain and all of its subdomains.
    pub fn domain(self, domain: &str) -> Self {
        Self { domain: Some(domain.to_owned()), ..self }
    }

    /// Sets whether the cookie is sent over TLS only.
    pub fn secure(self, secure: bool) -> Self {
        Self { secure, ..self }
    }

    /// Sets whether the cookie is hidden from scripts.
    pub fn http_only(self, http_only: bool) -> Self {
        Self { http_only, ..self }
    }

    /// Sets which requests from other sites carry the cookie. Browsers accept [`SameSite::None`] only on a
    /// [secure](Self::secure) cookie.
    pub fn same_site(self, same_site: SameSite) -> Self {
        Self { same_site, ..self }
    }

    /// Sets whether a frame in another site has a cookie of its own for each such site (CHIPS). Browsers accept this
    /// only on a [secure](Self::secure) cookie.
    pub fn partitioned(self, partitioned: bool) -> Self {
        Self { partitioned, ..self }
    }

    /// What browsers demand and the cookie breaks, since they would drop it without a word.
    fn broken_demand(&self) -> Option<&'static str> {
        let has = |prefix| has_prefix(&self.name, prefix);
        let http = has("__Http-") || has("__Host-Http-");
        let host = has("__Host-");
        [
            (!self.secure && (host || http || has("__Secure-")), "be Secure, as its name demands"),
            (!self.secure && self.same_site == SameSite::None, "be Secure, as SameSite=None demands"),
            (!self.secure && self.partitioned, "be Secure, as Partitioned demands"),
            (http && !self.http_only, "be HttpOnly, as its name demands"),
            (host && self.domain.is_some(), "have no Domain, as its name demands"),
            (host && self.path != "/", "have the Path /, as its name demands"),
        ]
        .into_iter()
        .find_map(|(is_broken, demand)| is_broken.then_some(demand))
    }

    fn header(&self) -> Result<HeaderValue> {
        let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
        let is_attribute = |byte: u8| byte.is_ascii_graphic() && byte != b';';
        let fit = !self.name.is_empty()
            && self.name.bytes().all(is_token)
            && self.path.bytes().all(is_attribute)
            && self.domain.as_ref().is_none_or(|domain| domain.bytes().all(is_attribute));
        if !fit {
            let name = &self.name;
            return Err(Error::status(500)
                .message(format!("the name, path or domain of the cookie {name:?} is malformed")));
        }
        if let Some(demand) = self.broken_demand() {
            let name = &self.name;
            return Err(Error::status(500).message(format!("the cookie {name:?} has to {demand}")));
        }
        let value = quoted(&self.value);
        let bytes = self.name.len() + value.len();
        if bytes > MAX_BYTES {
            let name = &self.name;
            return Err(Error::status(500).message(format!(
                "the cookie {name:?} has {bytes} bytes of name and quoted value; browsers drop it over {MAX_BYTES}, so keep \
                 what it says on the server"
            )));
        }
        let mut text = format!("{}={value}; Path={}", self.name, self.path);
        if let Some(domain) = &self.domain {
            text.push_str(&format!("; Domain={domain}"));
        }
        if let Some(age) = self.max_age {
            text.push_str(&format!("; Max-Age={}", age.as_secs()));
        }
        text.push_str(if self.secure { "; Secure" } else { "" });
        text.push_str(if self.http_only { "; HttpOnly" } else { "" });
        text.push_str(match self.same_site {
            SameSite::Lax => "; SameSite=Lax",
            SameSite::Strict => "; SameSite=Strict",
            SameSite::None => "; SameSite=None",
        });
        text.push_str(if self.partitioned { "; Partitioned" } else { "" });
        Ok(HeaderValue::try_from(text).expect("all of it is visible ASCII"))
    }
}

/// Returns `true` if the name begins with `prefix`, in any case, as browsers compare it.
fn has_prefix(name: &str, prefix: &str) -> bool {
    name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
}

/// A cookie's value as werkzeug's `dump_cookie` writes it: where necessary, in quotes and with octal escapes.
fn quoted(value: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_graphic() && !b"\",;\\".contains(&byte);
    if value.bytes().all(plain) {
        return value.to_owned();
    }
    let escaped = value.bytes().map(|byte| match byte {
        b'"' | b'\\' => format!("\\{}", char::from(byte)),
        b' ' => " ".to_owned(),
        byte if plain(byte) => char::from(byte).to_string(),
        byte => format!("\\{byte:03o}"),
    });
    format!("\"{}\"", escaped.collect::<String>())
}

/// Sets cookies on a response. The methods have the names of Flask's.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use waxseal::testing::Client;
/// use waxseal::{App, Cookie, Request, Response, ResponseExt, Result, redirect};
///
/// async fn darken(_: Request) -> Result<Response> {
///     let mut response = redirect("/");
///     response.set_cookie(Cookie::new("theme", "dark").max_age(Duration::from_secs(365 * 24 * 60 * 60)))?;
///     Ok(response)
/// }
///
/// async fn forget(_: Request) -> Result<Response> {
///     let mut response = redirect("/");
///     response.delete_cookie("theme")?;
///     Ok(response)
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let client = Client::new(App::new("demo").post("/dark", darken).post("/forget", forget))?;
/// client.post_form("/dark", &[]).await;
/// assert_eq!(client.cookie("theme").as_deref(), Some("dark"));
/// client.post_form("/forget", &[]).await;
/// assert_eq!(client.cookie("theme"), None);
/// # Ok::<(), waxseal::StartError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait ResponseExt {
    /// Sets a cookie in the visitor's browser.
    ///
    /// # Errors
    ///
    /// 500 if its name, path or domain is malformed, or if browsers would drop the cookie: its name's prefix
    /// (`__Host-`, `__Http-`, `__Secure-`), [`SameSite::None`] or [`Cookie::partitioned`] demands what it lacks, or its
    /// name and quoted value are more than 4,096 bytes.
    fn set_cookie(&mut self, cookie: Cookie) -> Result<()>;

    /// Deletes the cookie of this name from the browser, if it is one for all paths of this host. To delete one with
    /// another path or domain, call [`set_cookie`](Self::set_cookie) with the same path and domain and a
    /// [`max_age`](Cookie::max_age) of zero.
    ///
    /// # Errors
    ///
    /// Those of [`set_cookie`](Self::set_cookie).
    fn delete_cookie(&mut self, name: &str) -> Result<()> {
        self.set_cookie(Cookie::new(name, "").max_age(Duration::ZERO))
    }
}

impl ResponseExt for Response {
    fn set_cookie(&mut self, cookie: Cookie) -> Result<()> {
        self.headers_mut().append(SET_COOKIE, cookie.header()?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_written_with_its_attributes() {
        for (cookie, expected) in [
            (Cookie::new("a", "b"), "a=b; Path=/; HttpOnly; SameSite=Lax"),
            (
                Cookie::new("a", "b c;ü\"\\"),
                "a=\"b c\\073\\303\\274\\\"\\\\\"; Path=/; HttpOnly; SameSite=Lax",
            ),
            (Cookie::new("__Host-a", ""), "__Host-a=; Path=/; Secure; HttpOnly; SameSite=Lax"),
            (
                Cookie::new("a", "b")
                    .path("/x")
                    .domain("example.org")
                    .max_age(Duration::from_secs(9))
                    .http_only(false),
                "a=b; Path=/x; Domain=example.org; Max-Age=9; SameSite=Lax",
            ),
            (
                Cookie::new("a", "b").same_site(SameSite::None).secure(true).partitioned(true),
                "a=b; Path=/; Secure; HttpOnly; SameSite=None; Partitioned",
            ),
        ] {
            assert_eq!(cookie.header().unwrap(), expected);
        }
    }

    #[test]
    fn a_name_that_browsers_would_read_otherwise_is_refused() {
        for cookie in [
            Cookie::new("", "a"),
            Cookie::new("a b", "a"),
            Cookie::new("a=b", "a"),
            Cookie::new("a\r\nb", "a"),
            Cookie::new("a", "a").path("/; Secure"),
            Cookie::new("a", "a").domain("a;b"),
        ] {
            assert!(cookie.header().is_err(), "{cookie:?}");
        }
    }
}
