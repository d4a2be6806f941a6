//! Driver objects and requests over the structures of wdk-sys; see `objects`.

use core::mem::transmute;

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
    unsafe {
        (
            (*driver).DriverStart.cast_const().cast(),
            (*driver).DriverSize,
        )
    }
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
    // SAFETY: x64 has one calling convention; "system" and "C" both name it.
    driver.DriverUnload = Some(unsafe { transmute::<Unload, _>(unload) });
    for &kind in kinds {
        if let Some(place) = driver.MajorFunction.get_mut(usize::from(kind)) {
            // SAFETY: as above.
            *place = Some(unsafe { transmute::<Dispatch, _>(dispatch) });
        }
    }
}

/// Reads the parameters of a request.
///
/// # Safety
/// NT passed it to this driver, and it is not completed yet.
pub(super) unsafe fn request(irp: *mut IRP) -> Request {
    // SAFETY: by contract the request is ours.
    let irp = unsafe { &*irp };
    // SAFETY: this member of the union is in use while a driver owns the request.
    let overlay = unsafe { &irp.Tail.Overlay };
    // SAFETY: as above.
    let stack = unsafe {
        overlay
            .__bindgen_anon_2
            .__bindgen_anon_1
            .CurrentStackLocation
    };
    // SAFETY: NT filled in the current stack location.
    let stack = unsafe { &*stack };
    let mut request = Request::new(stack.MajorFunction);
    match request.major {
        IRP_MJ_CREATE => {
            // SAFETY: an open always comes with the file object that it makes.
            let file = unsafe { &*stack.FileObject };
            request.relative = file.FileName.Length != 0 || !file.RelatedFileObject.is_null();
        }
        IRP_MJ_DEVICE_CONTROL => {
            // SAFETY: these members belong to this kind of request.
            let (control, buffer) = unsafe {
                (
                    &stack.Parameters.DeviceIoControl,
                    irp.AssociatedIrp.SystemBuffer,
                )
            };
            request.control(
                control.IoControlCode,
                control.InputBufferLength,
                control.OutputBufferLength,
                buffer.cast(),
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
        (*irp).IoStatus.__bindgen_anon_1.Status = status.0.cast_signed();
        (*irp).IoStatus.Information = information as _;
    }
    // SAFETY: by contract. No priority boost, since no device was waited for.
    unsafe { IofCompleteRequest(irp, 0) };
}
