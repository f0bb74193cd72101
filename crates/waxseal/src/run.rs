//! Running an app as a program: settings, secrets, log, signals.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;

use clap::{CommandFactory, FromArgMatches};
use tokio::runtime::{self, Runtime};
use waxseal_keys::Secrets;

use crate::app::App;
use crate::server::AppServer;
use crate::settings::{Settings, arguments};
use crate::signals::{self, Hangups};
use crate::start_error::StartError;
use crate::start_warnings;
use crate::{log, panic_limit};

/// What the program's arguments ask for.
enum Call {
    Serve(Box<Settings>),
    Command { name: String, args: Vec<String> },
}

impl Call {
    /// Starts the threads that answer requests.
    fn runtime(&self) -> io::Result<Runtime> {
        let mut runtime = runtime::Builder::new_multi_thread();
        if let Self::Serve(settings) = self
            && let Some(workers) = settings.limits.workers
        {
            runtime.worker_threads(workers.get());
        }
        runtime.enable_all().build()
    }
}

impl App {
    /// Serves the app until Ctrl-C or SIGTERM. A `main` needs nothing else.
    ///
    /// Settings come from this program's flags, environment and configuration file. The secret key comes from where
    /// they say, and the log goes to standard error. If the arguments name a [command](Self::command), it runs instead
    /// of the server.
    ///
    /// A changed secret file is used without a restart: see [`AppServer::serve`]. SIGHUP makes the server read it at once.
    ///
    /// This creates a tokio runtime for the server. A program that already has one, as with `#[tokio::main]`, uses
    /// [`run_async`](Self::run_async).
    ///
    /// # Errors
    ///
    /// [`StartError`] says what was found and what to do.
    pub fn run(self) -> Result<(), StartError> {
        self.run_as(std::env::args_os().collect())
    }

    /// Does what [`run`](Self::run) does, on the present tokio runtime: for a `main` that has to await something first,
    /// such as a pool of connections. The setting [`workers`](crate::LimitSettings::workers) then has no effect.
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    ///
    /// # Example
    ///
    /// ```no_run
    /// use waxseal::{App, StartError, html};
    ///
    /// #[tokio::main]
    /// async fn main() -> Result<(), StartError> {
    ///     App::new("demo").get("/", async |_| Ok(html("Hello."))).run_async().await
    /// }
    /// ```
    pub async fn run_async(self) -> Result<(), StartError> {
        let call = self.call(std::env::args_os().collect());
        self.answer_call(call).await
    }

    /// Serves the app as [`run_async`](Self::run_async) does, with settings that the program has already parsed: see
    /// [`args`](crate::args()).
    ///
    /// # Errors
    ///
    /// Those of [`run`](Self::run).
    pub async fn run_with(self, settings: Settings) -> Result<(), StartError> {
        let shows_text = log::to_stderr(&settings);
        let served = self.serve_with(settings).await;
        // A `main` prints the error as text, which readers of other logs do not see.
        if let (Err(error), false) = (&served, shows_text) {
            tracing::error!("{error}");
        }
        served
    }

    async fn serve_with(self, settings: Settings) -> Result<(), StartError> {
        if !settings.development {
            panic_limit::install();
        }
        // First: a misspelt setting may be why what follows fails.
        let variables = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        for warning in start_warnings::of(&settings, self.has_own_store(), variables) {
            tracing::warn!("{warning}");
        }
        let secrets = Secrets::from_env(&settings, self.name())?;
        let mode = if settings.development { "development" } else { "production" };
        // Before the address is logged: a program that reads it there may send a signal at once.
        let (interruption, impatience) = signals::interruptions().map_err(StartError::Runtime)?;
        let hangups = Hangups::listen().map_err(StartError::Runtime)?;
        let server = self.bind(&settings, &secrets).await?;
        for warning in secrets.warnings() {
            tracing::warn!("{warning}");
        }
        introduce(&server, &settings, &secrets);
        tracing::info!("{mode} server on {}, stop it with Ctrl-C", server.endpoint());
        tokio::select! {
            served = server.serve_until(interruption, hangups) => served,
            () = impatience => Ok(()),
        }
    }

    /// Runs the program with these arguments.
    fn run_as(self, args: Vec<OsString>) -> Result<(), StartError> {
        if runtime::Handle::try_current().is_ok() {
            return Err(StartError::InsideRuntime);
        }
        let call = self.call(args);
        let runtime = call.runtime().map_err(StartError::Runtime)?;
        runtime.block_on(self.answer_call(call))
    }

    /// Parses the arguments. On `--help` and on mistakes it prints a text and ends the program.
    fn call(&self, args: Vec<OsString>) -> Call {
        let matches = arguments::matches(self.commands().add_to(Settings::command()), args);
        match matches.subcommand() {
            Some((name, words)) => {
                let args = words.get_many("args").unwrap_or_default().cloned().collect();
                Call::Command { name: name.to_owned(), args }
            }
            None => {
                let settings = Settings::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
                Call::Serve(Box::new(settings))
            }
        }
    }

    async fn answer_call(self, call: Call) -> Result<(), StartError> {
        match call {
            Call::Serve(settings) => self.run_with(*settings).await,
            Call::Command { name, args } => {
                let taken = self.take_command(&name, args);
                let (run, cli) = taken.expect("clap knows the commands of the app alone");
                let done = run(cli).await;
                done.map_err(|error| StartError::Command { name, problem: error.to_string() })
            }
        }
    }
}

/// Logs what the server runs and the addresses of its other pages.
fn introduce(server: &AppServer, settings: &Settings, secrets: &Secrets) {
    tracing::info!("{}", server.service().start_line(settings, secrets, server.connections()));
    if let Some(address) = server.admin_address() {
        tracing::info!("/metrics and /health for the operator on http://{address}{}", who_reaches(address));
    }
    if let Some(address) = server.health_address() {
        tracing::info!("/health/live and /health/ready for a load balancer on http://{address}");
    }
    if let Some(hint) = names_on_one_host(settings) {
        tracing::info!("{hint}");
    }
}

/// What is said behind the address of the operator's pages if it is one of every network.
fn who_reaches(address: SocketAddr) -> &'static str {
    match address.ip().is_unspecified() {
        true => ", and in every network of this machine: let nothing but your monitoring reach that port",
        false => "",
    }
}

/// What an app below a path has to be told about its neighbours, unless its cookie has a name of its own.
fn names_on_one_host(settings: &Settings) -> Option<String> {
    let proxies = &settings.proxies;
    let place = match proxies.root_path.as_str() {
        "" if proxies.trusted_proxies.is_empty() || !proxies.is_told_a_path() => return None,
        "" => "below the path that a proxy says",
        path => &format!("below {path}"),
    };
    settings.session_cookie_name.is_none().then(|| {
        format!(
            "{place}: another app on this host needs another --session-cookie-name, since the cookie is the host's"
        )
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clap::Parser;

    use super::*;

    #[test]
    fn an_address_of_every_network_is_said_to_be_one() {
        for (address, is_said) in [
            ("127.0.0.1:9000", false),
            ("10.0.0.11:9000", false),
            ("0.0.0.0:9000", true),
            ("[::]:9000", true),
        ] {
            assert_eq!(who_reaches(address.parse().unwrap()).contains("every network"), is_said, "{address}");
        }
    }

    #[test]
    fn a_command_runs_in_place_of_the_server() {
        async fn greet(cli: crate::Cli) -> crate::Result<()> {
            match cli.args() {
                [name, flag] if flag == "--loud" => {
                    cli.state::<std::sync::Mutex<String>>()?.lock().unwrap().push_str(name);
                    Ok(())
                }
                _ => Err(crate::Error::status(400).message("whom?")),
            }
        }
        let greeted = Arc::new(std::sync::Mutex::new(String::new()));
        let app = |state: Arc<std::sync::Mutex<String>>| {
            let note = async move |cli: crate::Cli| {
                greet(cli).await?;
                state.lock().unwrap().push_str("Merlin");
                Ok(())
            };
            let state = std::sync::Mutex::new(String::new());
            App::new("demo").state(state).command("greet", "Greets somebody", note)
        };
        let run = |words: &[&str]| {
            let args = ["demo", "greet"].iter().chain(words).map(OsString::from).collect();
            app(greeted.clone()).run_as(args)
        };
        run(&["merlin", "--loud"]).unwrap();
        assert_eq!(*greeted.lock().unwrap(), "Merlin");
        assert_eq!(run(&[]).unwrap_err().to_string(), "the command `greet` failed: 400 Bad Request: whom?");
        assert_eq!(*greeted.lock().unwrap(), "Merlin");
    }

    #[test]
    fn as_many_threads_answer_requests_as_the_setting_says() {
        for workers in [1, 3] {
            let call = App::new("demo").call(vec!["demo".into(), format!("--workers={workers}").into()]);
            assert_eq!(call.runtime().unwrap().metrics().num_workers(), workers);
        }
    }

    #[test]
    fn an_app_below_a_path_says_that_its_neighbour_needs_another_name() {
        for (flags, place) in [
            (&[][..], None),
            (&["--root-path=/app"], Some("below /app: ")),
            (&["--root-path=/app", "--session-cookie-name=__Host-app"], None),
            (&["--trusted-proxies=10.0.0.1"], None),
            (
                &["--trusted-proxies=10.0.0.1", "--forwarded-headers=for,prefix"],
                Some("below the path that a proxy says: "),
            ),
            (&["--forwarded-headers=prefix"], None),
            (
                &["--trusted-proxies=unix", "--forwarded-headers=prefix", "--session-cookie-name=__Host-app"],
                None,
            ),
        ] {
            let settings = Settings::try_parse_from([&["app"], flags].concat()).unwrap();
            let hint = names_on_one_host(&settings);
            assert_eq!(hint.is_some(), place.is_some(), "{flags:?}: {hint:?}");
            assert!(
                hint.iter().all(|hint| hint.starts_with(place.unwrap_or_default())),
                "{flags:?}: {hint:?}"
            );
        }
    }

    #[tokio::test]
    async fn run_inside_a_runtime_is_an_error_that_says_what_to_write() {
        let error = App::new("demo").run().unwrap_err();
        insta::assert_snapshot!(error, @"`App::run` starts a tokio runtime of its own and was called inside one; call it from a `main` that is not `async` and has no `#[tokio::main]`, or use `App::run_async`, which runs on yours");
    }
}
