//! Types of the driver's callbacks.

use super::types::{DEVICE_OBJECT, DRIVER_OBJECT, IRP};

/// Handles a request.
pub(super) type Dispatch = unsafe extern "system" fn(*mut DEVICE_OBJECT, *mut IRP) -> i32;
/// Unloads the driver.
pub(super) type Unload = unsafe extern "system" fn(*mut DRIVER_OBJECT);
