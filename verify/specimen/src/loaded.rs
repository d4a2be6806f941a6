//! A specimen in memory after start-up: relocated, imports bound, the limit
//! stored, and the discardable sections gone.

use super::Specimen;
use super::arch::Arch;
use super::code::pointer_size;
use super::header::image_base_field;
use super::image::index;
use super::random::Random;

/// A driver's image in memory while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The address of the image's first byte.
    pub base: u64,
    /// The headers: SizeOfHeaders bytes. Their ImageBase is the preferred or
    /// the actual one: loaders differ.
    pub headers: Vec<u8>,
    /// SizeOfImage.
    pub size: u32,
    /// Every section but the discardable ones.
    pub sections: Vec<LoadedSection>,
}

/// A section in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadedSection {
    /// The RVA of the section.
    pub rva: u32,
    /// The name, padded with zeros.
    pub name: [u8; 8],
    /// The characteristics.
    pub flags: u32,
    /// VirtualSize bytes.
    pub bytes: Vec<u8>,
}

/// IMAGE_SCN_MEM_EXECUTE and IMAGE_SCN_MEM_NOT_PAGED.
const LIVE_CODE: u32 = 0x2000_0000 | 0x0800_0000;

impl Arch {
    /// Two typical load addresses of the systems of the time.
    #[must_use]
    pub fn bases(self) -> [u64; 2] {
        match self {
            Arch::X86 => [0xF7A3_B000, 0x8056_7000],
            Arch::X64 => [0xFFFF_FADF_E1A2_3000, 0xFFFF_F800_0123_4000],
        }
    }
}

impl Loaded {
    /// The sections that a driver may pass to the locator, by RVA: resident
    /// code, and on x64 the exception table.
    #[must_use]
    pub fn live_code(&self) -> Vec<(u32, &[u8])> {
        let is_handed_over = |section: &&LoadedSection| {
            section.flags & LIVE_CODE == LIVE_CODE || section.name.starts_with(b".pdata")
        };
        let sections = self.sections.iter().filter(is_handed_over);
        sections.map(|it| (it.rva, it.bytes.as_slice())).collect()
    }

    /// The section that holds an RVA.
    pub fn section(&self, rva: u32) -> Option<&LoadedSection> {
        self.sections.iter().find(|section| section.contains(rva))
    }

    /// `size` bytes at an RVA, in one section.
    pub fn bytes(&self, rva: u32, size: usize) -> Option<&[u8]> {
        let section = self.section(rva)?;
        section.bytes.get(index(rva - section.rva)..)?.get(..size)
    }

    /// The 32-bit variable at an RVA.
    pub fn dword(&self, rva: u32) -> Option<u32> {
        let bytes = self.bytes(rva, 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(bytes))
    }

    fn bytes_mut(&mut self, rva: u32, size: usize) -> Option<&mut [u8]> {
        let section = self
            .sections
            .iter_mut()
            .find(|section| section.contains(rva))?;
        section
            .bytes
            .get_mut(index(rva - section.rva)..)?
            .get_mut(..size)
    }

    fn write(&mut self, rva: u32, bytes: &[u8]) {
        if let Some(place) = self.bytes_mut(rva, bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }
}

impl LoadedSection {
    fn contains(&self, rva: u32) -> bool {
        rva.checked_sub(self.rva)
            .is_some_and(|inside| index(inside) < self.bytes.len())
    }
}

impl Specimen {
    /// Loads the image at `base`. On x86 only the low 32 bits count. Relocation
    /// follows the builder's own list of pointers and, like a real loader, the
    /// difference from the header's ImageBase.
    pub fn load(&self, base: u64) -> Loaded {
        let base = match self.spec.arch {
            Arch::X86 => base & 0xFFFF_FFFF,
            Arch::X64 => base,
        };
        let mut loaded = Loaded {
            base,
            headers: self.file[self.truth.headers.clone()].to_vec(),
            size: self.size_of_image,
            sections: self.memory_sections(),
        };
        let mut random = Random::new(self.spec.seed.rotate_left(17));
        let pointer = pointer_size(self.spec.arch);
        if random.chance(500) {
            let (offset, size) = image_base_field(self.spec.arch);
            loaded.headers[offset..][..size].copy_from_slice(&base.to_le_bytes()[..size]);
        }
        let delta = base.wrapping_sub(u64::from(self.image_base));
        for &rva in &self.pointers {
            let Some(place) = loaded.bytes_mut(rva, pointer) else {
                continue;
            };
            let mut value = [0; 8];
            value[..pointer].copy_from_slice(place);
            let moved = u64::from_le_bytes(value).wrapping_add(delta).to_le_bytes();
            place.copy_from_slice(&moved[..pointer]);
        }
        for &slot in &self.slots {
            let function = 16 * u64::from(random.below(0x1_0000));
            let address = match self.spec.arch {
                Arch::X86 => 0x804D_7000 + function,
                Arch::X64 => 0xFFFF_F800_0100_0000 + function,
            };
            loaded.write(slot, &address.to_le_bytes()[..pointer]);
        }
        for &(rva, value) in &self.stores {
            loaded.write(rva, &value.to_le_bytes());
        }
        loaded
    }

    fn memory_sections(&self) -> Vec<LoadedSection> {
        let kept = self
            .sections
            .iter()
            .zip(&self.names)
            .filter(|(_, name)| !name.discardable());
        kept.map(|(place, _)| {
            let mut bytes = self.file[index(place.offset)..][..index(place.raw_size)].to_vec();
            bytes.resize(index(place.virtual_size), 0);
            LoadedSection {
                rva: place.rva,
                name: place.name,
                flags: place.flags,
                bytes,
            }
        })
        .collect()
    }
}
