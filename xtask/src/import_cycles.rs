//! Checks that the modules of a crate have no import cycle, so that each can be read
//! before its users. A name re-exported by `pub use` counts for the module that defines
//! it; tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{ItemUse, UseTree, Visibility};

use crate::workspace::Workspace;

/// The sources of crates without a cycle.
const CRATES: [&str; 13] = [
    "cli/report/src",
    "cli/src",
    "cli/xp/src",
    "driver/protocol/src",
    "driver/src",
    "scanner-core/src",
    "verify/checker/src",
    "verify/emulator/src",
    "verify/oracle/src",
    "verify/simulation/src",
    "verify/specimen/src",
    "verify/src",
    "xtask/src",
];

/// The path of a module or an item from the crate's root.
type Name = Vec<String>;

/// The imports between the modules of a crate.
#[derive(Default)]
struct Imports {
    /// The paths used in each module.
    of: BTreeMap<Name, Vec<Name>>,
    /// Re-exported names and their origins.
    reexports: BTreeMap<Name, Name>,
}

/// Collects the paths of one file.
struct Paths<'a> {
    module: &'a Name,
    imports: &'a mut Imports,
}

impl Imports {
    fn read(&mut self, folder: &Path, parent: &[String]) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let stem = path.file_stem().unwrap().to_str().unwrap();
            let mut module = [parent, &[stem.to_owned()]].concat();
            if path.is_dir() {
                self.read(&path, &module);
                continue;
            }
            let is_source = path.extension().is_some_and(|end| end == "rs");
            let is_beside_library = stem == "main" && folder.join("lib.rs").exists();
            if !is_source || stem == "tests" || is_beside_library {
                continue;
            }
            if module == ["lib"] || module == ["main"] {
                module.clear();
            }
            self.add(&module, &fs::read_to_string(&path).unwrap());
        }
    }

    fn add(&mut self, module: &Name, source: &str) {
        self.of.entry(module.clone()).or_default();
        let imports = self;
        Paths { module, imports }.visit_file(&syn::parse_file(source).unwrap());
    }

    /// The module that defines the item of a path in `module`.
    fn defining_module(&self, module: &Name, path: &[String]) -> Option<Name> {
        let (first, mut rest) = path.split_first()?;
        let mut at = match first.as_str() {
            "crate" => Vec::new(),
            "super" => module[..module.len().checked_sub(1)?].to_vec(),
            "self" => module.clone(),
            child => {
                let child = [&module[..], &[child.to_owned()]].concat();
                self.of.contains_key(&child).then_some(child)?
            }
        };
        while let Some((name, behind)) = rest.split_first() {
            let next = [&at[..], std::slice::from_ref(name)].concat();
            match (name.as_str(), self.reexports.get(&next)) {
                ("super", _) => drop(at.pop()?),
                ("self", _) => {}
                _ if self.of.contains_key(&next) => at = next,
                (_, Some(from)) => return self.defining_module(&at, &[from, behind].concat()),
                _ => break,
            }
            rest = behind;
        }
        Some(at)
    }

    /// The modules of a cycle, if there is one.
    fn cycle(&self) -> Option<Vec<String>> {
        let mut below: BTreeMap<&Name, BTreeSet<Name>> = BTreeMap::new();
        for (module, paths) in &self.of {
            let homes = paths
                .iter()
                .filter_map(|path| self.defining_module(module, path));
            below.insert(module, homes.filter(|home| home != module).collect());
        }
        // A module that imports none of the others, or that none imports, is in no cycle.
        loop {
            let is_taken = |name: &Name| below.values().any(|taken| taken.contains(name));
            let takes = |name: &Name| below[name].iter().any(|it| below.contains_key(it));
            let free = below.keys().find(|name| !takes(name) || !is_taken(name));
            match free.copied() {
                Some(free) => below.remove(free),
                None => break,
            };
        }
        let names = below.keys().map(|name| name.join("::"));
        (!below.is_empty()).then(|| names.collect())
    }
}

impl<'a> Visit<'a> for Paths<'_> {
    fn visit_item_mod(&mut self, item: &'a syn::ItemMod) {
        if item.ident != "tests" {
            visit::visit_item_mod(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'a ItemUse) {
        let is_public = !matches!(item.vis, Visibility::Inherited);
        self.tree(&item.tree, &[], is_public);
    }

    /// `pub(super)` imports nothing.
    fn visit_visibility(&mut self, _: &'a Visibility) {}

    fn visit_path(&mut self, path: &'a syn::Path) {
        let segments = path.segments.iter();
        let names: Name = segments.map(|it| it.ident.to_string()).collect();
        // A single name is local, or was imported.
        if names.len() > 1 {
            self.take(names);
        }
        visit::visit_path(self, path);
    }
}

impl Paths<'_> {
    fn take(&mut self, path: Name) {
        self.imports.of.get_mut(self.module).unwrap().push(path);
    }

    fn tree(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.tree(&path.tree, &with(&path.ident), is_public),
            UseTree::Group(group) => {
                group
                    .items
                    .iter()
                    .for_each(|tree| self.tree(tree, before, is_public));
            }
            UseTree::Glob(_) => self.take(before.to_vec()),
            UseTree::Name(name) => self.name(with(&name.ident), &name.ident, is_public),
            UseTree::Rename(name) => self.name(with(&name.ident), &name.rename, is_public),
        }
    }

    fn name(&mut self, path: Name, called: &syn::Ident, is_public: bool) {
        if !is_public {
            return self.take(path);
        }
        let called = [&self.module[..], &[called.to_string()]].concat();
        self.imports.reexports.insert(called, path);
    }
}

#[test]
fn no_crate_has_an_import_cycle() {
    let workspace = Workspace::current();
    for folder in CRATES {
        let mut imports = Imports::default();
        imports.read(&workspace.path(folder), &[]);
        assert!(imports.of.len() > 5, "{folder}: {:?}", imports.of.keys());
        assert_eq!(imports.cycle(), None, "{folder}");
    }
}

#[test]
fn a_cycle_is_found_however_a_name_is_written() {
    let cycle = |sources: &[(&str, &str)]| {
        let mut imports = Imports::default();
        for (module, source) in sources {
            let module = module.split("::").filter(|name| !name.is_empty());
            imports.add(&module.map(str::to_owned).collect(), source);
        }
        imports.cycle()
    };
    let below = (
        "b",
        "pub(super) struct B; #[cfg(test)] mod tests { use crate::a::A; }",
    );
    assert_eq!(
        cycle(&[("", "mod a; mod b;"), ("a", "use crate::b::B;"), below]),
        None
    );
    for import in [
        "use crate::a::A;",
        "use super::a::{self};",
        "fn f() { super::a::f() }",
        "use super::*;",
        "use crate::A;",
        "pub(super) struct B(crate::a::A);",
    ] {
        let root = ("", "mod a; mod b; pub use a::A; fn f() { b::f() }");
        let sources = [root, ("a", "use crate::b::{B};"), ("b", import)];
        assert!(cycle(&sources).is_some(), "{import}");
    }
    let parent = ("a", "mod c; pub use c::C; fn f() { c::f() }");
    assert_eq!(
        cycle(&[
            parent,
            ("a::c", "use crate::b::B;"),
            ("b", "use super::c::X;")
        ]),
        None
    );
    assert!(cycle(&[parent, ("a::c", "use super::f;")]).is_some());
}
