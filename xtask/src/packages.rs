//! The crates that a release publishes: each by itself, and all as packages.

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::cargo::cargo;

/// A crate that is published.
pub(crate) struct Package {
    pub(crate) name: String,
    /// Its features but for `default`.
    pub(crate) features: Vec<String>,
}

/// The workspace's crates that are published, as cargo tells them.
pub(crate) fn published() -> Result<Vec<Package>> {
    let mut command = cargo();
    command.args(["metadata", "--locked", "--no-deps", "--format-version", "1"]);
    let output = command.output().context("could not start cargo metadata")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr).trim_end()
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata printed no JSON")?;
    let packages = metadata["packages"].as_array().context("cargo metadata tells no packages")?;
    // `publish = false` is an empty list of registries.
    Ok(packages.iter().filter(|package| package["publish"].is_null()).filter_map(read).collect())
}

fn read(package: &Value) -> Option<Package> {
    let features = package["features"].as_object()?.keys().filter(|name| *name != "default");
    Some(Package { name: package["name"].as_str()?.to_owned(), features: features.cloned().collect() })
}
