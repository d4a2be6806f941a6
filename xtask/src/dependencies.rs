//! Checks dependencies: licences, duplicates and sources by `deny.toml`, and the
//! directions between the workspace's own crates.

use serde_json::Value;

use crate::command::{self, Failure};
use crate::summary::Outcome;
use crate::workspace::Workspace;

/// Crates that others are compared with: they import nothing of this workspace.
const INDEPENDENT: [&str; 2] = ["specimen", "oracle"];

/// Checks the directions, then runs cargo-deny offline, that is without advisories.
pub(crate) fn run(workspace: &Workspace) -> Result<Outcome, Failure> {
    check_directions(&metadata(workspace)?)?;
    if !workspace.has_program("cargo-deny") {
        return Ok(Outcome::Skipped(
            "no cargo-deny; cargo xtask setup installs it".into(),
        ));
    }
    // A build fetches the crates for this system; the rules are for every system.
    command::run(&mut workspace.cargo(&["fetch", "--locked", "--quiet"]))?;
    command::run(&mut workspace.cargo(&[
        "deny",
        "--offline",
        "--locked",
        "--workspace",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))?;
    let what = "directions, licences, duplicates, sources";
    Ok(Outcome::Passed(what.into()))
}

/// cargo's metadata of the workspace's own crates.
pub(crate) fn metadata(workspace: &Workspace) -> Result<Value, Failure> {
    let mut metadata = workspace.cargo(&["metadata", "--no-deps", "--format-version=1"]);
    let output = command::capture(&mut metadata)?.success("cargo metadata")?;
    serde_json::from_str(&output).map_err(|error| Failure(format!("cargo metadata: {error}")))
}

/// A shipped crate may depend on one that is not shipped (`publish = false`) in its
/// tests only. Specimens and oracle depend on no other crate of this workspace.
fn check_directions(metadata: &Value) -> Result<(), Failure> {
    let never_ships = |package: &&Value| package["publish"].as_array().is_some_and(Vec::is_empty);
    let (proof, shipped): (Vec<&Value>, Vec<&Value>) =
        array_elements(&metadata["packages"]).partition(never_ships);
    for package in shipped {
        for dependency in array_elements(&package["dependencies"]) {
            let names = |package: &&Value| package["name"] == dependency["name"];
            if dependency["kind"] != "dev" && proof.iter().any(names) {
                let (from, to) = (&package["name"], &dependency["name"]);
                return Err(Failure(format!(
                    "{from} is shipped and depends on {to}, which is not"
                )));
            }
        }
    }
    // Otherwise they would not be independent.
    for package in proof {
        let ours = array_elements(&package["dependencies"]).find(|it| !it["path"].is_null());
        if let Some(ours) = ours.filter(|_| INDEPENDENT.iter().any(|it| package["name"] == *it)) {
            let (from, to) = (&package["name"], &ours["name"]);
            return Err(Failure(format!(
                "{from} must not depend on the workspace's {to}"
            )));
        }
    }
    Ok(())
}

/// The elements of a JSON list.
pub(crate) fn array_elements(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace(kind: &Value) -> Value {
        let dependency = json!({ "name": "verify", "kind": kind });
        json!({ "packages": [
            { "name": "tcplimit", "publish": null, "dependencies": [dependency] },
            { "name": "verify", "publish": [], "dependencies": [] },
            { "name": "fuzz", "publish": [], "dependencies": [{ "name": "verify", "kind": null }] },
        ] })
    }

    #[test]
    fn a_shipped_crate_may_depend_on_an_unshipped_one_in_its_tests_only() {
        assert!(check_directions(&workspace(&json!("dev"))).is_ok());
        assert!(check_directions(&workspace(&Value::Null)).is_err());
        assert!(check_directions(&workspace(&json!("build"))).is_err());
    }

    #[test]
    fn independent_crates_depend_on_no_crate_of_the_workspace() {
        let needs = |path: &Value| {
            let dependency = json!({ "name": "scanner-core", "kind": "dev", "path": path });
            let oracle = json!({ "name": "oracle", "publish": [], "dependencies": [dependency] });
            check_directions(&json!({ "packages": [oracle] }))
        };
        assert!(needs(&Value::Null).is_ok());
        assert!(needs(&json!("/r/scanner-core")).is_err());
    }
}
