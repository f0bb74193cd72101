//! Mutated input for all that reads what comes from outside.
//!
//! No coverage is measured. In its place, an input is kept as a start for others if what
//! came of it (accepted, or the error) has not been seen before.

mod campaign;
mod guard;
mod mutation;
mod target;
mod targets;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;

use campaign::{Campaign, Until};
use target::TARGETS;

#[global_allocator]
static MEMORY: peak_alloc::PeakAlloc = peak_alloc::PeakAlloc;

/// Feeds parsers with mutated input and reports panics, broken promises, and the most costly input.
#[derive(Parser)]
#[command(name = "cargo xtask fuzz", bin_name = "cargo xtask fuzz")]
struct Arguments {
    /// One target; all if none is named. `--list` shows them
    target: Option<String>,
    /// Run each target until it has had so many inputs, those of earlier runs included
    #[arg(long, value_name = "N", conflicts_with = "smoke")]
    runs: Option<u64>,
    /// Run each target for a short time (the default)
    #[arg(long)]
    smoke: bool,
    /// The most time for each target: 20 seconds, or with --runs none unless it is given
    #[arg(long)]
    seconds: Option<u64>,
    /// Run one input from a file, as it was kept when it failed
    #[arg(long, value_name = "FILE", requires = "target")]
    input: Option<PathBuf>,
    /// The folder that keeps counts, inputs that were worth keeping, and inputs that failed
    #[arg(long, default_value = "target/fuzz-state")]
    state: PathBuf,
    /// Show the targets and the inputs that each has had
    #[arg(long)]
    list: bool,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    if arguments.list {
        for (name, _) in TARGETS {
            println!("{name:<16}{:>12}", campaign::count(&arguments.state.join(name)));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let wanted = |name: &str| arguments.target.as_deref().is_none_or(|target| target == name);
    anyhow::ensure!(TARGETS.iter().any(|(name, _)| wanted(name)), "no such target; `--list` shows them");
    guard::install();
    let seconds = arguments.seconds.or(arguments.runs.is_none().then_some(20));
    let until = Until { count: arguments.runs, elapsed: seconds.map(Duration::from_secs) };
    let mut good = true;
    for (name, make) in TARGETS.iter().filter(|(name, _)| wanted(name)) {
        let mut campaign = Campaign::new(name, make(), &arguments.state.join(name))?;
        good &= match &arguments.input {
            Some(file) => campaign.replay(&read(file)?),
            None => campaign.run(until)?,
        };
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("no input in {}", file.display()))
}
