//! One step of `cargo xtask test`, and the summary of all.

use std::env;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, ExitCode, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use std::{iter, thread};

use crate::cargo::cargo;

/// One command and the name it has in the summary.
pub(crate) struct Step {
    name: String,
    pub(crate) command: Command,
    /// What to do if the command cannot even start.
    needs: Option<Tool>,
}

/// A part of the toolchain that rustup installs on request.
struct Tool {
    subcommand: &'static str,
    component: &'static str,
}

/// What became of a step, and how long it took.
pub(crate) struct StepResult {
    name: String,
    outcome: Outcome,
    time: Duration,
}

enum Outcome {
    Passed,
    Failed,
    /// Did not run; says why.
    Skipped(String),
}

impl Step {
    pub(crate) fn of(name: &str, command: Command) -> Step {
        Step { name: name.to_owned(), command, needs: None }
    }

    pub(crate) fn needs(mut self, subcommand: &'static str, component: &'static str) -> Step {
        self.needs = Some(Tool { subcommand, component });
        self
    }

    /// For clippy: warnings are errors.
    pub(crate) fn strict(mut self) -> Step {
        self.command.args(["--", "-D", "warnings"]);
        self.needs("clippy", "clippy")
    }

    pub(crate) fn run(self) -> StepResult {
        self.run_by(|_, command| command.status())
    }

    /// Runs beside another step: each line that it prints begins with its name.
    pub(crate) fn run_beside(self) -> StepResult {
        self.run_by(|name, command| {
            let (reader, writer) = io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            let mut child = command.spawn()?;
            // The command's own ends of the pipe, or it would never be over.
            command.stdout(io::stderr()).stderr(io::stderr());
            print_lines(name, reader);
            child.wait()
        })
    }

    fn run_by(mut self, run: impl FnOnce(&str, &mut Command) -> io::Result<ExitStatus>) -> StepResult {
        eprintln!("\n==> {}: {}", self.name, command_line(&self.command));
        let result = |name, outcome, time| StepResult { name, outcome, time };
        if let Some(tool) = self.needs.filter(|tool| !tool.is_installed()) {
            eprintln!(
                "cargo {} is not installed; run `rustup component add {}`",
                tool.subcommand, tool.component
            );
            return result(self.name, Outcome::Failed, Duration::ZERO);
        }
        let start = Instant::now();
        let outcome = match run(&self.name, &mut self.command) {
            Ok(status) if status.success() => Outcome::Passed,
            Ok(_) => Outcome::Failed,
            Err(error) => {
                eprintln!("could not start {}: {error}", self.command.get_program().display());
                Outcome::Failed
            }
        };
        let time = start.elapsed();
        eprintln!("<== {}: {} in {:.1} s", self.name, outcome.word(), time.as_secs_f64());
        result(self.name, outcome, time)
    }
}

impl StepResult {
    /// A step that cannot run, and what to do about it.
    pub(crate) fn skipped(name: &str, advice: String) -> Self {
        Self { name: name.to_owned(), outcome: Outcome::Skipped(advice), time: Duration::ZERO }
    }
}

/// Runs steps that mostly wait, two of them side by side.
pub(crate) fn two_at_a_time(steps: Vec<Step>) -> Vec<StepResult> {
    let waiting = Mutex::new(steps.into_iter());
    let next = || waiting.lock().expect("no step panics").next();
    let work = || iter::from_fn(next).map(Step::run_beside).collect::<Vec<_>>();
    thread::scope(|scope| {
        let other = scope.spawn(work);
        let mut results = work();
        results.extend(other.join().expect("no step panics"));
        results
    })
}

fn print_lines(name: &str, output: impl Read) {
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        eprintln!("{name}: {}", String::from_utf8_lossy(&line));
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
pub(crate) fn summarise(results: &[StepResult], total: Duration) -> ExitCode {
    eprintln!("\n==> summary");
    for StepResult { name, outcome, time } in results {
        eprintln!("{:>8}  {name:<24}{:>7.1} s", outcome.word(), time.as_secs_f64());
    }
    let mut good = true;
    for StepResult { name, outcome, .. } in results {
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

pub(crate) fn in_continuous_integration() -> bool {
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
