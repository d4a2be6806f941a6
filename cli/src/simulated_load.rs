//! A simulated load: the image of a file in memory, as the kernel driver sees it.

use std::fmt;

use scanner_core::{Arch, Directory, Image, ImageError, MappedSection, RelocationKind};
use scanner_core::{Relocations, Rva, Section};

/// Typical bases of drivers on XP and Server 2003 for x86, and on XP x64.
const TYPICAL_X86: u64 = 0xF7A8_0000;
const TYPICAL_X64: u64 = 0xFFFF_FADF_F7A8_0000;
/// Addresses of kernel functions for the import table.
const KERNEL_X86: u64 = 0x804D_9A28;
const KERNEL_X64: u64 = 0xFFFF_F800_0104_2A30;
/// Distance between functions of the made-up kernel, in bytes.
const STRIDE: u64 = 0x35;
/// Largest image, in bytes; drivers are far smaller.
const MAX_IMAGE: u32 = 64 << 20;

/// The base to load an image at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadBase {
    /// A typical base of the architecture.
    Typical,
    /// This address.
    At(u64),
}

/// The reason why a file can't be loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadError {
    /// An image of this architecture and size can't have this base.
    UnfitBase { arch: Arch, base: u64 },
    /// The image has no relocations, and the base is not its own.
    NotRelocatable { own: u64, base: u64 },
    /// The image would be larger than any driver.
    TooLarge(u32),
    /// A relocation refers to an address outside the image.
    RelocationOutside(Rva),
    /// The loaded image is invalid.
    Image(ImageError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LoadError::UnfitBase { arch, base } => {
                write!(f, "an {arch} image can't be loaded at {base:X}")
            }
            LoadError::NotRelocatable { own, base } => write!(
                f,
                "it has no relocations, so it can't be loaded at {base:X}, only at its own base, {own:X}"
            ),
            LoadError::TooLarge(size) => write!(f, "it would take {size} bytes of memory"),
            LoadError::RelocationOutside(rva) => {
                write!(f, "a relocation refers to RVA {rva}, outside the image")
            }
            LoadError::Image(error) => error.fmt(f),
        }
    }
}

/// A loaded image: the memory from its base on.
pub(crate) struct Loaded {
    base: u64,
    headers: usize,
    memory: Vec<u8>,
}

impl Loaded {
    /// Loads a file as the system would: sections at their addresses, zero
    /// beyond their raw data, relocated to the base, imports filled in.
    ///
    /// # Errors
    /// If the image can't have that base, or its relocations are damaged.
    pub(crate) fn new(image: &Image<'_>, file: &[u8], base: LoadBase) -> Result<Loaded, LoadError> {
        let arch = image.arch();
        let headers = image.headers();
        let size = headers.size_of_image();
        let base = match (base, arch) {
            (LoadBase::At(base), _) => base,
            (LoadBase::Typical, Arch::X86) => TYPICAL_X86,
            (LoadBase::Typical, Arch::X64) => TYPICAL_X64,
        };
        let end = base.checked_add(u64::from(size));
        let fits = match arch {
            Arch::X86 => end.is_some_and(|end| end <= 1 << 32),
            Arch::X64 => end.is_some(),
        };
        if !fits || base & 0xFFF != 0 || base == 0 {
            return Err(LoadError::UnfitBase { arch, base });
        }
        let own = image.base();
        if base != own && Relocations::new(image).next().is_none() {
            return Err(LoadError::NotRelocatable { own, base });
        }
        if size > MAX_IMAGE {
            return Err(LoadError::TooLarge(size));
        }

        let mut loaded = Loaded {
            base,
            headers: index(headers.size_of_headers()),
            memory: vec![0; index(size)],
        };
        loaded.put(Rva(0), file.get(..loaded.headers).unwrap_or_default());
        for section in headers.sections() {
            loaded.put(section.rva(), image.bytes(&section));
        }
        loaded.relocate(image)?;
        loaded.import(image);
        Ok(loaded)
    }

    /// The base of the image.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Calls `search` with the part that the kernel driver reads: headers, the exception table, and
    /// code that is neither discarded nor paged. INIT, resources, relocations and data are absent.
    ///
    /// # Errors
    /// If the image is invalid.
    pub(crate) fn with_image<R>(
        &self,
        search: impl FnOnce(&Image<'_>) -> R,
    ) -> Result<R, LoadError> {
        let size = u32::try_from(self.memory.len()).unwrap_or(u32::MAX);
        let head = self.memory.get(..self.headers).unwrap_or_default();
        let headers = scanner_core::Headers::parse(head).map_err(LoadError::Image)?;
        let sections = headers.sections();
        let code = sections
            .filter(Section::is_live_code)
            .map(|section| (section.rva(), section.extent()));
        let table = headers.exception_table();
        let code: Vec<MappedSection<'_>> = code
            .chain(table.map(|table| (table.rva, table.size)))
            .filter_map(|(rva, length)| {
                let start = index(rva.0);
                let bytes = self.memory.get(start..start.checked_add(index(length))?)?;
                Some(MappedSection { rva, bytes })
            })
            .collect();
        let image = Image::from_memory(head, self.base, size, &code).map_err(LoadError::Image)?;
        Ok(search(&image))
    }

    fn put(&mut self, at: Rva, bytes: &[u8]) {
        let start = index(at.0);
        let end = start.saturating_add(bytes.len());
        if let Some(place) = self.memory.get_mut(start..end) {
            place.copy_from_slice(bytes);
        }
    }

    fn relocate(&mut self, image: &Image<'_>) -> Result<(), LoadError> {
        let shift = self.base.wrapping_sub(image.base());
        if shift == 0 {
            return Ok(());
        }
        for (at, kind) in Relocations::new(image) {
            let done = match kind {
                // On x86 both bases are below 4 GiB; the sum wraps.
                RelocationKind::HighLow => self.change(at, |value: [u8; 4]| {
                    let [a, b, c, d, ..] = shift.to_le_bytes();
                    let shift = u32::from_le_bytes([a, b, c, d]);
                    u32::from_le_bytes(value).wrapping_add(shift).to_le_bytes()
                }),
                RelocationKind::Dir64 => self.change(at, |value: [u8; 8]| {
                    u64::from_le_bytes(value).wrapping_add(shift).to_le_bytes()
                }),
                RelocationKind::Other => Some(()),
            };
            done.ok_or(LoadError::RelocationOutside(at))?;
        }
        Ok(())
    }

    /// Fills the import address table with addresses in a made-up kernel.
    fn import(&mut self, image: &Image<'_>) {
        let Some((table, size)) = image.headers().directory(Directory::ImportAddressTable) else {
            return;
        };
        let pointer = image.arch().pointer_size();
        for slot in 0..size / pointer {
            let address = STRIDE.wrapping_mul(u64::from(slot));
            let Some(at) = table.plus(slot.saturating_mul(pointer)) else {
                return;
            };
            // Zero ends the imports of a module and must stay.
            let filled = match image.arch() {
                Arch::X86 => self.change(at, |value: [u8; 4]| {
                    let [a, b, c, d, ..] = KERNEL_X86.wrapping_add(address).to_le_bytes();
                    if value == [0; 4] { value } else { [a, b, c, d] }
                }),
                Arch::X64 => self.change(at, |value: [u8; 8]| {
                    let filled = KERNEL_X64.wrapping_add(address).to_le_bytes();
                    if value == [0; 8] { value } else { filled }
                }),
            };
            // A damaged size may extend far beyond the image.
            if filled.is_none() {
                return;
            }
        }
    }

    /// Changes `N` bytes in memory; `None` where they lie outside.
    fn change<const N: usize>(
        &mut self,
        at: Rva,
        new: impl FnOnce([u8; N]) -> [u8; N],
    ) -> Option<()> {
        let place = self.memory.get_mut(index(at.0)..)?.first_chunk_mut::<N>()?;
        *place = new(*place);
        Some(())
    }
}

/// An offset as an index; where `usize` is too small nothing is there.
fn index(offset: u32) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}
