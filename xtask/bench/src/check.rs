//! `--check` and `--bless`: counts that must not grow unnoticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::artifacts::project_root;
use crate::instructions::Counter;
use crate::report::output;

const OPERATIONS: [&str; 9] =
    ["seal", "open", "get", "insert", "render", "commit", "read", "read-mirrored", "write"];
const OF_DEVICES: [&str; 4] = ["page-off", "page-unbound", "page-bound", "refresh"];
const TOLERANCE: f64 = 0.03;

/// Counts, and compares with what is kept.
pub(crate) fn check() -> Result<ExitCode> {
    let kept: Value = serde_json::from_str(&fs::read_to_string(path()).context("docs/instructions.json")?)?;
    let counter = Counter::new()?;
    let setting = setting(&counter)?;
    ensure!(
        kept["processor"] == setting["processor"],
        "these counts are of another processor ({}, here {}): run --bless on the commit before, then --check",
        kept["processor"],
        setting["processor"]
    );
    for what in ["rustc", "valgrind"] {
        if kept[what] != setting[what] {
            eprintln!("note: the kept counts are of {}, this is {}", kept[what], setting[what]);
        }
    }
    let mut good = true;
    for (operation, count) in counts(&counter)? {
        let Some(before) = kept["instructions"][operation].as_f64() else {
            good = false;
            println!("{operation:<13}{:>9} -> {count:>9}           new: keep it with --bless", "");
            continue;
        };
        let change = count as f64 / before - 1.0;
        let verdict = match change {
            change if change > TOLERANCE => "TOO MANY",
            change if change < -TOLERANCE => "fewer: keep it with --bless",
            _ => "",
        };
        good &= change <= TOLERANCE;
        println!("{operation:<13}{before:>9} -> {count:>9}  {:>+6.1} %  {verdict}", change * 100.0);
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Counts, and keeps it.
pub(crate) fn bless() -> Result<ExitCode> {
    let counter = Counter::new()?;
    let mut kept = setting(&counter)?;
    kept["instructions"] = json!(counts(&counter)?);
    fs::write(path(), serde_json::to_string_pretty(&kept)? + "\n")?;
    eprintln!("docs/instructions.json written");
    Ok(ExitCode::SUCCESS)
}

fn path() -> PathBuf {
    project_root().join("docs/instructions.json")
}

fn counts(counter: &Counter) -> Result<BTreeMap<&'static str, u64>> {
    let devices = counter.of_devices()?;
    let all = OPERATIONS.map(|operation| (counter, operation)).into_iter();
    let all = all.chain(OF_DEVICES.map(|operation| (&devices, operation)));
    all.map(|(counter, operation)| Ok((operation, counter.count(operation, &[])?))).collect()
}

fn setting(counter: &Counter) -> Result<Value> {
    let (rustc, valgrind) = (output("rustc", &["--version"]), output("valgrind", &["--version"]));
    Ok(json!({ "processor": counter.processor()?, "rustc": rustc, "valgrind": valgrind }))
}
