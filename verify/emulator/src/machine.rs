//! A processor and its memory: pages with rights, and calls into code.
//!
//! It knows nothing of NT. It enforces the pages' rights.

use std::collections::BTreeMap;
use std::ops::Range;

use specimen::Arch;
use unicorn_engine::{
    Arch as Family, Mode, Prot, RegisterX86 as Register, TlbType, Unicorn, X86CpuModel,
};

use crate::address::PAGE;
use crate::watch::{self, LimitWrite, Watch};

/// The contents of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryKind {
    /// The driver's code.
    Code,
    /// The driver's constants.
    Constants,
    /// The driver's variables.
    Data,
    /// The driver's sections that are freed after DriverEntry.
    Discardable,
    /// The stack.
    Stack,
    /// The kernel's functions and variables.
    Kernel,
    /// An object of the kernel's.
    Object,
    /// Allocations of the driver.
    Pool,
    /// A request and its system buffer.
    Request,
    /// Page tables.
    PageTables,
    /// A module that the driver inspects.
    Module,
}

/// The driver's access to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// None: only the system may access it.
    None,
    /// Read.
    Read,
    /// Read and write.
    Write,
    /// Read and execute.
    Execute,
}

#[derive(Debug, Clone, Copy)]
struct Region {
    end: u64,
    kind: MemoryKind,
    rights: Rights,
}

/// A call of one of the driver's functions.
#[derive(Debug, Default)]
pub(crate) struct Call {
    /// Registers that it must preserve, with their values.
    pub(crate) preserved: Vec<(Register, u64)>,
    /// Address of its return address.
    pub(crate) entry: u64,
}

/// The processor with its memory.
pub struct Machine {
    pub(crate) unicorn: Unicorn<'static, Watch>,
    arch: Arch,
    regions: BTreeMap<u64, Region>,
    pub(crate) call: Call,
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine")
            .field("arch", &self.arch)
            .finish_non_exhaustive()
    }
}

impl Machine {
    /// A processor of the time: a Pentium, without cmov and SSE, or the first
    /// 64-bit one.
    #[must_use]
    pub fn new(arch: Arch) -> Machine {
        Machine::with(arch, X86CpuModel::PENTIUM)
    }

    /// The same with an x86 processor that implements PAE, whether or not the kernel
    /// uses it.
    #[must_use]
    pub fn implementing_pae(arch: Arch) -> Machine {
        Machine::with(arch, X86CpuModel::PENTIUM3)
    }

    fn with(arch: Arch, x86: X86CpuModel) -> Machine {
        let works = "the emulator can be set up";
        let (mode, model) = match arch {
            Arch::X86 => (Mode::MODE_32, x86),
            Arch::X64 => (Mode::MODE_64, X86CpuModel::QEMU64),
        };
        let mut unicorn = Unicorn::new_with_data(Family::X86, mode, Watch::default()).expect(works);
        unicorn.ctl_set_cpu_model(model as i32).expect(works);
        // Otherwise high addresses of x64 are truncated.
        unicorn.ctl_set_tlb_type(TlbType::VIRTUAL).expect(works);
        watch::install(&mut unicorn);
        Machine {
            unicorn,
            arch,
            regions: BTreeMap::new(),
            call: Call::default(),
        }
    }

    /// The processor.
    #[must_use]
    pub fn arch(&self) -> Arch {
        self.arch
    }

    /// Size of a pointer in bytes.
    #[must_use]
    pub fn pointer_size(&self) -> u64 {
        match self.arch {
            Arch::X86 => 4,
            Arch::X64 => 8,
        }
    }

    pub(crate) fn watch(&mut self) -> &mut Watch {
        self.unicorn.get_data_mut()
    }

    /// Maps whole pages and fills them from their beginning.
    ///
    /// # Panics
    /// The range is already mapped: a bug of the models.
    pub fn map(&mut self, start: u64, pages: u64, kind: MemoryKind, rights: Rights, bytes: &[u8]) {
        let length = pages * PAGE;
        self.unicorn
            .mem_map(start, length, permissions(rights))
            .unwrap_or_else(|error| panic!("{kind:?} at {start:X}, {pages} pages: {error:?}"));
        let region = Region {
            // The last page ends at 2^64, which is not an address.
            end: start + (length - 1),
            kind,
            rights,
        };
        self.regions.insert(start, region);
        self.write(start, bytes);
    }

    /// Unmaps the region that was mapped at `start`.
    pub fn unmap(&mut self, start: u64) {
        if let Some(region) = self.regions.remove(&start) {
            let length = region.end - start + 1;
            let unmapped = self.unicorn.mem_unmap(start, length);
            unmapped.expect("it was mapped in one piece");
        }
    }

    /// Changes the driver's access to the region that was mapped at `start`.
    pub fn protect(&mut self, start: u64, rights: Rights) {
        let region = self.regions.get_mut(&start).expect("it is mapped");
        if region.rights == rights {
            return;
        }
        region.rights = rights;
        let length = region.end - start + 1;
        let protected = self.unicorn.mem_protect(start, length, permissions(rights));
        protected.expect("it was mapped in one piece");
    }

    /// Unmaps all regions of some kinds.
    pub fn unmap_all(&mut self, kinds: &[MemoryKind]) {
        let regions = self.regions.iter();
        let starts: Vec<u64> = regions
            .filter(|(_, region)| kinds.contains(&region.kind))
            .map(|(&start, _)| start)
            .collect();
        for start in starts {
            self.unmap(start);
        }
    }

    fn region(&self, range: &Range<u64>) -> Option<&Region> {
        let (_, region) = self.regions.range(..=range.start).next_back()?;
        (range.start < range.end && range.end - 1 <= region.end).then_some(region)
    }

    /// The kind of a range, if it lies in one region that the driver may read.
    #[must_use]
    pub fn kind(&self, start: u64, length: u64) -> Option<MemoryKind> {
        let region = self.region(&(start..start.checked_add(length)?))?;
        (region.rights != Rights::None).then_some(region.kind)
    }

    /// Whether the driver may write the whole range.
    #[must_use]
    pub fn is_writable(&self, start: u64, length: u64) -> bool {
        start
            .checked_add(length)
            .and_then(|end| self.region(&(start..end)))
            .is_some_and(|region| region.rights == Rights::Write)
    }

    /// Whether an address is mapped.
    #[must_use]
    pub fn is_mapped(&self, address: u64) -> bool {
        let region = self.regions.range(..=address).next_back();
        region.is_some_and(|(_, region)| address <= region.end)
    }

    /// Reads mapped memory, whatever its rights.
    #[must_use]
    pub fn read(&self, address: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let read = self.unicorn.mem_read(address, &mut bytes);
        read.unwrap_or_else(|error| panic!("{length} bytes at {address:X}: {error:?}"));
        bytes
    }

    /// Writes mapped memory, whatever its rights.
    pub fn write(&mut self, address: u64, bytes: &[u8]) {
        let written = self.unicorn.mem_write(address, bytes);
        written.unwrap_or_else(|error| panic!("{} bytes at {address:X}: {error:?}", bytes.len()));
    }

    /// Reads a dword.
    #[must_use]
    pub fn dword(&self, address: u64) -> u32 {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(&self.read(address, 4));
        u32::from_le_bytes(bytes)
    }

    /// Reads a pointer.
    #[must_use]
    pub fn read_pointer(&self, address: u64) -> u64 {
        let mut bytes = [0; 8];
        let length = usize::from(self.arch == Arch::X64) * 4 + 4;
        bytes[..length].copy_from_slice(&self.read(address, length));
        u64::from_le_bytes(bytes)
    }

    /// Writes a pointer.
    pub fn write_pointer(&mut self, address: u64, value: u64) {
        let bytes = value.to_le_bytes();
        match self.arch {
            Arch::X86 => self.write(address, &bytes[..4]),
            Arch::X64 => self.write(address, &bytes),
        }
    }

    pub(crate) fn register(&self, register: Register) -> u64 {
        self.unicorn.reg_read(register).expect("a register")
    }

    pub(crate) fn set_register(&mut self, register: Register, value: u64) {
        let value = match self.arch {
            Arch::X86 => value & 0xFFFF_FFFF,
            Arch::X64 => value,
        };
        self.unicorn.reg_write(register, value).expect("a register");
    }

    pub(crate) fn stack_pointer(&self) -> Register {
        match self.arch {
            Arch::X86 => Register::ESP,
            Arch::X64 => Register::RSP,
        }
    }

    /// Sets CR4 as a kernel with or without PAE does. (The emulator does not translate
    /// addresses, so this has no other effect.)
    pub fn set_pae(&mut self, pae: bool) {
        if self.arch == Arch::X86 {
            // PSE and PGE.
            let others = 0x90;
            let control = if pae { others | 1 << 5 } else { others };
            self.set_register(Register::CR4, control);
            assert_eq!(self.register(Register::CR4), control, "CR4 is writable");
        }
    }

    /// The writes to limits since the last call.
    pub fn take_writes(&mut self) -> Vec<LimitWrite> {
        std::mem::take(&mut self.watch().writes)
    }

    /// Checks every read of the modules by byte, which is slow.
    pub fn watch_reads(&mut self) {
        watch::watch_reads(&mut self.unicorn);
    }

    /// Sets the number of instructions after which a call counts as endless.
    pub fn set_budget(&mut self, instructions: u64) {
        self.watch().budget = instructions;
    }

    /// Instructions that the driver executed in the last call.
    #[must_use]
    pub fn instructions(&self) -> u64 {
        self.unicorn.get_data().instructions
    }
}

fn permissions(rights: Rights) -> Prot {
    match rights {
        Rights::None => Prot::NONE,
        Rights::Read => Prot::READ,
        Rights::Write => Prot::READ | Prot::WRITE,
        Rights::Execute => Prot::READ | Prot::EXEC,
    }
}
