//! Searches of specimens, in the file and in memory.

use scanner_core::{
    Evidence, Image, Located, MappedSection, Module, NotLocated, NotLocatedReason, Rva, locate,
};
use specimen::{Decoys, Defect, Loaded, Spec, Specimen};

/// The locator's verdict.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Located: the RVAs of the limit and the gates.
    Located(u32, Vec<u32>),
    /// Not located.
    Refused(NotLocatedReason),
}

impl Verdict {
    fn of(answer: Result<Located, NotLocated>) -> Verdict {
        match answer {
            Ok(located) => {
                let gates = located.findings().gates();
                let gates = gates.map(|gate| gate.at().0).collect();
                Verdict::Located(located.threshold().0, gates)
            }
            Err(refusal) => Verdict::Refused(refusal.reason()),
        }
    }

    /// The missing evidence of a refusal.
    pub(crate) fn missing(&self) -> Vec<Evidence> {
        match self {
            Verdict::Refused(NotLocatedReason::Missing(missing)) => missing.iter().collect(),
            _ => Vec::new(),
        }
    }
}

/// The verdict on the specimen if it is sound.
pub(crate) fn truth(specimen: &Specimen) -> Verdict {
    Verdict::Located(specimen.truth.threshold, specimen.truth.gates.clone())
}

pub(crate) fn module(spec: &Spec) -> Module {
    Module::named(spec.module.file_name()).unwrap()
}

pub(crate) fn in_file(specimen: &Specimen) -> Verdict {
    of_file(&specimen.file, module(&specimen.spec))
}

pub(crate) fn of_file(file: &[u8], module: Module) -> Verdict {
    Verdict::of(locate(&Image::from_file(file).unwrap(), module))
}

/// Searches the specimen in memory at its preferred base.
pub(crate) fn in_memory(specimen: &Specimen) -> Verdict {
    let loaded = specimen.load(specimen.image_base.into());
    of_loaded(&loaded, module(&specimen.spec))
}

pub(crate) fn of_loaded(loaded: &Loaded, module: Module) -> Verdict {
    with_image(loaded, |image| Verdict::of(locate(image, module)))
}

/// Inspects a loaded image of the parts that a driver provides.
pub(crate) fn with_image<T>(loaded: &Loaded, inspect: impl FnOnce(&Image<'_>) -> T) -> T {
    let code = live_code(loaded);
    inspect(&Image::from_memory(&loaded.headers, loaded.base, loaded.size, &code).unwrap())
}

pub(crate) fn live_code(loaded: &Loaded) -> Vec<MappedSection<'_>> {
    let sections = loaded.live_code().into_iter();
    let mapped = |(rva, bytes)| MappedSection {
        rva: Rva(rva),
        bytes,
    };
    sections.map(mapped).collect()
}

/// A specimen of each kind with a fact removed and no decoys.
pub(crate) fn without(defect: Defect) -> impl Iterator<Item = Specimen> {
    let spec = move |spec| Spec {
        decoys: Decoys::NONE,
        defect: Some(defect),
        ..spec
    };
    let kinds = Spec::presets().into_iter();
    kinds.map(move |(_, kind)| spec(kind).build())
}

/// Asserts a refusal for exactly these pieces, in the file and in memory.
#[track_caller]
pub(crate) fn assert_missing(specimen: &Specimen, evidence: &[Evidence]) {
    let spec = &specimen.spec;
    assert_eq!(
        in_file(specimen).missing(),
        evidence,
        "in the file: {spec:?}"
    );
    for base in spec.arch.bases() {
        let verdict = of_loaded(&specimen.load(base), module(spec));
        assert_eq!(verdict.missing(), evidence, "at {base:X}: {spec:?}");
    }
}
