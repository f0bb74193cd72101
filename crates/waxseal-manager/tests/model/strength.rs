//! Rules that only a change of the source can break: each change of `broken/` must be found by the model.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A change of the source that breaks a rule.
struct Break {
    name: String,
    /// The assertions that hold the rule: one of them has to find it.
    rules: Vec<String>,
    /// The file, in this crate's folder.
    file: String,
    before: String,
    after: String,
}

impl Break {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).expect("it was just listed");
        let lines = |prefix: &str| -> Vec<String> {
            text.lines().filter_map(|line| line.strip_prefix(prefix)).map(str::to_owned).collect()
        };
        let block =
            |prefix: &str| -> String { lines(prefix).iter().map(|line| format!("{line}\n")).collect() };
        let (name, file) = (path.display().to_string(), lines("file: ").concat());
        Self { name, rules: lines("rule: "), file, before: block("-"), after: block("+") }
    }

    fn all() -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/broken");
        let files = fs::read_dir(folder).expect("it lies beside this file");
        files.map(|file| Self::read(&file.expect("a readable folder").path())).collect()
    }

    fn apply(&self, package: &Path) {
        fs::write(package.join(&self.file), self.changed(package)).expect("a copy in the target folder");
    }

    /// The file with the change.
    fn changed(&self, package: &Path) -> String {
        let Self { name, file, before, after, .. } = self;
        let source = fs::read_to_string(package.join(file));
        let source = source.unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
        let places = source.matches(before.as_str()).count();
        assert_eq!(places, 1, "{name}: {file} has changed, so this has to: it must have once\n{before}");
        source.replacen(before, after, 1)
    }
}

/// A copy of the workspace, in the target folder.
struct Copy {
    root: PathBuf,
    package: PathBuf,
    build: PathBuf,
}

impl Copy {
    fn new() -> Self {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        let workspace = package.ancestors().find(|folder| folder.join("Cargo.lock").exists());
        let workspace = workspace.expect("the workspace has a lock file");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("model");
        let root = target.join("source");
        let inside = package.strip_prefix(workspace).expect("it is an ancestor");
        let copy = Self { package: root.join(inside), build: target.join("build"), root };
        // What is no more in the workspace, such as a crate, must not stay in the copy.
        if copy.root.exists() {
            fs::remove_dir_all(&copy.root).expect("a folder in the target folder");
        }
        copy_folder(workspace, &copy.root);
        copy
    }

    fn cargo(&self, arguments: &[&str]) -> Output {
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["test", "--locked", "--offline", "--package", env!("CARGO_PKG_NAME"), "--test", "model"]);
        cargo.args(arguments).current_dir(&self.root).env("CARGO_TARGET_DIR", &self.build);
        cargo.output().expect("cargo runs this test")
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder in the target folder");
    for entry in fs::read_dir(from).expect("a readable folder") {
        let entry = entry.expect("a readable folder");
        let (path, copy) = (entry.path(), to.join(entry.file_name()));
        if !entry.file_type().expect("a readable folder").is_dir() {
            // The text alone, and not its time: cargo has to notice a change that is taken back.
            let text = fs::read(&path).expect("a readable file");
            fs::write(&copy, text).expect("a folder in the target folder");
        } else if entry.file_name() != "target" && entry.file_name() != ".git" {
            copy_folder(&path, &copy);
        }
    }
}

#[test]
fn each_change_still_fits_the_source() {
    for change in Break::all() {
        change.changed(Path::new(env!("CARGO_MANIFEST_DIR")));
    }
}

#[test]
#[ignore = "builds the workspace's store anew for each change"]
fn rules_that_are_broken_inside_are_found() {
    let breaks = Break::all();
    assert!(!breaks.is_empty(), "one rule at least has no outside");
    for change in breaks {
        let copy = Copy::new();
        change.apply(&copy.package);
        let name = &change.name;
        let built = copy.cargo(&["--no-run"]);
        assert!(built.status.success(), "{name}: {}", String::from_utf8_lossy(&built.stderr));
        let run = copy.cargo(&["no_rule_is_broken"]);
        let said = String::from_utf8_lossy(&run.stdout);
        let is_found = change.rules.iter().any(|rule| said.contains(rule));
        assert!(!run.status.success() && is_found, "{name} was not found:\n{said}");
    }
}
