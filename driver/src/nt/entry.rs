//! The entry points that NT calls.

use core::ptr::slice_from_raw_parts_mut;
use core::slice;

use tcplimit_driver::Driver;
use tcplimit_protocol::Status;

use super::mutex::Mutex;
use super::objects::{complete, register, request};
use super::requests::{
    IRP_MJ_CLEANUP, IRP_MJ_CLOSE, IRP_MJ_CREATE, IRP_MJ_DEVICE_CONTROL, Request,
};
use super::system::Nt;
use super::types::{DEVICE_OBJECT, DRIVER_OBJECT, IRP, UNICODE_STRING};

/// The requests that the driver serves. NT refuses all others.
const SERVED: [u8; 4] = [
    IRP_MJ_CREATE,
    IRP_MJ_CLEANUP,
    IRP_MJ_CLOSE,
    IRP_MJ_DEVICE_CONTROL,
];

static SYSTEM: Driver<Nt, Mutex> = Driver::new(Nt::new(), Mutex::new());

/// Loads the driver.
///
/// # Safety
/// Called by NT, once, with this driver's object and its service key's name.
#[unsafe(no_mangle)]
pub(super) unsafe extern "system" fn DriverEntry(
    driver: *mut DRIVER_OBJECT,
    path: *const UNICODE_STRING,
) -> i32 {
    // SAFETY: NT passes a name that is valid until this returns.
    let name = unsafe { &*path };
    // SAFETY: NT's counted strings hold `Length` bytes, aligned for UTF-16.
    let name = unsafe { slice::from_raw_parts(name.Buffer, usize::from(name.Length / 2)) };
    // The next calls set every variable anew, for a system may have kept them
    // from a failed load (Wine does).
    // SAFETY: NT calls this once, and nothing was called before.
    let begun = unsafe { SYSTEM.kernel().initialize(driver, name) };
    // SAFETY: once, before any use, and a static is never moved.
    unsafe { SYSTEM.exclusion().initialize() };
    // SAFETY: `driver` is this driver's object.
    unsafe { register(driver, &SERVED, dispatch, unload) };
    let loaded = begun.and_then(|()| SYSTEM.load());
    loaded.err().unwrap_or(Status::SUCCESS).0.cast_signed()
}

/// Unloads the driver. NT calls it once no handle is open any more.
unsafe extern "system" fn unload(_driver: *mut DRIVER_OBJECT) {
    SYSTEM.unload();
}

/// Handles every request of [`SERVED`].
unsafe extern "system" fn dispatch(device: *mut DEVICE_OBJECT, irp: *mut IRP) -> i32 {
    // SAFETY: NT passes a request for this driver, which owns it until it is
    // completed.
    let Request {
        major,
        code,
        input,
        output,
        buffer,
        relative,
    } = unsafe { request(irp) };
    let (status, information) = match major {
        IRP_MJ_CREATE => (SYSTEM.open(relative), 0),
        IRP_MJ_DEVICE_CONTROL => {
            let length = if buffer.is_null() {
                0
            } else {
                input.max(output)
            };
            let buffer = if length == 0 {
                &mut []
            } else {
                // SAFETY: for METHOD_BUFFERED, which all of our codes use, NT
                // allocates a buffer as long as the longer of the two, filled
                // with the input; it is ours alone until the request is
                // completed. For codes of other methods, which a client may
                // send, `request` gives no buffer. The bytes behind the input
                // are uninitialised.
                unsafe { buffer.wrapping_add(input).write_bytes(0, length - input) };
                // SAFETY: as above; the whole buffer is initialised by now.
                unsafe { &mut *slice_from_raw_parts_mut(buffer, length) }
            };
            let device = SYSTEM.kernel().device(device);
            let done = SYSTEM.control(device, code, buffer, input, output);
            (done.status, done.information)
        }
        // Cleanup and close: handles have no state.
        _ => (Status::SUCCESS, 0),
    };
    // SAFETY: it is ours, completed once, and not touched afterwards.
    unsafe { complete(irp, status, information) };
    status.0.cast_signed()
}
