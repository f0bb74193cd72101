//! `--device`: the time that device-bound sessions take, without HTTP around them.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::artifacts;

/// Operations, and how often each is done in one round.
const OPERATIONS: [(&str, u32); 4] =
    [("page-off", 100_000), ("page-unbound", 100_000), ("page-bound", 100_000), ("refresh", 2_000)];
/// The most that a proof may add to a page, and the most that a refresh may take, in nanoseconds.
const PROOF_LIMIT: f64 = 1_000.0;
const REFRESH_LIMIT: f64 = 500_000.0;

/// Times all operations in turn, so often, and compares the medians with the limits.
pub(crate) fn run(rounds: usize) -> Result<ExitCode> {
    let program = artifacts::example_with("device", "device_instructions")?;
    let mut times = OPERATIONS.map(|_| Vec::new());
    for _ in 0..rounds {
        for ((operation, iterations), times) in OPERATIONS.iter().zip(&mut times) {
            times.push(time(&program, operation, *iterations)?);
        }
    }
    let [off, unbound, bound, refresh] = times.map(median);
    println!("page, off        {off:>9.0} ns");
    println!("page, unbound    {unbound:>9.0} ns");
    println!("page, bound      {bound:>9.0} ns: {:+.0}, of at most {PROOF_LIMIT:.0}", bound - unbound);
    println!("refresh          {refresh:>9.0} ns, of at most {REFRESH_LIMIT:.0}");
    let good = bound - unbound <= PROOF_LIMIT && refresh <= REFRESH_LIMIT;
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn time(program: &Path, operation: &str, iterations: u32) -> Result<f64> {
    let output = Command::new(program).args([operation, &iterations.to_string(), "--time"]).output()?;
    ensure!(output.status.success(), "{operation} failed: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout)?.trim().parse().context("a time is a number")
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
