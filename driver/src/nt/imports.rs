//! Imports from NT. `cargo xtask driver` checks the names against the exports of
//! real systems.
//!
//! No import library is needed: the linker makes the import table (raw-dylib).

use core::ffi::c_void;

use tcplimit_protocol::Status;

use super::types::{DEVICE_OBJECT, DRIVER_OBJECT, IRP, KMUTANT, OBJECT_ATTRIBUTES, UNICODE_STRING};

#[cfg_attr(
    target_arch = "x86",
    link(
        name = "ntoskrnl.exe",
        kind = "raw-dylib",
        modifiers = "+verbatim",
        import_name_type = "undecorated"
    )
)]
#[cfg_attr(
    not(target_arch = "x86"),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "system" {
    pub(super) fn ExAllocatePoolWithTag(pool: i32, bytes: usize, tag: u32) -> *mut c_void;
    pub(super) fn ExFreePoolWithTag(memory: *mut c_void, tag: u32);
    pub(super) fn IoAllocateErrorLogEntry(object: *mut c_void, size: u8) -> *mut c_void;
    pub(super) fn IoWriteErrorLogEntry(entry: *mut c_void);
    pub(super) fn IoCreateDevice(
        driver: *mut DRIVER_OBJECT,
        extension: u32,
        name: *mut UNICODE_STRING,
        kind: u32,
        characteristics: u32,
        exclusive: u8,
        device: *mut *mut DEVICE_OBJECT,
    ) -> i32;
    pub(super) fn IoDeleteDevice(device: *mut DEVICE_OBJECT);
    pub(super) fn IoCreateSymbolicLink(link: *mut UNICODE_STRING, name: *mut UNICODE_STRING)
    -> i32;
    pub(super) fn IoDeleteSymbolicLink(link: *mut UNICODE_STRING) -> i32;
    pub(super) fn KeEnterCriticalRegion();
    pub(super) fn KeLeaveCriticalRegion();
    pub(super) fn KeInitializeMutex(mutex: *mut KMUTANT, level: u32);
    pub(super) fn KeReleaseMutex(mutex: *mut KMUTANT, wait: u8) -> i32;
    pub(super) fn KeWaitForSingleObject(
        object: *mut c_void,
        reason: i32,
        mode: i8,
        alertable: u8,
        timeout: *mut i64,
    ) -> i32;
    pub(super) fn MmGetPhysicalAddress(address: *mut c_void) -> i64;
    pub(super) fn MmIsAddressValid(address: *mut c_void) -> u8;
    pub(super) fn ObOpenObjectByPointer(
        object: *mut c_void,
        attributes: u32,
        state: *mut c_void,
        access: u32,
        kind: *mut c_void,
        mode: i8,
        handle: *mut *mut c_void,
    ) -> i32;
    pub(super) fn ObReferenceObjectByName(
        name: *mut UNICODE_STRING,
        attributes: u32,
        state: *mut c_void,
        access: u32,
        kind: *mut c_void,
        mode: i8,
        context: *mut c_void,
        object: *mut *mut c_void,
    ) -> i32;
    pub(super) fn ZwClose(handle: *mut c_void) -> i32;
    pub(super) fn ZwCreateKey(
        key: *mut *mut c_void,
        access: u32,
        attributes: *mut OBJECT_ATTRIBUTES,
        index: u32,
        class: *mut UNICODE_STRING,
        options: u32,
        disposition: *mut u32,
    ) -> i32;
    pub(super) fn ZwDeleteValueKey(key: *mut c_void, name: *mut UNICODE_STRING) -> i32;
    pub(super) fn ZwFlushKey(key: *mut c_void) -> i32;
    pub(super) fn ZwOpenKey(
        key: *mut *mut c_void,
        access: u32,
        attributes: *mut OBJECT_ATTRIBUTES,
    ) -> i32;
    pub(super) fn ZwQuerySecurityObject(
        handle: *mut c_void,
        information: u32,
        descriptor: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn ZwQuerySystemInformation(
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn ZwQueryValueKey(
        key: *mut c_void,
        name: *mut UNICODE_STRING,
        class: i32,
        buffer: *mut c_void,
        length: u32,
        needed: *mut u32,
    ) -> i32;
    pub(super) fn ZwSetSecurityObject(
        handle: *mut c_void,
        information: u32,
        descriptor: *mut c_void,
    ) -> i32;
    pub(super) fn ZwSetValueKey(
        key: *mut c_void,
        name: *mut UNICODE_STRING,
        index: u32,
        kind: u32,
        data: *mut c_void,
        length: u32,
    ) -> i32;
}

// On x86 these two take their arguments in registers.
#[cfg(target_arch = "x86")]
#[link(
    name = "ntoskrnl.exe",
    kind = "raw-dylib",
    modifiers = "+verbatim",
    import_name_type = "undecorated"
)]
unsafe extern "fastcall" {
    pub(super) fn IofCompleteRequest(irp: *mut IRP, boost: i8);
    pub(super) fn ObfDereferenceObject(object: *mut c_void) -> isize;
}
#[cfg(not(target_arch = "x86"))]
#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "system" {
    pub(super) fn IofCompleteRequest(irp: *mut IRP, boost: i8);
    pub(super) fn ObfDereferenceObject(object: *mut c_void) -> isize;
}

// A variadic function, and data: both have C's linkage.
#[cfg_attr(
    target_arch = "x86",
    link(
        name = "ntoskrnl.exe",
        kind = "raw-dylib",
        modifiers = "+verbatim",
        import_name_type = "undecorated"
    )
)]
#[cfg_attr(
    not(target_arch = "x86"),
    link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")
)]
unsafe extern "C" {
    pub(super) fn DbgPrint(format: *const u8, ...) -> i32;
    static InitSafeBootMode: u32;
    static IoDriverObjectType: *mut c_void;
}

/// An NTSTATUS as a result.
pub(super) fn status(raw: i32) -> Result<(), Status> {
    Status(raw.cast_unsigned()).ok()
}

/// The type of driver objects.
pub(super) fn driver_object_type() -> *mut c_void {
    // SAFETY: NT exports this variable, a pointer to the type, and sets it before
    // any driver is loaded. (C's headers name the import's slot, so C needs a
    // `*`; a static here is the variable itself.)
    unsafe { IoDriverObjectType }
}

/// 0 unless the system was started in Safe Mode.
pub(super) fn safe_boot_mode() -> u32 {
    // SAFETY: NT exports this variable and does not change it.
    unsafe { InitSafeBootMode }
}
