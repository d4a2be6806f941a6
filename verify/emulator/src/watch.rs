//! Hooks that watch the driver's instructions: their addresses, their number, and
//! their writes.

use std::ops::Range;

use iced_x86::{Decoder, DecoderOptions, Instruction};
use unicorn_engine::{HookType, MemType, Unicorn};

use crate::address::PAGE;
use crate::violation::{Access, Violation};

/// The most instructions per call; no call needs nearly as many.
pub const BUDGET: u64 = 400_000_000;

/// The data of the hooks.
#[derive(Debug)]
pub(crate) struct Watch {
    /// The most instructions per call.
    pub(crate) budget: u64,
    /// Instructions executed since the last [`Watch::begin`].
    pub(crate) instructions: u64,
    /// Ranges that may be written besides the limits.
    pub(crate) writable: Vec<Range<u64>>,
    /// Modules, with their readable ranges where reads are watched.
    pub(crate) modules: Vec<WatchedModule>,
    /// Addresses of the limits, aligned dwords.
    pub(crate) limits: Vec<u64>,
    /// Writes to the limits.
    pub(crate) writes: Vec<LimitWrite>,
    /// The first violation.
    pub(crate) violation: Option<Violation>,
    /// Instructions by the offset of their block in the code, if requested.
    pub(crate) profile: Option<Vec<u64>>,
    code: Code,
}

/// A module: its addresses, and its readable ranges by RVA.
#[derive(Debug, Clone)]
pub(crate) struct WatchedModule {
    pub(crate) all: Range<u64>,
    pub(crate) readable: Vec<Range<u32>>,
}

/// A write to a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitWrite {
    /// Address of the limit.
    pub address: u64,
    /// The value before.
    pub before: u32,
    /// The value after.
    pub after: u32,
}

/// The driver's code, and the number of instructions per block.
#[derive(Debug, Default)]
struct Code {
    start: u64,
    bytes: Vec<u8>,
    bits: u32,
    /// Size and instructions by the offset of the block's first byte; 0 for not counted
    /// yet.
    blocks: Vec<(u32, u32)>,
}

impl Code {
    /// Number of instructions in the `size` bytes at an address; `None` outside the
    /// driver's code.
    fn count(&mut self, address: u64, size: u32) -> Option<u64> {
        let offset = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let block = self.blocks.get_mut(offset)?;
        if block.0 != size {
            let length = usize::try_from(size).ok()?;
            let bytes = self.bytes.get(offset..)?;
            let bytes = &bytes[..length.min(bytes.len())];
            let mut decoder = Decoder::with_ip(self.bits, bytes, address, DecoderOptions::NONE);
            let mut instruction = Instruction::default();
            *block = (size, 0);
            while decoder.can_decode() {
                decoder.decode_out(&mut instruction);
                block.1 += 1;
            }
        }
        Some(u64::from(block.1))
    }

    /// Whether an address is in the last page of the code, behind its end.
    fn is_behind(&self, address: u64) -> bool {
        let end = self.start + self.bytes.len() as u64;
        (end..end.next_multiple_of(PAGE)).contains(&address)
    }
}

impl Default for Watch {
    fn default() -> Watch {
        Watch {
            budget: BUDGET,
            instructions: 0,
            writable: Vec::new(),
            modules: Vec::new(),
            limits: Vec::new(),
            writes: Vec::new(),
            violation: None,
            profile: None,
            code: Code::default(),
        }
    }
}

impl Watch {
    /// Sets the driver's code.
    pub(crate) fn set_code(&mut self, start: u64, bytes: &[u8], bits: u32) {
        self.code = Code {
            start,
            bytes: bytes.to_vec(),
            bits,
            blocks: vec![(0, 0); bytes.len()],
        };
    }

    /// Begins a call of the driver.
    pub(crate) fn begin(&mut self) {
        self.instructions = 0;
        self.violation = None;
    }

    /// Called before a block of instructions; returns whether it may run.
    fn on_block(&mut self, address: u64, size: u32) -> bool {
        // Other code is a call of the system, or not executable.
        let Some(count) = self.code.count(address, size) else {
            let behind = self.code.is_behind(address);
            if behind {
                self.violation.get_or_insert(Violation::Access {
                    access: Access::Fetch,
                    address,
                    size: 1,
                    pc: address,
                });
            }
            return !behind;
        };
        self.instructions += count;
        if let Some(profile) = &mut self.profile
            && let Ok(offset) = usize::try_from(address - self.code.start)
        {
            profile.resize(self.code.blocks.len(), 0);
            profile[offset] += count;
        }
        if self.instructions > self.budget {
            self.violation
                .get_or_insert(Violation::Endless(self.instructions));
            return false;
        }
        true
    }

    /// Whether a read is outside the modules, or inside a readable range of one.
    fn may_read(&self, address: u64, size: usize) -> bool {
        let end = address.wrapping_add(size as u64);
        let mut touched = self
            .modules
            .iter()
            .filter(|it| it.all.start < end && address < it.all.end);
        touched.all(|module| {
            let base = module.all.start;
            module.readable.iter().any(|range| {
                base + u64::from(range.start) <= address && end <= base + u64::from(range.end)
            })
        })
    }

    fn may_write(&self, address: u64, size: usize) -> bool {
        let end = address.wrapping_add(size as u64);
        self.writable
            .iter()
            .any(|range| range.start <= address && end <= range.end && address < end)
    }
}

/// Installs the hooks.
pub(crate) fn install(unicorn: &mut Unicorn<'static, Watch>) {
    let put = "the emulator takes hooks";
    // The range from 1 to 0 is the whole address space.
    unicorn
        .add_block_hook(1, 0, |unicorn, address, size| {
            if !unicorn.get_data_mut().on_block(address, size) {
                let _ = unicorn.emu_stop();
            }
        })
        .expect(put);
    unicorn
        .add_mem_hook(HookType::MEM_WRITE, 1, 0, on_write)
        .expect(put);
    let touching = HookType::MEM_READ_UNMAPPED
        | HookType::MEM_WRITE_UNMAPPED
        | HookType::MEM_FETCH_UNMAPPED
        | HookType::MEM_READ_PROT
        | HookType::MEM_WRITE_PROT
        | HookType::MEM_FETCH_PROT;
    unicorn.add_mem_hook(touching, 1, 0, on_fault).expect(put);
}

/// Watches every read of the modules from now on: by byte, not only by page.
pub(crate) fn watch_reads(unicorn: &mut Unicorn<'static, Watch>) {
    unicorn
        .add_mem_hook(HookType::MEM_READ, 1, 0, |unicorn, _, address, size, _| {
            if !unicorn.get_data().may_read(address, size) {
                let pc = unicorn.pc_read().unwrap_or(0);
                let read = Violation::Access {
                    access: Access::Read,
                    address,
                    size,
                    pc,
                };
                unicorn.get_data_mut().violation.get_or_insert(read);
                let _ = unicorn.emu_stop();
            }
            true
        })
        .expect("the emulator takes hooks");
}

/// Called before a write, also before one that will fault.
fn on_write(
    unicorn: &mut Unicorn<'_, Watch>,
    _: MemType,
    address: u64,
    size: usize,
    value: i64,
) -> bool {
    if unicorn.get_data().may_write(address, size) {
        return true;
    }
    if size == 4 && unicorn.get_data().limits.contains(&address) {
        let mut before = [0; 4];
        let read = unicorn.mem_read(address, &mut before);
        let after = u32::from_le_bytes([0, 1, 2, 3].map(|byte| value.to_le_bytes()[byte]));
        if read.is_ok() {
            let before = u32::from_le_bytes(before);
            unicorn.get_data_mut().writes.push(LimitWrite {
                address,
                before,
                after,
            });
            return true;
        }
    }
    let pc = unicorn.pc_read().unwrap_or(0);
    unicorn
        .get_data_mut()
        .violation
        .get_or_insert(Violation::Write { address, size, pc });
    let _ = unicorn.emu_stop();
    true
}

/// Called on an access to unmapped memory, or one without the right to it.
fn on_fault(
    unicorn: &mut Unicorn<'_, Watch>,
    kind: MemType,
    address: u64,
    size: usize,
    _: i64,
) -> bool {
    let access = match kind {
        MemType::WRITE_UNMAPPED | MemType::WRITE_PROT => Access::Write,
        MemType::FETCH_UNMAPPED | MemType::FETCH_PROT => Access::Fetch,
        _ => Access::Read,
    };
    let pc = unicorn.pc_read().unwrap_or(0);
    unicorn
        .get_data_mut()
        .violation
        .get_or_insert(Violation::Access {
            access,
            address,
            size,
            pc,
        });
    false
}
