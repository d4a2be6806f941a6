//! The devices: names and access.

use core::ptr::{from_ref, null_mut};

use tcplimit_driver::Device;
use tcplimit_driver::access::descriptor;
use tcplimit_protocol::Status;

use super::imports::{
    IoCreateDevice, IoCreateSymbolicLink, IoDeleteDevice, IoDeleteSymbolicLink,
    ObOpenObjectByPointer, ZwClose, ZwSetSecurityObject, status,
};
use super::name::{Name, name};
use super::types::{DEVICE_OBJECT, DRIVER_OBJECT};

const FILE_DEVICE_UNKNOWN: u32 = 0x22;
/// Applies the device's access check to names behind the device's.
const FILE_DEVICE_SECURE_OPEN: u32 = 0x100;
/// OBJ_KERNEL_HANDLE.
const KERNEL_HANDLE: u32 = 0x200;
/// KPROCESSOR_MODE: KernelMode.
const KERNEL_MODE: i8 = 0;
const WRITE_DAC: u32 = 0x0004_0000;
const FILE_ALL_ACCESS: u32 = 0x001F_01FF;
const DACL_SECURITY_INFORMATION: u32 = 4;

fn device_name(device: Device) -> Name<'static> {
    match device {
        Device::Ours => name!(r"\Device\TcpLimit"),
        Device::Legacy => name!(r"\Device\TCPIP_PATCHER"),
    }
}

fn link_name(device: Device) -> Name<'static> {
    match device {
        Device::Ours => name!(r"\DosDevices\TcpLimit"),
        Device::Legacy => name!(r"\DosDevices\TCPIP_PATCHER"),
    }
}

/// Creates a device.
///
/// # Safety
/// `driver` is this driver's object.
///
/// # Errors
/// OBJECT_NAME_COLLISION if the name is taken; any other of the system.
pub(super) unsafe fn create(
    driver: *mut DRIVER_OBJECT,
    device: Device,
) -> Result<*mut DEVICE_OBJECT, Status> {
    let mut object = null_mut();
    let mut counted = device_name(device).counted();
    // SAFETY: by contract; the name outlives the call.
    status(unsafe {
        IoCreateDevice(
            driver,
            0,
            &raw mut counted,
            FILE_DEVICE_UNKNOWN,
            FILE_DEVICE_SECURE_OPEN,
            0,
            &raw mut object,
        )
    })?;
    Ok(object)
}

/// Deletes a device.
///
/// # Safety
/// `object` came from [`create`] and is not used again.
pub(super) unsafe fn delete(object: *mut DEVICE_OBJECT) {
    // SAFETY: by contract.
    unsafe { IoDeleteDevice(object) };
}

/// Gives a device the name that programs open.
///
/// # Errors
/// OBJECT_NAME_COLLISION if the name is taken; any other of the system.
pub(super) fn link(device: Device) -> Result<(), Status> {
    let mut link = link_name(device).counted();
    let mut name = device_name(device).counted();
    // SAFETY: both names outlive the call.
    status(unsafe { IoCreateSymbolicLink(&raw mut link, &raw mut name) })
}

/// Removes that name.
pub(super) fn unlink(device: Device) {
    let mut link = link_name(device).counted();
    // SAFETY: the name outlives the call. It fails only if the link is gone.
    let _ = status(unsafe { IoDeleteSymbolicLink(&raw mut link) });
}

/// The devices' security: D:P(A;;FA;;;SY)(A;;FA;;;BA).
static DEVICE_SECURITY: [u32; 22] = descriptor(FILE_ALL_ACCESS);

/// Lets only SYSTEM and Administrators open a device.
///
/// # Safety
/// `object` came from [`create`].
///
/// # Errors
/// The system's: then anyone could open the device, and it must not be used.
pub(super) unsafe fn protect(object: *mut DEVICE_OBJECT) -> Result<(), Status> {
    let mut handle = null_mut();
    // SAFETY: by contract the object exists; kernel mode needs no type.
    status(unsafe {
        ObOpenObjectByPointer(
            object.cast(),
            KERNEL_HANDLE,
            null_mut(),
            WRITE_DAC,
            null_mut(),
            KERNEL_MODE,
            &raw mut handle,
        )
    })?;
    let who = from_ref(&DEVICE_SECURITY).cast_mut().cast();
    // SAFETY: the handle is open and the descriptor complete; NT copies it.
    let done = status(unsafe { ZwSetSecurityObject(handle, DACL_SECURITY_INFORMATION, who) });
    // SAFETY: it is open, and closed once.
    let _ = status(unsafe { ZwClose(handle) });
    done
}
