//! The driver's view of the system: everything that is not a decision.

use scanner_core::policy::{PageFacts, WritePermit};
use scanner_core::{Arch, Module, Rva};
use tcplimit_protocol::{Status, setting};

use crate::event::Event;
#[cfg(doc)]
use crate::message::Message;

/// The system that the driver runs in. All calls are made at PASSIVE_LEVEL in
/// the caller's thread.
///
/// `nt` in the driver's program implements it over NT; `simulation` implements it
/// with injected faults.
pub trait Kernel {
    /// A module that stays in memory while this value lives.
    type ModuleRef: ModuleRef;

    /// The system's processor; its modules must be built for it.
    const ARCH: Arch;

    /// Creates a device, without a name that programs can open.
    ///
    /// # Errors
    /// OBJECT_NAME_COLLISION where another driver has the name.
    fn create_device(&self, device: Device) -> Result<(), Status>;

    /// Lets only SYSTEM and Administrators open a device.
    ///
    /// # Errors
    /// The system's.
    fn protect_device(&self, device: Device) -> Result<(), Status>;

    /// Gives a device the name that programs open.
    ///
    /// # Errors
    /// OBJECT_NAME_COLLISION where another driver has the name.
    fn link_device(&self, device: Device) -> Result<(), Status>;

    /// Takes that name back.
    fn unlink_device(&self, device: Device);

    /// Deletes a device.
    fn delete_device(&self, device: Device);

    /// Finds a module by its driver object and holds on to it.
    ///
    /// # Errors
    /// OBJECT_NAME_NOT_FOUND where it is not loaded; any other where it can't
    /// be inspected.
    fn reference_module(&self, module: Module) -> Result<Self::ModuleRef, Status>;

    /// Calls `show` with every entry of the system's list of modules.
    ///
    /// # Errors
    /// If the list can't be read in full.
    fn for_each_module(&self, show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status>;

    /// Reads a number from the service key.
    ///
    /// # Errors
    /// If it exists and can't be read, or is no REG_DWORD.
    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status>;

    /// Whether the start mark is set.
    ///
    /// # Errors
    /// If that is unknown.
    fn guard(&self) -> Result<bool, Status>;

    /// Sets or removes the start mark, on disk before this returns.
    ///
    /// # Errors
    /// If the change may not be on disk.
    fn set_guard(&self, set: bool) -> Result<(), Status>;

    /// A number that identifies this boot of the system and does not change when
    /// somebody sets the clock.
    ///
    /// # Errors
    /// If that is unknown.
    fn boot_id(&self) -> Result<u64, Status>;

    /// The record written last, also by an earlier load of the driver, under any
    /// service name.
    ///
    /// # Errors
    /// If it can't be read, or others may have written it.
    fn read_record(&self, module: Module) -> Result<Option<[u8; RECORD_SIZE]>, Status>;

    /// The record that version 0.1.0 of the driver wrote under this service's
    /// name since the system started.
    ///
    /// # Errors
    /// If it can't be read.
    fn read_v0_1_record(&self, module: Module) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status>;

    /// Writes the record; it lasts until the system restarts, even without the
    /// service.
    ///
    /// # Errors
    /// If it was not written.
    fn write_record(&self, module: Module, record: &[u8; RECORD_SIZE]) -> Result<(), Status>;

    /// Whether the system was started in Safe Mode.
    fn safe_mode(&self) -> bool;

    /// Sends an event to the debugger and, if [`Message::is_logged`] and the
    /// service is the registered one, to the event log. Failures are ignored.
    fn log(&self, event: &Event);
}

/// Bytes of a module's record.
pub const RECORD_SIZE: usize = 28;
/// Bytes of a record of version 0.1.0.
pub const V0_1_RECORD_SIZE: usize = 20;

/// A module that stays in memory: its driver object is referenced until this is
/// dropped.
pub trait ModuleRef {
    /// The address of its first byte.
    fn base(&self) -> u64;

    /// Its length in memory in bytes, from its driver object.
    fn size(&self) -> u32;

    /// A range of its bytes, if it lies inside and all its pages are in memory.
    /// Only called for headers, and for code and the exception table that are
    /// never paged out or discarded.
    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]>;

    /// Facts about the page of an RVA.
    fn page_facts(&self, rva: Rva) -> PageFacts;

    /// Reads an aligned dword that may change at any time, if its page is in
    /// memory.
    fn read(&self, rva: Rva) -> Option<u32>;

    /// Replaces the permit's current value by its limit, in one instruction.
    ///
    /// # Errors
    /// If another value was found; then nothing was written.
    fn exchange(&self, permit: WritePermit) -> Result<(), ExchangeError>;
}

/// Why no exchange took place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeError {
    /// The permit is not for this module, or not for an address inside it.
    NotPermitted,
    /// This other value was found.
    Found(u32),
}

/// An entry of the system's list of modules.
#[derive(Clone, Copy, Debug)]
pub struct ModuleEntry<'a> {
    /// The path of its file, as its loader wrote it.
    pub path: &'a [u8],
    /// The address of its first byte.
    pub base: u64,
    /// Its length in memory in bytes.
    pub size: u32,
}

/// The two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `\\.\TcpLimit`.
    Ours,
    /// `\\.\TCPIP_PATCHER`, the device of the 2005 driver.
    Legacy,
}

impl Device {
    /// Both.
    pub const ALL: [Device; 2] = [Device::Ours, Device::Legacy];
}

/// A value of the service key's subkey `Parameters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `Limit`, `Limit6`: the limit to set at start.
    Limit(Module),
    /// `Expect`, `Expect6`: the limit that must be in force then, where it is
    /// not 10 and was not written by this driver.
    Expect(Module),
    /// `RestoreAtUnload`: 1 to restore the limits when the driver is unloaded.
    RestoreAtUnload,
    /// `TestOnlyAcceptUnknownRights`: 1 to write also where the page's rights
    /// are unknown. For emulators; never on a machine that matters.
    AcceptUnknownRights,
}

impl Setting {
    /// The value's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Setting::Limit(Module::Tcpip) => setting::LIMIT,
            Setting::Limit(Module::Tcpip6) => setting::LIMIT_6,
            Setting::Expect(Module::Tcpip) => setting::EXPECT,
            Setting::Expect(Module::Tcpip6) => setting::EXPECT_6,
            Setting::RestoreAtUnload => setting::RESTORE_AT_UNLOAD,
            Setting::AcceptUnknownRights => setting::ACCEPT_UNKNOWN_RIGHTS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_different_names() {
        let per_module = Module::ALL.map(|it| [Setting::Limit(it), Setting::Expect(it)]);
        let switches = [Setting::RestoreAtUnload, Setting::AcceptUnknownRights];
        let all = per_module.iter().flatten().chain(&switches);
        let names: std::collections::HashSet<_> = all.map(|it| it.name()).collect();
        assert_eq!(names.len(), 6);
    }
}
