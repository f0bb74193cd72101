//! The modules of one crate, from its root file on, with the file that each stands in.

use crate::files::Sources;
use crate::syntax::{self, Module};

/// All modules of a crate; the first is the root.
pub(crate) struct ModuleTree {
    pub(crate) nodes: Vec<Node>,
}

pub(crate) struct Node {
    /// The file, by its path within `src`.
    pub(crate) file: String,
    pub(crate) parent: Option<usize>,
    pub(crate) children: Vec<(String, usize)>,
    pub(crate) module: Module,
}

impl ModuleTree {
    /// # Panics
    ///
    /// If a file that `mod name;` asks for is not there.
    pub(crate) fn read(root: &str, sources: &Sources) -> ModuleTree {
        let mut tree = ModuleTree { nodes: Vec::new() };
        let folder = root.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        tree.add(root, &folder, None, syntax::module(&sources[root]), sources);
        tree
    }

    /// Adds a module whose child files are in `folder`, and all below it.
    fn add(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<usize>,
        module: Module,
        sources: &Sources,
    ) -> usize {
        let index = self.nodes.len();
        let mut module = module;
        let inline_modules = std::mem::take(&mut module.inline_modules);
        let child_files = module.child_files.clone();
        self.nodes.push(Node { file: file.to_owned(), parent, children: Vec::new(), module });
        for (name, inline) in inline_modules {
            let child = self.add(file, &format!("{folder}{name}/"), Some(index), inline, sources);
            self.nodes[index].children.push((name, child));
        }
        for name in child_files {
            let below = format!("{folder}{name}/");
            let candidates = [format!("{folder}{name}.rs"), format!("{below}mod.rs")];
            let found = candidates.iter().find_map(|path| sources.get_key_value(path));
            let (path, text) =
                found.unwrap_or_else(|| panic!("{file}: no file for `mod {name};` in src/{folder}"));
            let child = self.add(path, &below, Some(index), syntax::module(text), sources);
            self.nodes[index].children.push((name, child));
        }
        index
    }
}
