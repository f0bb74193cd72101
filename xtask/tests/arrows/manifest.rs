//! The names under `[dependencies]` in a `Cargo.toml`.

/// What a package depends on in a build: `[dependencies]` and `[build-dependencies]`, also of one target alone, and
/// not `[dev-dependencies]`. A renamed dependency is named by its package.
pub(crate) fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut in_table = false;
    for line in manifest.lines().map(str::trim) {
        if let Some(table) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            let key = last_keys(table);
            in_table = is_dependencies(key.0);
            if is_dependencies(key.1) {
                names.push(key.0.to_owned());
            }
        } else if in_table && !line.starts_with('#') {
            names.extend(dependency(line));
        }
    }
    names
}

fn dependency(line: &str) -> Option<String> {
    let (key, value) = line.split_once('=')?;
    let renamed = value.split_once("package = \"").and_then(|(_, rest)| rest.split('"').next());
    let name = renamed.unwrap_or_else(|| key.split('.').next().unwrap_or(key).trim().trim_matches('"'));
    Some(name.to_owned())
}

/// The last key of a table's dotted name, and the one before it.
fn last_keys(table: &str) -> (&str, &str) {
    let mut keys = table.rsplit('.').map(|key| key.trim().trim_matches('"'));
    (keys.next().unwrap_or(""), keys.next().unwrap_or(""))
}

fn is_dependencies(key: &str) -> bool {
    key == "dependencies" || key == "build-dependencies"
}

#[test]
fn every_way_to_name_a_dependency_is_read() {
    let manifest = r#"
        [package]
        name = "shop"
        [dependencies]
        # A comment = nothing.
        one.workspace = true
        two = { path = "../two", features = ["package"] }
        three = "3"
        alias = { package = "four", version = "4" }
        [dependencies.five]
        path = "../five"
        [target.'cfg(unix)'.dependencies]
        six.workspace = true
        [build-dependencies]
        seven = "7"
        [dev-dependencies]
        eight.workspace = true
        [features]
        nine = []
    "#;
    assert_eq!(dependencies(manifest), ["one", "two", "three", "four", "five", "six", "seven"]);
}
