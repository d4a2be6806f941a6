//! The files in `corpus/`: the committed specimens match the builder's output.

use std::fs;
use std::path::{Path, PathBuf};

use specimen::Spec;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

#[test]
fn the_committed_specimens_match_the_builder() {
    for (name, spec) in Spec::presets() {
        let path = corpus().join(format!("specimens/{name}.sys"));
        let committed = fs::read(&path).expect("a committed specimen");
        assert!(
            committed == spec.build().file,
            "{name}: run `cargo xtask specimens` and commit the result"
        );
    }
    let committed = fs::read_dir(corpus().join("specimens")).expect("the specimens");
    assert_eq!(committed.count(), Spec::presets().len());
}
