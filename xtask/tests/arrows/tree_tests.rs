//! Small crates with known circles.

use crate::circles::circles;
use crate::files::{Sources, crate_roots};
use crate::names::{Imports, imports_between_files};

fn sources(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn imports(files: &[(&str, &str)]) -> Imports {
    imports_between_files("lib.rs", &sources(files))
}

fn circles_in(files: &[(&str, &str)]) -> Vec<String> {
    let files_of = |circle: crate::circles::Circle| circle.files.into_iter().collect::<Vec<_>>().join(" ");
    circles(&imports(files)).into_iter().map(files_of).collect()
}

#[test]
fn a_circle_is_found_and_its_arrows_are_named() {
    let found = circles(&imports(&[
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;"),
        ("a.rs", "use crate::b::B;\npub struct A(B);"),
        ("b.rs", "use crate::c;\npub struct B;\nfn f() { c::f() }"),
        ("c.rs", "pub fn f() -> crate::a::A { todo!() }"),
        ("d.rs", "use crate::a::A;\nstruct D(A);"),
    ]));
    assert_eq!(
        found.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["  3 files import each other in a circle: a.rs, b.rs, c.rs\
        \n    a.rs -> b.rs (src/a.rs:1: crate::b::B)\
        \n    b.rs -> c.rs (src/b.rs:3: c::f)\
        \n    c.rs -> a.rs (src/c.rs:1: crate::a::A)"]
    );
}

#[test]
fn files_that_import_one_way_are_no_circle() {
    let files = [
        ("lib.rs", "mod a;\nmod b;\nmod c;\npub use a::A;"),
        ("a.rs", "pub struct A;"),
        ("b.rs", "use crate::A;\npub struct B(A);"),
        ("c.rs", "use crate::{A, b::B};\nstruct C(A, B);"),
    ];
    assert!(circles_in(&files).is_empty());
    let arrows: Vec<_> = imports(&files).into_keys().collect();
    assert_eq!(
        arrows,
        [("b.rs", "a.rs"), ("c.rs", "a.rs"), ("c.rs", "b.rs")].map(|(a, b)| (a.into(), b.into()))
    );
}

#[test]
fn a_name_passed_on_by_lib_or_a_parent_belongs_to_the_file_that_defines_it() {
    for (case, import) in [
        ("through lib.rs", "use crate::B;"),
        ("through the parent", "use super::B;"),
        ("through a module in between", "use crate::deep::B;"),
        ("through a renaming", "use crate::Renamed as B;"),
        ("through a glob", "use crate::all::B;"),
        ("by its whole path", "use crate::deep::deeper::B;"),
    ] {
        let a = format!("{import}\npub struct A(B);");
        let found = circles_in(&[
            ("lib.rs", "mod a;\nmod all;\nmod deep;\npub use deep::B;\npub use deep::B as Renamed;"),
            ("a.rs", &a),
            ("all.rs", "pub use crate::deep::*;"),
            ("deep.rs", "pub mod deeper;\npub use self::deeper::B;"),
            ("deep/deeper.rs", "pub struct B(crate::a::A);"),
        ]);
        assert_eq!(found, ["a.rs deep/deeper.rs"], "{case}");
    }
}

#[test]
fn a_child_that_uses_what_its_parent_defines_and_is_used_by_it_is_a_circle() {
    let child = ("parent/child.rs", "use super::Item;\npub fn f(_: Item) {}");
    for (case, parent, expected) in [
        ("used", "mod child;\npub struct Item;\nfn g() { child::f(Item) }", 1),
        ("imported", "mod child;\nuse child::f;\npub struct Item;\nfn g() { f(Item) }", 1),
        ("only declared", "mod child;\npub struct Item;", 0),
        ("only passed on", "mod child;\npub use child::f;\npub struct Item;", 0),
        ("passed on and used", "mod child;\npub use child::f;\npub struct Item;\nfn g() { f(Item) }", 1),
    ] {
        let found = circles_in(&[("lib.rs", "mod parent;"), ("parent.rs", parent), child]);
        assert_eq!(found.len(), expected, "{case}");
    }
}

#[test]
fn code_for_tests_ties_no_circle() {
    for (case, b) in [
        ("a module", "pub struct B;\n#[cfg(test)]\nmod tests {\n  use crate::a::A;\n  fn f(_: A) {}\n}"),
        ("an import", "pub struct B;\n#[cfg(test)]\nuse crate::a::A;"),
        ("a function", "pub struct B;\n#[cfg(all(test, unix))]\nfn f() { crate::a::f() }"),
        ("a file", "pub struct B;\n#[cfg(test)]\nmod tests;"),
        ("the text of a comment", "/// [`crate::a::A`]\npub struct B; // crate::a::A"),
    ] {
        let found = circles_in(&[
            ("lib.rs", "mod a;\nmod b;"),
            ("a.rs", "use crate::b::B;\npub struct A(B);\npub fn f() {}"),
            ("b.rs", b),
        ]);
        assert!(found.is_empty(), "{case}");
    }
}

#[test]
fn macros_and_globs_and_functions_named_like_their_module_are_followed() {
    let found = circles_in(&[
        ("lib.rs", "mod a;\npub mod sse;\npub use sse::sse;"),
        ("a.rs", "macro_rules! hold { () => {} }\nmod b;\npub fn f() { b::g() }"),
        ("a/b.rs", "pub fn g() { hold!() }"),
        ("sse.rs", "mod inner;\npub fn sse() { inner::k() }\npub struct S;"),
        ("sse/inner.rs", "use super::*;\npub fn k() { crate::sse() }\nfn h(_: S) {}"),
    ]);
    assert_eq!(found, ["a.rs a/b.rs", "sse.rs sse/inner.rs"]);
}

#[test]
fn each_program_of_a_crate_has_a_tree_of_its_own() {
    let sources = sources(&[
        ("lib.rs", ""),
        ("main.rs", ""),
        ("other.rs", ""),
        ("bin/small.rs", ""),
        ("bin/large/main.rs", "mod part;\npub struct P;\nfn main() { part::f(P) }"),
        ("bin/large/part.rs", "pub fn f(_: crate::P) {}"),
    ]);
    assert_eq!(crate_roots(&sources), ["bin/large/main.rs", "bin/small.rs", "lib.rs", "main.rs"]);
    let found = circles(&imports_between_files("bin/large/main.rs", &sources));
    assert_eq!(found.len(), 1);
}
