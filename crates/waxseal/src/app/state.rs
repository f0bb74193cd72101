//! Values that an app shares with its handlers.

use super::App;

impl App {
    /// Adds a value for handlers, hooks and error handlers, such as a connection pool or a mailer. They read it with
    /// [`Request::state`](crate::Request::state), and commands read it with [`Cli::state`](crate::Cli::state).
    ///
    /// There is one value of each type. A later value replaces an earlier one, so a test can put its own in place of
    /// the app's.
    ///
    /// # Example
    ///
    /// ```
    /// use waxseal::testing::Client;
    /// use waxseal::{App, Request, Response, Result, typed};
    ///
    /// struct Owls(Vec<&'static str>);
    ///
    /// async fn owls(request: Request) -> Result<Response> {
    ///     Ok(typed("text/plain", request.state::<Owls>()?.0.join(", ")))
    /// }
    ///
    /// fn app() -> App {
    ///     App::new("demo").state(Owls(vec!["Hedwig", "Errol"])).get("/", owls)
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
    /// assert_eq!(Client::new(app())?.get("/").await.text(), "Hedwig, Errol");
    /// let client = Client::new(app().state(Owls(vec!["Archimedes"])))?; // its own
    /// assert_eq!(client.get("/").await.text(), "Archimedes");
    /// # Ok::<(), waxseal::StartError>(()) })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.set(value);
        self
    }
}
