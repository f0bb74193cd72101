//! That every Rust block of the documents compiles: each is a quotation from a file that cargo compiles.
//!
//! Blocks stay whole and readable that way, without the lines that a reader has no use for. What a page shows of a handler
//! stands with its surroundings in `book.rs`, an example, or a test, and most of it runs there.

use std::fs;
use std::path::PathBuf;

use crate::docs::{documents, read, root, sources};

/// The Rust blocks of a page, each with the number of its first line.
fn blocks(page: &str) -> Vec<(usize, String)> {
    let mut blocks: Vec<(usize, String)> = Vec::new();
    let mut language = None;
    for (number, line) in page.lines().enumerate() {
        let fence = line.trim_start().strip_prefix("```");
        match (fence, language) {
            (Some(of), None) => {
                language = Some(of);
                if is_rust(of) {
                    blocks.push((number + 2, String::new()));
                }
            }
            (Some(_), Some(_)) => language = None,
            (None, Some(of)) if is_rust(of) => {
                let (_, block) = blocks.last_mut().expect("begun at the fence");
                block.push_str(line);
                block.push('\n');
            }
            (None, _) => {}
        }
    }
    blocks
}

fn is_rust(language: &str) -> bool {
    language.split([',', ' ']).next() == Some("rust")
}

/// Lines without what all of them are indented by.
fn dedented(lines: &[&str]) -> Vec<String> {
    let filled = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = filled.map(|line| line.len() - line.trim_start().len()).min().unwrap_or_default();
    lines.iter().map(|line| line.get(indent..).unwrap_or_default().trim_end().to_owned()).collect()
}

/// Whether `block` stands in `text`, at whatever indentation.
fn quotes(text: &str, block: &str) -> bool {
    let lines: Vec<_> = text.lines().collect();
    let block = dedented(&block.lines().collect::<Vec<_>>());
    let first = block.first().map(|line| line.trim_start()).unwrap_or_default();
    let begins = lines.windows(block.len().max(1)).filter(|window| window[0].trim() == first);
    !first.is_empty() && begins.into_iter().any(|window| dedented(window) == block)
}

/// What cargo compiles, as text: the files, and the examples of the crates' READMEs and first pages, which are tests.
fn compiled() -> Vec<String> {
    let mut files: Vec<PathBuf> = Vec::new();
    let mut texts = Vec::new();
    for member in fs::read_dir(root().join("crates")).unwrap() {
        let member = member.unwrap().path();
        for folder in ["src", "examples", "tests", "benches"].map(|folder| member.join(folder)) {
            if folder.exists() {
                sources(&folder, &mut files);
            }
        }
        let first_page = fs::read_to_string(member.join("src/lib.rs")).unwrap_or_default();
        let doc = first_page.lines().filter_map(|line| line.strip_prefix("//!"));
        texts.push(doc.map(|line| line.strip_prefix(' ').unwrap_or(line)).collect::<Vec<_>>().join("\n"));
        texts.extend(tested_readme(&member.join("README.md"), &first_page));
    }
    // Compiled by `cargo xtask test`, in a workspace of their own.
    for folder in ["examples", "tests"] {
        sources(&root().join("xtask/beside").join(folder), &mut files);
    }
    texts.extend(files.into_iter().map(|file| fs::read_to_string(file).unwrap()));
    // For tests alone: what an example lets its test see, and the folder of their templates.
    let replaced = |text: String| {
        text.replace("$CARGO_MANIFEST_DIR/tests/templates", "$CARGO_MANIFEST_DIR/templates")
            .replace("\npub(crate) fn", "\nfn")
            .replace("\npub(crate) async fn", "\nasync fn")
    };
    texts.into_iter().flat_map(|text| [replaced(text.clone()), text]).collect()
}

fn tested_readme(path: &std::path::Path, first_page: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    if blocks(&text).is_empty() {
        return None;
    }
    assert!(first_page.contains("include_str!(\"../README.md\")"), "no test runs {}", path.display());
    assert!(!text.contains("```rust,ignore"), "{}", path.display());
    Some(text)
}

#[test]
fn every_rust_block_is_quoted_from_a_file_that_cargo_compiles() {
    let (compiled, mut found, mut missing) = (compiled(), 0, Vec::new());
    for (page, text) in documents() {
        for (line, block) in blocks(&text) {
            match compiled.iter().any(|file| quotes(file, &block)) {
                true => found += 1,
                false => missing.push(format!("{}:{line}\n{block}", page.display())),
            }
        }
    }
    assert!(missing.is_empty(), "in no file that cargo compiles:\n{}", missing.join("\n"));
    assert!(found > 30, "{found} blocks were found");
}

#[test]
fn a_block_that_differs_by_a_word_is_no_quotation() {
    let file = "fn a() {\n    if b {\n        c();\n\n        d();\n    }\n}\n";
    for (block, is_quoted) in [
        ("if b {\n    c();\n\n    d();\n}\n", true),
        ("c();\n\nd();\n", true),
        ("    c();\n", true),
        ("if b {\n    c();\n    d();\n}\n", false),
        ("c();\n\n    d();\n", false),
        ("d();\nc();\n", false),
        ("e();\n", false),
        ("", false),
    ] {
        assert_eq!(quotes(file, block), is_quoted, "{block}");
    }
    let page = "a\n```rust,no_run\nb();\n```\n```text\nc\n```\n\n```rust\nd();\ne();\n```\n";
    assert_eq!(blocks(page), [(3, "b();\n".to_owned()), (10, "d();\ne();\n".to_owned())]);
    assert_eq!(
        read("docs/quick-start.md").matches("```rust").count(),
        blocks(&read("docs/quick-start.md")).len()
    );
}
