//! The files in `corpus/`: the committed specimens are what the builder makes.

use std::fs;
use std::path::{Path, PathBuf};

use specimen::Spec;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../corpus")
}

#[test]
fn the_committed_specimens_are_what_the_builder_makes() {
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
