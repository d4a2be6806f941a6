//! Emulates the store by which a module's start-up code initializes the limit.

use specimen::Arch;
use unicorn_engine::{Arch as Family, Mode, Prot, TlbType, Unicorn};

use crate::address::to_usize;
use crate::image::LoadedImage;

/// The effect of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreResult {
    /// The dword at the limit, before.
    pub before: u32,
    /// The dword at the limit, after.
    pub after: u32,
    /// RVAs of all changed bytes.
    pub changed: Vec<u32>,
    /// Length of the executed code in bytes.
    pub length: u64,
}

/// Loads a file at a base and runs the instruction at RVA `store`; the limit is at
/// RVA `limit`. The whole image is writable and executable, so that every effect of
/// the instruction is seen.
///
/// # Errors
/// The file can't be loaded, or the processor stops.
pub fn run(file: &[u8], base: u64, store: u32, limit: u32) -> Result<StoreResult, String> {
    let image = LoadedImage::load(file, base)?;
    let mode = match image.arch {
        Arch::X86 => Mode::MODE_32,
        Arch::X64 => Mode::MODE_64,
    };
    let failed = |error| format!("the emulator: {error:?}");
    let mut unicorn = Unicorn::new(Family::X86, mode).map_err(failed)?;
    // Otherwise high addresses of x64 are truncated.
    unicorn.ctl_set_tlb_type(TlbType::VIRTUAL).map_err(failed)?;
    let length = image.memory.len() as u64;
    unicorn.mem_map(base, length, Prot::ALL).map_err(failed)?;
    unicorn.mem_write(base, &image.memory).map_err(failed)?;
    let at = base + u64::from(store);
    unicorn.emu_start(at, base + length, 0, 1).map_err(failed)?;
    let mut memory = vec![0; image.memory.len()];
    unicorn.mem_read(base, &mut memory).map_err(failed)?;
    let dword = |memory: &[u8]| {
        let bytes = memory.get(to_usize(limit.into())..)?.first_chunk()?;
        Some(u32::from_le_bytes(*bytes))
    };
    let pairs = (0..).zip(image.memory.iter().zip(&memory));
    Ok(StoreResult {
        before: dword(&image.memory).ok_or("the limit is not in the image")?,
        after: dword(&memory).ok_or("the limit is not in the image")?,
        changed: pairs
            .filter(|(_, (before, after))| before != after)
            .map(|(rva, _)| rva)
            .collect(),
        length: unicorn.pc_read().map_err(failed)? - at,
    })
}
