//! Commands of an app, besides serving it.

use std::future::Future;

use crate::error::Result;
use crate::handler::BoxFuture;
use crate::states::States;

/// What a command that was added with [`App::command`](crate::App::command) gets: the app's state, and the arguments
/// after the command's name.
#[must_use]
pub struct Cli {
    pub(crate) states: States,
    pub(crate) args: Vec<String>,
}

/// A command's function.
pub(crate) type Run = Box<dyn FnOnce(Cli) -> BoxFuture<Result<()>> + Send>;

/// The commands of an app.
#[derive(Default)]
pub(crate) struct Commands(Vec<Command>);

struct Command {
    name: &'static str,
    about: &'static str,
    run: Run,
}

impl Cli {
    /// The value of this type that was added with [`App::state`](crate::App::state).
    ///
    /// # Errors
    ///
    /// If there is no such value. The error names the type.
    #[track_caller]
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T> {
        self.states.get()
    }

    /// The arguments after the command's name: `["merlin"]` of `demo add-user merlin`.
    #[must_use]
    pub fn args(&self) -> &[String] {
        &self.args
    }
}

impl Commands {
    pub(crate) fn add<F, Fut>(&mut self, name: &'static str, about: &'static str, run: F)
    where
        F: FnOnce(Cli) -> Fut + Send + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        self.0.push(Command { name, about, run: Box::new(move |cli| Box::pin(run(cli))) });
    }

    /// Adds the commands to the program's own flags.
    pub(crate) fn add_to(&self, program: clap::Command) -> clap::Command {
        let words = clap::Arg::new("args").num_args(..).trailing_var_arg(true).allow_hyphen_values(true);
        let commands = self.0.iter().map(|it| clap::Command::new(it.name).about(it.about).arg(words.clone()));
        program.subcommands(commands)
    }

    /// The command of this name.
    pub(crate) fn take(self, name: &str) -> Option<Run> {
        self.0.into_iter().find(|command| command.name == name).map(|command| command.run)
    }
}

/// Shows the arguments and not the state.
impl std::fmt::Debug for Cli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cli").field("args", &self.args).finish_non_exhaustive()
    }
}
