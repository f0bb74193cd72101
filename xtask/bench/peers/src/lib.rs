//! What the peers share: where they listen, their page, and hyper's connections for the two that are hyper alone.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue, LOCATION, SET_COOKIE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use minijinja::{Environment, context};
use tokio::net::TcpListener;

/// What every server here can fail with.
pub type Error = Box<dyn std::error::Error + Send + Sync>;

/// Where to listen: this machine, on the port that the command line names.
///
/// # Errors
///
/// If it names none.
pub fn address() -> Result<SocketAddr, Error> {
    let port = std::env::args().nth(1).ok_or("the first argument is a port")?;
    Ok((Ipv4Addr::LOCALHOST, port.parse()?).into())
}

/// The template of the page that all serve: that of Waxseal's example.
pub const TEMPLATE: &str = include_str!("../../../../crates/waxseal/examples/templates/success.html");

/// The page that all serve.
pub struct Page(Environment<'static>);

impl Page {
    /// Compiles the template.
    ///
    /// # Panics
    ///
    /// If the template is no Jinja.
    #[must_use]
    pub fn new() -> Self {
        let mut environment = Environment::new();
        environment.add_template("success.html", TEMPLATE).expect("the template is compiled by every build");
        Self(environment)
    }

    /// Renders the page of two values.
    ///
    /// # Panics
    ///
    /// If rendering fails.
    #[must_use]
    pub fn render(&self, name: Option<&str>, magic_school: Option<&str>) -> String {
        let template = self.0.get_template("success.html").expect("it was added above");
        template.render(context! { session => context! { name, magic_school } }).expect("two texts render")
    }
}

impl Default for Page {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs a server on one thread, the main one.
///
/// # Errors
///
/// Those of the server.
pub fn run(server: impl Future<Output = Result<(), Error>>) -> Result<(), Error> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(server)
}

/// Serves `page` on hyper alone, without any session: the two values are always these.
///
/// # Errors
///
/// If the port is taken.
pub async fn serve_hyper<F>(page: F) -> Result<(), Error>
where
    F: Fn() -> Bytes + Clone + Send + Sync + 'static,
{
    serve(move |request| answer(request, page.clone())).await
}

/// Serves requests on hyper alone.
///
/// # Errors
///
/// If the port is taken.
pub async fn serve<A, R>(answer: A) -> Result<(), Error>
where
    A: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
    R: Future<Output = Result<Response<Full<Bytes>>, Infallible>> + Send + 'static,
{
    let listener = TcpListener::bind(address()?).await?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let service = service_fn(answer.clone());
        let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move { drop(connection.await) });
    }
}

async fn answer(
    request: Request<Incoming>,
    page: impl Fn() -> Bytes,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let response = match (request.method(), request.uri().path()) {
        (&Method::GET, "/plain") => typed("text/plain; charset=utf-8", Bytes::from_static(b"hello")),
        (&Method::GET, "/wizard/success") => typed("text/html; charset=utf-8", page()),
        (&Method::POST, "/wizard/create") => {
            let form = request.into_body().collect().await.map(http_body_util::Collected::to_bytes);
            created(form.map_or(0, |form| form.len()))
        }
        _ => status(StatusCode::NOT_FOUND),
    };
    Ok(response)
}

/// A redirect with a cookie about as long as a sealed session of this form would be.
fn created(form_bytes: usize) -> Response<Full<Bytes>> {
    /// Longest value, of which as much is sent as needed.
    static VALUE: [u8; 3900] = [b'x'; 3900];
    let mut response = status(StatusCode::SEE_OTHER);
    response.headers_mut().insert(LOCATION, HeaderValue::from_static("/wizard/success"));
    let length = (200 + form_bytes * 4 / 3).min(VALUE.len());
    let cookie = [b"session=", &VALUE[..length], b"; HttpOnly; SameSite=Lax; Secure; Path=/"].concat();
    let cookie = HeaderValue::from_maybe_shared(Bytes::from(cookie)).expect("it is ASCII");
    response.headers_mut().insert(SET_COOKIE, cookie);
    response
}

/// A page of this media type.
#[must_use]
pub fn typed(media_type: &'static str, body: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// An empty answer.
#[must_use]
pub fn status(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
