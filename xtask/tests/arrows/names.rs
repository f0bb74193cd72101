//! Which file defines the names that another file uses.

use std::collections::BTreeMap;

use crate::files::Sources;
use crate::module_tree::ModuleTree;

/// For each file and each other file of which it uses a name: the first place where it does, `file:line: path`.
pub(crate) type Imports = BTreeMap<(String, String), String>;

/// Reads the crate whose root file is `root`.
///
/// A declaration `mod child;`, an import of a module, and a name that is only passed on by `pub use` are no arrow; the
/// names that are used by way of them are.
pub(crate) fn imports_between_files(root: &str, sources: &Sources) -> Imports {
    let tree = ModuleTree::read(root, sources);
    let mut imports = Imports::new();
    for (index, node) in tree.nodes.iter().enumerate() {
        let module = &node.module;
        let used = module.imports.iter().filter(|import| !import.is_passed_on);
        let used = used.map(|import| (&import.path, import.line, false));
        let mentioned = module.mentions.iter().map(|mention| (&mention.path, mention.line, mention.is_macro));
        for (path, line, is_macro) in used.chain(mentioned) {
            for file in tree.files_that_define(index, path, is_macro) {
                if file != node.file {
                    let place = || format!("src/{}:{line}: {}", node.file, path.join("::"));
                    imports.entry((node.file.clone(), file)).or_insert_with(place);
                }
            }
        }
    }
    imports
}

#[derive(Clone, Copy)]
enum Found {
    Module(usize),
    /// An item, in the file of this module.
    Item {
        module: usize,
        is_value: bool,
    },
}

/// Names that are being looked up, so that `pub use sse::sse;` beside `mod sse;` comes to an end.
type Pending = Vec<(usize, String)>;

impl ModuleTree {
    fn files_that_define(&self, module: usize, path: &[String], is_macro: bool) -> Vec<String> {
        let mut found = self.resolve(module, path, &mut Pending::new());
        if let ([name], true, true) = (path, is_macro, found.is_empty()) {
            found.extend(self.macro_in_scope(module, name));
        }
        let file = |found| match found {
            Found::Item { module, .. } => Some(self.nodes[module].file.clone()),
            Found::Module(_) => None,
        };
        found.into_iter().filter_map(file).collect()
    }

    /// Everything that `path` may mean in `module`; nothing if it leads out of the crate. Several answers come from
    /// `cfg`, and from a function and a module of one name.
    fn resolve(&self, module: usize, path: &[String], pending: &mut Pending) -> Vec<Found> {
        let Some((first, rest)) = path.split_first() else { return Vec::new() };
        let found = match first.as_str() {
            "crate" => vec![Found::Module(0)],
            "self" => vec![Found::Module(module)],
            "super" => self.nodes[module].parent.map(Found::Module).into_iter().collect(),
            name => self.look_up(module, name, pending),
        };
        rest.iter().fold(found, |found, segment| {
            found.into_iter().flat_map(|found| self.step(found, segment, pending)).collect()
        })
    }

    fn step(&self, found: Found, segment: &str, pending: &mut Pending) -> Vec<Found> {
        match found {
            Found::Module(module) if segment == "super" => {
                self.nodes[module].parent.map(Found::Module).into_iter().collect()
            }
            Found::Module(module) => self.look_up(module, segment, pending),
            Found::Item { is_value: true, .. } => Vec::new(),
            // A variant or an associated item stands where its type does.
            Found::Item { .. } => vec![found],
        }
    }

    /// What `name` means at the top of `module`: a child, an item, an import, and only then what a `*` brings.
    fn look_up(&self, module: usize, name: &str, pending: &mut Pending) -> Vec<Found> {
        let asked = (module, name.to_owned());
        if pending.contains(&asked) {
            return Vec::new();
        }
        pending.push(asked);
        let node = &self.nodes[module];
        let children =
            node.children.iter().filter(|(of, _)| of == name).map(|&(_, child)| Found::Module(child));
        let items = node.module.items.iter().filter(|item| item.name == name);
        let items = items.map(|item| Found::Item { module, is_value: item.is_value });
        let mut found: Vec<_> = children.chain(items).collect();
        for import in node.module.imports.iter().filter(|import| import.name.as_deref() == Some(name)) {
            found.extend(self.resolve(module, &import.path, pending));
        }
        if found.is_empty() {
            for import in node.module.imports.iter().filter(|import| import.is_glob) {
                for target in self.resolve(module, &import.path, pending) {
                    if let Found::Module(target) = target {
                        found.extend(self.look_up(target, name, pending));
                    }
                }
            }
        }
        pending.pop();
        found
    }

    /// A macro without a path comes from a module above.
    fn macro_in_scope(&self, module: usize, name: &str) -> Option<Found> {
        let above = std::iter::successors(Some(module), |&module| self.nodes[module].parent);
        let defines = |&module: &usize| {
            self.nodes[module].module.items.iter().any(|item| item.is_macro && item.name == name)
        };
        above.into_iter().find(defines).map(|module| Found::Item { module, is_value: false })
    }
}
