//! Our device.

use core::ffi::c_void;
use core::ptr;

use tcplimit_protocol::DEVICE;
use tcplimit_xp::{Request, Win32Error};

use super::file::{GENERIC_READ, GENERIC_WRITE, OPEN_EXISTING, SHARE_ALL, open};
use super::handle::{check_bool, length};
use super::imports::DeviceIoControl;

/// Sends one request. The device is open no longer than that, because an open one prevents
/// unloading the driver.
pub(super) fn control(request: &Request<'_>, output: &mut [u8]) -> Result<usize, Win32Error> {
    let access = match request.writes {
        true => GENERIC_READ | GENERIC_WRITE,
        false => GENERIC_READ,
    };
    let device = open(DEVICE, access, SHARE_ALL, OPEN_EXISTING)?;
    let mut returned = 0;
    // SAFETY: `input` holds that many bytes, and `output` has room for that many.
    check_bool(unsafe {
        DeviceIoControl(
            device.get(),
            request.code,
            request.input.as_ptr().cast::<c_void>(),
            length(request.input.len()),
            output.as_mut_ptr().cast::<c_void>(),
            length(output.len()),
            &mut returned,
            ptr::null_mut(),
        )
    })?;
    Ok(usize::try_from(returned).unwrap_or(0))
}
