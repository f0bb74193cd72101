//! Reading and changing the session of a test client.

use http::Method;
use http::header::HOST;
use waxseal_http::RequestSession;
use waxseal_manager::Visit;
use waxseal_server::Body;
use waxseal_session::Session;

use super::Client;

impl Client {
    /// Changes or reads the session, as Flask's `session_transaction` does. Changes are committed, and the cookie is kept.
    ///
    /// # Panics
    ///
    /// If the session cannot be loaded or sealed.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, Response, Result, typed};
    ///
    /// async fn greet(request: Request) -> Result<Response> {
    ///     Ok(typed("text/plain", request.session().await?.get::<String>("name")?.unwrap_or_default()))
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// let client = Client::new(App::new("demo").get("/", greet))?;
    /// client.with_session(|session| session.insert("name", "Merlin")).await?;
    /// assert_eq!(client.get("/").await.text(), "Merlin");
    /// # Ok::<(), Box<dyn std::error::Error>>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn with_session<T>(&self, change: impl FnOnce(&Session) -> T) -> T {
        let sessions = self.service.sessions();
        let request = self.request(Method::POST, sessions.cookie().path(), Body::empty());
        let asked = sessions.session_of(request.method(), request.uri(), request.headers());
        let changed = change(&asked.load().await.expect("the session can be loaded"));
        let mut response = http::Response::new(());
        sessions.finish(&asked, &mut response).await.expect("the session can be sealed");
        self.keep_all(response.headers(), self.target(&request.headers()[HOST], request.uri().path(), None));
        changed
    }

    /// The session that the app finds with the kept cookies, for reading. Changes are not committed.
    ///
    /// # Panics
    ///
    /// If the session cannot be loaded.
    pub async fn session(&self) -> Session {
        self.asked().load().await.expect("the session can be loaded")
    }

    /// The session of a GET for the cookie's path.
    fn asked(&self) -> RequestSession {
        let sessions = self.service.sessions();
        let request = self.request(Method::GET, sessions.cookie().path(), Body::empty());
        sessions.session_of(request.method(), request.uri(), request.headers())
    }

    /// The public session id of the kept session, by which lists name it; `None` if there is no session in a store.
    ///
    /// # Panics
    ///
    /// As [`session`](Self::session) does.
    pub async fn public_id(&self) -> Option<String> {
        let asked = self.asked();
        asked.load().await.expect("the session can be loaded");
        asked.visit().and_then(Visit::public_id).map(|id| id.to_string())
    }

    /// A CSRF token of the kept session, for apps that [require one](crate::App::csrf_tokens), as if a page with a form
    /// had been fetched.
    ///
    /// # Panics
    ///
    /// As [`with_session`](Self::with_session) does.
    pub async fn csrf_token(&self) -> String {
        self.with_session(Session::csrf_token).await.expect("a token can be drawn")
    }
}
