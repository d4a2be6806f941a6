//! What may go wrong, at any moment.

use tcplimit_driver::{Device, FORMER_RECORD, RECORD};

use super::configuration::{Choice, Number, Says};
use super::instance::Instance;
use super::state::State;
use specimen::Module;

/// Something that happens between two calls of the driver. It stays until the
/// system is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Fault {
    /// The module is unloaded. What is held of it stays.
    Unloaded(Module),
    /// Its driver object can't be looked at.
    Unusable(Module),
    /// It is unloaded, and some build loaded where it was.
    Replaced(Module, Choice),
    /// It is loaded anew elsewhere.
    Moved(Module),
    /// A page of it is not there any more.
    PagedOut(Module, Part),
    /// A page of it is made read-only.
    Protected(Module, Part),
    /// The page tables can't be read any more.
    RightsUnknown,
    /// Other software sets the limit.
    Limit(Module, Number),
    /// Connections come and go.
    HalfOpen(Module, Number),
    /// Other software puts a breakpoint over a gate.
    GateBroken(Module),
    /// Other software puts a breakpoint over a locked update.
    AtomicBroken(Module),
    /// Other software puts a jump over a call a little behind a gate.
    Detour(Module),
    /// A byte of the headers is changed.
    Headers(Module, u16, u8),
    /// The flags of a section are changed: one of its rights.
    SectionFlags(Module, u8, Right),
    /// The list of modules is another.
    Listed(Says),
    /// No value of the service key can be read.
    SettingsUnreadable,
    /// The mark can't be read.
    GuardUnreadable,
    /// The mark can't be written.
    GuardUnwritable,
    /// Nothing can be remembered.
    Forgets,
    /// Nothing can be recalled.
    RecallFails,
    /// What is remembered is something else.
    RecordGarbled(Module, u8, u8),
    /// Version 0.1.0 has remembered what it wrote last to the module that is
    /// loaded, and what was there before.
    FormerRecord(Module, Number, Number),
    /// Which start of the system it is can't be told.
    BootUnknown,
    /// A device can't be created.
    NotCreated(Which),
    /// A device can't be protected.
    NotProtected(Which),
    /// A device can't be given its name.
    NotLinked(Which),
    /// What exchanges the limit refuses to.
    ExchangeRefused,
    /// The power fails, or Windows with it.
    PowerFailure,
}

/// A page of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Part {
    /// The first.
    Headers,
    /// That of the first gate.
    Code,
    /// That of the limit.
    Limit,
    /// The first of the exception table, on x64.
    ExceptionTable,
}

/// A right of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Right {
    /// IMAGE_SCN_MEM_DISCARDABLE.
    Discardable,
    /// IMAGE_SCN_MEM_NOT_PAGED.
    NotPaged,
    /// IMAGE_SCN_MEM_EXECUTE.
    Execute,
    /// IMAGE_SCN_MEM_READ.
    Read,
    /// IMAGE_SCN_MEM_WRITE.
    Write,
}

impl Right {
    /// Its bit in the flags.
    pub fn bit(self) -> u32 {
        match self {
            Right::Discardable => 0x0200_0000,
            Right::NotPaged => 0x0800_0000,
            Right::Execute => 0x2000_0000,
            Right::Read => 0x4000_0000,
            Right::Write => 0x8000_0000,
        }
    }
}

/// A device of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Which {
    /// `\\.\TcpLimit`.
    Ours,
    /// `\\.\TCPIP_PATCHER`.
    Legacy,
}

impl From<Which> for Device {
    fn from(which: Which) -> Device {
        match which {
            Which::Ours => Device::Ours,
            Which::Legacy => Device::Legacy,
        }
    }
}

impl Part {
    /// An RVA in it.
    pub fn rva(self, module: &Instance) -> u32 {
        let truth = &module.build().specimen.truth;
        match self {
            Part::Headers => 0,
            Part::Code => truth.gates.first().copied().unwrap_or(0),
            Part::Limit => truth.threshold,
            Part::ExceptionTable => module
                .exception_table()
                .map_or(0, |table| u32::try_from(table.start).expect("an RVA")),
        }
    }
}

impl State {
    /// It happens.
    pub fn apply(&mut self, fault: Fault) {
        match fault {
            Fault::Unloaded(module) => self.place(module).instance = None,
            Fault::Unusable(module) => self.place(module).unusable = true,
            Fault::Replaced(module, choice) => {
                let build = choice.on(self.arch, module);
                let moved = self.loaded(module).is_some_and(|old| {
                    let site = self.site(module, true);
                    old.base == site.base(self.arch)
                });
                self.load(build, module, moved);
            }
            Fault::Moved(module) => {
                if let Some(build) = self.loaded(module).map(|module| module.build) {
                    self.load(build, module, true);
                }
            }
            Fault::PagedOut(module, part) => {
                self.change(module, |module| module.page_out(part.rva(module)));
            }
            Fault::Protected(module, part) => {
                self.change(module, |module| module.protect(part.rva(module)));
            }
            Fault::RightsUnknown => self.rights_known = false,
            Fault::Limit(module, Number(limit)) => self.change(module, |module| {
                module.write(module.threshold(), &limit.to_le_bytes());
            }),
            Fault::HalfOpen(module, Number(count)) => self.change(module, |module| {
                let rva = module.build().specimen.truth.count;
                module.write(rva, &count.to_le_bytes());
            }),
            Fault::GateBroken(module) => self.change(module, Instance::break_gate),
            Fault::AtomicBroken(module) => self.change(module, Instance::break_atomic),
            Fault::Detour(module) => self.change(module, Instance::detour),
            Fault::Headers(module, place, bits) => self.change(module, |module| {
                module.change_headers(u32::from(place), bits);
            }),
            Fault::SectionFlags(module, number, right) => self.change(module, |module| {
                module.change_section(number, right.bit());
            }),
            Fault::Listed(says) => self.list.says = says,
            Fault::SettingsUnreadable => self.broken.settings = true,
            Fault::GuardUnreadable => self.broken.guard_read = true,
            Fault::GuardUnwritable => self.broken.guard_write = true,
            Fault::Forgets => self.broken.remember = true,
            Fault::RecallFails => self.broken.recall = true,
            Fault::RecordGarbled(module, place, bits) => {
                if let Some(record) = &mut self.remembered[super::slot(module)] {
                    record[usize::from(place) % RECORD] ^= bits;
                    self.garbled = true;
                }
            }
            Fault::FormerRecord(module, Number(last), Number(original)) => {
                let identity = self.loaded(module).map(Instance::identity);
                self.former[super::slot(module)] = identity.map(|[time, checksum, size]| {
                    let fields = [time, checksum, size, last, original].map(u32::to_le_bytes);
                    let mut record = [0; FORMER_RECORD];
                    record.copy_from_slice(fields.as_flattened());
                    record
                });
            }
            Fault::BootUnknown => self.broken.boot = true,
            Fault::NotCreated(which) => self.device(which.into()).fails.create = true,
            Fault::NotProtected(which) => self.device(which.into()).fails.protect = true,
            Fault::NotLinked(which) => self.device(which.into()).fails.link = true,
            Fault::ExchangeRefused => self.broken.exchange = true,
            Fault::PowerFailure => self.power_failed = true,
        }
    }

    /// Changes the module that is loaded there, if one is.
    fn change(&mut self, module: Module, change: impl FnOnce(&mut Instance)) {
        if let Some(instance) = self.place(module).instance {
            change(&mut self.instances[instance]);
        }
    }
}
