//! What `waxseal new` makes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn clone() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn waxseal(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_waxseal")).current_dir(folder).args(arguments).output().unwrap()
}

fn files(folder: &Path, below: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.join(below)).unwrap().map(|entry| entry.unwrap());
    entries
        .flat_map(|entry| {
            let name = format!("{below}{}", entry.file_name().to_str().unwrap());
            match entry.path().is_dir() {
                true => files(folder, &format!("{name}/")),
                false => BTreeSet::from([name]),
            }
        })
        .collect()
}

#[test]
fn a_new_app_is_complete_and_has_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let clone = clone();
    let done = waxseal(folder.path(), &["new", "guest-book", "--path", clone.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(String::from_utf8_lossy(&done.stdout).contains("cargo run -- --development"));
    let project = folder.path().join("guest-book");
    let expected = [
        ".dockerignore",
        ".gitignore",
        "Cargo.toml",
        "Containerfile",
        "src/lib.rs",
        "src/main.rs",
        "static/style.css",
        "templates/base.html",
        "templates/index.html",
        "tests/app.rs",
    ];
    assert_eq!(files(&project, ""), expected.map(str::to_owned).into());
    let read = |name: &str| fs::read_to_string(project.join(name)).unwrap();
    for name in expected {
        assert!(!read(name).contains("NEW_"), "{name}");
    }
    let manifest = read("Cargo.toml");
    let path = clone.join("crates/waxseal");
    for line in ["name = \"guest-book\"", "argon2.opt-level = 3", &format!("waxseal = {{ path = {path:?} }}")]
    {
        assert!(manifest.lines().any(|found| found == line), "{line} in {manifest}");
    }
    assert!(read("src/main.rs").contains("guest_book::app().run()"));
    assert!(read(".gitignore").contains(".waxseal/") && read(".dockerignore").contains(".waxseal"));
}

#[test]
fn the_keys_of_the_container_are_in_a_folder_that_is_mounted_and_left_out_of_git_and_images() {
    let folder = tempfile::tempdir().unwrap();
    assert!(waxseal(folder.path(), &["new", "shop"]).status.success());
    let read = |name: &str| fs::read_to_string(folder.path().join("shop").join(name)).unwrap();
    let container = read("Containerfile");
    let after = |mark: &str| {
        let (_, rest) = container.split_once(mark).unwrap_or_else(|| panic!("no {mark} in {container}"));
        rest.split([' ', '\n', ',', ':', ')']).next().unwrap().to_owned()
    };
    let keys = after("-v ./");
    assert_eq!(after("(umask 077 && mkdir "), keys);
    assert_eq!(after("waxseal gen-secret > "), format!("{keys}/secret"));
    let mounted = after(&format!("-v ./{keys}:"));
    assert_eq!(after("SECRET_KEY_FILE="), format!("{mounted}/secret"));
    for (file, line) in [(".gitignore", format!("/{keys}/")), (".dockerignore", keys.clone())] {
        assert!(read(file).lines().any(|found| found == line), "{line} in {file}");
    }
    // The user of the image is the one who can read the keys.
    let user = after("\nUSER ");
    for mark in ["--uid ", "keep-id:uid=", "gid=", "chown -R "] {
        assert_eq!(after(mark), user, "{mark}");
    }
}

#[test]
fn a_relative_clone_is_seen_from_the_new_folder_and_no_clone_is_the_published_crate() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("waxseal/crates/waxseal")).unwrap();
    fs::write(folder.path().join("waxseal/crates/waxseal/Cargo.toml"), "").unwrap();
    let manifest = |name: &str| fs::read_to_string(folder.path().join(name).join("Cargo.toml")).unwrap();
    assert!(waxseal(folder.path(), &["new", "one", "--path", "./waxseal"]).status.success());
    assert!(
        manifest("one").contains("waxseal = { path = \"../waxseal/crates/waxseal\" }"),
        "{}",
        manifest("one")
    );
    assert!(waxseal(folder.path(), &["new", "two"]).status.success());
    assert!(manifest("two").contains(&format!("waxseal = \"{}\"", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn names_that_cannot_be_and_folders_that_are_there_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("there")).unwrap();
    for (name, code, said) in [
        ("there", 3, "is there already"),
        ("../up", 2, "no name for a package"),
        ("1st", 2, "no name for a package"),
        ("", 2, "no name for a package"),
        ("proc-macro", 2, "is taken"),
        ("waxseal", 2, "is taken"),
        ("build", 2, "is taken"),
        ("deps", 2, "is taken"),
        ("examples", 2, "is taken"),
        ("incremental", 2, "is taken"),
    ] {
        let done = waxseal(folder.path(), &["new", name]);
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(done.status.code() == Some(code) && text.contains(said), "{name}: {text}");
    }
    let done = waxseal(folder.path(), &["new", "app", "--path", "there"]);
    assert!(String::from_utf8_lossy(&done.stderr).contains("no crates/waxseal in there"));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made");
}

/// Builds a new app against this repository, with the versions that it has locked, and runs the app's tests.
#[test]
#[ignore = "builds a program: minutes"]
fn a_new_app_builds_and_its_tests_pass() {
    let folder = tempfile::tempdir().unwrap();
    let clone = clone();
    assert!(
        waxseal(folder.path(), &["new", "guest-book", "--path", clone.to_str().unwrap()]).status.success()
    );
    let project = folder.path().join("guest-book");
    fs::copy(clone.join("Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut target = PathBuf::from(env!("CARGO_BIN_EXE_waxseal"));
    assert!(target.pop() && target.pop());
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&project).args(["test", "--offline"]).env("CARGO_TARGET_DIR", target);
    let done = cargo.output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success() && out.contains("3 passed") && !err.contains("warning"), "{out}\n{err}");
}
