//! A test client that needs no socket.
//!
//! To test what an app does while its session store is away, use a store that fails on demand,
//! `waxseal_store::testing::FaultyStore`. It needs `waxseal-store` among the dev-dependencies.
//!
//! ```
//! use waxseal::testing::Client;
//! use waxseal::{App, MemoryStore, Request, Response, Result, SessionState, Settings, typed};
//! use waxseal_store::testing::FaultyStore;
//!
//! async fn greet(request: Request) -> Result<Response> {
//!     let name: Option<String> = request.session().await?.get("name")?;
//!     Ok(typed("text/plain", name.unwrap_or("stranger".into())))
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
//! let store = FaultyStore::new(MemoryStore::new());
//! let settings = Settings { session_state: SessionState::Store, ..Settings::default() };
//! let app = App::new("demo").session_store(store.clone()).get("/", greet);
//! let client = Client::with_settings(app, &settings)?;
//! client.with_session(|session| session.insert("name", "Merlin")).await?;
//!
//! store.set_away(true);
//! assert_eq!(client.get("/").await.status(), 503);
//! store.set_away(false);
//! assert_eq!(client.get("/").await.text(), "Merlin");
//! # Ok::<(), Box<dyn std::error::Error>>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod command;
mod jar;
mod kept_cookie;
mod part;
mod response;
mod session;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, COOKIE, HOST, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri};
use serde::Serialize;
use waxseal_crypto::{Keyring, SecretKey};
use waxseal_http::{Clock, Scheme};
use waxseal_server::Body;

use self::jar::{Jar, Target};
use crate::app::App;
use crate::open_store;
use crate::request::Request;
use crate::service::AppService;
use crate::settings::Settings;
use crate::start_error::StartError;

pub use command::run_command;
pub use kept_cookie::KeptCookie;
pub use part::Part;
pub use response::TestResponse;

/// The most redirects that are followed in a row.
const MAX_REDIRECTS: usize = 20;

/// A browser for tests, without a socket. It keeps cookies between requests as browsers do (RFC 6265bis: domain, path,
/// Secure, expiry, name prefixes).
///
/// Its requests go to `localhost` or the host that was [set](Self::at_host), over TLS if the session cookie is Secure.
/// A request for an absolute URL, such as `client.get("http://shop.example.org/")`, uses that host and scheme.
///
/// If a request fails with 500 or more, the cause is printed to standard error, which the output of a failing test
/// includes.
///
/// The app runs as in production, with a secret key generated for this client, and with a clock that stands still until
/// [`advance`](Self::advance) moves it.
///
/// # Example
///
/// ```
/// use waxseal::testing::Client;
/// use waxseal::{App, Request, Response, Result, redirect, typed};
///
/// async fn greet(request: Request) -> Result<Response> {
///     let name: Option<String> = request.session().await?.get("name")?;
///     Ok(typed("text/plain", format!("hello, {}", name.unwrap_or("stranger".into()))))
/// }
///
/// async fn enter(request: Request) -> Result<Response> {
///     request.session().await?.insert("name", "Merlin")?;
///     Ok(redirect("/"))
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// let client = Client::new(App::new("demo").get("/", greet).post("/enter", enter))?;
/// assert_eq!(client.get("/").await.text(), "hello, stranger");
/// let page = client.post_form("/enter", &[]).await;
/// assert_eq!(page.location(), Some("/"));
/// assert_eq!(client.get("/").await.text(), "hello, Merlin");
/// # Ok::<(), waxseal::StartError>(()) })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Client {
    service: AppService,
    now: Arc<Mutex<SystemTime>>,
    cookies: Mutex<Jar>,
    host: String,
    address: SocketAddr,
    follows: bool,
    /// Headers that are sent with every request.
    headers: HeaderMap,
}

impl Client {
    /// Creates a client of `app` with the default settings.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the app cannot start.
    pub fn new(app: App) -> Result<Self, StartError> {
        Self::with_settings(app, &Settings::default())
    }

    /// Creates a client of `app` with these settings.
    ///
    /// # Errors
    ///
    /// [`StartError`] if the app cannot start.
    pub fn with_settings(app: App, settings: &Settings) -> Result<Self, StartError> {
        let key = SecretKey::generate().map_err(waxseal_keys::Error::from)?;
        let now = Arc::new(Mutex::new(SystemTime::now()));
        let time = now.clone();
        let clock = Clock::from_fn(move || *time.lock().unwrap_or_else(PoisonError::into_inner));
        let store = open_store::open_local(settings.session_store.as_ref(), settings.session_state)?;
        let service = app.printing_failures().service_with(settings, &Keyring::new(key), clock, store)?;
        let host = "localhost".to_owned();
        let address = (Ipv4Addr::LOCALHOST, 50_000).into();
        let (cookies, headers) = (Mutex::default(), HeaderMap::new());
        Ok(Self { service, now, cookies, host, address, follows: false, headers })
    }

    /// Creates another browser, without cookies, for the same running app and with the same clock.
    #[must_use]
    pub fn another(&self) -> Self {
        Self {
            service: self.service.clone(),
            now: self.now.clone(),
            cookies: Mutex::default(),
            host: self.host.clone(),
            headers: self.headers.clone(),
            ..*self
        }
    }

    /// Sends requests to this host from now on, with or without a port. Use it to test cookies with a Domain.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, Response, Result, Settings, redirect};
    ///
    /// async fn enter(request: Request) -> Result<Response> {
    ///     request.session().await?.insert("name", "Merlin")?;
    ///     Ok(redirect("/"))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let settings = Settings {
    ///     session_cookie_name: Some("shop".to_owned()),
    ///     session_cookie_domain: Some("example.org".to_owned()),
    ///     ..Settings::default()
    /// };
    /// let client = Client::with_settings(App::new("demo").post("/enter", enter), &settings)?.at_host("www.example.org");
    /// client.post_form("/enter", &[]).await;
    /// assert!(client.at_host("example.org").cookie("shop").is_some());
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn at_host(mut self, host: &str) -> Self {
        host.clone_into(&mut self.host);
        self
    }

    /// Sends this header with every request from now on. It replaces an earlier one of the same name.
    ///
    /// # Example
    ///
    /// ```
    /// use http::{HeaderValue, header::ACCEPT_LANGUAGE};
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, typed};
    ///
    /// let app = App::new("demo").get("/", async |request: Request| {
    ///     let language = request.headers().get(ACCEPT_LANGUAGE);
    ///     Ok(typed("text/plain", language.map_or(Vec::new(), |language| language.as_bytes().to_vec())))
    /// });
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = Client::new(app)?.with_header(ACCEPT_LANGUAGE, HeaderValue::from_static("la"));
    /// assert_eq!(client.get("/").await.text(), "la");
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sends requests from this address from now on: that of a visitor or of a proxy. The default is 127.0.0.1.
    #[must_use]
    pub fn from_address(mut self, address: impl Into<IpAddr>) -> Self {
        self.address.set_ip(address.into());
        self
    }

    /// Follows redirects within the app from now on. The response is then that of the last page; [`TestResponse::path`]
    /// tells its path.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, Response, Result, redirect, typed};
    ///
    /// async fn enter(request: Request) -> Result<Response> {
    ///     request.session().await?.insert("name", "Merlin")?;
    ///     Ok(redirect("/hall"))
    /// }
    ///
    /// async fn hall(request: Request) -> Result<Response> {
    ///     Ok(typed("text/plain", request.session().await?.get::<String>("name")?.unwrap_or_default()))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = Client::new(App::new("demo").post("/enter", enter).get("/hall", hall))?.follow_redirects();
    /// let page = client.post_form("/enter", &[]).await;
    /// assert_eq!((page.path(), page.text().as_str()), ("/hall", "Merlin"));
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn follow_redirects(mut self) -> Self {
        self.follows = true;
        self
    }

    /// Sends a GET.
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request) and [`send`](Self::send) do.
    pub async fn get(&self, path: &str) -> TestResponse {
        self.send(self.request(Method::GET, path, Body::empty())).await
    }

    /// Sends a form in a POST.
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request) and [`send`](Self::send) do.
    pub async fn post_form(&self, path: &str, fields: &[(&str, &str)]) -> TestResponse {
        let body = serde_html_form::to_string(fields).expect("pairs of texts can be written as a form");
        let mut request = self.request(Method::POST, path, body.into());
        let form = HeaderValue::from_static("application/x-www-form-urlencoded");
        request.headers_mut().insert(CONTENT_TYPE, form);
        self.send(request).await
    }

    /// Sends JSON in a POST.
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request) and [`send`](Self::send) do, and if `value` cannot be written as JSON.
    pub async fn post_json(&self, path: &str, value: &impl Serialize) -> TestResponse {
        let body = serde_json::to_vec(value).expect("a test's value can be written as JSON");
        let mut request = self.request(Method::POST, path, body.into());
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.send(request).await
    }

    /// Sends a form with files in a POST, as `multipart/form-data`.
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request) and [`send`](Self::send) do.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::{Client, Part};
    /// use waxseal::{App, Request, Response, Result, typed};
    ///
    /// async fn weigh(request: Request) -> Result<Response> {
    ///     let mut form = request.multipart().await?;
    ///     let bytes = form.take_file("letter").map_or(0, |letter| letter.len());
    ///     Ok(typed("text/plain", format!("{}: {bytes}", form.field("to").unwrap_or("nobody"))))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = Client::new(App::new("demo").post("/weigh", weigh))?;
    /// let parts = [Part::field("to", "Merlin"), Part::file("letter", "letter.txt", "text/plain", "Dear Merlin")];
    /// assert_eq!(client.post_multipart("/weigh", &parts).await.text(), "Merlin: 11");
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn post_multipart(&self, path: &str, parts: &[Part]) -> TestResponse {
        let (content_type, body) = part::encode(parts);
        let mut request = self.request(Method::POST, path, body.into());
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        self.send(request).await
    }

    /// Creates a request with the kept cookies, which can be changed and then [sent](Self::send). `path` may be an
    /// absolute URL.
    ///
    /// # Panics
    ///
    /// If `path` or the host is malformed.
    pub fn request(&self, method: Method, path: &str, body: Body) -> http::Request<Body> {
        let url: Uri = path.parse().expect("a request's path starts with / and is ASCII");
        let mut request = http::Request::new(body);
        *request.method_mut() = method;
        let below = url.path_and_query().map_or("/", |below| below.as_str());
        *request.uri_mut() = below.parse().expect("it is a part of a URL");
        let host = url.authority().map_or(self.host.as_str(), |authority| authority.as_str());
        let host = HeaderValue::try_from(host).expect("a host is ASCII");
        let scheme = url.scheme_str().map(|name| if name == "https" { Scheme::Https } else { Scheme::Http });
        let cookies = self.jar().header(self.target(&host, request.uri().path(), scheme));
        if let Some(scheme) = scheme {
            request.extensions_mut().insert(scheme);
        }
        request.headers_mut().clone_from(&self.headers);
        request.headers_mut().insert(HOST, host);
        if let Some(cookies) = cookies {
            let header = HeaderValue::try_from(cookies).expect("cookies came out of a header or a test");
            request.headers_mut().insert(COOKIE, header);
        }
        request
    }

    /// Sends a request, and keeps the cookies of the response. After a HEAD the response has no body, as with a server.
    ///
    /// # Panics
    ///
    /// If reading the response's body fails, or there are more than 20 redirects in a row.
    pub async fn send(&self, request: http::Request<Body>) -> TestResponse {
        if !self.follows {
            return self.send_once(request).await;
        }
        let (mut parts, body) = request.into_parts();
        let mut body =
            body.collect(usize::MAX, Duration::from_secs(60)).await.expect("a test's body is whole");
        for _ in 0..MAX_REDIRECTS {
            let answer = self.send_once(http::Request::from_parts(parts.clone(), body.clone().into())).await;
            let here = answer.location().filter(|path| path.starts_with('/') && !path.starts_with("//"));
            let Some(path) = here.filter(|_| answer.status.is_redirection()) else { return answer };
            let host = parts.headers[HOST].to_str().unwrap_or_default();
            let next =
                parts.extensions.get::<Scheme>().map(|scheme| format!("{}://{host}{path}", scheme.as_str()));
            let path = &next.unwrap_or_else(|| path.to_owned());
            // As in browsers: after all redirects but 307 and 308 the next request is a GET without a body.
            let repeats = matches!(answer.status.as_u16(), 307 | 308) || parts.method == Method::HEAD;
            let method = if repeats { parts.method.clone() } else { Method::GET };
            body = if repeats { body } else { Bytes::new() };
            let (mut next, ()) = self.request(method, path, Body::empty()).map(drop).into_parts();
            if let Some(kind) = parts.headers.get(CONTENT_TYPE).filter(|_| repeats) {
                next.headers.insert(CONTENT_TYPE, kind.clone());
            }
            parts = next;
        }
        panic!("more than {MAX_REDIRECTS} redirects, the last to {}", parts.uri)
    }

    async fn send_once(&self, request: http::Request<Body>) -> TestResponse {
        let head_only = *request.method() == Method::HEAD;
        let uri = request.uri().clone();
        let host = request.headers().get(HOST).cloned().unwrap_or(HeaderValue::from_static(""));
        let scheme = request.extensions().get::<Scheme>().copied();
        let service = self.service.for_peer(self.address.into());
        let (answer, request) = service.answer_by(scheme, request).await;
        let (parts, body) = answer.into_parts();
        self.keep_all(&parts.headers, self.target(&host, uri.path(), scheme));
        // A server sends no body after HEAD.
        let body = if head_only { Body::empty() } else { body };
        let body = body.collect(usize::MAX, Duration::from_secs(60)).await;
        TestResponse {
            status: parts.status,
            headers: parts.headers,
            body: body.expect("the answer's body is whole"),
            path: uri.to_string(),
            request,
        }
    }

    /// Creates a GET request for this path without running a handler, for tests of functions that take a request. This
    /// is Flask's `test_request_context`.
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request) does.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, html};
    ///
    /// let app = App::new("demo").route(waxseal::Route::get("/hall", async |_| Ok(html(""))).name("hall"));
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let request = Client::new(app)?.request_context("/");
    /// assert_eq!(request.url_for("hall", &[("_external", "true")]).unwrap(), "https://localhost/hall");
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn request_context(&self, path: &str) -> Request {
        let request = self.request(Method::GET, path, Body::empty());
        let scheme = request.extensions().get::<Scheme>().copied();
        self.service.for_peer(self.address.into()).request(request, scheme)
    }

    /// The app itself, for a request whose response should not be read completely.
    #[must_use]
    pub fn service(&self) -> &AppService {
        &self.service
    }

    /// Moves the clock forward.
    pub fn advance(&self, time: Duration) {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner) += time;
    }

    /// The value of the kept cookie of this name, whatever its host and path.
    #[must_use]
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().value(name, self.now())
    }

    /// All kept cookies, with their domains and paths.
    #[must_use]
    pub fn cookies(&self) -> Vec<KeptCookie> {
        self.jar().all(self.now())
    }

    /// Sets a cookie for this host and all paths. It replaces all cookies of its name.
    pub fn set_cookie(&self, name: &str, value: &str) {
        let host = HeaderValue::try_from(&self.host).expect("a host is ASCII");
        self.jar().plant(name, value, self.target(&host, "/", None));
    }

    /// Keeps a cookie as if a response had this `Set-Cookie`, such as `theme=dark; Path=/shop; Max-Age=60`. A cookie
    /// that a browser would refuse is not kept.
    pub fn keep_cookie(&self, set_cookie: &str) {
        let host = HeaderValue::try_from(&self.host).expect("a host is ASCII");
        self.jar().keep(set_cookie.as_bytes(), self.target(&host, "/", None));
    }

    /// Removes all cookies of this name.
    pub fn delete_cookie(&self, name: &str) {
        self.jar().forget(name);
    }

    fn keep_all(&self, headers: &HeaderMap, target: Target<'_>) {
        for header in headers.get_all(SET_COOKIE) {
            self.jar().keep(header.as_bytes(), target);
        }
    }

    fn jar(&self) -> MutexGuard<'_, Jar> {
        self.cookies.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> SystemTime {
        *self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target of a request to this host and path at the present time, with this scheme or else the app's.
    fn target<'a>(&self, host: &'a HeaderValue, path: &'a str, scheme: Option<Scheme>) -> Target<'a> {
        let host = host.to_str().unwrap_or_default();
        // Removes the port. The colons of an IPv6 address stay.
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => {
                name
            }
            _ => host,
        };
        let secure = scheme.unwrap_or(self.service.sessions().scheme()) == Scheme::Https;
        Target { host: name, path, secure, now: self.now() }
    }
}
