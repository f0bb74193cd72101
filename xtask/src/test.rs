//! `cargo xtask test`: everything, each step in order, and a summary.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::cargo::cargo;
use crate::servers::SERVERS;
use crate::system::{self, Browser, Server};
use crate::{book, deny, flask, fuzz};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The everyday part: no documentation, no browser, no features that are off by default
    #[arg(long)]
    fast: bool,
    /// Also the long tests: kills by the dozen, races by the thousand, a cluster under load, an app without its store,
    /// hostile clients, mutated input, the book, Flask from PyPI, twenty minutes of load (or SOAK_SECONDS), and the licences and sources
    /// of all dependencies; an hour beside building
    #[arg(long, conflicts_with = "fast")]
    faults: bool,
}

/// The features of the tests on servers, of all servers and in a browser, and of the whole workspace, so that nothing is built
/// anew for the next.
const SERVER_FEATURES: &str = "waxseal-redis/servers,waxseal-postgres/servers,waxseal-manager/servers,\
    wizard/redis,wizard/postgres,wizard/servers,wizard/browser";

/// One command and the name it has in the summary.
struct Step {
    name: String,
    command: Command,
    /// What to do if the command cannot even start.
    needs: Option<Tool>,
}

/// A part of the toolchain that rustup installs on request.
struct Tool {
    subcommand: &'static str,
    component: &'static str,
}

enum Outcome {
    Passed,
    Failed,
    /// Did not run; says why.
    Skipped(String),
}

/// Runs all steps, also after one failed, so that one run shows everything there is to mend.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    let mut steps = everyday_steps();
    let mut missing = Vec::new();
    if !options.fast {
        steps.push(crypto_alone());
        steps.push(migrations());
        steps.push(documentation());
        match beside() {
            Ok(step) => steps.push(step),
            Err(advice) => missing.push(("tests beside sqlx".to_owned(), advice)),
        }
        // A test may need two of them.
        let mut programs = Vec::new();
        for (tests, server) in &SERVERS {
            match server.find() {
                Ok(program) => {
                    programs.push((server.variable, program));
                    steps.push(server_tests(tests, server, &programs, options.faults));
                }
                Err(advice) => missing.push((format!("tests on {}", server.name), advice)),
            }
        }
        match Fleet::of(&programs) {
            Ok(fleet) => {
                steps.push(fleet.tests(options.faults));
                if options.faults {
                    steps.push(fleet.soak());
                }
            }
            Err(advice) => missing.push(("tests of two servers".to_owned(), advice)),
        }
        let browser = system::browser();
        match &browser {
            Ok(browser) => steps.push(browser_test(browser)),
            Err(advice) => missing.push(("browser test".to_owned(), advice.clone())),
        }
        if options.faults {
            match flask::environments() {
                Ok(folder) => steps.extend(on_flask(&folder, &programs, browser.ok().as_ref())),
                Err(advice) => missing.push(("tests on Flask".to_owned(), advice)),
            }
        }
    }
    if options.faults {
        steps.push(long_tests());
        steps.push(hostile_clients());
        steps.push(Step::of("fuzzing, short", fuzz::smoke(without_settings(cargo()))));
        for (name, command) in book::commands() {
            steps.push(Step::of(name, command));
        }
        let advisories = deny::has_advisories();
        for (name, command) in deny::commands(advisories.is_ok()) {
            steps.push(Step::of(name, command));
        }
        if let Err(advice) = advisories {
            missing.push(("check of advisories".to_owned(), advice));
        }
    }

    let mut results = Vec::new();
    for step in steps {
        let name = step.name.clone();
        let (outcome, time) = step.run();
        results.push((name, outcome, time));
    }
    let skipped = |(name, advice)| (name, Outcome::Skipped(advice), Duration::ZERO);
    results.extend(missing.into_iter().map(skipped));
    Ok(summarise(&results, start.elapsed()))
}

fn everyday_steps() -> Vec<Step> {
    let mut steps = vec![
        step("format", &["fmt", "--all", "--check"]).needs("fmt", "rustfmt"),
        step("lints", &["clippy", "--locked", "--workspace", "--all-targets", "--all-features"]).strict(),
    ];
    // Each feature has to compile without the others.
    for (name, features) in [
        ("lints, no features", ""),
        ("lints, feature router", "router"),
        ("lints, feature forms", "forms"),
        ("lints, feature json", "json"),
        ("lints, feature multipart", "multipart"),
        ("lints, feature files", "files"),
        ("lints, feature tls", "tls"),
    ] {
        let arguments = [
            "clippy",
            "--locked",
            "--package",
            "waxseal-server",
            "--no-default-features",
            "--features",
            features,
        ];
        steps.push(step(name, &arguments).strict());
    }
    // Unit, property, documentation and end-to-end tests, and the one of the workspace's shape, in `xtask/tests/arrows`.
    steps.push(step("tests", &["test", "--locked", "--workspace", "--no-fail-fast"]));
    steps
}

/// waxseal-crypto by itself, so without the feature `ring` that the app crate switches on for the whole workspace, and
/// with foreign vectors.
fn crypto_alone() -> Step {
    let package = ["--package", "waxseal-crypto", "--features", "hazmat"];
    step("tests without ring", &[&["test", "--locked", "--no-fail-fast"], &package[..]].concat())
}

/// The tests on a server, of a store and of a whole app; with `faults` the long ones too.
fn server_tests(tests: &str, server: &Server, programs: &[(&str, PathBuf)], faults: bool) -> Step {
    tests_with_servers(&format!("tests on {}", server.name), tests, programs, faults)
}

/// Tests that start some servers.
fn tests_with_servers(name: &str, tests: &str, programs: &[(&str, PathBuf)], faults: bool) -> Step {
    let arguments =
        ["test", "--locked", "--workspace", "--no-fail-fast", "--features", SERVER_FEATURES, "--test", tests];
    let mut step = step(name, &arguments);
    step.command.envs(programs.iter().map(|(variable, program)| (variable, program)));
    if faults {
        // Optimised, or the clients would be what is measured. One after another: a cluster alone fills two cores.
        step.command.args(["--release", "--", "--include-ignored", "--test-threads", "1"]);
    }
    step
}

/// The programs for two servers of an app with all that stands around them.
struct Fleet<'a>(&'a [(&'a str, PathBuf)]);

impl<'a> Fleet<'a> {
    /// # Errors
    ///
    /// A sentence that says what is missing.
    fn of(programs: &'a [(&'a str, PathBuf)]) -> Result<Self, String> {
        const NEEDED: [&str; 4] = ["REDIS_SERVER", "POSTGRES_INITDB", "PROMETHEUS", "NGINX"];
        let is_there = |variable: &str| programs.iter().any(|(found, _)| *found == variable);
        match NEEDED.iter().all(|variable| is_there(variable)) {
            true => Ok(Self(programs)),
            false => Err("it needs Redis, PostgreSQL, Prometheus and nginx; see above.".to_owned()),
        }
    }

    fn tests(&self, faults: bool) -> Step {
        tests_with_servers("tests of two servers", "fleet", self.0, faults)
    }

    /// Twenty minutes of load, or `SOAK_SECONDS`.
    fn soak(&self) -> Step {
        tests_with_servers("soak", "soak", self.0, true)
    }
}

/// Real Flask, several versions of it: reads what we write and the other way round; and, behind nginx, shares a sign-in with
/// its twin, also in a browser.
fn on_flask(folder: &Path, programs: &[(&str, PathBuf)], browser: Option<&Browser>) -> Vec<Step> {
    let run = |name: &str, features: &str, test: &str| {
        let arguments =
            ["test", "--locked", "--workspace", "--no-fail-fast", "--features", features, "--test", test];
        let mut step = step(name, &[&arguments[..], &["--", "--include-ignored", "flask"]].concat());
        step.command.env("FLASK_ENVIRONMENTS", folder);
        step.command.envs(programs.iter().map(|(variable, program)| (variable, program)));
        step
    };
    let mut steps = vec![run("tests on Flask", SERVER_FEATURES, "flask")];
    if programs.iter().any(|(variable, _)| *variable == "NGINX") {
        let features = format!("{SERVER_FEATURES},wizard/flask");
        steps.push(run("tests beside Flask", &features, "on_flask"));
        if let Some(browser) = browser {
            steps.push(run("browser test, Flask", &features, "browser").in_browser(browser));
        }
    }
    steps
}

/// The readers of other frameworks' cookies, by features that are off by default.
fn migrations() -> Step {
    let features = "waxseal/django,waxseal/flask,waxseal/rails";
    let arguments = ["test", "--locked", "--workspace", "--no-fail-fast", "--features", features];
    let tests = ["--test", "app", "--test", "django", "--test", "flask", "--test", "rails"];
    step("tests of migrations", &[&arguments[..], &tests].concat())
}

fn long_tests() -> Step {
    let packages =
        ["--package", "waxseal-sqlite", "--package", "waxseal-manager", "--package", "waxseal-cli"];
    let arguments = [&["test", "--locked", "--no-fail-fast"], &packages[..]].concat();
    let tests = ["--test", "model", "--test", "sqlite_*", "--test", "manager", "--test", "new_project"];
    step("tests, long", &[&arguments[..], &tests, &["--release", "--", "--ignored"]].concat())
}

/// Clients by the thousand, and stops under load: one after another, since times are asserted.
fn hostile_clients() -> Step {
    let packages = ["--package", "wizard", "--package", "waxseal-server"];
    let arguments = [&["test", "--locked", "--no-fail-fast"], &packages[..]].concat();
    let tests = ["--test", "hostile", "--test", "server"];
    let how = ["--release", "--", "--ignored", "--nocapture", "--test-threads", "1"];
    step("hostile clients", &[&arguments[..], &tests, &how].concat())
}

/// An app with an SQLite of its own, by sqlx: the oldest rusqlite that waxseal-sqlite accepts. The newest is in our own
/// Cargo.lock. In a folder of its own, so that it is built anew only when something changed.
///
/// # Errors
///
/// A sentence that says why it cannot run.
fn beside() -> Result<Step, String> {
    /// What sqlx asks for.
    const OLDEST: u32 = 94;
    let output = Command::new("rustc").arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let minor = said.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < OLDEST) {
        return Err(format!("sqlx 0.9 needs Rust 1.{OLDEST}."));
    }
    let manifest = ["--manifest-path", "xtask/beside/Cargo.toml", "--target-dir", "target/beside"];
    Ok(step("beside sqlx", &[&["test", "--locked", "--quiet"], &manifest[..]].concat()))
}

fn documentation() -> Step {
    let mut step = step("documentation", &["doc", "--locked", "--workspace", "--no-deps"]);
    step.command.env("RUSTDOCFLAGS", "-D warnings");
    step
}

/// For the whole workspace, although one crate has it: the same features, so nothing is built anew.
fn browser_test(browser: &Browser) -> Step {
    step(
        "browser test",
        &["test", "--locked", "--workspace", "--features", SERVER_FEATURES, "--test", "browser*"],
    )
    .in_browser(browser)
}

fn step(name: &str, arguments: &[&str]) -> Step {
    let mut command = without_settings(cargo());
    command.args(arguments);
    Step::of(name, command)
}

/// The tests choose their own configuration; the developer's must not leak in.
fn without_settings(mut command: Command) -> Command {
    for (variable, _) in env::vars_os() {
        let text = variable.to_string_lossy();
        if text.starts_with("WAXSEAL_") || text.starts_with("SECRET_KEY") {
            command.env_remove(&variable);
        }
    }
    command
}

impl Step {
    fn of(name: &str, command: Command) -> Step {
        Step { name: name.to_owned(), command, needs: None }
    }

    fn needs(mut self, subcommand: &'static str, component: &'static str) -> Step {
        self.needs = Some(Tool { subcommand, component });
        self
    }

    /// For clippy: warnings are errors.
    fn strict(mut self) -> Step {
        self.command.args(["--", "-D", "warnings"]);
        self.needs("clippy", "clippy")
    }

    fn in_browser(mut self, browser: &Browser) -> Step {
        let programs =
            [("CHROMEDRIVER", &browser.driver), ("CHROME", &browser.program), ("NGINX", &browser.proxy)];
        self.command.envs(programs);
        self
    }

    fn run(mut self) -> (Outcome, Duration) {
        eprintln!("\n==> {}: {}", self.name, command_line(&self.command));
        if let Some(tool) = self.needs.filter(|tool| !tool.is_installed()) {
            eprintln!(
                "cargo {} is not installed; run `rustup component add {}`",
                tool.subcommand, tool.component
            );
            return (Outcome::Failed, Duration::ZERO);
        }
        let start = Instant::now();
        let outcome = match self.command.status() {
            Ok(status) if status.success() => Outcome::Passed,
            Ok(_) => Outcome::Failed,
            Err(error) => {
                eprintln!("could not start {}: {error}", self.command.get_program().display());
                Outcome::Failed
            }
        };
        let time = start.elapsed();
        eprintln!("<== {}: {} in {:.1} s", self.name, outcome.word(), time.as_secs_f64());
        (outcome, time)
    }
}

impl Tool {
    fn is_installed(&self) -> bool {
        cargo().args([self.subcommand, "--version"]).output().is_ok_and(|output| output.status.success())
    }
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::Failed => "FAILED",
            Outcome::Skipped(_) => "NOT RUN",
        }
    }
}

/// A line for each step, then the verdict. A step that could not run fails only in continuous integration,
/// where nobody would read the note.
fn summarise(results: &[(String, Outcome, Duration)], total: Duration) -> ExitCode {
    eprintln!("\n==> summary");
    for (name, outcome, time) in results {
        eprintln!("{:>8}  {name:<24}{:>7.1} s", outcome.word(), time.as_secs_f64());
    }
    let mut good = true;
    for (name, outcome, _) in results {
        match outcome {
            Outcome::Passed => {}
            Outcome::Failed => good = false,
            Outcome::Skipped(reason) => {
                eprintln!("\n!!! The {name} did NOT run: {reason}");
                good &= !in_continuous_integration();
            }
        }
    }
    let verdict = if good { "all that ran passed" } else { "not all is well" };
    eprintln!("\n==> {verdict}, in {:.1} s", total.as_secs_f64());
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn in_continuous_integration() -> bool {
    env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

fn command_line(command: &Command) -> String {
    let arguments = command.get_args().map(|argument| {
        let argument = argument.to_string_lossy();
        if argument.is_empty() { "''".into() } else { argument }
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy();
    std::iter::once(program).chain(arguments).collect::<Vec<_>>().join(" ")
}
