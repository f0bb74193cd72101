//! Commands of an app, besides serving it.

use std::future::Future;

use super::App;
use crate::cli::Cli;
use crate::error::Result;

impl App {
    /// Adds a command to the program, as Flask's `@app.cli.command("init-db")` does: `demo init-db` runs it instead of
    /// the server, with the app's [state](Self::state). [`run`](Self::run) parses the command line for it.
    ///
    /// For flags of the app's own, see [`args`](crate::args()).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use waxseal::{App, Cli, Result, StartError};
    ///
    /// struct Db;
    ///
    /// async fn add_user(cli: Cli) -> Result<()> {
    ///     let db: &Db = cli.state()?;
    ///     println!("added {:?}", cli.args());
    ///     Ok(())
    /// }
    ///
    /// fn main() -> Result<(), StartError> {
    ///     App::new("demo").state(Db).command("add-user", "Adds a user of this name", add_user).run()
    /// }
    /// ```
    #[must_use]
    pub fn command<F, Fut>(mut self, name: &'static str, about: &'static str, run: F) -> Self
    where
        F: FnOnce(Cli) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.commands.add(name, about, run);
        self
    }
}
