//! `use` declarations.

use std::sync::LazyLock;

use regex::Regex;

static DECLARATION: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?m)^[ \t]*(pub(?:\([^)]*\))? )?use ([^;]+);").unwrap());

/// One imported path. A glob ends in `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Import {
    pub is_reexport: bool,
    pub path: Vec<String>,
    pub name: String,
}

/// The imports of a file, and its code without them.
pub(crate) fn split_imports(code: &str) -> (Vec<Import>, String) {
    let mut imports = Vec::new();
    for declaration in DECLARATION.captures_iter(code) {
        expand(declaration.get(2).unwrap().as_str(), &[], declaration.get(1).is_some(), &mut imports);
    }
    (imports, DECLARATION.replace_all(code, "").into_owned())
}

fn expand(tree: &str, prefix: &[String], is_reexport: bool, imports: &mut Vec<Import>) {
    for branch in split_at_commas(tree) {
        if let Some((path, group)) = branch.split_once('{') {
            let prefix = [prefix, &segments(path)].concat();
            expand(group.trim_end().strip_suffix('}').unwrap(), &prefix, is_reexport, imports);
            continue;
        }
        let (path, alias) =
            branch.split_once(" as ").map_or((branch, None), |(path, alias)| (path, Some(alias)));
        let mut path = [prefix, &segments(path)].concat();
        path.pop_if(|last| last == "self");
        if let Some(last) = path.last().cloned() {
            let name = alias.map_or(last, |alias| alias.trim().to_owned());
            imports.push(Import { is_reexport, path, name });
        }
    }
}

/// Splits at commas that are outside of braces.
fn split_at_commas(tree: &str) -> Vec<&str> {
    let mut depth = 0;
    let split = tree.split(|c: char| {
        depth += i32::from(c == '{') - i32::from(c == '}');
        c == ',' && depth == 0
    });
    split.map(str::trim).filter(|branch| !branch.is_empty()).collect()
}

fn segments(path: &str) -> Vec<String> {
    path.split("::").map(str::trim).filter(|segment| !segment.is_empty()).map(str::to_owned).collect()
}

#[test]
fn nested_groups_and_aliases_are_expanded() {
    let (imports, rest) =
        split_imports("pub(crate) use a::{b::{self, c}, d as e};\nuse super::*;\nfn f() {}");
    let found: Vec<_> =
        imports.iter().map(|i| format!("{} {} {}", i.is_reexport, i.path.join("::"), i.name)).collect();
    assert_eq!(found, ["true a::b b", "true a::b::c c", "true a::d e", "false super::* *"]);
    assert_eq!(rest, "\n\nfn f() {}");
}
