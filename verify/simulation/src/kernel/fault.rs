//! What may go wrong, at any moment.

use tcplimit_driver::Device;

use super::configuration::{BuildChoice, ListState, Number};
use super::instance::Instance;
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
    Replaced(Module, BuildChoice),
    /// It is loaded anew elsewhere.
    Moved(Module),
    /// A page of it is not there any more.
    PagedOut(Module, ModulePage),
    /// A page of it is made read-only.
    Protected(Module, ModulePage),
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
    SectionFlags(Module, u8, SectionRight),
    /// The list of modules is another.
    Listed(ListState),
    /// No value of the service key can be read.
    SettingsUnreadable,
    /// The mark can't be read.
    GuardUnreadable,
    /// The mark can't be written.
    GuardUnwritable,
    /// Nothing can be remembered.
    WriteRecordFails,
    /// Nothing can be recalled.
    ReadRecordFails,
    /// What is remembered is something else.
    RecordCorrupted(Module, u8, u8),
    /// Version 0.1.0 has remembered what it wrote last to the module that is
    /// loaded, and what was there before.
    V0_1Record(Module, Number, Number),
    /// DeviceId start of the system it is can't be told.
    BootUnknown,
    /// A device can't be created.
    NotCreated(DeviceId),
    /// A device can't be protected.
    NotProtected(DeviceId),
    /// A device can't be given its name.
    NotLinked(DeviceId),
    /// What exchanges the limit refuses to.
    ExchangeRefused,
    /// The power fails, or Windows with it.
    PowerFailure,
}

/// A page of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum ModulePage {
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
pub enum SectionRight {
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

impl SectionRight {
    /// Its bit in the flags.
    pub fn bit(self) -> u32 {
        match self {
            SectionRight::Discardable => 0x0200_0000,
            SectionRight::NotPaged => 0x0800_0000,
            SectionRight::Execute => 0x2000_0000,
            SectionRight::Read => 0x4000_0000,
            SectionRight::Write => 0x8000_0000,
        }
    }
}

/// A device of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum DeviceId {
    /// `\\.\TcpLimit`.
    Ours,
    /// `\\.\TCPIP_PATCHER`.
    Legacy,
}

impl From<DeviceId> for Device {
    fn from(which: DeviceId) -> Device {
        match which {
            DeviceId::Ours => Device::Ours,
            DeviceId::Legacy => Device::Legacy,
        }
    }
}

impl ModulePage {
    /// An RVA in it.
    pub fn rva(self, module: &Instance) -> u32 {
        let truth = &module.build().specimen.truth;
        match self {
            ModulePage::Headers => 0,
            ModulePage::Code => truth.gates.first().copied().unwrap_or(0),
            ModulePage::Limit => truth.threshold,
            ModulePage::ExceptionTable => module
                .exception_table()
                .map_or(0, |table| u32::try_from(table.start).expect("an RVA")),
        }
    }
}
