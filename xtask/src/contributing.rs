//! Checks that every function named in CONTRIBUTING.md exists in its file.

use std::fs;

use crate::workspace::Workspace;

/// Each `` `FILE.rs::NAME` `` in a text.
fn function_references(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|quoted| {
        let (file, name) = quoted.split_once(".rs::")?;
        Some((file, name))
    })
}

/// Whether source defines a function of this name.
fn defines(source: &str, name: &str) -> bool {
    source
        .match_indices(&format!("fn {name}"))
        .any(|(at, found)| {
            let behind = &source[at + found.len()..];
            behind.starts_with(['(', '<'])
        })
}

#[test]
fn every_function_that_contributing_names_exists() {
    let workspace = Workspace::current();
    let text = fs::read_to_string(workspace.path("CONTRIBUTING.md")).unwrap();
    let mut count = 0;
    for (file, name) in function_references(&text) {
        let source = fs::read_to_string(workspace.path(&format!("{file}.rs")));
        let source = source.unwrap_or_else(|error| panic!("{file}.rs: {error}"));
        assert!(defines(&source, name), "{file}.rs has no function {name}");
        count += 1;
    }
    assert!(count >= 25, "{count}");
}

#[test]
fn a_function_is_found_by_its_whole_name() {
    let source = "fn replaced() {} pub fn keep<T>() {} // calls replace()";
    assert!(defines(source, "replaced") && defines(source, "keep"));
    assert!(!defines(source, "replace") && !defines(source, "kee"));
    let named: Vec<_> = function_references("a `x/y.rs::f` and `z.rs` and ``").collect();
    assert_eq!(named, [("x/y", "f")]);
}
