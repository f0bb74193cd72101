//! Running an app's commands in a test.

use crate::app::App;
use crate::error::Result;

/// Runs a [command](App::command) of the app. `words` are the command's name and its arguments.
///
/// # Errors
///
/// That of the command.
///
/// # Panics
///
/// If `words` is empty, or the app has no command of that name.
///
/// # Example
///
/// ```
/// use std::sync::{Arc, Mutex};
///
/// use waxseal::testing::run_command;
/// use waxseal::{App, Cli, Result};
///
/// type Users = Arc<Mutex<Vec<String>>>;
///
/// async fn add_user(cli: Cli) -> Result<()> {
///     cli.state::<Users>()?.lock().unwrap().extend_from_slice(cli.args());
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build()?.block_on(async {
/// let users = Users::default();
/// let app = App::new("demo").state(users.clone()).command("add-user", "Adds a user", add_user);
/// run_command(app, &["add-user", "merlin"]).await.unwrap();
/// assert_eq!(*users.lock().unwrap(), ["merlin"]);
/// # });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub async fn run_command(app: App, words: &[&str]) -> Result<()> {
    let (name, args) = words.split_first().expect("the words begin with the command's name");
    let args = args.iter().map(|&word| word.to_owned()).collect();
    let taken = app.take_command(name, args);
    let (run, cli) = taken.unwrap_or_else(|| panic!("the app has no command `{name}`"));
    run(cli).await
}
