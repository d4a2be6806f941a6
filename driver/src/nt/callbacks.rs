//! What NT calls of the driver.

use super::types::{DEVICE_OBJECT, DRIVER_OBJECT, IRP};

/// For a request.
pub(super) type Dispatch = unsafe extern "system" fn(*mut DEVICE_OBJECT, *mut IRP) -> i32;
/// When the driver is to go.
pub(super) type Unload = unsafe extern "system" fn(*mut DRIVER_OBJECT);
