//! Crates that an app can take to a machine without sockets and threads, such as `wasm32-unknown-unknown`.

use std::collections::BTreeSet;
use std::process::Command;

const TARGET: &str = "wasm32-unknown-unknown";

/// The crates below the listener of `waxseal-http`, with their default features.
const BELOW_HTTP: [&str; 10] = [
    "waxseal-crypto",
    "waxseal-session",
    "waxseal-store",
    "waxseal-key-value",
    "waxseal-manager",
    "waxseal-templates",
    "waxseal-device",
    "waxseal-django",
    "waxseal-flask",
    "waxseal-rails",
];

/// Crates that need a runtime, sockets, files, or a C compiler.
const ABSENT: [&str; 9] = ["tokio", "mio", "socket2", "rustix", "libc", "hyper", "hyper-util", "ring", "cc"];

#[test]
fn below_http_nothing_needs_a_runtime_or_a_system() {
    let mut wrong = Vec::new();
    for name in BELOW_HTTP {
        let names = dependencies(&["--package", name]);
        assert!(names.contains(name), "cargo lists {name} itself: {names:?}");
        wrong.extend(
            ABSENT.iter().filter(|absent| names.contains(**absent)).map(|absent| format!("{name}: {absent}")),
        );
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    // The same question finds what is there.
    assert!(dependencies(&["--package", "waxseal-http"]).contains("tokio"));
}

#[test]
fn randomness_comes_from_javascript_where_the_system_has_none() {
    let with = dependencies(&["--package", "waxseal-crypto", "--features", "wasm-js"]);
    assert!(with.contains("wasm-bindgen"), "{with:?}");
    assert!(!dependencies(&["--package", "waxseal-crypto"]).contains("wasm-bindgen"));
}

/// The names of all crates that are built for the target.
fn dependencies(choice: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let fixed = ["tree", "--locked", "--edges", "normal", "--prefix", "none", "--format", "{lib}"];
    let mut command = Command::new(cargo);
    command.args(fixed).args(["--target", TARGET]).args(choice);
    let output = command.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo starts");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are UTF-8");
    text.lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(|name| name.replace('_', "-"))
        .collect()
}
