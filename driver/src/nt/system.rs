//! The driver's `Kernel` over NT.

use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use scanner_core::{Arch, Module};
use tcplimit_driver::{
    Device, Event, Kernel, ModuleEntry, RECORD_SIZE, Setting, V0_1_RECORD_SIZE, is_event_source,
};
use tcplimit_protocol::{Status, setting};

use super::imports::safe_boot_mode;
use super::module::Image;
use super::name::{Name, name};
use super::registry::{BINARY, DWORD, Key};
use super::types::{DEVICE_OBJECT, DRIVER_OBJECT};
use super::{boot, device, event_log, module_list};

/// The longest name of a service key in characters. (Service names have up to
/// 256, ours has 8.)
const LONGEST_PATH: usize = 320;

/// DriverEntry's arguments, and the devices.
pub(super) struct Nt {
    driver: AtomicPtr<DRIVER_OBJECT>,
    devices: [AtomicPtr<DEVICE_OBJECT>; 2],
    path: UnsafeCell<[u16; LONGEST_PATH]>,
    path_length: AtomicUsize,
}

// SAFETY: all but `path` is atomic, and only `initialize` writes `path`, before
// any other thread can reach the driver.
unsafe impl Sync for Nt {}

impl Nt {
    /// The state before DriverEntry.
    pub(super) const fn new() -> Nt {
        Nt {
            driver: AtomicPtr::new(null_mut()),
            devices: [const { AtomicPtr::new(null_mut()) }; 2],
            path: UnsafeCell::new([0; LONGEST_PATH]),
            path_length: AtomicUsize::new(0),
        }
    }

    /// Stores DriverEntry's arguments: the service key's name is valid only until
    /// DriverEntry returns.
    ///
    /// # Safety
    /// Called once, by DriverEntry, before anything else.
    ///
    /// # Errors
    /// INVALID_PARAMETER if the name is longer than any service key's.
    pub(super) unsafe fn initialize(
        &self,
        driver: *mut DRIVER_OBJECT,
        path: &[u16],
    ) -> Result<(), Status> {
        // SAFETY: by contract this is the only reference, now and later.
        let kept = unsafe { &mut *self.path.get() };
        kept.get_mut(..path.len())
            .ok_or(Status::INVALID_PARAMETER)?
            .copy_from_slice(path);
        self.path_length.store(path.len(), Ordering::Relaxed);
        self.driver.store(driver, Ordering::Relaxed);
        for device in &self.devices {
            device.store(null_mut(), Ordering::Relaxed);
        }
        Ok(())
    }

    /// The device of a device object.
    pub(super) fn device(&self, object: *mut DEVICE_OBJECT) -> Device {
        if object == self.object(Device::Legacy).load(Ordering::Relaxed) {
            Device::Legacy
        } else {
            Device::Ours
        }
    }

    fn object(&self, device: Device) -> &AtomicPtr<DEVICE_OBJECT> {
        let [ours, legacy] = &self.devices;
        match device {
            Device::Ours => ours,
            Device::Legacy => legacy,
        }
    }

    fn driver(&self) -> *mut DRIVER_OBJECT {
        self.driver.load(Ordering::Relaxed)
    }

    fn path(&self) -> &[u16] {
        // SAFETY: it is no longer written.
        let path = unsafe { &*self.path.get() };
        let length = self.path_length.load(Ordering::Relaxed);
        path.get(..length).unwrap_or_default()
    }

    fn service_key(&self) -> Result<Key, Status> {
        Key::open(None, Name(self.path()))
    }

    fn parameters(&self) -> Result<Key, Status> {
        Key::open(Some(&self.service_key()?), name!("Parameters"))
    }
}

/// The key of the records. It is not below the service's key, which is deleted
/// with the service: programs of 2005 delete theirs after each use.
fn record_key() -> Name<'static> {
    name!(r"\Registry\Machine\System\CurrentControlSet\Control\TcpLimit")
}

/// `None` for OBJECT_NAME_NOT_FOUND.
fn optional<T>(read: Result<T, Status>) -> Result<Option<T>, Status> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(Status::OBJECT_NAME_NOT_FOUND) => Ok(None),
        Err(status) => Err(status),
    }
}

fn setting_name(setting: Setting) -> Name<'static> {
    match setting {
        Setting::Limit(Module::Tcpip) => name!(Setting::Limit(Module::Tcpip).name()),
        Setting::Limit(Module::Tcpip6) => name!(Setting::Limit(Module::Tcpip6).name()),
        Setting::Expect(Module::Tcpip) => name!(Setting::Expect(Module::Tcpip).name()),
        Setting::Expect(Module::Tcpip6) => name!(Setting::Expect(Module::Tcpip6).name()),
        Setting::RestoreAtUnload => name!(Setting::RestoreAtUnload.name()),
        Setting::AcceptUnknownRights => name!(Setting::AcceptUnknownRights.name()),
    }
}

fn record_name(module: Module) -> Name<'static> {
    match module {
        Module::Tcpip => name!("tcpip.sys"),
        Module::Tcpip6 => name!("tcpip6.sys"),
    }
}

fn guard_name() -> Name<'static> {
    name!(setting::START_PENDING)
}

impl Kernel for Nt {
    type ModuleRef = Image;

    const ARCH: Arch = if cfg!(target_arch = "x86") {
        Arch::X86
    } else {
        Arch::X64
    };

    fn create_device(&self, device: Device) -> Result<(), Status> {
        // SAFETY: `initialize` stored this driver's object.
        let object = unsafe { device::create(self.driver(), device) }?;
        self.object(device).store(object, Ordering::Relaxed);
        Ok(())
    }

    fn protect_device(&self, device: Device) -> Result<(), Status> {
        // SAFETY: the driver calls it only after `create_device`.
        unsafe { device::protect(self.object(device).load(Ordering::Relaxed)) }
    }

    fn link_device(&self, device: Device) -> Result<(), Status> {
        device::link(device)
    }

    fn unlink_device(&self, device: Device) {
        device::unlink(device);
    }

    fn delete_device(&self, device: Device) {
        let object = self.object(device).swap(null_mut(), Ordering::Relaxed);
        if !object.is_null() {
            // SAFETY: it came from `create_device`, and the swap removed it.
            unsafe { device::delete(object) };
        }
    }

    fn reference_module(&self, module: Module) -> Result<Image, Status> {
        Image::reference(module)
    }

    fn for_each_module(&self, show: impl FnMut(&ModuleEntry<'_>)) -> Result<(), Status> {
        module_list::for_each(show)
    }

    fn read_setting(&self, setting: Setting) -> Result<Option<u32>, Status> {
        let value = self
            .parameters()
            .and_then(|key| key.read(setting_name(setting), DWORD));
        Ok(optional(value)?.map(u32::from_le_bytes))
    }

    fn guard(&self) -> Result<bool, Status> {
        let mark = self
            .parameters()
            .and_then(|key| key.read::<4>(guard_name(), DWORD));
        match optional(mark) {
            // A value of another type or length is still a mark.
            Ok(Some(_)) | Err(Status::OBJECT_TYPE_MISMATCH) => Ok(true),
            Ok(None) => Ok(false),
            Err(status) => Err(status),
        }
    }

    fn set_guard(&self, set: bool) -> Result<(), Status> {
        let key = self.parameters()?;
        if set {
            key.write(guard_name(), DWORD, &1_u32.to_le_bytes())?;
        } else {
            optional(key.delete(guard_name()))?;
        }
        key.flush()
    }

    fn boot_id(&self) -> Result<u64, Status> {
        boot::boot_id()
    }

    fn read_record(&self, module: Module) -> Result<Option<[u8; RECORD_SIZE]>, Status> {
        let key = Key::open_secured(record_key());
        optional(key.and_then(|key| key.read(record_name(module), BINARY)))
    }

    fn read_v0_1_record(&self, module: Module) -> Result<Option<[u8; V0_1_RECORD_SIZE]>, Status> {
        let key = self
            .service_key()
            .and_then(|key| Key::open(Some(&key), name!("State")));
        optional(key.and_then(|key| key.read(record_name(module), BINARY)))
    }

    fn write_record(&self, module: Module, record: &[u8; RECORD_SIZE]) -> Result<(), Status> {
        Key::create_secured(record_key())?.write(record_name(module), BINARY, record)
    }

    fn safe_mode(&self) -> bool {
        safe_boot_mode() != 0
    }

    fn log(&self, event: &Event) {
        event_log::print(event);
        if !event.message.is_logged() || !is_event_source(self.path()) {
            return;
        }
        // SAFETY: `initialize` stored this driver's object.
        unsafe { event_log::write(self.driver(), event) };
    }
}
