//! That the documents lead where they say, quote what is there, and leave out nothing that is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every document, by its path from the root.
pub(crate) fn documents() -> BTreeMap<PathBuf, String> {
    let folders = ["", "docs"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let paths = folders.into_iter().flatten().map(|entry| entry.unwrap().path());
    let pages = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages
        .map(|path| path.strip_prefix(root()).unwrap().to_owned())
        .map(|path| (path.clone(), read(path)))
        .collect()
}

/// Every source file below `folder`, tests of their own excepted.
pub(crate) fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => sources(&path, found),
            false if path.extension().is_some_and(|extension| extension == "rs") => found.push(path),
            false => {}
        }
    }
}

/// The lines that are neither code nor its fences.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// What GitHub calls a page's headings: lower case, without punctuation, with a number if there was one of that name.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut seen = BTreeMap::<String, usize>::new();
    let headings =
        prose(page).filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
            let name = kept.collect::<String>().to_lowercase().replace(' ', "-");
            let times = seen.entry(name.clone()).or_default();
            *times += 1;
            if *times == 1 { name } else { format!("{name}-{}", *times - 1) }
        })
        .collect()
}

/// The targets of a page's links.
fn links(page: &str) -> Vec<String> {
    let text =
        prose(page).map(|line| line.split('`').step_by(2).collect::<Vec<_>>().join("``")).collect::<Vec<_>>();
    let text = text.join("\n");
    text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0.to_owned())).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let documents = documents();
    let mut followed = 0;
    for (page, text) in &documents {
        for link in links(text).iter().filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => page.clone(),
                path => page.parent().unwrap().join(path),
            };
            assert!(root().join(&target).exists(), "{}: {link}", page.display());
            let anchors = || anchors(&read(&target));
            assert!(
                anchor.is_empty() || anchors().contains(anchor),
                "{}: {link} of {:?}",
                page.display(),
                anchors()
            );
            followed += 1;
        }
    }
    assert!(followed > 60, "{followed} links were found");
}

/// As in `docs/format.md`, section "Open": errors and comments send people there.
#[test]
fn every_section_that_the_code_names_is_there() {
    let mut files = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap() {
        sources(&member.unwrap().path().join("src"), &mut files);
    }
    let mut named = 0;
    for file in files {
        let mut text = fs::read_to_string(&file).unwrap().replace("\\\"", "\"");
        // The format is a part of waxseal-crypto's documentation, too.
        for link in ["[`format`](mod@crate::format)", "[the format](waxseal_crypto::format)", "`format.md`"] {
            text = text.replace(link, "`docs/format.md`");
        }
        for rest in text.split("docs/").skip(1) {
            let Some((page, rest)) = rest.split_once(".md").filter(|(page, _)| !page.contains(['\n', ' ']))
            else {
                continue;
            };
            let page = read(format!("docs/{page}.md"));
            let rest = rest.trim_start_matches('`').trim_start_matches(", section ").trim_start_matches(", ");
            let Some((section, _)) = rest.strip_prefix('"').and_then(|rest| rest.split_once('"')) else {
                continue;
            };
            let headings = prose(&page).filter(|line| line.starts_with('#'));
            let found = headings
                .map(|line| line.trim_start_matches(['#', ' ']))
                .any(|line| line.starts_with(section));
            // A string that ends behind the page's name is followed by other code.
            assert!(found || section.contains('\n'), "{}: {section}", file.display());
            named += usize::from(found);
        }
    }
    assert!(named > 20, "{named} sections were found");
}

#[test]
fn what_is_counted_is_what_settings_lists() {
    let mut files = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap() {
        sources(&member.unwrap().path().join("src"), &mut files);
    }
    let mut counted = BTreeSet::new();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let names = text.split("\"waxseal_").skip(1).filter_map(|rest| rest.split_once('"'));
        let is_metric = |name: &str| name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
        counted.extend(names.filter(|(name, _)| is_metric(name)).map(|(name, _)| format!("waxseal_{name}")));
    }
    let settings = read("docs/settings.md");
    let (_, section) = settings.split_once("\n## What is counted\n").unwrap();
    let rows = section.split("\n## ").next().unwrap().lines().filter_map(|line| line.strip_prefix("| `"));
    // Some rows name several.
    let first_cells = rows.map(|row| row.split(" |").next().unwrap());
    let listed: BTreeSet<_> =
        first_cells.flat_map(|cell| cell.trim_end_matches('`').split("`, `")).map(str::to_owned).collect();
    assert_eq!(counted, listed);
}

/// Whoever an alert calls finds it there.
#[test]
fn the_runbook_has_every_alert_once() {
    let alerts = read("docs/monitoring/alerts.yml");
    let named = alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let runbook = read("docs/runbook.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    let (mut named, mut headings): (Vec<_>, Vec<_>) = (named.collect(), headings.collect());
    for alert in &named {
        assert!(
            alerts.contains(&format!("docs/runbook.md#{}\n", alert.to_lowercase())),
            "{alert} has no runbook"
        );
    }
    assert!(named.len() > 15);
    named.sort_unstable();
    headings.sort_unstable();
    assert_eq!(named, headings);
}

/// Whoever looks at a panel that the runbook names finds it, and can see there what an alert was about.
#[test]
fn the_dashboard_has_what_the_runbook_and_the_alerts_name() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read("docs/monitoring/grafana-dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    // Lines are broken within titles, too.
    let runbook = read("docs/runbook.md").split_whitespace().collect::<Vec<_>>().join(" ");
    let quoted = runbook.split('"').skip(1).step_by(2);
    let named: Vec<_> =
        quoted.filter(|text| !text.starts_with(|letter: char| letter.is_ascii_lowercase())).collect();
    assert!(named.len() > 10);
    for title in named {
        assert!(panels.iter().any(|panel| panel["title"] == title), "no panel is called {title}");
    }
    let queries = dashboard["panels"].to_string();
    let alerts = read("docs/monitoring/alerts.yml");
    let is_of_a_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
    for (at, _) in alerts.match_indices("waxseal_") {
        let metric = alerts[at..].split(|letter| !is_of_a_name(letter)).next().unwrap();
        // The number of what a histogram's buckets hold is in no panel.
        let metric = metric.strip_suffix("_count").unwrap_or(metric);
        assert!(queries.contains(metric), "no panel shows {metric}");
    }
}

#[test]
fn the_book_has_every_page_once() {
    let summary = read("docs/SUMMARY.md");
    let mut listed: Vec<_> =
        summary.split("](").skip(1).map(|rest| rest.split(')').next().unwrap().to_owned()).collect();
    let pages = documents().into_keys().filter_map(|path| Some(path.strip_prefix("docs").ok()?.to_owned()));
    let mut pages: Vec<_> =
        pages.map(|path| path.display().to_string()).filter(|page| page != "SUMMARY.md").collect();
    listed.sort();
    pages.sort();
    assert_eq!(listed, pages);
}

/// Whoever finds one crate of many is told which they want.
#[test]
fn every_crates_first_page_names_the_one_that_an_axum_app_needs() {
    let mut pages = 0;
    for member in fs::read_dir(root().join("crates")).unwrap() {
        let member = member.unwrap();
        if member.file_name().to_str().unwrap().starts_with("waxseal") {
            let page = fs::read_to_string(member.path().join("README.md")).unwrap();
            assert!(page.contains("waxseal-axum"), "{}", member.path().display());
            // What docs.rs shows first.
            if let Ok(root) = fs::read_to_string(member.path().join("src/lib.rs")) {
                let shows = root.starts_with("#![doc = include_str!(\"../README.md\")]\n");
                assert!(shows, "{}: another first page", member.path().display());
            }
            pages += 1;
        }
    }
    assert!(pages > 15, "{pages} crates");
}

#[test]
fn every_crate_that_is_published_brings_its_licences() {
    for member in fs::read_dir(root().join("crates")).unwrap() {
        let path = member.unwrap().path();
        let is_published = !fs::read_to_string(path.join("Cargo.toml")).unwrap().contains("publish = false");
        for licence in ["LICENSE-APACHE", "LICENSE-MIT"] {
            assert_eq!(path.join(licence).is_file(), is_published, "{}: {licence}", path.display());
        }
    }
}

/// Whoever meets a crate alone learns what it can be switched to, where it ends, how it fails, and by what it goes.
#[test]
fn every_crates_first_page_states_features_limits_errors_and_sources() {
    let mut features = 0;
    for member in fs::read_dir(root().join("crates")).unwrap() {
        let member = member.unwrap();
        if !member.file_name().to_str().unwrap().starts_with("waxseal") {
            continue;
        }
        let (path, read) = (member.path(), |file| fs::read_to_string(member.path().join(file)).unwrap());
        let (page, manifest) = (read("README.md"), read("Cargo.toml"));
        for stated in ["limit", "error", "source"] {
            let heads = [format!("- **{stated}s**"), format!("## {stated}s")];
            assert!(
                heads.iter().any(|head| page.to_lowercase().contains(head)),
                "{}: {stated}s",
                path.display()
            );
        }
        let (_, listed) = manifest.split_once("[features]\n").unwrap_or_default();
        let listed = listed.split("\n[").next().unwrap().lines().filter_map(|line| line.split_once(" = "));
        // `servers` is for whoever works on the crate; a command may list features without quotes.
        for (name, _) in
            listed.filter(|(name, _)| !name.starts_with('#') && !["default", "servers"].contains(name))
        {
            assert!(
                page.contains(&format!("`{name}`")) || page.contains("--features"),
                "{}: {name}",
                path.display()
            );
            features += 1;
        }
    }
    assert!(features > 20, "{features} features");
}

/// Words that led people astray, and what to say.
#[test]
fn a_proxy_keeps_the_port_and_nobody_is_sent_to_the_projects_own_commands() {
    assert!(read("docs/settings.md").contains("proxy_set_header Host $http_host;"));
    for (page, text) in documents() {
        assert!(!text.contains("Host $host"), "{}", page.display());
    }
    let mut files = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap() {
        let member = member.unwrap();
        if member.file_name().to_str().unwrap().starts_with("waxseal") {
            sources(&member.path().join("src"), &mut files);
        }
    }
    for file in files {
        assert!(!fs::read_to_string(&file).unwrap().contains("cargo xtask"), "{}", file.display());
    }
}

/// The command that installs the program has features that exist, and all the engines'.
#[test]
fn the_documented_install_has_every_engine() {
    let manifest = read("crates/waxseal-cli/Cargo.toml");
    let engines = ["sqlite", "redis", "postgres"];
    for page in ["docs/keys.md", "crates/waxseal-cli/README.md"].map(read) {
        let command = page.lines().find(|line| line.starts_with("cargo install ")).unwrap();
        assert!(command.contains("--locked") && command.contains("--path crates/waxseal-cli "), "{command}");
        let (_, features) = command.split_once("--features ").unwrap();
        assert_eq!(features.split(',').collect::<Vec<_>>(), engines);
    }
    for engine in engines {
        assert!(manifest.contains(&format!("\n{engine} = [\"waxseal/{engine}\"]")), "{engine}");
    }
}

/// What `waxseal-sqlite` accepts of rusqlite is tested at both ends.
#[test]
fn the_oldest_and_the_newest_rusqlite_are_tested() {
    assert!(read("Cargo.toml").contains("\nrusqlite = { version = \">=0.38, <0.41\""));
    for (lock, version) in [("Cargo.lock", "0.40"), ("xtask/beside/Cargo.lock", "0.38")] {
        let lock = read(lock);
        assert!(lock.contains(&format!("name = \"rusqlite\"\nversion = \"{version}.")), "{version}");
    }
}

/// The tests that a page names, which are all there.
fn tests_named_in(page: &str) -> BTreeSet<String> {
    let mut found = Vec::new();
    sources(&root().join("crates"), &mut found);
    let code = found.iter().map(|path| fs::read_to_string(path).unwrap()).collect::<String>();
    let page = read(page);
    let words = page.split('`').skip(1).step_by(2).filter(|word| word.matches('_').count() > 3);
    let named: BTreeSet<_> =
        words.filter(|name| !name.starts_with("waxseal_")).map(ToOwned::to_owned).collect();
    for name in &named {
        assert!(code.contains(&format!("fn {name}(")), "no test `{name}`");
    }
    named
}

#[test]
fn every_test_that_the_page_on_faults_names_is_there() {
    let tests = tests_named_in("docs/reliability.md");
    assert!(tests.len() > 40, "{tests:?}");
}

/// Each rule of device-bound sessions has a row, and each test of theirs is in a row.
#[test]
fn every_rule_of_devices_names_its_tests_and_they_are_there() {
    let named = tests_named_in("docs/states-rules.md");
    let page = read("docs/states-rules.md");
    let (_, rules) = page.split_once("## Sessions that are bound to a device").unwrap();
    let (rules, rows) = rules.split_once("### Which test holds").unwrap();
    let is_rule = |line: &&str| line.starts_with(|first: char| first.is_ascii_digit()) && line.contains(". ");
    let count = rules.lines().filter(is_rule).count();
    assert!(count > 10, "{count}");
    for rule in 1..=count {
        assert!(rows.contains(&format!("\n| {rule} | `")), "rule {rule}");
    }
    for file in ["attacks", "counts", "rules", "servers"] {
        let tests = read(format!("crates/waxseal-http/tests/device_bound/{file}.rs"));
        let tests = tests.split("#[tokio::test").skip(1).filter_map(|rest| rest.split_once("async fn "));
        for (_, rest) in tests {
            let name = rest.split('(').next().unwrap();
            assert!(named.contains(name), "no row names `{name}`");
        }
    }
}
