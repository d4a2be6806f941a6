//! Components of programs: the crates that cargo links, lists of them
//! (CycloneDX 1.5), and the licences' texts.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::archive::{Archive, Program};
use crate::command::{self, Failure};
use crate::dependencies::array_elements;
use crate::driver::ProductKind;
use crate::filesystem::read_text;
use crate::workspace::Workspace;

/// A linked crate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Component {
    name: String,
    version: String,
    /// An SPDX expression.
    licence: String,
    /// SHA-256 of its package; `None` for a crate of this workspace.
    checksum: Option<String>,
    folder: PathBuf,
}

/// The programs of an archive with their components.
pub(super) type Parts = Vec<(&'static str, BTreeSet<Component>)>;

/// All crates of cargo's metadata, by name and version.
#[derive(Debug)]
pub(super) struct Catalog(BTreeMap<(String, String), Component>);

impl Catalog {
    pub(super) fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let mut metadata = workspace.cargo(&["metadata", "--locked", "--format-version=1"]);
        let output = command::capture(&mut metadata)?.success("cargo metadata")?;
        let metadata: Value = serde_json::from_str(&output)
            .map_err(|error| Failure(format!("cargo metadata: {error}")))?;
        let checksums = checksums(&read_text(&workspace.path("Cargo.lock"))?);
        Ok(Self(
            array_elements(&metadata["packages"])
                .filter_map(|package| component(package, &checksums))
                .map(|component| {
                    (
                        (component.name.clone(), component.version.clone()),
                        component,
                    )
                })
                .collect(),
        ))
    }

    /// The components of the archive's programs.
    pub(super) fn parts(&self, workspace: &Workspace, archive: &Archive) -> Result<Parts, Failure> {
        let of = |program: &Program| Ok((program.name, self.linked_crates(workspace, program)?));
        archive.programs.iter().map(of).collect()
    }

    /// The crates that cargo links into a program for its target: without build scripts,
    /// procedural macros and test dependencies.
    fn linked_crates(
        &self,
        workspace: &Workspace,
        program: &Program,
    ) -> Result<BTreeSet<Component>, Failure> {
        let mut tree = workspace.cargo(&["tree", "--locked", "--package", program.package]);
        tree.args(["--target", &program.target, "--prefix", "none"])
            .args(["--edges", "normal,no-proc-macro", "--format", "{p}"]);
        let output = command::capture(&mut tree)?.success("cargo tree")?;
        let found: BTreeSet<Component> = output
            .lines()
            .map(|line| {
                let known = crate_and_version(line).and_then(|key| self.0.get(&key));
                known
                    .cloned()
                    .ok_or_else(|| Failure(format!("unknown component: {line}")))
            })
            .collect::<Result<_, _>>()?;
        if found.is_empty() {
            return Err(Failure(format!("{}: no components", program.name)));
        }
        Ok(found)
    }
}

/// Name and version of `flate2 v1.1.11 (*)`.
fn crate_and_version(line: &str) -> Option<(String, String)> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let version = words.next()?.strip_prefix('v')?;
    Some((name.into(), version.into()))
}

fn component(package: &Value, checksums: &BTreeMap<(String, String), String>) -> Option<Component> {
    let name = package["name"].as_str()?.to_string();
    let version = package["version"].as_str()?.to_string();
    let manifest = Path::new(package["manifest_path"].as_str()?);
    // The older form of OR.
    let licence = package["license"].as_str()?.replace('/', " OR ");
    Some(Component {
        checksum: checksums.get(&(name.clone(), version.clone())).cloned(),
        folder: manifest.parent()?.into(),
        name,
        version,
        licence,
    })
}

/// The sums in a Cargo.lock by package name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut found = BTreeMap::new();
    for package in lock.split("[[package]]") {
        let value = |key: &str| {
            let line = |line: &str| {
                line.strip_prefix(key)?
                    .strip_prefix(" = ")
                    .map(str::to_string)
            };
            let value = package.lines().find_map(line)?;
            Some(value.trim_matches('"').to_string())
        };
        if let (Some(name), Some(version), Some(sum)) =
            (value("name"), value("version"), value("checksum"))
        {
            found.insert((name, version), sum);
        }
    }
    found
}

/// The list of components of an archive, as CycloneDX. `sums` is the path of the
/// archive's list of sums. The list has no time or serial number, so it is
/// reproducible.
pub(super) fn component_list(
    archive: &Archive,
    version: &str,
    parts: &Parts,
    sums: &Path,
) -> Result<Value, Failure> {
    let sums = read_text(sums)?;
    let reference = archive.file();
    let mut components = Vec::new();
    let mut dependencies = vec![json!({
        "ref": reference,
        "dependsOn": archive.programs.iter().map(|program| program.name).collect::<Vec<_>>(),
    })];
    for program in &archive.programs {
        let library = program.library();
        let made_of = parts.iter().find(|(name, _)| *name == program.name);
        let mut names: Vec<String> = made_of
            .iter()
            .flat_map(|(_, components)| components)
            .map(Component::reference)
            .collect();
        names.push(library);
        components.push(json!({
            "type": match program.kind {
                ProductKind::Driver => "device-driver",
                ProductKind::Program | ProductKind::Window => "application",
            },
            "bom-ref": program.name,
            "name": program.name,
            "version": version,
            "description": format!("built for {} by {}", program.target, program.compiler),
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
            "hashes": [{ "alg": "SHA-256", "content": sum(&sums, program.name)? }],
        }));
        dependencies.push(json!({ "ref": program.name, "dependsOn": names }));
    }
    let libraries: BTreeMap<String, Value> = archive
        .programs
        .iter()
        .map(|program| (program.library(), program.library_component()))
        .chain(
            parts
                .iter()
                .flat_map(|(_, components)| components)
                .map(|component| (component.reference(), component.json())),
        )
        .collect();
    components.extend(libraries.into_values());
    let component_list = json!({
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": { "component": {
            "type": "application",
            "bom-ref": reference,
            "name": reference,
            "version": version,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        } },
        "components": components,
        "dependencies": dependencies,
    });
    if let Some(reference) = unresolved_reference(&component_list) {
        return Err(Failure(format!("the list of components: {reference}")));
    }
    Ok(component_list)
}

/// A reference that is defined twice, or used and not defined.
fn unresolved_reference(component_list: &Value) -> Option<&Value> {
    let archive = [&component_list["metadata"]["component"]["bom-ref"]];
    let components = array_elements(&component_list["components"]).map(|one| &one["bom-ref"]);
    let mut names = HashSet::new();
    for name in archive.into_iter().chain(components) {
        if !names.insert(name) {
            return Some(name);
        }
    }
    array_elements(&component_list["dependencies"])
        .flat_map(|one| array_elements(&one["dependsOn"]).chain([&one["ref"]]))
        .find(|end| !names.contains(end))
}

/// The sum of a file in a list of sums.
fn sum<'a>(sums: &'a str, name: &str) -> Result<&'a str, Failure> {
    sums.lines()
        .find_map(|line| {
            let (sum, file) = line.split_once("  ")?;
            (file == name).then_some(sum)
        })
        .ok_or_else(|| Failure(format!("{name}: not in the list of sums")))
}

impl Program {
    /// The linked part of Rust's standard library, which is in no package.
    fn library(&self) -> String {
        format!("{}, {}", self.library_name(), self.compiler)
    }

    fn library_name(&self) -> &'static str {
        match self.kind {
            _ if !self.target.ends_with("-uefi") => "rust std",
            ProductKind::Driver => "rust core",
            ProductKind::Program | ProductKind::Window => "rust core and alloc",
        }
    }

    fn library_component(&self) -> Value {
        json!({
            "type": "library",
            "bom-ref": self.library(),
            "name": self.library_name(),
            "version": self.compiler,
            "licenses": [{ "expression": "MIT OR Apache-2.0" }],
        })
    }
}

impl Component {
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }

    fn json(&self) -> Value {
        let mut json = json!({
            "type": "library",
            "bom-ref": self.reference(),
            "name": self.name,
            "version": self.version,
            "licenses": [{ "expression": self.licence }],
        });
        if let Some(sum) = &self.checksum {
            json["purl"] = self.reference().into();
            json["hashes"] = json!([{ "alg": "SHA-256", "content": sum }]);
        }
        json
    }
}

/// The notices on third-party components: name, licence, and the licence's text, each
/// text once.
pub(super) fn notices(parts: &Parts) -> Result<String, Failure> {
    let others: BTreeSet<&Component> = parts
        .iter()
        .flat_map(|(_, components)| components)
        .filter(|component| component.checksum.is_some())
        .collect();
    let mut list = String::from(
        "Parts of these programs are other people's work, under these licences:\n\n\
         Rust's library, The Rust Project contributors: MIT OR Apache-2.0\n",
    );
    let mut texts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for component in others {
        let name = format!("{} {}", component.name, component.version);
        list += &format!("{name}: {}\n", component.licence);
        let found = licences(&component.folder)?;
        if found.is_empty() {
            list += "    (its package holds no text of a licence)\n";
        }
        for (file, text) in found {
            let text = text.replace("\r\n", "\n");
            texts
                .entry(text)
                .or_default()
                .push(format!("{name}: {file}"));
        }
    }
    list += "\nThe texts of MIT and Apache-2.0 that Rust's library is under are those of\n\
             tcplimit itself, but for the names.\n";
    // In the order of the names.
    let mut texts: Vec<(Vec<String>, String)> = texts
        .into_iter()
        .map(|(text, names)| (names, text))
        .collect();
    texts.sort();
    for (names, text) in texts {
        let line = "-".repeat(72);
        list += &format!(
            "\n{line}\n{}\n{line}\n\n{}\n",
            names.join("\n"),
            text.trim_end()
        );
    }
    Ok(list)
}

/// The licence and notice files of a package.
fn licences(folder: &Path) -> Result<Vec<(String, String)>, Failure> {
    const BEGINNINGS: [&str; 5] = ["LICENSE", "LICENCE", "COPY", "NOTICE", "UNLICENSE"];
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.display().to_string());
        let name = name.unwrap_or_default();
        let is_one = BEGINNINGS
            .iter()
            .any(|beginning| name.to_uppercase().starts_with(beginning));
        if is_one && path.is_file() {
            let bytes = fs::read(&path)?;
            found.push((name, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_is_a_crate_and_its_version() {
        let key = |line| crate_and_version(line);
        let pair = |name: &str, version: &str| Some((name.to_string(), version.to_string()));
        assert_eq!(key("flate2 v1.1.11 (*)"), pair("flate2", "1.1.11"));
        assert_eq!(key("cli v0.1.0 (/some folder/cli)"), pair("cli", "0.1.0"));
        assert_eq!(key("[build-dependencies]"), None);
    }

    #[test]
    fn only_packages_with_a_sum_have_one() {
        let lock = "version = 4\n\n[[package]]\nname = \"ours\"\nversion = \"1.0.0\"\n\n\
            [[package]]\nname = \"theirs\"\nversion = \"2.0.0\"\nsource = \"registry\"\n\
            checksum = \"abc\"\ndependencies = [\n \"ours\",\n]\n";
        let found = checksums(lock);
        assert_eq!(found.len(), 1);
        let key = ("theirs".to_string(), "2.0.0".to_string());
        assert_eq!(found.get(&key).map(String::as_str), Some("abc"));
    }

    #[test]
    fn a_duplicate_or_undefined_reference_is_noticed() {
        let component_list = |names: &[&str], needs: &[&str]| {
            let components: Vec<Value> = names
                .iter()
                .map(|name| json!({ "bom-ref": name }))
                .collect();
            json!({
                "metadata": { "component": { "bom-ref": "a.zip" } },
                "components": components,
                "dependencies": [{ "ref": "a.zip", "dependsOn": needs }],
            })
        };
        assert_eq!(
            unresolved_reference(&component_list(&["a", "b"], &["a", "b"])),
            None
        );
        assert!(unresolved_reference(&component_list(&["a", "a"], &["a"])).is_some());
        assert!(unresolved_reference(&component_list(&["a"], &["b"])).is_some());
    }

    #[test]
    fn a_file_without_a_sum_is_an_error() {
        assert_eq!(sum("12  a.sys\r\n34  a\r\n", "a").ok(), Some("34"));
        assert!(sum("12  a.sys\n", "b").is_err());
    }
}
