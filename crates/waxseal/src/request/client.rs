//! The client of a request, and the address by which it reached the app.

use std::net::IpAddr;

use http::request::Parts;
use waxseal_http::{Error, Host, Scheme, host};
use waxseal_server::RootPath;

use super::Request;

impl Request {
    /// The client's address: that of the connection, or the one that a [trusted
    /// proxy](crate::ProxySettings::trusted_proxies) names.
    ///
    /// `None` on a Unix socket whose proxy names no address, and if a proxy says that the address is unknown or hidden.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, typed};
    ///
    /// let app = App::new("demo").get("/", async |request: Request| {
    ///     let address = request.remote_addr().map(|address| address.to_string());
    ///     Ok(typed("text/plain", address.unwrap_or("nobody knows".to_owned())))
    /// });
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = Client::new(app)?.from_address([192, 0, 2, 1]);
    /// assert_eq!(client.get("/").await.text(), "192.0.2.1");
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn remote_addr(&self) -> Option<IpAddr> {
        match &self.0.told {
            Some(told) => told.address,
            None => self.0.peer?.ip(),
        }
    }

    /// The host that the request is for, with its port if one was sent. Empty if it is malformed, for which the request
    /// is refused.
    ///
    /// If a trusted proxy sends `X-Forwarded-Host` and that header is read, it is the host named there.
    #[must_use]
    pub fn host(&self) -> String {
        self.checked_host().map(|host| host.to_string()).unwrap_or_default()
    }

    /// The host, if it is well-formed.
    pub(crate) fn checked_host(&self) -> Result<Host<'_>, Error> {
        let Parts { version, uri, headers, .. } = &self.0.parts;
        let sent = host::host(*version, uri, headers)?;
        match self.0.told.as_ref().and_then(|told| told.host.as_ref()) {
            Some(told) => told.parse(),
            None => Ok(sent),
        }
    }

    /// The scheme by which the visitor reached the app: what a trusted proxy says, or else `https` if the app itself
    /// serves TLS or the session cookie is Secure.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.0.told.as_ref().and_then(|told| told.is_https) {
            Some(true) => Scheme::Https,
            Some(false) => Scheme::Http,
            None if self.app().speaks_tls => Scheme::Https,
            None => self.app().sessions.scheme(),
        }
    }

    /// The path below which the app is, such as `/app`, without a slash at its end. Empty if the app has the whole host.
    ///
    /// It is the setting [`root_path`](crate::ProxySettings::root_path), or what a trusted proxy says.
    /// [`url_for`](Self::url_for) and redirects add it by themselves. A redirect to a path that already begins with it
    /// is left as it is.
    #[must_use]
    pub fn root_path(&self) -> &str {
        self.root().as_str()
    }

    pub(crate) fn root(&self) -> &RootPath {
        let told = self.0.told.as_ref().and_then(|told| told.prefix.as_ref());
        told.unwrap_or(&self.app().proxies.root_path)
    }

    /// The scheme and the host by which the visitor reached the app: `https://www.example.org`.
    pub(crate) fn site(&self) -> String {
        format!("{}://{}", self.scheme().as_str(), self.host())
    }

    /// The path with the root path in front.
    pub(crate) fn at_root(&self, path: &str) -> String {
        format!("{}{path}", self.root_path())
    }
}
