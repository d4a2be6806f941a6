//! Finds public functions of scanner-core that `calls.rs` omits.

use std::fs;
use std::path::Path;

/// The public functions of the source, as calls name them: methods after their
/// type, others alone.
fn public_functions(source: &str) -> Vec<String> {
    let mut functions = Vec::new();
    let mut owner = None;
    for line in source.lines() {
        if line.starts_with("impl") {
            owner = subject(line);
        }
        let Some(rest) = line.trim_start().strip_prefix("pub ") else {
            continue;
        };
        let Some(rest) = rest.trim_start_matches("const ").strip_prefix("fn ") else {
            continue;
        };
        let name = rest.split(['(', '<']).next().unwrap_or_default();
        functions.push(match owner {
            Some(owner) if line.starts_with(' ') => format!("{owner}::{name}"),
            _ => name.to_owned(),
        });
    }
    functions
}

/// The type of an `impl` line; none for a trait's.
fn subject(line: &str) -> Option<&str> {
    if line.contains(" for ") {
        return None;
    }
    let head = line.trim_end_matches(" {");
    let (_, named) = head.rsplit_once(' ')?;
    named.split('<').next()
}

/// Whether the name is called: followed by `(`, and not part of a longer name.
fn calls(text: &str, function: &str) -> bool {
    text.match_indices(&format!("{function}(")).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|letter| letter.is_alphanumeric() || letter == '_')
    })
}

#[test]
fn every_public_function_is_called() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scanner-core/src");
    let mut seen = 0;
    let mut missing = Vec::new();
    for entry in fs::read_dir(sources).expect("scanner-core is beside this crate") {
        let path = entry.expect("a folder that can be read").path();
        let source = fs::read_to_string(&path).expect("source text");
        for function in public_functions(&source) {
            seen += 1;
            if !calls(include_str!("calls.rs"), &function) {
                missing.push(function);
            }
        }
    }
    assert!(seen > 50, "only {seen} functions seen");
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn methods_are_identified_by_type_and_trait_methods_are_left_out() {
    let source = "impl<'a> Image<'a> {\n    pub fn base(&self) -> u64 {\n\
                  impl fmt::Display for Rva {\n    fn fmt(&self) {\n\
                  pub fn locate(image: &Image<'_>) {\npub(crate) fn hidden() {";
    assert_eq!(public_functions(source), ["Image::base", "locate"]);
    assert!(calls("keep(locate(image))", "locate"));
    assert!(!calls("keep(relocate(image))", "locate"));
}
