//! Regressions: inputs that once failed under a fuzzer.

use std::fs;
use std::path::Path;

use verify::{patching, probing, property};

/// Calls the property with each file of a folder of `corpus/`; returns the
/// number of files.
fn replay(folder: &str, property: fn(&[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(folder);
    let files = fs::read_dir(&folder).expect("a folder of corpus/");
    let paths = files.map(|file| file.expect("a readable folder").path());
    paths
        .inspect(|path| {
            println!("{}", path.display());
            property(&fs::read(path).expect("a readable file"));
        })
        .count()
}

#[test]
fn inputs_of_locate_hold() {
    assert!(replay("regressions/locate", property::any_bytes) > 0);
    assert!(replay("specimens", property::any_bytes) > 0);
}

#[test]
fn inputs_of_probe_hold() {
    assert!(replay("regressions/probe", probing::any_content) > 0);
    assert!(replay("regressions/locate", probing::any_content) > 0);
    assert!(replay("cabinets", probing::any_content) > 0);
    assert!(replay("specimens", probing::any_content) > 0);
}

#[test]
fn inputs_of_patch_hold() {
    assert!(replay("regressions/probe", patching::any_content) > 0);
    assert!(replay("regressions/locate", patching::any_content) > 0);
    assert!(replay("cabinets", patching::any_content) > 0);
    assert!(replay("specimens", patching::any_content) > 0);
}
