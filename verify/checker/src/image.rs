//! The shipped file as NT's loader reads it.

use object::pe;
use object::read::pe::{ImageNtHeaders, ImageOptionalHeader, PeFile, PeFile32, PeFile64};
use scanner_core::Rva;

use super::{Arch, Violation};

/// Headers, sections and data directories of one PE file.
#[derive(Clone, Debug)]
pub(super) struct Image<'file> {
    pub(super) file: &'file [u8],
    pub(super) arch: Arch,
    /// The preferred base.
    pub(super) base: u64,
    /// SizeOfImage, in bytes.
    pub(super) size: u32,
    pub(super) entry: Rva,
    pub(super) header: Header,
    pub(super) sections: Vec<Section<'file>>,
    /// RVA (a file offset for certificates) and size in bytes, by index.
    directories: Vec<(u32, u32)>,
}

/// The fields of the file header and the optional header that are checked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    pub(super) characteristics: u16,
    pub(super) subsystem: u16,
    pub(super) subsystem_version: (u16, u16),
    pub(super) system_version: (u16, u16),
    pub(super) checksum: u32,
    /// The file offset of the checksum's four bytes.
    pub(super) checksum_at: usize,
    pub(super) section_alignment: u32,
    pub(super) file_alignment: u32,
    pub(super) size_of_headers: u32,
}

/// One section. `bytes` are those in the file and within the virtual size;
/// zeros follow.
#[derive(Clone, Debug)]
pub(super) struct Section<'file> {
    pub(super) name: String,
    pub(super) rva: Rva,
    pub(super) virtual_size: u32,
    pub(super) raw_offset: u32,
    pub(super) raw_size: u32,
    pub(super) flags: u32,
    pub(super) bytes: &'file [u8],
}

impl Section<'_> {
    pub(super) fn is_executable(&self) -> bool {
        self.flags & (pe::IMAGE_SCN_MEM_EXECUTE.0 | pe::IMAGE_SCN_CNT_CODE.0) != 0
    }

    pub(super) fn is_writable(&self) -> bool {
        self.flags & pe::IMAGE_SCN_MEM_WRITE.0 != 0
    }

    /// Whether the address is within the virtual size.
    pub(super) fn contains(&self, at: Rva) -> bool {
        at.minus(self.rva.0)
            .is_some_and(|offset| offset.0 < self.virtual_size)
    }

    /// The section's bytes from an address on, at least one.
    pub(super) fn bytes_from(&self, at: Rva) -> Option<&[u8]> {
        let offset = at.minus(self.rva.0)?.0 as usize;
        self.bytes.get(offset..).filter(|bytes| !bytes.is_empty())
    }
}

impl<'file> Image<'file> {
    /// # Errors
    /// [`Violation::Machine`] or [`Violation::Unreadable`]: nothing else can be checked.
    pub(super) fn read(file: &'file [u8]) -> Result<Self, Violation> {
        let unreadable = |error: object::read::Error| Violation::Unreadable(error.to_string());
        let dos = pe::ImageDosHeader::parse(file).map_err(unreadable)?;
        let machine = u16_at(file, dos.nt_headers_offset() as usize + 4)
            .ok_or_else(|| Violation::Unreadable("no file header".to_owned()))?;
        match pe::Machine(machine) {
            pe::IMAGE_FILE_MACHINE_I386 => {
                let pe = PeFile32::parse(file).map_err(unreadable)?;
                Self::parse(file, &pe, Arch::X86)
            }
            pe::IMAGE_FILE_MACHINE_AMD64 => {
                let pe = PeFile64::parse(file).map_err(unreadable)?;
                Self::parse(file, &pe, Arch::X64)
            }
            _ => Err(Violation::Machine(machine)),
        }
    }

    fn parse<Pe: ImageNtHeaders>(
        file: &'file [u8],
        pe: &PeFile<'file, Pe>,
        arch: Arch,
    ) -> Result<Self, Violation> {
        let headers = pe.nt_headers();
        let optional = headers.optional_header();
        let header = Header {
            characteristics: headers.file_header().characteristics.get(LE).0,
            subsystem: optional.subsystem().0,
            subsystem_version: (
                optional.major_subsystem_version(),
                optional.minor_subsystem_version(),
            ),
            system_version: (
                optional.major_operating_system_version(),
                optional.minor_operating_system_version(),
            ),
            checksum: optional.check_sum(),
            // Signature and file header are 24 bytes, the checksum is 64 bytes further on.
            checksum_at: pe.dos_header().nt_headers_offset() as usize + 24 + 64,
            section_alignment: optional.section_alignment(),
            file_alignment: optional.file_alignment(),
            size_of_headers: optional.size_of_headers(),
        };
        let sections = pe
            .section_table()
            .iter()
            .map(|section| Section::parse(file, section))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            file,
            arch,
            base: optional.image_base(),
            size: optional.size_of_image(),
            entry: Rva(optional.address_of_entry_point()),
            header,
            sections,
            directories: pe
                .data_directories()
                .iter()
                .map(|directory| directory.address_range())
                .collect(),
        })
    }

    /// RVA and size in bytes of a data directory, unless it is empty.
    pub(super) fn directory(&self, index: usize) -> Option<(Rva, u32)> {
        let &(rva, size) = self.directories.get(index)?;
        (rva != 0 || size != 0).then_some((Rva(rva), size))
    }

    /// The indexes of the data directories that are not empty.
    pub(super) fn directories(&self) -> impl Iterator<Item = usize> {
        (0..self.directories.len()).filter(|&index| self.directory(index).is_some())
    }

    /// Bytes within one section's part of the file.
    pub(super) fn bytes(&self, at: Rva, size: u32) -> Option<&'file [u8]> {
        let section = self.section(at)?;
        let offset = at.minus(section.rva.0)?.0 as usize;
        section
            .bytes
            .get(offset..offset.checked_add(size as usize)?)
    }

    pub(super) fn u32_at(&self, at: Rva) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(at, 4)?.try_into().ok()?))
    }

    /// A number as wide as an address.
    pub(super) fn word_at(&self, at: Rva) -> Option<u64> {
        match self.arch {
            Arch::X86 => self.u32_at(at).map(u64::from),
            Arch::X64 => Some(u64::from_le_bytes(self.bytes(at, 8)?.try_into().ok()?)),
        }
    }

    /// The bytes of an address: 4 or 8.
    pub(super) fn word(&self) -> u32 {
        match self.arch {
            Arch::X86 => 4,
            Arch::X64 => 8,
        }
    }

    pub(super) fn section(&self, at: Rva) -> Option<&Section<'file>> {
        self.sections.iter().find(|section| section.contains(at))
    }

    /// The executable section whose file bytes contain the address.
    pub(super) fn code(&self, at: Rva) -> Option<&Section<'file>> {
        self.section(at)
            .filter(|section| section.is_executable() && section.bytes_from(at).is_some())
    }

    /// The RVA of an address at the preferred base, if it is in the image.
    pub(super) fn rva(&self, address: u64) -> Option<Rva> {
        let offset = u32::try_from(address.checked_sub(self.base)?).ok()?;
        (offset < self.size).then_some(Rva(offset))
    }
}

impl<'file> Section<'file> {
    fn parse(file: &'file [u8], section: &pe::ImageSectionHeader) -> Result<Self, Violation> {
        let name = String::from_utf8_lossy(section.raw_name()).into_owned();
        let (raw_offset, raw_size) = (
            section.pointer_to_raw_data.get(LE),
            section.size_of_raw_data.get(LE),
        );
        let virtual_size = section.virtual_size.get(LE);
        let bytes = (raw_offset as usize)
            .checked_add(raw_size.min(virtual_size) as usize)
            .and_then(|end| file.get(raw_offset as usize..end))
            .ok_or_else(|| Violation::Layout {
                section: name.clone(),
                why: "its bytes are not in the file",
            })?;
        Ok(Self {
            name,
            rva: Rva(section.virtual_address.get(LE)),
            virtual_size,
            raw_offset,
            raw_size,
            flags: section.characteristics.get(LE).0,
            bytes,
        })
    }
}

const LE: object::LittleEndian = object::LittleEndian;

fn u16_at(file: &[u8], at: usize) -> Option<u16> {
    let bytes = file.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(bytes.try_into().ok()?))
}
