//! Specimens: complete driver images, built from a description, with the ground
//! truth about them.
//!
//! A specimen has the shape of Microsoft's tcpip.sys and tcpip6.sys as measured
//! on genuine images (sections, alignments, idioms, frequency of references to
//! variables) and not a byte of them. The same [`Spec`] always gives the same
//! bytes, on every machine. Every value of [`Spec`] can be built, so fuzzing
//! and properties share the type.
//!
//! The containers of drivers are built likewise: cabinets ([`cabinet`]) and
//! disc images ([`disc`]).
//!
//! This crate does not use the locator or its PE reader, so their agreement is
//! independent evidence.
//!
//! ```
//! use specimen::Spec;
//!
//! let specimen = Spec::server_2003().build();
//! let loaded = specimen.load(0xF7A3_B000);
//! assert_eq!(loaded.dword(specimen.truth.threshold), Some(10));
//! ```

mod arch;
mod atomic;
pub mod cabinet;
mod chance_reference;
pub mod checksum;
mod code;
mod constants;
mod data;
mod decoy;
mod defect;
mod density;
pub mod disc;
mod export;
mod filler_code;
mod gate;
mod ground_truth;
mod header;
mod image;
mod import;
mod instruction;
mod limiter;
mod loaded;
mod name;
mod presets;
mod program;
mod random;
mod relocation;
mod section;
mod spec;
mod version;

use code::Mark;
use ground_truth::Variables;
use import::Imports;
use name::Name;

pub use arch::{Arch, Register};
pub use defect::Defect;
pub use gate::{Compare, GateSpec, Jump, Loads, QueueForm, QueueTest, Reach};
pub use ground_truth::GroundTruth;
pub use loaded::{Loaded, LoadedSection};
pub use section::PlacedSection;
pub use spec::{Alignment, Checksum, DataPart, Decoys, EventForm, Extras, ImageBase, Module, Spec};

/// A built image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Specimen {
    /// The file's bytes.
    pub file: Vec<u8>,
    /// The ground truth.
    pub truth: GroundTruth,
    /// The normalized spec that was built.
    pub spec: Spec,
    /// The section table.
    pub sections: Vec<PlacedSection>,
    /// SizeOfImage.
    pub size_of_image: u32,
    /// The header's ImageBase.
    pub image_base: u32,
    /// RVAs of all relocated fields, ascending.
    pub pointers: Vec<u32>,
    /// RVAs of the import address table's slots.
    pub slots: Vec<u32>,
    names: Vec<Name>,
    stores: Vec<(u32, u32)>,
}

impl Spec {
    /// Builds the specimen.
    pub fn build(&self) -> Specimen {
        let spec = self.normalized();
        (0..)
            .find_map(|attempt| attempt_build(&spec, attempt))
            .expect("some filler will do")
    }
}

/// Builds a specimen; `None` if its filler refers to the limiter's variables by
/// chance or has too few calls around a gate.
fn attempt_build(spec: &Spec, attempt: u64) -> Option<Specimen> {
    let program = program::write(spec, attempt);
    let marks: Vec<(Name, Vec<Mark>)> = program
        .parts
        .sections
        .iter()
        .map(|section| (section.name, section.code.marks.clone()))
        .collect();
    let (trio, decoy_limiters, stores) = (program.trio, program.decoy_limiters, program.stores);
    let image = program.parts.link(spec);
    let variables = Variables::new(trio, &decoy_limiters, &image);
    let truth = GroundTruth::read(&marks, &variables, &image);
    if chance_reference::exists(spec, &image, &truth, &variables)
        || chance_reference::few_calls(spec, &image, &truth)
    {
        return None;
    }
    let slots = Imports::plan(spec.arch).slots;
    Some(Specimen {
        truth,
        spec: spec.clone(),
        size_of_image: image.size,
        image_base: image.image_base,
        pointers: image.pointers(),
        slots: slots
            .into_iter()
            .map(|slot| image.rva(Name::Rdata, slot))
            .collect(),
        stores: stores
            .into_iter()
            .map(|(trio, value)| (image.rva(trio.section, trio.threshold), value))
            .collect(),
        names: image.names,
        sections: image.placed,
        file: image.file,
    })
}

impl Specimen {
    /// The file offset of the start-up store's value: the last four bytes of
    /// the instruction.
    ///
    /// # Panics
    /// Without a start-up store.
    #[must_use]
    pub fn value_offset(&self) -> usize {
        let store = self.truth.start_up_store.expect("a start-up store");
        let mut places = self.sections.iter();
        let at = places.find_map(|section| section.file_offset(store));
        at.expect("it is in the file") as usize + 6
    }
}
