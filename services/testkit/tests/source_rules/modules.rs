//! The modules of a crate that are files, and which of them use which.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::LazyLock;

use regex::Regex;

use crate::files_below;
use crate::source_text::code;
use crate::use_trees::{Import, split_imports};

/// Path of a module from the root of its crate, which is empty.
pub(crate) type ModulePath = Vec<String>;

static PATH: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[a-z_]\w*(?:::\w+)+").unwrap());

struct Module {
    imports: Vec<Import>,
    body: String,
}

pub(crate) struct Crate {
    modules: BTreeMap<ModulePath, Module>,
}

impl Crate {
    pub(crate) fn read(sources: &Path) -> Self {
        let has_library = sources.join("lib.rs").exists();
        let files = files_below(sources).into_iter().filter(|file| {
            file.extension().is_some_and(|extension| extension == "rs")
                && !(has_library && *file == sources.join("main.rs"))
        });
        let modules = files.map(|file| {
            let (imports, body) = split_imports(&code(&std::fs::read_to_string(&file).unwrap()));
            (module_path(file.strip_prefix(sources).unwrap()), Module { imports, body })
        });
        Self { modules: modules.collect() }
    }

    /// For each module the modules whose items it names. A module and the modules below it count as one thing, and
    /// re-exports as use only where the name is also used.
    pub(crate) fn uses(&self) -> BTreeMap<&ModulePath, BTreeSet<ModulePath>> {
        self.modules.iter().map(|(path, module)| (path, self.used_by(path, module))).collect()
    }

    fn used_by(&self, from: &ModulePath, module: &Module) -> BTreeSet<ModulePath> {
        let imported = module
            .imports
            .iter()
            .filter(|import| !import.is_reexport || has_word(&module.body, &import.name))
            .map(|import| import.path.clone());
        let named =
            PATH.find_iter(&module.body).map(|path| path.as_str().split("::").map(str::to_owned).collect());
        imported
            .chain(named)
            .filter_map(|path| self.defining_module(&self.absolute(from, &path)?))
            .filter(|used| !used.starts_with(from) && !from.starts_with(used))
            .collect()
    }

    /// The path from the root of the crate, if it is a path in the crate.
    fn absolute(&self, from: &ModulePath, path: &[String]) -> Option<ModulePath> {
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => Some(rest.to_vec()),
            "self" => Some([from, rest].concat()),
            "super" => {
                let parents = path.iter().take_while(|segment| *segment == "super").count();
                let ancestor = from.get(..from.len().checked_sub(parents)?)?;
                Some([ancestor, path.get(parents..)?].concat())
            }
            _ => {
                let is_child =
                    self.modules.contains_key(&[from.as_slice(), std::slice::from_ref(first)].concat());
                is_child.then(|| [from, path].concat())
            }
        }
    }

    /// The module in which an item is defined: re-exports are followed.
    fn defining_module(&self, path: &[String]) -> Option<ModulePath> {
        let depth = (0..=path.len()).rev().find(|depth| self.modules.contains_key(&path[..*depth]))?;
        let (found, rest) = path.split_at(depth);
        let found = found.to_vec();
        let Some((name, below)) = rest.split_first().filter(|(name, _)| *name != "*") else {
            return Some(found);
        };
        let imports = &self.modules.get(&found)?.imports;
        let reexport = imports.iter().find(|import| import.name == *name);
        if let Some(target) = reexport.and_then(|import| self.absolute(&found, &import.path)) {
            return self.defining_module(&[target.as_slice(), below].concat());
        }
        Some(found)
    }
}

fn module_path(file: &Path) -> ModulePath {
    let mut path: ModulePath =
        file.with_extension("").iter().map(|part| part.to_string_lossy().into_owned()).collect();
    path.pop_if(|last| ["lib", "main", "mod"].contains(&last.as_str()));
    path
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}
