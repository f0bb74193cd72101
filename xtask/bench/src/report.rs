//! The results as text.

use std::fmt::Write;
use std::fs;
use std::process::Command;

use crate::artifacts::project_root;
use crate::measure::Measured;
use crate::work::Work;

/// Tables for `docs/benchmarks.md`.
pub(crate) fn report(results: &[Measured], rounds: usize) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}. The better quartile of {rounds} rounds.\n", setting());
    text += "User time per request in µs, and in brackets the whole processor time as a multiple of the constant page's \
             (W1 of the first line):\n\n";
    let names = Work::ALL.map(|work| format!("{} |", work.name())).join(" ");
    let _ = writeln!(text, "| server | {names}\n|---|{}", "---|".repeat(Work::COUNT));
    for result in results {
        let figures = result.works.iter().zip(result.ratios());
        let figures: Vec<_> =
            figures.map(|(figures, ratio)| format!("{:.1} ({ratio:.2})", figures.user)).collect();
        let _ = writeln!(text, "| {} | {} |", result.peer, figures.join(" | "));
    }
    let goals = Work::ALL.map(|work| work.goal().map_or(String::new(), |goal| format!("*{goal:.1}*")));
    let _ = writeln!(text, "| *Waxseal is to reach, at most* | {} |\n", goals.join(" | "));
    for (at, work) in Work::ALL.into_iter().enumerate() {
        let _ = writeln!(text, "**{}**: {}\n", work.name(), work.description());
        text +=
            "| server | CPU µs | of that user | requests/s | p50 µs | p99 µs |\n|---|---|---|---|---|---|\n";
        for result in results {
            let figures = result.works[at];
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.2} | {:.0} | {:.0} | {:.0} |",
                result.peer, figures.cpu, figures.user, figures.rate, figures.p50, figures.p99
            );
        }
        text.push('\n');
    }
    let versions: Vec<_> =
        results.iter().flat_map(|result| result.made_of).filter_map(|name| version(name)).collect();
    let _ = writeln!(text, "Versions: {}, {}.", versions.join(", "), output("rustc", &["--version"]));
    text
}

/// When and on what kind of machine, in words that name nobody.
pub(crate) fn setting() -> String {
    // All there are: the cores this process may use are fewer by now.
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cores = info.lines().filter(|line| line.starts_with("processor")).count();
    let kind = if info.contains(" hypervisor") { "shared virtual cores" } else { "cores" };
    format!("{}, on {cores} {kind} ({})", output("date", &["-u", "+%F"]), std::env::consts::ARCH)
}

/// Of a crate, as the benchmark's lock file has it, or of a Python package. Stores may use another version of a crate than
/// who has none: then both are named.
fn version(name: &str) -> Option<String> {
    let folder = project_root().join("xtask/bench");
    let lock = fs::read_to_string(folder.join("Cargo.lock")).ok()?;
    let requirements = fs::read_to_string(folder.join("flask/requirements.txt")).ok()?;
    let (crates, package) = (format!("name = \"{name}\"\nversion = \""), format!("{name}=="));
    let found = lock.split(&crates).skip(1).chain(requirements.split(&package).skip(1));
    let first = |rest: &str| rest.split(['"', '\n']).next().map(str::to_owned);
    let versions: Vec<_> = found.filter_map(first).collect();
    (!versions.is_empty()).then(|| format!("{name} {}", versions.join(" and ")))
}

pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    output.map_or_else(
        |_| program.to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
