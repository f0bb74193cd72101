use std::ops::RangeInclusive;

use crate::error::Error;

/// The settings of device-bound sessions: the session cookie, the paths, and the times.
///
/// ```
/// use waxseal_device::Terms;
///
/// let terms = Terms::new("__Host-session", "Path=/; Secure; HttpOnly; SameSite=Lax", 43_200)?
///     .proof_seconds(300)
///     .except("/static")?;
/// # Ok::<(), waxseal_device::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Terms {
    pub(crate) cookie: String,
    pub(crate) attributes: String,
    pub(crate) register_path: String,
    pub(crate) refresh_path: String,
    pub(crate) excluded: Vec<String>,
    pub(crate) proof_seconds: u32,
    pub(crate) key_seconds: u32,
}

impl Terms {
    /// The range of times that a proof may last, in seconds. Chromium makes at most six signatures for a site within
    /// some minutes, so a time below 120 is of use only in tests.
    pub const PROOF_SECONDS: RangeInclusive<u32> = 120..=3_600;

    /// The terms for sessions in `cookie`. `attributes` are those of that cookie without `Max-Age` and `Expires`. No
    /// session lives for longer than `longest_seconds`.
    ///
    /// By default, proofs last for 10 minutes, and the paths are `/_device/register` and `/_device/refresh`.
    ///
    /// # Errors
    ///
    /// [`Error::Unfit`] if the name or the attributes cannot be part of a header.
    pub fn new(cookie: &str, attributes: &str, longest_seconds: u32) -> Result<Self, Error> {
        let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        let is_attribute = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        Ok(Self {
            cookie: fit("cookie name", cookie, is_name, "use letters, digits, `-`, `_` and `.`")?,
            attributes: fit("cookie attributes", attributes, is_attribute, "use visible ASCII and blanks")?,
            register_path: "/_device/register".to_owned(),
            refresh_path: "/_device/refresh".to_owned(),
            excluded: Vec::new(),
            proof_seconds: 600,
            key_seconds: longest_seconds,
        })
    }

    /// Puts both endpoints under `folder`, such as `/app/_device`. This is the path that browsers see.
    ///
    /// # Errors
    ///
    /// [`Error::Unfit`] if `folder` is not a path.
    pub fn folder(mut self, folder: &str) -> Result<Self, Error> {
        let folder = path(folder)?;
        let folder = folder.trim_end_matches('/');
        self.register_path = format!("{folder}/register");
        self.refresh_path = format!("{folder}/refresh");
        Ok(self)
    }

    /// Lets requests below `path` be sent without a proof, such as those for static files.
    ///
    /// # Errors
    ///
    /// [`Error::Unfit`] if it is not a path.
    pub fn except(mut self, excluded: &str) -> Result<Self, Error> {
        self.excluded.push(path(excluded)?);
        Ok(self)
    }

    /// Makes proofs last for `seconds`. Requests on their way are allowed 60 seconds more. See
    /// [`PROOF_SECONDS`](Self::PROOF_SECONDS).
    #[must_use]
    pub fn proof_seconds(mut self, seconds: u32) -> Self {
        self.proof_seconds = seconds;
        self
    }

    /// The path of registrations, as browsers see it.
    #[must_use]
    pub fn register_path(&self) -> &str {
        &self.register_path
    }

    /// The path of refreshes, as browsers see it.
    #[must_use]
    pub fn refresh_path(&self) -> &str {
        &self.refresh_path
    }
}

fn path(path: &str) -> Result<String, Error> {
    let wanted = "begin it with `/`, and use visible ASCII without quotes, `\\`, `;` and `,`";
    let is_path = |byte: u8| byte.is_ascii_graphic() && !b"\"\\;,".contains(&byte);
    let path = fit("path", path, is_path, wanted)?;
    if path.starts_with('/') { Ok(path) } else { Err(Error::Unfit { what: "path", found: path, wanted }) }
}

fn fit(
    what: &'static str,
    found: &str,
    is_fit: impl Fn(u8) -> bool,
    wanted: &'static str,
) -> Result<String, Error> {
    let fits = !found.is_empty() && found.bytes().all(is_fit);
    if fits { Ok(found.to_owned()) } else { Err(Error::Unfit { what, found: found.to_owned(), wanted }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_stand_in_a_header_is_refused() {
        for (case, cookie, attributes) in [
            ("no name", "", "Path=/"),
            ("a name with a blank", "a b", "Path=/"),
            ("a name with an equals sign", "a=b", "Path=/"),
            ("a line end in the attributes", "a", "Path=/\r\nSet-Cookie: b"),
        ] {
            assert!(matches!(Terms::new(cookie, attributes, 1), Err(Error::Unfit { .. })), "{case}");
        }
        let terms = Terms::new("session", "Path=/", 1).unwrap();
        for path in ["", "a", "/a b", "/a\"", "/a\\", "/a;b", "/a,b", "/ä", "/a\n"] {
            assert!(terms.clone().folder(path).is_err(), "{path:?}");
            assert!(terms.clone().except(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn the_endpoints_lie_in_the_folder() {
        let terms = Terms::new("session", "Path=/", 1).unwrap();
        for (folder, register, refresh) in [
            ("/app/_device", "/app/_device/register", "/app/_device/refresh"),
            ("/app/", "/app/register", "/app/refresh"),
            ("/", "/register", "/refresh"),
        ] {
            let terms = terms.clone().folder(folder).unwrap();
            assert_eq!((terms.register_path(), terms.refresh_path()), (register, refresh));
        }
    }
}
