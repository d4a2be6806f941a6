//! Loaded images in the form that the locator takes.

use scanner_core::{Headers, ImageError, MappedSection, Rva, Section};

use crate::specimen::Loaded;

/// A specimen's sections by RVA.
pub fn sections(loaded: &Loaded) -> Vec<(u32, &[u8])> {
    loaded
        .sections
        .iter()
        .map(|section| (section.rva, section.bytes.as_slice()))
        .collect()
}

/// Those of the sections that the headers call live code: what a driver hands
/// to the locator.
///
/// # Errors
/// When the headers can't be read.
pub fn live_code<'a>(
    headers: &[u8],
    sections: &[(u32, &'a [u8])],
) -> Result<Vec<MappedSection<'a>>, ImageError> {
    let live: Vec<u32> = Headers::parse(headers)?
        .sections()
        .filter(Section::is_live_code)
        .map(|section| section.rva().0)
        .collect();
    Ok(sections
        .iter()
        .filter(|(rva, _)| live.contains(rva))
        .map(|&(rva, bytes)| MappedSection {
            rva: Rva(rva),
            bytes,
        })
        .collect())
}

/// Any bytes laid out as in memory, as far as their headers allow: sections at
/// their RVAs, zeros where the file has none, nothing relocated.
#[derive(Debug)]
pub struct Mapped {
    /// The base: the header's own.
    pub base: u64,
    /// The size that the headers state.
    pub size: u32,
    sections: Vec<(u32, Vec<u8>)>,
}

/// No section is made longer than this, whatever the headers say.
const LONGEST: u32 = 1 << 20;

/// Lays out a file.
///
/// # Errors
/// When the headers can't be read.
pub fn map(file: &[u8]) -> Result<Mapped, ImageError> {
    let headers = Headers::parse(file)?;
    let section = |section: Section<'_>| {
        let start = section.file_offset() as usize;
        let length = section.extent().min(LONGEST) as usize;
        let raw = length.min(section.raw_size() as usize);
        let mut bytes = file
            .get(start..)
            .map(|rest| rest[..raw.min(rest.len())].to_vec())
            .unwrap_or_default();
        bytes.resize(length, 0);
        (section.rva().0, bytes)
    };
    Ok(Mapped {
        base: headers.image_base(),
        size: headers.size_of_image(),
        sections: headers.sections().map(section).collect(),
    })
}

impl Mapped {
    /// The sections by RVA.
    pub fn sections(&self) -> Vec<(u32, &[u8])> {
        self.sections
            .iter()
            .map(|(rva, bytes)| (*rva, bytes.as_slice()))
            .collect()
    }
}
