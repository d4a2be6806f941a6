//! Faults, which can happen at any moment.

use tcplimit_driver::Device;

use super::configuration::{BuildChoice, ListState, Number};
use super::instance::Instance;
use specimen::Module;

/// A fault between two calls of the driver. It lasts until the system restarts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum Fault {
    /// The module is unloaded. A referenced instance stays.
    Unloaded(Module),
    /// Its driver object can't be referenced.
    Unusable(Module),
    /// It is unloaded, and another build loaded at its base.
    Replaced(Module, BuildChoice),
    /// It is reloaded at another base.
    Moved(Module),
    /// A page of it is no longer in memory.
    PagedOut(Module, ModulePage),
    /// A page of it becomes read-only.
    Protected(Module, ModulePage),
    /// The page tables can't be read any more.
    RightsUnknown,
    /// Other software sets the limit.
    Limit(Module, Number),
    /// The number of half-open connections changes.
    HalfOpen(Module, Number),
    /// Other software overwrites a gate with a breakpoint.
    GateBroken(Module),
    /// Other software overwrites a locked update with a breakpoint.
    AtomicBroken(Module),
    /// Other software hooks a call near a gate.
    Detour(Module),
    /// A byte of the headers changes.
    Headers(Module, u16, u8),
    /// A right in the flags of a section changes.
    SectionFlags(Module, u8, SectionRight),
    /// The list of modules changes.
    Listed(ListState),
    /// No value of the service key can be read.
    SettingsUnreadable,
    /// The start mark can't be read.
    GuardUnreadable,
    /// The start mark can't be written.
    GuardUnwritable,
    /// No record can be written.
    WriteRecordFails,
    /// No record can be read.
    ReadRecordFails,
    /// A byte of a record changes.
    RecordCorrupted(Module, u8, u8),
    /// Version 0.1.0 has recorded its last write to the loaded module, and the
    /// original value.
    V0_1Record(Module, Number, Number),
    /// The boot's number can't be read.
    BootUnknown,
    /// A device can't be created.
    NotCreated(DeviceId),
    /// A device can't be protected.
    NotProtected(DeviceId),
    /// A device can't be linked.
    NotLinked(DeviceId),
    /// The exchange of the limit is refused.
    ExchangeRefused,
    /// The power fails, or Windows crashes.
    PowerFailure,
}

/// A page of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, arbitrary::Arbitrary, proptest_derive::Arbitrary)]
pub enum ModulePage {
    /// The first page.
    Headers,
    /// The page of the first gate.
    Code,
    /// The page of the limit.
    Limit,
    /// The first page of the exception table, on x64.
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
    /// The bit in the flags.
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
    /// An RVA in the page.
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
