//! Instructions that an operation takes, counted by callgrind.
//!
//! They do not depend on how busy the machine is. They do depend on the compiler, and on the processor that valgrind
//! plays: it offers no SHA and no AVX-512 instructions, so code that has faster ways with them is counted by its
//! slower one. Compare counts with counts, not with times.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use crate::artifacts;

/// Two runs whose difference leaves the start-up out.
const FEW: u64 = 64;
const MANY: u64 = 576;

/// Runs operations under callgrind.
pub(crate) struct Counter {
    program: PathBuf,
}

impl Counter {
    /// Builds the program with the operations.
    ///
    /// # Errors
    ///
    /// A sentence that names the package, if valgrind is missing.
    pub(crate) fn new() -> Result<Self> {
        if Command::new("valgrind").arg("--version").output().is_err() {
            bail!("counting instructions needs valgrind: install the package `valgrind`");
        }
        Ok(Self { program: artifacts::example("instructions")? })
    }

    /// Builds the program with those of device-bound sessions, which a feature turns on.
    ///
    /// # Errors
    ///
    /// If it does not build.
    pub(crate) fn of_devices(&self) -> Result<Self> {
        Ok(Self { program: artifacts::example_with("device", "device_instructions")? })
    }

    /// Instructions that one run of the operation takes.
    pub(crate) fn count(&self, operation: &str, arguments: &[&str]) -> Result<u64> {
        let (few, many) = (self.total(operation, FEW, arguments)?, self.total(operation, MANY, arguments)?);
        Ok((many - few) / (MANY - FEW))
    }

    fn total(&self, operation: &str, iterations: u64, arguments: &[&str]) -> Result<u64> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(&self.program);
        let output = valgrind.args([operation, &iterations.to_string()]).args(arguments).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{operation} failed under valgrind:\n{said}");
        let collected = said.lines().find_map(|line| line.split_once("Collected : "));
        collected.context("callgrind gave no count")?.1.trim().parse().context("callgrind's count")
    }

    /// The processor features that valgrind offers, of those that the code looks for.
    pub(crate) fn processor(&self) -> Result<String> {
        let mut valgrind = Command::new("valgrind");
        valgrind.args(["--quiet", "--tool=none"]).arg(&self.program).args(["processor", "1"]);
        Ok(String::from_utf8(valgrind.output()?.stdout)?.trim().to_owned())
    }
}
