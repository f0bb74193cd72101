//! `cargo xtask test`: everything, each step in order, and a summary.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;
use std::{env, thread};

use anyhow::Result;

use crate::cargo::cargo;
use crate::packages::{self, Package};
use crate::servers::SERVERS;
use crate::step::{Step, StepResult, in_continuous_integration, summarise, two_at_a_time};
use crate::system::{self, Browser, Server};
use crate::{book, deny, flask, fuzz};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The everyday part: no documentation, no browser, no features that are off by default
    #[arg(long)]
    fast: bool,
    /// Also the long tests: kills by the dozen, races by the thousand, a cluster under load, an app without its store,
    /// hostile clients, mutated input, each feature and each crate alone, all crates as packages, the book, Flask from PyPI, twenty minutes of load (or SOAK_SECONDS), and the licences and sources
    /// of all dependencies; an hour beside building
    #[arg(long, conflicts_with = "fast")]
    faults: bool,
}

/// Features that are off by default and whose tests need nothing else.
macro_rules! features {
    () => {
        concat!(
            "waxseal/dates,waxseal/django,waxseal/flask,waxseal/rails,waxseal/tls,waxseal/websocket,wizard/tls,",
            "waxseal-axum/device,waxseal-axum/django,waxseal-axum/flask,waxseal-axum/rails,waxseal-cli/sqlite"
        )
    };
}
const FEATURES: &str = features!();
/// These, and the features of the tests on servers, of all servers and in a browser, and of the whole workspace, so that nothing
/// is built anew for the next.
const SERVER_FEATURES: &str = concat!(
    features!(),
    ",waxseal-redis/servers,waxseal-postgres/servers,waxseal-manager/servers,",
    "wizard/redis,wizard/postgres,wizard/servers,wizard/browser,waxseal-cli/redis,waxseal-cli/postgres"
);

/// Runs all steps, also after one failed, so that one run shows everything there is to mend.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let start = Instant::now();
    // Installing waits for the network and the disk, compiling for neither. What builds in a folder of its own comes next: many
    // of the everyday tests leave a processor idle.
    let meanwhile = (!options.fast).then(|| thread::spawn(|| (Surroundings::find(), beside())));
    let mut results: Vec<_> = everyday_steps().into_iter().map(Step::run).collect();
    if let Some(meanwhile) = meanwhile {
        let (surroundings, beside) = meanwhile.join().expect("the set-up does not panic");
        results.push(beside);
        let (steps, missing) = surroundings.steps(options.faults);
        match options.faults {
            // Times are asserted.
            true => results.extend(steps.into_iter().map(Step::run)),
            false => results.extend(two_at_a_time(steps)),
        }
        results.extend(missing);
        if options.faults {
            let (steps, missing) = surroundings.long_steps();
            results.extend(steps.into_iter().map(Step::run));
            results.extend(missing);
        }
    }
    Ok(summarise(&results, start.elapsed()))
}

/// What the tests need beside Rust, or what to do where it is not there.
struct Surroundings {
    servers: Vec<(&'static str, &'static Server, Result<PathBuf, String>)>,
    browser: Result<Browser, String>,
}

impl Surroundings {
    /// Finds or installs them.
    fn find() -> Self {
        let servers = SERVERS.iter().map(|(tests, server)| (*tests, server, server.find())).collect();
        Self { servers, browser: system::browser() }
    }

    /// The programs that are there, by the variable in which tests look for each.
    fn programs(&self) -> Vec<(&'static str, PathBuf)> {
        let there = self.servers.iter();
        there.filter_map(|(_, server, found)| Some((server.variable, found.clone().ok()?))).collect()
    }

    /// The tests on servers, of a store, of a whole app and of two apps, and in the browser; with `faults` the long ones too.
    fn steps(&self, faults: bool) -> (Vec<Step>, Vec<StepResult>) {
        let (mut steps, mut missing) = (Vec::new(), Vec::new());
        match &self.browser {
            Ok(browser) => steps.push(browser_test(browser)),
            Err(advice) => missing.push(StepResult::skipped("browser test", advice.clone())),
        }
        // They compile while the browser waits.
        steps.extend([documentation(), crypto_alone()]);
        // A test may need two of them.
        let programs = self.programs();
        for (tests, server, found) in &self.servers {
            let name = format!("tests on {}", server.name);
            match found {
                Ok(_) => steps.push(tests_with_servers(&name, tests, &programs, faults)),
                Err(advice) => missing.push(StepResult::skipped(&name, advice.clone())),
            }
        }
        match Fleet::of(&programs) {
            Ok(fleet) => {
                steps.push(fleet.tests(faults));
                steps.extend(faults.then(|| fleet.soak()));
            }
            Err(advice) => missing.push(StepResult::skipped("tests of two servers", advice)),
        }
        (steps, missing)
    }

    /// What runs with `--faults` alone.
    fn long_steps(&self) -> (Vec<Step>, Vec<StepResult>) {
        let (mut steps, mut missing) = (Vec::new(), Vec::new());
        match flask::environments() {
            Ok(folder) => steps.extend(on_flask(&folder, &self.programs(), self.browser.as_ref().ok())),
            Err(advice) => missing.push(StepResult::skipped("tests on Flask", advice)),
        }
        steps.push(actix());
        steps.push(long_tests());
        steps.push(hostile_clients());
        steps.push(Step::of("fuzzing, short", fuzz::smoke(without_settings(cargo()))));
        match packages::published() {
            Ok(packages) => {
                steps.extend(
                    packages.iter().flat_map(|package| features_alone(&package.name, &package.features)),
                );
                steps.extend(packages.iter().map(tests_alone));
                steps.push(as_packages(&packages));
            }
            Err(error) => missing.push(StepResult::skipped("each crate alone", format!("{error:#}."))),
        }
        steps.extend(book::commands().map(|(name, command)| Step::of(name, command)));
        let advisories = deny::has_advisories();
        steps.extend(
            deny::commands(advisories.is_ok()).into_iter().map(|(name, command)| Step::of(name, command)),
        );
        if let Err(advice) = advisories {
            missing.push(StepResult::skipped("check of advisories", advice));
        }
        (steps, missing)
    }
}

/// Each feature has to compile without the others, and the crate without any.
fn features_alone(package: &str, features: &[impl AsRef<str>]) -> Vec<Step> {
    let lint = |name: &str, feature: &str| {
        let arguments =
            ["clippy", "--locked", "--package", package, "--no-default-features", "--features", feature];
        step(&format!("lints of {package}, {name}"), &arguments).strict()
    };
    let mut steps = vec![lint("no features", "")];
    steps.extend(
        features.iter().map(AsRef::as_ref).map(|feature| lint(&format!("feature {feature}"), feature)),
    );
    steps
}

/// The tests of one crate, built with its own features alone, as by somebody who has only this crate.
fn tests_alone(package: &Package) -> Step {
    let arguments = ["test", "--locked", "--no-fail-fast", "--package", &package.name];
    step(&format!("tests of {} alone", package.name), &arguments)
}

/// Each crate as a release would publish it, built from its package; cargo finds the order. A change that is not committed
/// is packed, too.
fn as_packages(packages: &[Package]) -> Step {
    let names = packages.iter().flat_map(|package| ["--package", &package.name]);
    step("packages", &["package", "--locked", "--allow-dirty"].into_iter().chain(names).collect::<Vec<_>>())
}

fn everyday_steps() -> Vec<Step> {
    vec![
        step("format", &["fmt", "--all", "--check"]).needs("fmt", "rustfmt"),
        step("lints", &["clippy", "--locked", "--workspace", "--all-targets", "--all-features"]).strict(),
        // Unit, property, documentation and end-to-end tests, and the one of the workspace's shape, in `xtask/tests/arrows`.
        step("tests", &["test", "--locked", "--workspace", "--no-fail-fast", "--features", FEATURES]),
    ]
}

/// waxseal-crypto by itself, so without the feature `ring` that the app crate switches on for the whole workspace, and
/// with foreign vectors.
fn crypto_alone() -> Step {
    let package = ["--package", "waxseal-crypto", "--features", "hazmat"];
    step("tests without ring", &[&["test", "--locked", "--no-fail-fast"], &package[..]].concat())
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
            steps.push(in_browser(run("browser test, Flask", &features, "browser"), browser));
        }
    }
    steps
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
    let tests = ["test", "--locked", "--no-fail-fast", "--package", "wizard", "--test", "hostile"];
    let how = ["--release", "--", "--ignored", "--nocapture", "--test-threads", "1"];
    step("hostile clients", &[&tests[..], &how].concat())
}

/// An app with an SQLite of its own, by sqlx: the oldest rusqlite that waxseal-sqlite accepts. The newest is in our own
/// Cargo.lock. In a folder of its own, so that it is built anew only when something changed.
fn beside() -> StepResult {
    const NAME: &str = "beside sqlx";
    /// What sqlx asks for.
    const OLDEST: u32 = 94;
    let output = Command::new("rustc").arg("--version").output();
    let said = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let minor = said.split('.').nth(1).and_then(|minor| minor.parse::<u32>().ok());
    if minor.is_none_or(|minor| minor < OLDEST) {
        return StepResult::skipped(NAME, format!("sqlx 0.9 needs Rust 1.{OLDEST}."));
    }
    let manifest = ["--manifest-path", "xtask/beside/Cargo.toml", "--target-dir", "target/beside"];
    step(NAME, &[&["test", "--locked", "--quiet"], &manifest[..]].concat()).run_beside()
}

/// An actix-web app with the session in its own pages: a hundred seconds of a processor, for what seldom breaks.
fn actix() -> Step {
    let manifest = ["--manifest-path", "xtask/actix/Cargo.toml", "--target-dir", "target/actix"];
    step("in actix-web", &[&["test", "--locked", "--quiet"], &manifest[..]].concat())
}

fn documentation() -> Step {
    let mut step = step("documentation", &["doc", "--locked", "--workspace", "--no-deps", "--all-features"]);
    step.command.env("RUSTDOCFLAGS", "-D warnings");
    step
}

/// For the whole workspace, although one crate has it: the same features, so nothing is built anew.
fn browser_test(browser: &Browser) -> Step {
    let arguments = ["test", "--locked", "--workspace", "--features", SERVER_FEATURES, "--test", "browser*"];
    in_browser(step("browser test", &arguments), browser)
}

fn in_browser(mut step: Step, browser: &Browser) -> Step {
    let Browser { program, driver, proxy } = browser;
    step.command.envs([("CHROMEDRIVER", driver), ("CHROME", program), ("NGINX", proxy)]);
    step
}

fn step(name: &str, arguments: &[&str]) -> Step {
    let mut command = without_settings(cargo());
    command.args(arguments);
    if in_continuous_integration() {
        // What is built once alone need not keep what would make it quick to build again.
        command.env("CARGO_INCREMENTAL", "0");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A test behind a feature that no step switches on compiles, is counted by nobody, and never runs.
    #[test]
    fn every_feature_is_on_in_some_step_of_tests() {
        /// In steps of their own: `crypto_alone` and `on_flask`; and one for machines that run no tests.
        const ELSEWHERE: [&str; 3] = ["waxseal-crypto/hazmat", "wizard/flask", "waxseal-crypto/wasm-js"];
        let mut tree = cargo();
        tree.args(["tree", "--locked", "--offline", "--workspace", "--depth", "0", "--prefix", "none"]);
        tree.args(["--format", "{p}|{f}", "--features", SERVER_FEATURES]);
        let output = tree.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8(output.stdout).expect("names are UTF-8");
        let (mut seen, mut off) = (0, Vec::new());
        for (package, on) in text.lines().filter_map(|line| line.split_once('|')) {
            let (name, folder) = package.split_once(" v").expect("a package has a version");
            let folder = folder.split(['(', ')']).nth(1).expect("and a folder");
            let manifest =
                std::fs::read_to_string(Path::new(folder).join("Cargo.toml")).expect("it is there");
            let (_, features) = manifest.split_once("\n[features]\n").unwrap_or_default();
            let features = features.lines().take_while(|line| !line.starts_with('['));
            for feature in features.filter_map(|line| line.split_once(" = ")).map(|(feature, _)| feature) {
                seen += 1;
                let full = format!("{name}/{feature}");
                if !on.split(',').any(|one| one == feature) && !ELSEWHERE.contains(&full.as_str()) {
                    off.push(full);
                }
            }
        }
        assert!(seen > 30, "{seen} features");
        assert!(off.is_empty(), "on in no step: {off:?}");
    }
}
