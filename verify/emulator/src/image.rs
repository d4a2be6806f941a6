//! A driver's file mapped into memory as NT's loader maps it. The code shares
//! nothing with the locator's reader of the same headers.

use specimen::Arch;

use crate::address::to_usize;

/// A section header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Name, padded with zeros.
    pub name: [u8; 8],
    /// RVA of the first byte.
    pub rva: u32,
    /// VirtualSize.
    pub virtual_size: u32,
    /// Characteristics.
    pub flags: u32,
}

/// IMAGE_SCN_MEM_DISCARDABLE, IMAGE_SCN_MEM_NOT_PAGED and so on.
pub const DISCARDABLE: u32 = 0x0200_0000;
const NOT_PAGED: u32 = 0x0800_0000;
const EXECUTE: u32 = 0x2000_0000;
const WRITE: u32 = 0x8000_0000;

impl Section {
    /// The RVA behind its last byte.
    #[must_use]
    pub fn end(&self) -> u32 {
        self.rva.saturating_add(self.virtual_size)
    }

    /// Whether NT frees it once the driver has started.
    #[must_use]
    pub fn is_discardable(&self) -> bool {
        self.flags & DISCARDABLE != 0 || self.name.starts_with(b"INIT")
    }

    /// Whether it stays in memory, by its flags and name.
    #[must_use]
    pub fn is_resident(&self) -> bool {
        let pageable = [&b"PAGE"[..], b".eda"];
        !self.is_discardable()
            && self.flags & NOT_PAGED != 0
            && !pageable.iter().any(|name| self.name.starts_with(name))
    }

    /// Whether it is code.
    #[must_use]
    pub fn is_code(&self) -> bool {
        self.flags & EXECUTE != 0
    }

    /// Whether it is writable.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.flags & WRITE != 0
    }

    /// Whether it overlaps a page, by the page's number.
    #[must_use]
    pub fn overlaps_page(&self, page: u32) -> bool {
        self.rva < (page + 1) * 0x1000 && page * 0x1000 < self.end()
    }
}

/// An image in memory.
#[derive(Debug, Clone)]
pub struct LoadedImage {
    /// Its processor.
    pub arch: Arch,
    /// Address of the first byte.
    pub base: u64,
    /// SizeOfImage.
    pub size: u32,
    /// AddressOfEntryPoint.
    pub entry: u32,
    /// SectionAlignment.
    pub alignment: u32,
    /// Its bytes, in whole pages.
    pub memory: Vec<u8>,
    /// The section table.
    pub sections: Vec<Section>,
}

/// A slot of the import address table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportSlot {
    /// RVA of the slot.
    pub rva: u32,
    /// The exporting module, in lower case.
    pub module: String,
    /// Name of the import.
    pub name: String,
}

/// The largest SizeOfImage that is accepted.
const LARGEST: u32 = 64 << 20;
const HIGH_LOW: u16 = 3;
const DIR_64: u16 = 10;

impl LoadedImage {
    /// Maps a file and relocates it.
    ///
    /// # Errors
    /// Why a loader can't load it.
    pub fn load(file: &[u8], base: u64) -> Result<LoadedImage, String> {
        let dword = |at: u32| dword(file, at).ok_or("the headers are truncated");
        if !file.starts_with(b"MZ") {
            return Err("not a PE file: no MZ signature".into());
        }
        let nt = dword(0x3C)?;
        if dword(nt)? != u32::from_le_bytes(*b"PE\0\0") {
            return Err("no PE signature".into());
        }
        let (arch, directories) = match dword(nt + 4)? & 0xFFFF {
            0x14C => (Arch::X86, nt + 24 + 96),
            0x8664 => (Arch::X64, nt + 24 + 112),
            machine => return Err(format!("unknown machine {machine:X}")),
        };
        let size = dword(nt + 24 + 56)?;
        let headers = dword(nt + 24 + 60)?;
        if size == 0 || size > LARGEST {
            return Err(format!("SizeOfImage is {size:X}"));
        }
        let mut image = LoadedImage {
            arch,
            base,
            size,
            entry: dword(nt + 24 + 16)?,
            alignment: dword(nt + 24 + 32)?,
            memory: vec![0; to_usize(u64::from(size).next_multiple_of(0x1000))],
            sections: Vec::new(),
        };
        image.copy_in(0, file, 0, headers)?;
        let table = nt + 24 + (dword(nt + 20)? & 0xFFFF);
        for number in 0..dword(nt + 4)? >> 16 {
            let header = table + number * 40;
            let mut name = [0; 8];
            let at = to_usize(u64::from(header));
            name.copy_from_slice(file.get(at..at + 8).ok_or("the headers are truncated")?);
            let section = Section {
                name,
                rva: dword(header + 12)?,
                virtual_size: dword(header + 8)?,
                flags: dword(header + 36)?,
            };
            let raw = dword(header + 16)?.min(section.virtual_size);
            image.copy_in(section.rva, file, dword(header + 20)?, raw)?;
            image.sections.push(section);
        }
        let preferred = match arch {
            Arch::X86 => u64::from(dword(nt + 24 + 28)?),
            Arch::X64 => u64::from(dword(nt + 24 + 24)?) | u64::from(dword(nt + 24 + 28)?) << 32,
        };
        let relocations = (dword(directories + 40)?, dword(directories + 44)?);
        image.relocate(relocations, base.wrapping_sub(preferred))?;
        Ok(image)
    }

    fn copy_in(&mut self, rva: u32, file: &[u8], offset: u32, length: u32) -> Result<(), String> {
        let from = to_usize(offset.into())..to_usize(u64::from(offset) + u64::from(length));
        let to = to_usize(rva.into())..to_usize(u64::from(rva) + u64::from(length));
        let place = self
            .memory
            .get_mut(to)
            .ok_or("a section lies outside the image")?;
        place.copy_from_slice(
            file.get(from)
                .ok_or("the file is truncated inside a section")?,
        );
        Ok(())
    }

    fn relocate(&mut self, (at, size): (u32, u32), delta: u64) -> Result<(), String> {
        let (mut block, end) = (at, at.saturating_add(size));
        while block < end {
            let cut = "the relocations are truncated";
            let page = self.dword(block).ok_or(cut)?;
            let length = self.dword(block + 4).ok_or(cut)?;
            if length < 8 {
                return Err(cut.into());
            }
            for entry in (block + 8..block.saturating_add(length)).step_by(2) {
                let entry = self.dword(entry & !3).ok_or(cut)? >> (8 * (entry & 2));
                let (kind, rva) = (entry >> 12 & 0xF, page.saturating_add(entry & 0xFFF));
                let bytes = match u16::try_from(kind) {
                    Ok(0) => continue,
                    Ok(HIGH_LOW) => 4,
                    Ok(DIR_64) => 8,
                    _ => return Err(format!("unknown relocation type {kind}")),
                };
                let place = to_usize(rva.into());
                let place = self.memory.get_mut(place..place + bytes).ok_or(cut)?;
                let mut value = [0; 8];
                value[..bytes].copy_from_slice(place);
                let value = u64::from_le_bytes(value).wrapping_add(delta).to_le_bytes();
                place.copy_from_slice(&value[..bytes]);
            }
            block += length;
        }
        Ok(())
    }

    /// All imports by name.
    ///
    /// # Errors
    /// The import directory can't be read.
    pub fn imports(&self) -> Result<Vec<ImportSlot>, String> {
        let cut = "the imports are truncated";
        let nt = self.dword(0x3C).ok_or(cut)?;
        let (directories, pointer) = match self.arch {
            Arch::X86 => (nt + 24 + 96, 4),
            Arch::X64 => (nt + 24 + 112, 8),
        };
        let mut descriptor = self.dword(directories + 8).ok_or(cut)?;
        let mut slots = Vec::new();
        while descriptor != 0 && self.dword(descriptor + 12).ok_or(cut)? != 0 {
            let module = self.text(self.dword(descriptor + 12).ok_or(cut)?);
            let names = self.dword(descriptor).ok_or(cut)?;
            let mut slot = self.dword(descriptor + 16).ok_or(cut)?;
            let mut name = if names == 0 { slot } else { names };
            while let Some(at) = self.dword(name).filter(|&at| at != 0) {
                slots.push(ImportSlot {
                    rva: slot,
                    module: module.to_ascii_lowercase(),
                    // The name follows the hint.
                    name: self.text(at + 2),
                });
                slot += pointer;
                name += pointer;
            }
            descriptor += 20;
        }
        Ok(slots)
    }

    /// Writes an address into a slot.
    pub fn bind(&mut self, slot: u32, address: u64) {
        let bytes = address.to_le_bytes();
        let length = if self.arch == Arch::X86 { 4 } else { 8 };
        self.memory[to_usize(slot.into())..][..length].copy_from_slice(&bytes[..length]);
    }

    /// The dword at an RVA.
    #[must_use]
    pub fn dword(&self, rva: u32) -> Option<u32> {
        dword(&self.memory, rva)
    }

    fn text(&self, rva: u32) -> String {
        let bytes = self.memory.get(to_usize(rva.into())..).unwrap_or_default();
        let bytes = bytes.iter().take_while(|&&byte| byte != 0);
        bytes.map(|&byte| char::from(byte)).collect()
    }
}

/// SizeOfHeaders, at the same offset for both processors.
#[must_use]
pub fn size_of_headers(headers: &[u8]) -> Option<u32> {
    dword(headers, dword(headers, 0x3C)?.checked_add(24 + 60)?)
}

fn dword(bytes: &[u8], at: u32) -> Option<u32> {
    let at = to_usize(at.into());
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}
