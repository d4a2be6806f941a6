//! A workspace that is reused, as in the driver, answers as if each search were
//! its first.

use scanner_core::{Image, ImageError, Module, Workspace, locate};
use specimen::{Defect, Spec, Specimen};

/// Files for all kinds of answers in turn: located, refused for several reasons,
/// without any pair, located again.
fn files() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    for (_, spec) in Spec::presets() {
        for defect in [None].into_iter().chain(Defect::ALL.map(Some)) {
            let spec = Spec {
                defect,
                ..spec.clone()
            };
            files.push(spec.with_text_kib(4).build().file);
        }
        files.push(without_code(spec.with_text_kib(4).build()));
    }
    files
}

/// A file of only `nop`, without a pair to report.
fn without_code(specimen: Specimen) -> Vec<u8> {
    let mut file = specimen.file;
    let text = &specimen.sections[0];
    file[text.offset as usize..][..text.raw_size as usize].fill(0x90);
    file
}

#[test]
fn no_search_depends_on_an_earlier_one() -> Result<(), ImageError> {
    let files = files();
    let mut workspace = Workspace::new();
    let (mut located, mut refused) = (0, 0);
    // In both directions, so that each answer follows many others.
    for file in files.iter().chain(files.iter().rev()) {
        let image = Image::from_file(file)?;
        for module in Module::ALL {
            let first = locate(&image, module);
            match workspace.locate(&image, module) {
                Ok(again) => {
                    located += 1;
                    assert_eq!(Ok(*again), first);
                }
                Err(again) => {
                    refused += 1;
                    assert_eq!(Err(*again), first);
                }
            }
            assert_eq!(workspace.located().copied(), first.ok());
        }
    }
    assert!(located >= 10 && refused >= 100, "{located} {refused}");
    Ok(())
}
