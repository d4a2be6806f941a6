//! The PE format as far as the oracle needs it: sections, base and import address table.

use super::answer::NoAnswer;
use std::collections::BTreeSet;

const EXECUTE: u32 = 0x2000_0000;
const READ: u32 = 0x4000_0000;
const WRITE: u32 = 0x8000_0000;
const NOT_PAGED: u32 = 0x0800_0000;
const DISCARDABLE: u32 = 0x0200_0000;

const EXCEPTIONS: u64 = 3;
const RELOCATIONS: u64 = 5;
const IMPORT_ADDRESS_TABLE: u64 = 12;

const PAGE: u32 = 0x1000;
/// IMAGE_REL_BASED_HIGHLOW, in the upper four bits of an entry.
const HIGH_LOW: u16 = 3;

/// Zeros appended to a section's raw data: more than an instruction's length, so that the last
/// instruction can be decoded.
const ZERO_TAIL: u64 = 32;

/// A PE image, file or loaded.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) bits64: bool,
    pub(super) loaded: bool,
    /// The base, or the preferred base (a file).
    pub(super) base: u64,
    /// The import address table's data directory: RVA and size in bytes.
    pub(super) import_table: Option<(u32, u32)>,
    pub(super) sections: Vec<Section>,
    /// RVAs of the starts of functions and of parts of them, from the exception table (x64).
    pub(super) functions: BTreeSet<u64>,
    /// Virtual addresses of all dwords that are relocated (a file for x86).
    pub(super) relocations: Option<BTreeSet<u64>>,
    /// Whether at least three in four of those dwords hold addresses in the image.
    pub(super) relocations_fit: bool,
    size: u64,
    exception_table: Option<(u32, u32)>,
    relocation_table: Option<(u32, u32)>,
}

/// A section header, with the section's bytes if it is live code.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: [u8; 8],
    pub(super) rva: u32,
    /// VirtualSize, in bytes.
    pub(super) size: u32,
    raw_at: u32,
    raw_size: u32,
    pub(super) flags: u32,
    /// Empty unless [`Section::is_live_code`]. Trailing zeros may be omitted.
    pub(super) code: Vec<u8>,
}

impl Section {
    fn has(&self, flags: u32) -> bool {
        self.flags & flags == flags
    }

    fn has_none_of(&self, flags: u32) -> bool {
        self.flags & flags == 0
    }

    /// Executable code that stays in memory as long as the driver is loaded.
    pub(super) fn is_live_code(&self) -> bool {
        self.has(EXECUTE | NOT_PAGED)
            && self.has_none_of(DISCARDABLE)
            && ![&b"PAGE"[..], b".eda", b"INIT"]
                .iter()
                .any(|name| self.name.starts_with(name))
    }

    /// Variables that stay in memory as long as the driver is loaded.
    pub(super) fn is_live_data(&self) -> bool {
        self.has(READ | WRITE | NOT_PAGED)
            && self.has_none_of(EXECUTE | DISCARDABLE)
            && ![&b"PAGE"[..], b".eda"]
                .iter()
                .any(|name| self.name.starts_with(name))
    }

    /// Read-only bytes that stay in memory as long as the driver is loaded.
    fn is_live_constants(&self) -> bool {
        self.has(READ | NOT_PAGED)
            && self.has_none_of(WRITE | DISCARDABLE)
            && ![&b"PAGE"[..], b".eda", b"INIT"]
                .iter()
                .any(|name| self.name.starts_with(name))
    }

    pub(super) fn is_discardable(&self) -> bool {
        self.has(DISCARDABLE)
    }

    /// Whether `len` bytes at the RVA lie within the section's virtual extent.
    pub(super) fn contains(&self, rva: u64, len: u64) -> bool {
        let start = u64::from(self.rva);
        start <= rva && rva.saturating_add(len) <= start + u64::from(self.size)
    }
}

/// An image from a file's bytes.
pub(super) fn from_file(file: &[u8]) -> Result<Image, NoAnswer> {
    let mut image = read_headers(file, None)?;
    let file_size = file.len() as u64;
    check_raw_tiling(
        &image.sections,
        size_of_headers(file)?,
        section_alignment(file)?,
        file_size,
    )?;
    let has_raw_code = |section: &&mut Section| section.is_live_code() && section.raw_size != 0;
    for section in image.sections.iter_mut().filter(has_raw_code) {
        let raw = bytes_at(file, section.raw_at.into(), section.raw_size.into())?;
        let size = u64::from(section.size).min(raw.len() as u64 + ZERO_TAIL);
        section.code = raw.to_vec();
        section.code.resize(to_usize(size)?, 0);
    }
    let in_file = |rva: u32, size: u32| {
        let section = image
            .sections
            .iter()
            .find(|section| section.contains(rva.into(), size.into()))?;
        let inside = u64::from(rva - section.rva);
        let has_it = inside + u64::from(size) <= u64::from(section.raw_size);
        let at = u64::from(section.raw_at) + inside;
        bytes_at(file, at, size.into()).ok().filter(|_| has_it)
    };
    let functions = image.read_functions(in_file);
    if !image.bits64 {
        let table = image
            .relocation_table
            .and_then(|(rva, size)| in_file(rva, size));
        let relocated: BTreeSet<u32> = relocated(table.unwrap_or_default()).collect();
        let all = relocated.len();
        let holds_address = |&&rva: &&u32| {
            let value = in_file(rva, 4).and_then(|bytes| u32_at(bytes, 0).ok());
            let inside = value.and_then(|value| u64::from(value).checked_sub(image.base));
            inside.is_some_and(|rva| rva < image.size)
        };
        image.relocations_fit = relocated.iter().filter(holds_address).count() * 4 >= all * 3;
        let base = image.base;
        let addresses = relocated.into_iter().map(|rva| base + u64::from(rva));
        image.relocations = Some(addresses.collect());
    }
    image.functions = functions;
    Ok(image)
}

/// The RVAs in a relocation table, up to its first invalid block.
fn relocated(mut table: &[u8]) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let (page, size) = (u32_at(table, 0).ok()?, u32_at(table, 4).ok()?);
        let (block, rest) = table.split_at_checked(usize::try_from(size).ok()?)?;
        let entries = block.get(8..)?;
        table = rest;
        let entries = entries
            .chunks_exact(2)
            .map(|entry| u16::from_le_bytes([entry[0], entry[1]]));
        Some(
            entries
                .filter(|entry| entry >> 12 == HIGH_LOW)
                .map(move |entry| page.wrapping_add(u32::from(entry & 0xFFF)))
                .collect::<Vec<_>>(),
        )
    })
    .flatten()
}

impl Image {
    /// Reads the exception table, if it is resident and read-only.
    fn read_functions<'a>(&self, read: impl Fn(u32, u32) -> Option<&'a [u8]>) -> BTreeSet<u64> {
        let table = self.exception_table.filter(|&(rva, size)| {
            let holds = |section: &&Section| section.contains(rva.into(), size.into());
            let section = self.sections.iter().find(holds);
            self.bits64
                && rva % 4 == 0
                && size % 12 == 0
                && section.is_some_and(Section::is_live_constants)
        });
        let bytes = table.and_then(|(rva, size)| read(rva, size));
        let field = |entry: &[u8], at| u64::from(u32_at(entry, at).unwrap_or(0));
        let entries = bytes.unwrap_or_default().chunks_exact(12);
        let functions: Vec<[u64; 2]> = entries
            .map(|entry| [field(entry, 0), field(entry, 4)])
            .collect();
        let begins = || functions.iter().map(|&[begin, _]| begin);
        let is_sorted = begins().is_sorted_by(|one, next| one < next);
        match is_sorted && functions.iter().all(|[begin, end]| begin < end) {
            true => begins().collect(),
            false => BTreeSet::new(),
        }
    }
}

/// An image from memory: `given` holds the readable sections by their RVA.
pub(super) fn from_memory(
    headers: &[u8],
    base: u64,
    given: &[(u32, &[u8])],
) -> Result<Image, NoAnswer> {
    let mut image = read_headers(headers, Some(base))?;
    for section in image
        .sections
        .iter_mut()
        .filter(|section| section.is_live_code())
    {
        let (_, bytes) = given
            .iter()
            .find(|(rva, _)| *rva == section.rva)
            .ok_or_else(|| image_error("live code not given"))?;
        section.code = bytes_at(bytes, 0, section.size.into())?.to_vec();
    }
    image.functions = image.read_functions(|rva, size| {
        given.iter().find_map(|(start, bytes)| {
            let inside = u64::from(rva.checked_sub(*start)?);
            bytes_at(bytes, inside, size.into()).ok()
        })
    });
    Ok(image)
}

fn read_headers(bytes: &[u8], loaded_at: Option<u64>) -> Result<Image, NoAnswer> {
    let coff = coff_header(bytes)?;
    let optional = coff + 20;
    let bits64 = match (u16_at(bytes, coff)?, u16_at(bytes, optional)?) {
        (0x014C, 0x010B) => false,
        (0x8664, 0x020B) => true,
        _ => return Err(image_error("neither x86 nor x64")),
    };
    let directories: u64 = if bits64 { 112 } else { 96 };
    let optional_size = u64::from(u16_at(bytes, coff + 16)?);
    if optional_size < directories {
        return Err(image_error("optional header too short"));
    }
    let preferred_base = if bits64 {
        u64_at(bytes, optional + 24)?
    } else {
        u32_at(bytes, optional + 28)?.into()
    };
    let base = loaded_at.unwrap_or(preferred_base);
    let image_size = u32_at(bytes, optional + 56)?;
    let end = base.checked_add(image_size.into());
    if end.is_none_or(|end| !bits64 && end > 1 << 32) {
        return Err(image_error("outside the address space"));
    }

    let directory_count = u32_at(bytes, optional + directories - 4)?;
    let directory = |number: u64| {
        let entry = directories + 8 * number;
        if u64::from(directory_count) <= number || entry + 8 > optional_size {
            return Ok(None);
        }
        let (rva, size) = (
            u32_at(bytes, optional + entry)?,
            u32_at(bytes, optional + entry + 4)?,
        );
        Ok(Some((rva, size)))
    };
    let present = |table: &(u32, u32)| table.1 != 0;
    let import_table = directory(IMPORT_ADDRESS_TABLE)?.filter(present);
    let exception_table = directory(EXCEPTIONS)?.filter(present);
    let relocation_table = directory(RELOCATIONS)?.filter(present);

    let sections = (0..u64::from(u16_at(bytes, coff + 2)?))
        .map(|index| read_section(bytes, optional + optional_size + 40 * index))
        .collect::<Result<Vec<_>, _>>()?;
    let alignment = section_alignment(bytes)?;
    check_memory_tiling(&sections, size_of_headers(bytes)?, alignment, image_size)?;
    Ok(Image {
        bits64,
        loaded: loaded_at.is_some(),
        base,
        import_table,
        sections,
        functions: BTreeSet::new(),
        relocations: None,
        relocations_fit: false,
        size: image_size.into(),
        exception_table,
        relocation_table,
    })
}

fn read_section(bytes: &[u8], at: u64) -> Result<Section, NoAnswer> {
    let mut name = [0; 8];
    name.copy_from_slice(bytes_at(bytes, at, 8)?);
    Ok(Section {
        name,
        size: u32_at(bytes, at + 8)?,
        rva: u32_at(bytes, at + 12)?,
        raw_size: u32_at(bytes, at + 16)?,
        raw_at: u32_at(bytes, at + 20)?,
        flags: u32_at(bytes, at + 36)?,
        code: Vec::new(),
    })
}

/// In memory, every section begins at the end of the previous one, rounded up. With an alignment
/// below a page the file is mapped unchanged: sections begin at their file offset or later.
fn check_memory_tiling(
    sections: &[Section],
    headers_size: u32,
    alignment: u32,
    image_size: u32,
) -> Result<(), NoAnswer> {
    if !alignment.is_power_of_two() || sections.is_empty() {
        return Err(image_error("no sections or no alignment"));
    }
    let mut next = u64::from(headers_size).next_multiple_of(alignment.into());
    for section in sections {
        let rva = u64::from(section.rva);
        let is_mapped_as_is = section.raw_at == section.rva && section.raw_size >= section.size;
        let is_in_place = match alignment < PAGE {
            true => rva >= next && is_mapped_as_is && rva.is_multiple_of(alignment.into()),
            false => rva == next,
        };
        if !is_in_place {
            return Err(image_error("sections do not tile memory"));
        }
        next = (rva + u64::from(section.size)).next_multiple_of(alignment.into());
    }
    if u64::from(image_size) != next {
        return Err(image_error("SizeOfImage is not the sections' end"));
    }
    Ok(())
}

/// In a file, every section's raw data begins at the end of the previous one's, or later where the
/// file is mapped unchanged.
fn check_raw_tiling(
    sections: &[Section],
    headers_size: u32,
    alignment: u32,
    file_size: u64,
) -> Result<(), NoAnswer> {
    let mut next = u64::from(headers_size);
    for section in sections.iter().filter(|section| section.raw_size != 0) {
        let at = u64::from(section.raw_at);
        if at < next || (at > next && alignment >= PAGE) {
            return Err(image_error("sections do not tile the file"));
        }
        next = at + u64::from(section.raw_size);
    }
    if next > file_size {
        Err(image_error("raw data beyond the file"))
    } else {
        Ok(())
    }
}

fn coff_header(bytes: &[u8]) -> Result<u64, NoAnswer> {
    let at = u64::from(u32_at(bytes, 0x3C)?);
    if !bytes.starts_with(b"MZ") || bytes_at(bytes, at, 4)? != b"PE\0\0" {
        return Err(image_error("no PE signature"));
    }
    Ok(at + 4)
}

fn section_alignment(bytes: &[u8]) -> Result<u32, NoAnswer> {
    u32_at(bytes, coff_header(bytes)? + 20 + 32)
}

fn size_of_headers(bytes: &[u8]) -> Result<u32, NoAnswer> {
    u32_at(bytes, coff_header(bytes)? + 20 + 60)
}

fn bytes_at(bytes: &[u8], at: u64, len: u64) -> Result<&[u8], NoAnswer> {
    let end = to_usize(at.saturating_add(len))?;
    bytes
        .get(to_usize(at)?..end)
        .ok_or_else(|| image_error("cut short"))
}

fn u16_at(bytes: &[u8], at: u64) -> Result<u16, NoAnswer> {
    let field = bytes_at(bytes, at, 2)?;
    Ok(u16::from_le_bytes([field[0], field[1]]))
}

fn u32_at(bytes: &[u8], at: u64) -> Result<u32, NoAnswer> {
    Ok(u32::from(u16_at(bytes, at)?) | u32::from(u16_at(bytes, at + 2)?) << 16)
}

fn u64_at(bytes: &[u8], at: u64) -> Result<u64, NoAnswer> {
    Ok(u64::from(u32_at(bytes, at)?) | u64::from(u32_at(bytes, at + 4)?) << 32)
}

fn to_usize(number: u64) -> Result<usize, NoAnswer> {
    usize::try_from(number).map_err(|_| image_error("too large"))
}

fn image_error(reason: &str) -> NoAnswer {
    NoAnswer::Image(reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(name: &[u8], flags: u32) -> Section {
        let mut padded = [0; 8];
        padded[..name.len()].copy_from_slice(name);
        Section {
            name: padded,
            rva: 0x1000,
            size: 0x100,
            raw_at: 0,
            raw_size: 0,
            flags,
            code: vec![],
        }
    }

    #[test]
    fn live_code_is_resident_and_executable() {
        assert!(section(b".text", 0x6800_0020).is_live_code());
        for (name, flags) in [
            (&b".text"[..], 0x6000_0020),
            (b".text", 0x6A00_0020),
            (b".text", 0x4800_0020),
            (b"PAGE", 0x6800_0020),
            (b"PAGELK", 0x6800_0020),
            (b".edata", 0x6800_0040),
            (b"INIT", 0x6800_0020),
        ] {
            assert!(!section(name, flags).is_live_code(), "{name:?} {flags:X}");
        }
    }

    #[test]
    fn live_data_is_resident_and_writable_and_no_code() {
        assert!(section(b".data", 0xC800_0040).is_live_data());
        for (name, flags) in [
            (&b".data"[..], 0x4800_0040),
            (b".data", 0x8800_0040),
            (b".data", 0xC000_0040),
            (b".data", 0xE800_0040),
            (b".data", 0xCA00_0040),
            (b"PAGEDATA", 0xC800_0040),
            (b".edata", 0xC800_0040),
        ] {
            assert!(!section(name, flags).is_live_data(), "{name:?} {flags:X}");
        }
    }

    #[test]
    fn an_extent_ends_with_the_virtual_size() {
        let section = section(b".data", 0);
        assert!(section.contains(0x1000, 0x100));
        assert!(section.contains(0x10FC, 4));
        assert!(!section.contains(0x10FD, 4));
        assert!(!section.contains(0xFFF, 4));
        assert!(!section.contains(u64::MAX, 4));
    }

    #[test]
    fn bytes_that_are_no_image_are_refused() {
        for bytes in [&b""[..], b"MZ", &[0; 0x200], &[0xFF; 0x200]] {
            assert!(matches!(from_file(bytes), Err(NoAnswer::Image(_))));
            assert!(matches!(
                from_memory(bytes, 0x10000, &[]),
                Err(NoAnswer::Image(_))
            ));
        }
    }
}
