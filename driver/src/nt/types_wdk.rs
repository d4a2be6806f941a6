//! NT's structures from Microsoft's own headers, through wdk-sys: x64, on
//! Windows with the WDK, with the feature `wdk`. The names are those of `types`.

pub(super) use wdk_sys::{
    DEVICE_OBJECT, DRIVER_OBJECT, FILE_OBJECT, IO_ERROR_LOG_PACKET, IO_STACK_LOCATION,
    IO_STATUS_BLOCK, IRP, KEY_VALUE_PARTIAL_INFORMATION, KMUTANT, OBJECT_ATTRIBUTES,
    UNICODE_STRING,
};
