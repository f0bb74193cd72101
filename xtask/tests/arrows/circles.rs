//! Circles among the files of a crate.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::names::Imports;

/// Files that reach each other by their imports, and one place for each arrow among them.
pub(crate) struct Circle {
    pub(crate) files: BTreeSet<String>,
    arrows: Vec<String>,
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let files: Vec<_> = self.files.iter().map(String::as_str).collect();
        write!(f, "  {} files import each other in a circle: {}", files.len(), files.join(", "))?;
        self.arrows.iter().try_for_each(|arrow| write!(f, "\n    {arrow}"))
    }
}

/// The strongly connected components of more than one file.
pub(crate) fn circles(imports: &Imports) -> Vec<Circle> {
    let mut arrows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (from, to) in imports.keys() {
        arrows.entry(from).or_default().push(to);
    }
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        arrows.keys().map(|&file| (file, reachable(file, &arrows))).collect();
    let mut sets: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (&file, from_here) in &reached {
        let back = |other: &&&str| reached.get(**other).is_some_and(|from_there| from_there.contains(file));
        let set: BTreeSet<&str> = from_here.iter().filter(back).copied().collect();
        if set.len() > 1 {
            sets.insert(set);
        }
    }
    sets.iter().map(|set| circle(set, imports)).collect()
}

fn circle(set: &BTreeSet<&str>, imports: &Imports) -> Circle {
    let inside =
        imports.iter().filter(|((from, to), _)| set.contains(from.as_str()) && set.contains(to.as_str()));
    Circle {
        files: set.iter().map(|&file| file.to_owned()).collect(),
        arrows: inside.map(|((from, to), place)| format!("{from} -> {to} ({place})")).collect(),
    }
}

/// All files that `file` comes to, one import after another. A file of a circle comes to itself.
fn reachable<'a>(file: &'a str, arrows: &BTreeMap<&'a str, Vec<&'a str>>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next = vec![file];
    while let Some(file) = next.pop() {
        for &to in arrows.get(file).into_iter().flatten() {
            if seen.insert(to) {
                next.push(to);
            }
        }
    }
    seen
}
