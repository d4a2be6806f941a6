//! Loaded images in the form that the locator accepts.

use scanner_core::{
    Arch, Headers, Image, ImageError, MappedSection, RelocationKind, Relocations, Rva, Section,
};

use specimen::Loaded;

/// A loaded specimen's sections by RVA.
pub fn sections(loaded: &Loaded) -> Vec<(u32, &[u8])> {
    loaded
        .sections
        .iter()
        .map(|section| (section.rva, section.bytes.as_slice()))
        .collect()
}

/// The sections of live code by their headers, and the exception table: the
/// input that a driver gives the locator.
///
/// # Errors
/// If the headers can't be read.
pub fn live_code<'a>(
    headers: &[u8],
    sections: &[(u32, &'a [u8])],
) -> Result<Vec<MappedSection<'a>>, ImageError> {
    let headers = Headers::parse(headers)?;
    let live: Vec<u32> = headers
        .sections()
        .filter(Section::is_live_code)
        .map(|section| section.rva().0)
        .collect();
    let code = sections
        .iter()
        .filter(|(rva, _)| live.contains(rva))
        .map(|&(rva, bytes)| (rva, bytes));
    let table = headers.exception_table().and_then(|table| {
        let bytes = |&(rva, bytes): &(u32, &'a [u8])| {
            let start = table.rva.0.checked_sub(rva)? as usize;
            bytes.get(start..)?.get(..table.size as usize)
        };
        Some((table.rva.0, sections.iter().find_map(bytes)?))
    });
    Ok(code
        .chain(table)
        .map(|(rva, bytes)| MappedSection {
            rva: Rva(rva),
            bytes,
        })
        .collect())
}

/// Any bytes laid out as in memory, as far as their headers allow: sections at
/// their RVAs, zeros beyond the file's bytes, not relocated.
#[derive(Debug)]
pub struct Mapped {
    /// The base.
    pub base: u64,
    /// SizeOfImage.
    pub size: u32,
    /// SizeOfHeaders.
    pub headers: usize,
    sections: Vec<(u32, Vec<u8>)>,
}

/// The largest section that is laid out, in bytes.
const LONGEST: u32 = 1 << 20;

/// Lays out a file.
///
/// # Errors
/// If the headers can't be read.
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
        headers: headers.size_of_headers() as usize,
        sections: headers.sections().map(section).collect(),
    })
}

/// A whole file loaded at a base: laid out, and relocated by its own table as
/// far as that is valid.
///
/// # Errors
/// If it is no image.
pub fn load(file: &[u8], base: u64) -> Result<Mapped, ImageError> {
    let mut mapped = map(file)?;
    let image = Image::from_file(file)?;
    let shift = base.wrapping_sub(image.base());
    mapped.base = base;
    for (at, kind) in Relocations::new(&image) {
        let bytes = match (kind, image.arch()) {
            (RelocationKind::HighLow, Arch::X86) => 4,
            (RelocationKind::Dir64, Arch::X64) => 8,
            _ => continue,
        };
        if let Some(place) = mapped.bytes_mut(at.0, bytes) {
            let mut value = [0; 8];
            value[..bytes].copy_from_slice(place);
            let moved = u64::from_le_bytes(value).wrapping_add(shift).to_le_bytes();
            place.copy_from_slice(&moved[..bytes]);
        }
    }
    Ok(mapped)
}

impl Mapped {
    fn bytes_mut(&mut self, rva: u32, length: usize) -> Option<&mut [u8]> {
        self.sections.iter_mut().find_map(|(start, bytes)| {
            let inside = rva.checked_sub(*start)? as usize;
            bytes.get_mut(inside..)?.get_mut(..length)
        })
    }

    /// The sections by RVA.
    pub fn sections(&self) -> Vec<(u32, &[u8])> {
        self.sections
            .iter()
            .map(|(rva, bytes)| (*rva, bytes.as_slice()))
            .collect()
    }
}
