//! The files in `corpus/`: the committed specimens are what the builder makes,
//! and every regression still holds.

use std::fs;
use std::path::{Path, PathBuf};

use arbitrary::{Arbitrary, Unstructured};
use verify::property;
use verify::specimen::Spec;

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(corpus().join(folder)) else {
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.expect("a readable folder").path());
    paths.filter(|path| path.is_file()).collect()
}

#[test]
fn the_committed_specimens_are_what_the_builder_makes() {
    for (name, spec) in Spec::kinds() {
        let path = corpus().join(format!("specimens/{name}.sys"));
        let committed = fs::read(&path).expect("a committed specimen");
        assert!(
            committed == spec.build().file,
            "{name}: run `cargo xtask specimens` and commit the result"
        );
    }
    assert_eq!(files("specimens").len(), Spec::kinds().len());
}

#[test]
fn regressions_of_raw_bytes_hold() {
    for path in files("regressions/locate")
        .into_iter()
        .chain(files("specimens"))
    {
        println!("{}", path.display());
        property::any_bytes(&fs::read(&path).expect("a regression"));
    }
}

#[test]
fn regressions_of_specimens_hold() {
    for path in files("regressions/specimen") {
        println!("{}", path.display());
        let bytes = fs::read(&path).expect("a regression");
        let input = Arbitrary::arbitrary_take_rest(Unstructured::new(&bytes));
        property::structured(&input.expect("bytes that libFuzzer got this far with"));
    }
}
