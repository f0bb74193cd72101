//! Every row of `docs/flask.md` is a test, or says why there is none.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;

#[test]
fn every_row_names_a_test_that_exists_or_is_not_here() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/flask.md")).unwrap();
    let mut sources: HashMap<String, String> = HashMap::new();
    let rows = page
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("|---") && !line.starts_with("| Flask |"));
    let mut count = 0;
    for row in rows {
        // A sign that belongs to a cell is escaped.
        let row = row.replace("\\|", "¦");
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 4, "a row has four cells: {row}");
        if cells[1] == "not here" {
            assert!(!cells[2].is_empty() && cells[3].is_empty(), "a reason and no test: {row}");
            continue;
        }
        let named = cells[3].strip_prefix('`').and_then(|cell| cell.strip_suffix('`'));
        let (file, test) = named.and_then(|named| named.split_once(": ")).expect(cells[3]);
        let source = sources.entry(file.to_owned()).or_insert_with(|| {
            fs::read_to_string(root.join("crates").join(file))
                .unwrap_or_else(|error| panic!("{file}: {error}"))
        });
        let (before, _) =
            source.split_once(&format!("fn {test}(")).unwrap_or_else(|| panic!("no {test} in {file}"));
        let attribute = before.trim_end().trim_end_matches("async").trim_end();
        assert!(attribute.ends_with(']'), "{test} in {file} is no test");
        count += 1;
    }
    assert!(count > 130, "the table is read: {count} rows");
}

/// The public names of Flask 3.1, as `make.py` finds them.
const NAMES: &str = include_str!("flask_names/names.txt");

/// The sections that have an area's rows. Those of the module and of the app stand wherever they belong.
fn sections_of(area: &str) -> Option<&'static [&'static str]> {
    Some(match area {
        "module" | "app" => return None,
        "config" => &["Settings of the session"],
        "session" => &["Settings of the session", "The session"],
        "blueprint" => &["Blueprints"],
        "g" => &["The app"],
        "request" => &["The request"],
        "response" => &["The response"],
        "signals" | "cli" => &["Signals and the command line"],
        "testing" => &["Tests"],
        other => panic!("no section is said for {other}"),
    })
}

#[test]
fn each_public_name_of_flask_has_its_row() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/flask.md")).unwrap();
    let sections: HashMap<&str, BTreeSet<&str>> = page
        .split("\n## ")
        .skip(1)
        .map(|section| {
            let (title, rows) = section.split_once('\n').unwrap();
            let rows = rows.lines().filter(|line| line.starts_with("| "));
            let cells = rows.filter_map(|row| row.split(" | ").next());
            let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            (title, cells.flat_map(|cell| cell.split(move |letter| !is_word(letter))).collect())
        })
        .collect();
    let mut count = 0;
    for (area, name) in NAMES.lines().map(|line| line.split_once(' ').unwrap()) {
        let mut rows = sections
            .iter()
            .filter(|(title, _)| sections_of(area).is_none_or(|titles| titles.contains(title)));
        assert!(rows.any(|(_, names)| names.contains(name)), "no row for {area} {name}");
        count += 1;
    }
    assert!(count > 450, "the names are read: {count}");
}
