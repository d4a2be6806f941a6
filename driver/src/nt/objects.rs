//! Driver objects and requests: the only access to fields of NT's structures.
//!
//! With the feature `wdk`, on Windows, `objects_wdk` replaces this module.

use tcplimit_protocol::Status;

use super::callbacks::{Dispatch, Unload};
use super::imports::IofCompleteRequest;
use super::requests::{IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, Request};
use super::types::{DRIVER_OBJECT, IRP};

/// The address and length of a driver's image.
///
/// # Safety
/// `driver` points to a driver object.
pub(super) unsafe fn driver_range(driver: *const DRIVER_OBJECT) -> (*const u8, u32) {
    // SAFETY: by contract. While NT loads the driver both may still be 0, which
    // the caller checks.
    unsafe { ((*driver).DriverStart.cast(), (*driver).DriverSize) }
}

/// Registers the handlers for requests of these kinds and for unload.
///
/// # Safety
/// `driver` is this driver's object, and DriverEntry has not returned.
pub(super) unsafe fn register(
    driver: *mut DRIVER_OBJECT,
    kinds: &[u8],
    dispatch: Dispatch,
    unload: Unload,
) {
    // SAFETY: by contract nobody else uses it yet.
    let driver = unsafe { &mut *driver };
    driver.DriverUnload = Some(unload);
    for &kind in kinds {
        if let Some(place) = driver.MajorFunction.get_mut(usize::from(kind)) {
            *place = Some(dispatch);
        }
    }
}

/// Reads the parameters of a request.
///
/// # Safety
/// NT passed it to this driver, and it is not completed yet.
pub(super) unsafe fn request(irp: *mut IRP) -> Request {
    // SAFETY: by contract the request is ours, and so is its current stack
    // location, which NT filled in.
    let (irp, stack) = unsafe { (&*irp, &*(*irp).CurrentStackLocation) };
    let mut request = Request::new(stack.MajorFunction);
    match request.major {
        IRP_MJ_CREATE => {
            // SAFETY: an open always comes with the file object that it makes.
            let file = unsafe { &*stack.FileObject };
            request.relative = file.FileName.Length != 0 || !file.RelatedFileObject.is_null();
        }
        IRP_MJ_DEVICE_CONTROL => {
            request.control(
                stack.IoControlCode.value,
                stack.InputBufferLength.value,
                stack.OutputBufferLength.value,
                irp.SystemBuffer.cast(),
            );
        }
        _ => {}
    }
    request
}

/// Completes a request.
///
/// # Safety
/// NT passed it to this driver; it is not used afterwards.
pub(super) unsafe fn complete(irp: *mut IRP, status: Status, information: usize) {
    // SAFETY: by contract it is ours until it is completed.
    unsafe {
        (*irp).IoStatus.Status = status.0.cast_signed();
        (*irp).IoStatus.Information = information;
    }
    // SAFETY: by contract. No priority boost, since no device was waited for.
    unsafe { IofCompleteRequest(irp, 0) };
}
