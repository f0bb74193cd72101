//! The script that makes PostgreSQL's tables. No server is asked.

use std::process::{Command, Output};

fn schema(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waxseal"));
    command.arg("schema").args(arguments).env_clear().output().unwrap()
}

#[test]
fn the_schema_is_a_script_with_the_roles_rights() {
    let place = "--session-store=postgres://admin:s3cret@db.example/shop?schema=sessions_of_shop";
    let done = schema(&[place, "--role=shop"]);
    let (script, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert_eq!((done.status.code(), &*said), (Some(0), ""));
    for part in
        ["CREATE TABLE sessions_of_shop.sessions", "GRANT USAGE ON SCHEMA sessions_of_shop TO \"shop\""]
    {
        assert!(script.contains(part), "{script}");
    }
    assert!(!String::from_utf8_lossy(&schema(&[place]).stdout).contains("GRANT"));
}

#[test]
fn a_place_that_has_no_schema_says_so() {
    for (place, code, expected) in [
        ("postgres://db.example/shop?schema=Shop", 1, "Shop"),
        ("sqlite:sessions.db", 2, "sqlite:sessions.db needs no script"),
        ("nowhere:", 2, "its scheme is unknown"),
    ] {
        let done = schema(&["--session-store", place]);
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.code() == Some(code) && said.contains(expected), "{place}: {said}");
    }
}
