//! Programs built by cargo, with the release profile and no flags, as a user's own project builds them.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// The folder of the project's own workspace.
pub(crate) fn project_root() -> &'static Path {
    let benchmark = Path::new(env!("CARGO_MANIFEST_DIR"));
    benchmark.ancestors().nth(2).expect("the benchmark is two folders below the project")
}

/// Builds an example of the crate `waxseal`.
pub(crate) fn example(name: &str) -> Result<PathBuf> {
    example_of("waxseal", name)
}

/// Builds an example of the crate `waxseal` with a feature of its.
pub(crate) fn example_with(feature: &str, name: &str) -> Result<PathBuf> {
    build(&["--package", "waxseal", "--features", feature, "--example", name], name)
}

/// Builds an example of the crate `package`.
pub(crate) fn example_of(package: &str, name: &str) -> Result<PathBuf> {
    build(&["--package", package, "--example", name], name)
}

/// Builds the app on Waxseal with these features, in a folder of its own: they are wanted side by side.
pub(crate) fn ours(features: &str) -> Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/ours/Cargo.toml");
    let folder = format!("{}/target/ours-{}", env!("CARGO_MANIFEST_DIR"), features.replace(',', "-"));
    let place = ["--manifest-path", manifest, "--target-dir", &folder, "--no-default-features"];
    build(&[&place[..], &["--features", features]].concat(), "ours")
}

/// Builds the operators' program, which makes secret keys.
pub(crate) fn operators_program() -> Result<PathBuf> {
    build(&["--package", "waxseal-cli", "--bin", "waxseal"], "waxseal")
}

/// Builds a peer, which is in `peers` or `store-peers`.
pub(crate) fn peer(package: &str, name: &str) -> Result<PathBuf> {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    build(&["--manifest-path", manifest, "--package", package, "--bin", name], name)
}

fn build(arguments: &[&str], name: &str) -> Result<PathBuf> {
    eprintln!("building {name}");
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(project_root()).args(["build", "--quiet", "--release", "--locked"]).args(arguments);
    let output = cargo.args(["--message-format", "json"]).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo could not build {name}");
    let messages = String::from_utf8(output.stdout)?;
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .with_context(|| format!("cargo did not say where {name} is"))
}
