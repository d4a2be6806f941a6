//! Sizes and offsets of NT's structures, proven when the driver is built.
//!
//! The table has two readers: the macro below compares it with the structures in
//! use (ours, or wdk-sys's) for the current target, and `cargo xtask offsets`
//! compares it with mingw-w64's headers for both targets.

use core::mem::offset_of;

use super::types::*;

/// Asserts each row. A row is a structure, a field or `size`, then bytes on x86
/// and on x64. `=` precedes the field's path in C where that is longer than its
/// name; `except mingw` precedes the numbers of mingw-w64's headers where these
/// are known to be wrong; `wdk` precedes the path in wdk-sys where it has members
/// without a name in C.
macro_rules! layout {
    ($(
        $type:ident $field:ident $(= $first:ident $(. $next:ident)+)?
            $x86:literal, $x64:literal
            $(except mingw $mingw86:literal, $mingw64:literal)?
            $(wdk $anonymous:ident $(. $inner:ident)+)?;
    )*) => {
        $( layout!(
            @path $type $field
            ($($first $(. $next)+)?)
            ($($anonymous $(. $inner)+)?)
            $x86, $x64
        ); )*
    };
    // The path in the structures in use: ours are flat.
    (@path $type:ident $field:ident ($($c:tt)*) ($($wdk:tt)*) $x86:literal, $x64:literal) => {
        #[cfg(not(windows))]
        layout!(@row $type $field $x86, $x64);
        #[cfg(windows)]
        layout!(@wdk $type $field ($($c)*) ($($wdk)*) $x86, $x64);
    };
    (@wdk $type:ident $field:ident () () $x86:literal, $x64:literal) => {
        layout!(@row $type $field $x86, $x64);
    };
    (@wdk $type:ident $field:ident ($($c:tt)+) () $x86:literal, $x64:literal) => {
        layout!(@row $type $($c)+ $x86, $x64);
    };
    (@wdk $type:ident $field:ident ($($c:tt)*) ($($wdk:tt)+) $x86:literal, $x64:literal) => {
        layout!(@row $type $($wdk)+ $x86, $x64);
    };
    (@row $type:ident size $x86:literal, $x64:literal) => {
        const _: () = assert!(
            size_of::<$type>() == if cfg!(target_pointer_width = "64") { $x64 } else { $x86 },
            concat!("the size of ", stringify!($type)),
        );
    };
    (@row $type:ident $first:ident $(. $next:ident)* $x86:literal, $x64:literal) => {
        const _: () = assert!(
            offset_of!($type, $first $(. $next)*)
                == if cfg!(target_pointer_width = "64") { $x64 } else { $x86 },
            concat!("the offset of ", stringify!($type), ".", stringify!($first $(. $next)*)),
        );
    };
}

layout! {
    UNICODE_STRING size 8, 16;
    UNICODE_STRING Length 0, 0;
    UNICODE_STRING MaximumLength 2, 2;
    UNICODE_STRING Buffer 4, 8;

    OBJECT_ATTRIBUTES size 24, 48;
    OBJECT_ATTRIBUTES Length 0, 0;
    OBJECT_ATTRIBUTES RootDirectory 4, 8;
    OBJECT_ATTRIBUTES ObjectName 8, 16;
    OBJECT_ATTRIBUTES Attributes 12, 24;
    OBJECT_ATTRIBUTES SecurityDescriptor 16, 32;
    OBJECT_ATTRIBUTES SecurityQualityOfService 20, 40;

    DRIVER_OBJECT size 168, 336;
    DRIVER_OBJECT DeviceObject 4, 8;
    DRIVER_OBJECT DriverStart 12, 24;
    DRIVER_OBJECT DriverSize 16, 32;
    DRIVER_OBJECT DriverSection 20, 40;
    DRIVER_OBJECT DriverUnload 52, 104;
    DRIVER_OBJECT MajorFunction 56, 112;

    // Microsoft's headers align it to 16 bytes on x64; mingw-w64's do not.
    DEVICE_OBJECT size 184, 336 except mingw 184, 328;
    DEVICE_OBJECT Flags 28, 48;
    DEVICE_OBJECT DeviceExtension 40, 64;
    DEVICE_OBJECT DeviceType 44, 72;

    IO_STATUS_BLOCK size 8, 16;
    IO_STATUS_BLOCK Status 0, 0 wdk __bindgen_anon_1.Status;
    IO_STATUS_BLOCK Information 4, 8;

    IRP size 112, 208;
    IRP SystemBuffer = AssociatedIrp.SystemBuffer 12, 24;
    IRP IoStatus 24, 48;
    IRP RequestorMode 32, 64;
    IRP CurrentStackLocation = Tail.Overlay.CurrentStackLocation 96, 184 wdk Tail.Overlay.__bindgen_anon_2.__bindgen_anon_1.CurrentStackLocation;

    IO_STACK_LOCATION size 36, 72;
    IO_STACK_LOCATION MajorFunction 0, 0;
    IO_STACK_LOCATION OutputBufferLength = Parameters.DeviceIoControl.OutputBufferLength 4, 8;
    IO_STACK_LOCATION InputBufferLength = Parameters.DeviceIoControl.InputBufferLength 8, 16;
    IO_STACK_LOCATION IoControlCode = Parameters.DeviceIoControl.IoControlCode 12, 24;
    IO_STACK_LOCATION DeviceObject 20, 40;
    IO_STACK_LOCATION FileObject 24, 48;

    FILE_OBJECT RelatedFileObject 32, 64;
    FILE_OBJECT FileName 48, 88;

    KMUTANT size 32, 56;

    IO_ERROR_LOG_PACKET size 48, 48;
    IO_ERROR_LOG_PACKET DumpDataSize 2, 2;
    IO_ERROR_LOG_PACKET NumberOfStrings 4, 4;
    IO_ERROR_LOG_PACKET StringOffset 6, 6;
    IO_ERROR_LOG_PACKET ErrorCode 12, 12;
    IO_ERROR_LOG_PACKET DumpData 40, 40;

    KEY_VALUE_PARTIAL_INFORMATION size 16, 16;
    KEY_VALUE_PARTIAL_INFORMATION Type 4, 4;
    KEY_VALUE_PARTIAL_INFORMATION DataLength 8, 8;
    KEY_VALUE_PARTIAL_INFORMATION Data 12, 12;
}
