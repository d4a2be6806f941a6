//! What the driver asks of the system: everything that is not a decision.

use scanner_core::policy::{PageFacts, WritePermit};
use scanner_core::{Arch, Module, Rva};
use tcplimit_protocol::{Status, setting};

use crate::event::Event;
#[cfg(doc)]
use crate::message::Message;

/// The system that the driver runs in. All calls are made at PASSIVE_LEVEL in
/// the caller's thread.
///
/// Its implementation over NT is `nt` in the driver's program; `simulation` has one
/// that injects faults.
pub trait Kernel {
    /// A module that stays in memory while this value lives.
    type ModuleRef: ModuleRef;

    /// What the system runs on; its modules must be for the same.
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
    /// be looked at.
    fn reference_module(&self, module: Module) -> Result<Self::ModuleRef, Status>;

    /// Shows every entry of the system's list of modules.
    ///
    /// # Errors
    /// When the list can't be read in full.
    fn for_each_module(&self, show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status>;

    /// Reads a number from the service key.
    ///
    /// # Errors
    /// When it is there and can't be read, or is no REG_DWORD.
    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status>;

    /// Whether the mark is set that guards the start.
    ///
    /// # Errors
    /// When that can't be told.
    fn guard(&self) -> Result<bool, Status>;

    /// Sets or takes away the mark, on disk before this returns.
    ///
    /// # Errors
    /// When the mark may not be on disk.
    fn set_guard(&self, set: bool) -> Result<(), Status>;

    /// A number for this start of the system: no other start has the same, and
    /// it stays as it is when somebody sets the clock.
    ///
    /// # Errors
    /// When that can't be told.
    fn boot_id(&self) -> Result<u64, Status>;

    /// The record that was remembered last, also by an earlier load of the
    /// driver, under whichever name.
    ///
    /// # Errors
    /// When that can't be told, or others may have written it.
    fn read_record(&self, module: Module) -> Result<Option<[u8; RECORD_SIZE]>, Status>;

    /// What version 0.1.0 of the driver remembered under this service's name
    /// since the system was started.
    ///
    /// # Errors
    /// When that can't be told.
    fn read_v0_1_record(&self, module: Module) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status>;

    /// Remembers a record until the system is restarted, whatever becomes of
    /// the service.
    ///
    /// # Errors
    /// When it was not kept.
    fn write_record(&self, module: Module, record: &[u8; RECORD_SIZE]) -> Result<(), Status>;

    /// Whether the system was started in Safe Mode.
    fn safe_mode(&self) -> bool;

    /// Tells the debugger and, where [`Message::is_logged`] says so and the
    /// service is the registered one, the event log. What can't be told is lost.
    fn log(&self, event: &Event);
}

/// Bytes of what is remembered of a module.
pub const RECORD_SIZE: usize = 28;
/// Bytes of what version 0.1.0 remembered.
pub const V0_1_RECORD_SIZE: usize = 20;

/// A module that stays in memory: the driver object that it belongs to is
/// referenced until this is dropped.
pub trait ModuleRef {
    /// Where its first byte lies.
    fn base(&self) -> u64;

    /// Its length in memory in bytes, as its driver object says.
    fn size(&self) -> u32;

    /// Bytes of it, if they lie inside of it and every page of them is in
    /// memory. Asked for headers, for code that is never paged out or discarded,
    /// and for the exception table, which is neither; for nothing else.
    fn bytes(&self, rva: Rva, length: u32) -> Option<&[u8]>;

    /// What the system says of the page that an RVA lies in.
    fn page_facts(&self, rva: Rva) -> PageFacts;

    /// Reads an aligned dword that may change at any time, if its page is in
    /// memory.
    fn read(&self, rva: Rva) -> Option<u32>;

    /// Puts the permit's limit where its current value is, in one instruction.
    ///
    /// # Errors
    /// What was found there instead, and nothing was written.
    fn exchange(&self, permit: WritePermit) -> Result<(), ExchangeError>;
}

/// Why nothing was exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExchangeError {
    /// The permit is not for this module, or not for a place inside of it.
    NotPermitted,
    /// Another value was there.
    Found(u32),
}

/// An entry of the system's list of modules.
#[derive(Clone, Copy, Debug)]
pub struct ModuleEntry<'a> {
    /// The path of its file, as whatever loaded it wrote it.
    pub path: &'a [u8],
    /// Where its first byte lies.
    pub base: u64,
    /// Its length in memory in bytes.
    pub size: u32,
}

/// The two devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// `\\.\TcpLimit`.
    Ours,
    /// `\\.\TCPIP_PATCHER`, as the driver of 2005 had it.
    Legacy,
}

impl Device {
    /// Both.
    pub const ALL: [Device; 2] = [Device::Ours, Device::Legacy];
}

/// A value of the service key's subkey `Parameters`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Setting {
    /// `Limit`, `Limit6`: what to set at start.
    Limit(Module),
    /// `Expect`, `Expect6`: the limit that must be in force then, where it is
    /// not 10 and was not written by this driver.
    Expect(Module),
    /// `RestoreAtUnload`: 1 to put the limits back when the driver is unloaded.
    RestoreAtUnload,
    /// `TestOnlyAcceptUnknownRights`: 1 to write also where the page's rights
    /// can't be told. For emulators; never on a machine that matters.
    AcceptUnknownRights,
}

impl Setting {
    /// Its name.
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
