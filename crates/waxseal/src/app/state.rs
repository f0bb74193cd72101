//! Values that an app gives its handlers.

use super::App;

impl App {
    /// Gives handlers, hooks and error handlers a value: a pool of connections, a mailer. They get it back by
    /// [`Request::state`](crate::Request::state), and commands by [`Cli::state`](crate::Cli::state).
    ///
    /// There is one value of each type, the last that was added: a test adds its own to the app that it tries.
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
