//! The headers: DOS stub, COFF header, optional header, section table (PE
//! format, sections "MS-DOS Stub" to "Section Table"), and the checksum.

use super::arch::Arch;
use super::code::{Code, Label};
use super::section::PlacedSection;
use super::spec::{Alignment, Checksum};

/// `push cs; pop ds; mov dx, 0Eh; mov ah, 9; int 21h; mov ax, 4C01h; int 21h`
const STUB: &[u8] = b"\x0E\x1F\xBA\x0E\x00\xB4\x09\xCD\x21\xB8\x01\x4C\xCD\x21\
This specimen cannot be run in DOS mode.\r\r\n$";
/// e_lfanew of two of the measured images, and of the builder's.
const PE_OFFSET: u32 = 0xD8;
const SIGNATURE_AND_COFF: u32 = 4 + 20;
const SECTION_HEADER: u32 = 40;
const DIRECTORIES: usize = 16;

/// A data directory's number in the optional header.
#[derive(Debug, Clone, Copy)]
pub(super) enum Directory {
    Export = 0,
    Import = 1,
    Resource = 2,
    Exception = 3,
    Relocation = 5,
    ImportAddresses = 12,
}

/// The contents of the headers besides the section table.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) arch: Arch,
    pub(super) alignment: Alignment,
    pub(super) image_base: u32,
    pub(super) time_stamp: u32,
    pub(super) entry: u32,
    pub(super) stripped: bool,
    /// RVA and size.
    pub(super) directories: [(u32, u32); DIRECTORIES],
}

/// Bytes of the optional header.
fn optional_size(arch: Arch) -> u16 {
    match arch {
        Arch::X86 => 0xE0,
        Arch::X64 => 0xF0,
    }
}

/// SizeOfHeaders for this number of sections.
pub(super) fn size(arch: Arch, alignment: Alignment, sections: usize) -> u32 {
    let sections = u32::try_from(sections).expect("sections are few");
    let end =
        PE_OFFSET + SIGNATURE_AND_COFF + u32::from(optional_size(arch)) + sections * SECTION_HEADER;
    end.next_multiple_of(alignment.file())
}

impl Header {
    pub(super) fn new(arch: Arch, alignment: Alignment) -> Self {
        Self {
            arch,
            alignment,
            image_base: 0,
            time_stamp: 0,
            entry: 0,
            stripped: false,
            directories: [(0, 0); DIRECTORIES],
        }
    }

    pub(super) fn set(&mut self, directory: Directory, rva: u32, size: u32) {
        self.directories[directory as usize] = (rva, size);
    }

    /// The headers' bytes, padded, with a checksum of 0.
    pub(super) fn bytes(&self, sections: &[PlacedSection]) -> Vec<u8> {
        let mut out = Code::new(self.arch);
        dos(&mut out);
        self.coff(&mut out, sections);
        self.optional(&mut out, sections);
        for section in sections {
            out.emit(&section.name);
            for value in [
                section.virtual_size,
                section.rva,
                section.raw_size,
                section.offset,
            ] {
                out.dword(value);
            }
            out.emit(&[0; 12]);
            out.dword(section.flags);
        }
        out.align(self.alignment.file(), 0);
        out.bytes
    }

    fn coff(&self, out: &mut Code, sections: &[PlacedSection]) {
        out.emit(b"PE\0\0");
        out.word(match self.arch {
            Arch::X86 => 0x14C,
            Arch::X64 => 0x8664,
        });
        out.word(u16::try_from(sections.len()).expect("sections are few"));
        out.dword(self.time_stamp);
        out.emit(&[0; 8]);
        out.word(optional_size(self.arch));
        // Executable; x86: without line numbers and symbols, 32-bit; x64:
        // large addresses.
        let characteristics = match self.arch {
            Arch::X86 => 0x010E,
            Arch::X64 => 0x0022,
        };
        out.word(characteristics | u16::from(self.stripped));
    }

    fn optional(&self, out: &mut Code, sections: &[PlacedSection]) {
        let raw = |bit: u32| -> u32 {
            let with = sections.iter().filter(|section| section.flags & bit != 0);
            with.map(|section| section.raw_size).sum()
        };
        let end = sections
            .last()
            .map_or(0, |last| last.rva + last.virtual_size);
        out.word(if self.arch == Arch::X86 { 0x10B } else { 0x20B });
        out.emit(&[7, 10]);
        for value in [raw(0x20), raw(0x40), 0, self.entry, sections[0].rva] {
            out.dword(value);
        }
        match self.arch {
            Arch::X86 => {
                let data = sections.iter().find(|section| section.flags & 0x40 != 0);
                out.dword(data.map_or(0, |data| data.rva));
                out.dword(self.image_base);
            }
            Arch::X64 => out.emit(&u64::from(self.image_base).to_le_bytes()),
        }
        out.dword(self.alignment.memory());
        out.dword(self.alignment.file());
        // Versions of system, image and subsystem.
        for value in [5, 1, 5, 1, 5, 1] {
            out.word(value);
        }
        out.dword(0);
        out.dword(end.next_multiple_of(self.alignment.memory()));
        out.dword(size(self.arch, self.alignment, sections.len()));
        out.dword(0);
        out.word(1);
        out.word(0);
        for reserve in [0x4_0000u32, 0x1000, 0x10_0000, 0x1000] {
            match self.arch {
                Arch::X86 => out.dword(reserve),
                Arch::X64 => out.emit(&u64::from(reserve).to_le_bytes()),
            }
        }
        out.dword(0);
        out.dword(16);
        for (rva, size) in self.directories {
            out.dword(rva);
            out.dword(size);
        }
    }
}

fn dos(out: &mut Code) {
    for value in [0x5A4D, 0x90, 3, 0, 4, 0, 0xFFFF, 0, 0xB8, 0, 0, 0, 0x40] {
        out.word(value);
    }
    out.align(0x3C, 0);
    out.dword(PE_OFFSET);
    out.emit(STUB);
    while out.here() < PE_OFFSET {
        out.emit(&[0]);
    }
}

/// File offset of ImageBase, and its size.
pub(super) fn image_base_field(arch: Arch) -> (usize, usize) {
    match arch {
        Arch::X86 => (field(28), 4),
        Arch::X64 => (field(24), 8),
    }
}

fn field(in_optional: u32) -> usize {
    usize::try_from(PE_OFFSET + SIGNATURE_AND_COFF + in_optional).expect("u32 fits usize")
}

/// Writes CheckSum: the sum of the file's 16-bit words with every carry added
/// back, plus the file's length (like IMAGEHLP's CheckSumMappedFile).
pub(super) fn set_checksum(file: &mut [u8], checksum: Checksum) {
    let place = field(64)..field(68);
    let sum = file.chunks(2).fold(0u32, |sum, word| {
        let low = u32::from(word[0]);
        let high = word.get(1).map_or(0, |&byte| u32::from(byte));
        let sum = sum + (high << 8 | low);
        (sum & 0xFFFF) + (sum >> 16)
    });
    let correct = sum + u32::try_from(file.len()).expect("a file is smaller than 4 GiB");
    let value = match checksum {
        Checksum::Correct => correct,
        Checksum::Zero => 0,
        Checksum::Wrong => correct ^ 0x1234,
    };
    file[place].copy_from_slice(&value.to_le_bytes());
}

/// An address and size for the headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) label: Label,
    pub(super) size: u32,
}
