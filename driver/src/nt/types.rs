//! NT's structures, as far as they are used: the names are from `wdm.h`,
//! `ntddk.h` and `ntifs.h`, and `layout` checks the offset of each field. Fields
//! named `_` and a number are unused.

#![allow(non_snake_case, non_camel_case_types)]

use core::ffi::c_void;

/// Unused words of a pointer's length.
type Words<const N: usize> = [usize; N];

#[repr(C)]
pub(in crate::nt) struct UNICODE_STRING {
    /// Bytes, not characters.
    pub(in crate::nt) Length: u16,
    pub(in crate::nt) MaximumLength: u16,
    pub(in crate::nt) Buffer: *mut u16,
}

#[repr(C)]
pub(in crate::nt) struct DRIVER_OBJECT {
    _0: [u16; 2],
    pub(in crate::nt) DeviceObject: *mut DEVICE_OBJECT,
    _1: u32,
    pub(in crate::nt) DriverStart: *mut c_void,
    pub(in crate::nt) DriverSize: u32,
    pub(in crate::nt) DriverSection: *mut c_void,
    _2: *mut c_void,
    _3: UNICODE_STRING,
    _4: Words<4>,
    pub(in crate::nt) DriverUnload: Option<unsafe extern "system" fn(*mut DRIVER_OBJECT)>,
    pub(in crate::nt) MajorFunction:
        [Option<unsafe extern "system" fn(*mut DEVICE_OBJECT, *mut IRP) -> i32>; 28],
}

/// Only pointed to; `layout` checks the length.
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
pub(in crate::nt) struct DEVICE_OBJECT {
    _0: [u16; 2],
    _1: u32,
    _2: Words<5>,
    pub(in crate::nt) Flags: u32,
    pub(in crate::nt) Characteristics: u32,
    _3: *mut c_void,
    pub(in crate::nt) DeviceExtension: *mut c_void,
    pub(in crate::nt) DeviceType: u32,
    #[cfg(target_pointer_width = "32")]
    _4: [u8; 184 - 48],
    #[cfg(target_pointer_width = "64")]
    _4: [u8; 336 - 76],
}

#[repr(C)]
pub(in crate::nt) struct IO_STATUS_BLOCK {
    pub(in crate::nt) Status: i32,
    pub(in crate::nt) Information: usize,
}

/// Each union is flattened into the one member in use.
#[repr(C)]
pub(in crate::nt) struct IRP {
    _0: [u16; 2],
    _1: *mut c_void,
    _2: u32,
    /// AssociatedIrp.SystemBuffer.
    pub(in crate::nt) SystemBuffer: *mut c_void,
    _3: Words<2>,
    pub(in crate::nt) IoStatus: IO_STATUS_BLOCK,
    pub(in crate::nt) RequestorMode: i8,
    #[cfg(target_pointer_width = "32")]
    _4: [u8; 63],
    #[cfg(target_pointer_width = "64")]
    _4: [u8; 119],
    /// Tail.Overlay.CurrentStackLocation.
    pub(in crate::nt) CurrentStackLocation: *mut IO_STACK_LOCATION,
    #[cfg(target_pointer_width = "32")]
    _5: Words<3>,
    #[cfg(target_pointer_width = "64")]
    _5: Words<2>,
}

/// A ULONG padded to a pointer's size, as in some members of a union.
#[repr(C)]
#[derive(Clone, Copy)]
pub(in crate::nt) struct PaddedUlong {
    pub(in crate::nt) value: u32,
    #[cfg(target_pointer_width = "64")]
    _0: u32,
}

/// Parameters is flattened into that of IRP_MJ_DEVICE_CONTROL.
#[repr(C)]
pub(in crate::nt) struct IO_STACK_LOCATION {
    pub(in crate::nt) MajorFunction: u8,
    _0: [u8; size_of::<usize>() - 1],
    pub(in crate::nt) OutputBufferLength: PaddedUlong,
    pub(in crate::nt) InputBufferLength: PaddedUlong,
    pub(in crate::nt) IoControlCode: PaddedUlong,
    _1: usize,
    pub(in crate::nt) DeviceObject: *mut DEVICE_OBJECT,
    pub(in crate::nt) FileObject: *mut FILE_OBJECT,
    _2: Words<2>,
}

/// Only the first fields.
#[repr(C)]
pub(in crate::nt) struct FILE_OBJECT {
    _0: [u16; 2],
    _1: Words<7>,
    pub(in crate::nt) RelatedFileObject: *mut FILE_OBJECT,
    _2: [u8; 12],
    pub(in crate::nt) FileName: UNICODE_STRING,
}

/// A mutex object, opaque except to NT's calls.
#[repr(C)]
pub(in crate::nt) struct KMUTANT {
    _0: [u32; 2],
    _1: Words<5>,
    _2: [u8; 4],
}

#[repr(C)]
pub(in crate::nt) struct OBJECT_ATTRIBUTES {
    pub(in crate::nt) Length: u32,
    pub(in crate::nt) RootDirectory: *mut c_void,
    pub(in crate::nt) ObjectName: *mut UNICODE_STRING,
    pub(in crate::nt) Attributes: u32,
    pub(in crate::nt) SecurityDescriptor: *mut c_void,
    pub(in crate::nt) SecurityQualityOfService: *mut c_void,
}

#[repr(C)]
pub(in crate::nt) struct KEY_VALUE_PARTIAL_INFORMATION {
    pub(in crate::nt) TitleIndex: u32,
    pub(in crate::nt) Type: u32,
    pub(in crate::nt) DataLength: u32,
    pub(in crate::nt) Data: [u8; 1],
}

#[repr(C)]
pub(in crate::nt) struct IO_ERROR_LOG_PACKET {
    _0: [u8; 2],
    pub(in crate::nt) DumpDataSize: u16,
    pub(in crate::nt) NumberOfStrings: u16,
    pub(in crate::nt) StringOffset: u16,
    _1: u16,
    pub(in crate::nt) ErrorCode: i32,
    _2: [u32; 4],
    _3: i64,
    pub(in crate::nt) DumpData: [u32; 1],
}
