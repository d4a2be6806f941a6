//! Linking: places the sections, fills in the references, and writes the file.

use super::code::{Fixup, Form, Label, Symbol, pointer_size};
use super::defect::Defect;
use super::header::{self, Directory, Entry, Header};
use super::name::Name;
use super::relocation;
use super::section::{PlacedSection, Section};
use super::spec::Spec;

/// The input of the linker.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) sections: Vec<Section>,
    pub(super) functions: Functions,
    pub(super) entry: Label,
    pub(super) descriptors: Entry,
    pub(super) import_addresses: u32,
    pub(super) time_stamp: u32,
}

/// The functions in `.text` that calls and pointers refer to.
#[derive(Debug, Default)]
pub(super) struct Functions {
    /// Functions with an entry in the exception table.
    pub(super) framed: Vec<Label>,
    /// Functions without one.
    pub(super) leaves: Vec<Label>,
}

/// A reference with its value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// The RVA of the reference itself.
    pub(super) at: u32,
    /// The RVA that it refers to.
    pub(super) target: u32,
    pub(super) form: Form,
}

/// A linked file.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) file: Vec<u8>,
    pub(super) placed: Vec<PlacedSection>,
    pub(super) names: Vec<Name>,
    pub(super) headers: u32,
    pub(super) size: u32,
    /// The header's ImageBase; the code may be linked for another.
    pub(super) image_base: u32,
    pub(super) references: Vec<Reference>,
}

impl Parts {
    /// Links everything.
    pub(super) fn link(mut self, spec: &Spec) -> Image {
        let count = self.sections.len() + usize::from(spec.extras.relocations);
        let headers = header::size(spec.arch, spec.alignment, count);
        let mut placed = Vec::new();
        for section in &self.sections {
            placed.push(PlacedSection::after(
                &placed,
                headers,
                spec.alignment,
                section,
            ));
        }
        let references = self.resolve(&placed, spec);
        if spec.extras.relocations {
            let pointers: Vec<u32> = pointers(&references).collect();
            let section = Section::new(Name::Reloc, relocation::blocks(spec, &pointers));
            placed.push(PlacedSection::after(
                &placed,
                headers,
                spec.alignment,
                &section,
            ));
            self.sections.push(section);
        }
        let header = self.header(spec, &placed);
        let mut file = header.bytes(&placed);
        for (section, place) in self.sections.iter().zip(&placed) {
            file.extend_from_slice(&section.code.bytes);
            file.resize(index(place.offset + place.raw_size), 0);
        }
        header::set_checksum(&mut file, spec.extras.checksum);
        let end = placed.last().map_or(0, |last| last.rva + last.virtual_size);
        Image {
            file,
            names: self.sections.iter().map(|section| section.name).collect(),
            headers,
            size: end.next_multiple_of(spec.alignment.memory()),
            image_base: header.image_base,
            references,
            placed,
        }
    }

    fn resolve(&mut self, placed: &[PlacedSection], spec: &Spec) -> Vec<Reference> {
        let base = spec.image_base.address();
        let addresses = Addresses::new(&self.sections, placed, &self.functions);
        let mut references = Vec::new();
        for (section, place) in self.sections.iter_mut().zip(placed) {
            for &Fixup { at, symbol, form } in &section.code.fixups {
                let target = addresses.address(symbol);
                let reference = Reference {
                    at: place.rva + at,
                    target,
                    form,
                };
                let bytes = reference.bytes(base);
                let size = if form == Form::Absolute {
                    pointer_size(spec.arch)
                } else {
                    4
                };
                section.code.bytes[index(at)..][..size].copy_from_slice(&bytes[..size]);
                references.push(reference);
            }
        }
        references.sort_by_key(|reference| reference.at);
        references
    }

    fn header(&self, spec: &Spec, placed: &[PlacedSection]) -> Header {
        let addresses = Addresses::new(&self.sections, placed, &self.functions);
        let mut header = Header::new(spec.arch, spec.alignment);
        header.time_stamp = self.time_stamp;
        header.image_base = spec.image_base.address();
        header.stripped = !spec.extras.relocations;
        header.entry = addresses.address(Symbol::Label(self.entry));
        if spec.defect == Some(Defect::SwappedBase) {
            header.image_base ^= 0x1_0000 << (spec.seed % 12);
        }
        for (section, place) in self.sections.iter().zip(placed) {
            let directory = match section.name {
                Name::Pdata => Directory::Exception,
                Name::Edata => Directory::Export,
                Name::Rsrc => Directory::Resource,
                Name::Reloc => Directory::Relocation,
                Name::Rdata if spec.defect != Some(Defect::NoAnchor) => {
                    header.set(Directory::ImportAddresses, place.rva, self.import_addresses);
                    continue;
                }
                _ => continue,
            };
            header.set(directory, place.rva, place.virtual_size);
        }
        let Entry { label, size } = self.descriptors;
        header.set(
            Directory::Import,
            addresses.address(Symbol::Label(label)),
            size,
        );
        header
    }
}

impl Image {
    /// The RVA of an offset in a section.
    pub(super) fn rva(&self, name: Name, offset: u32) -> u32 {
        self.place(name).rva + offset
    }

    pub(super) fn place(&self, name: Name) -> &PlacedSection {
        let index = self.names.iter().position(|&other| other == name);
        &self.placed[index.expect("the section is there")]
    }

    /// RVAs of all relocated fields.
    pub(super) fn pointers(&self) -> Vec<u32> {
        pointers(&self.references).collect()
    }
}

fn pointers(references: &[Reference]) -> impl Iterator<Item = u32> {
    let absolute = references
        .iter()
        .filter(|reference| reference.form == Form::Absolute);
    absolute.map(|reference| reference.at)
}

impl Reference {
    /// The encoded bytes; the first 4 unless it is an 8-byte pointer.
    fn bytes(&self, base: u32) -> [u8; 8] {
        let value = match self.form {
            Form::Absolute => base + self.target,
            Form::Rva => self.target,
            Form::Relative { trailing } => {
                let next = self.at + 4 + u32::from(trailing);
                self.target.wrapping_sub(next)
            }
        };
        u64::from(value).to_le_bytes()
    }
}

/// The addresses of all labels.
struct Addresses<'a> {
    labels: Vec<u32>,
    placed: Vec<(Name, u32)>,
    functions: &'a Functions,
}

impl<'a> Addresses<'a> {
    fn new(sections: &[Section], placed: &[PlacedSection], functions: &'a Functions) -> Self {
        let mut labels = Vec::new();
        for (section, place) in sections.iter().zip(placed) {
            for &(Label(label), at) in &section.code.labels {
                if labels.len() <= label {
                    labels.resize(label + 1, 0);
                }
                labels[label] = place.rva + at;
            }
        }
        let places = sections.iter().zip(placed);
        let placed = places
            .map(|(section, place)| (section.name, place.rva))
            .collect();
        Self {
            labels,
            placed,
            functions,
        }
    }

    fn address(&self, symbol: Symbol) -> u32 {
        let one_of = |functions: &[Label], number| {
            let Label(label) = functions[index(number) % functions.len()];
            self.labels[label]
        };
        match symbol {
            Symbol::Base => 0,
            Symbol::Label(Label(label)) => self.labels[label],
            Symbol::Function(number) => one_of(&self.functions.framed, number),
            Symbol::Leaf(number) => one_of(&self.functions.leaves, number),
            Symbol::At(name, offset) => {
                let place = self.placed.iter().find(|place| place.0 == name);
                place.expect("the section is there").1 + offset
            }
        }
    }
}

/// An RVA or offset as an index.
pub(super) fn index(value: u32) -> usize {
    usize::try_from(value).expect("u32 fits usize")
}
