//! Offsets of fields in NT's structures. They repeat those of the driver's
//! `nt::layout` on purpose, so that a mistake there is noticed.

use specimen::Arch;

/// Offsets in bytes on one processor.
#[derive(Debug)]
pub struct Offsets {
    /// DRIVER_OBJECT.
    pub driver: DriverObject,
    /// IRP.
    pub irp: Irp,
    /// IO_STACK_LOCATION.
    pub stack: StackLocation,
    /// Bytes of a DEVICE_OBJECT.
    pub device_size: u64,
    /// FILE_OBJECT: RelatedFileObject, FileName, and its size.
    pub file: [u64; 3],
    /// IO_ERROR_LOG_PACKET: offset of DumpData.
    pub packet: u32,
    /// RTL_PROCESS_MODULE_INFORMATION: offset of the first, its ImageBase, ImageSize,
    /// OffsetToFileName, FullPathName, and its size.
    pub module: [usize; 6],
}

/// DRIVER_OBJECT.
#[derive(Debug)]
pub struct DriverObject {
    /// Size in bytes.
    pub size: u64,
    /// DeviceObject.
    pub device: u64,
    /// DriverStart.
    pub start: u64,
    /// DriverSize.
    pub length: u64,
    /// DriverUnload.
    pub unload: u64,
    /// MajorFunction.
    pub major: u64,
}

/// IRP.
#[derive(Debug)]
pub struct Irp {
    /// Size in bytes; stack locations follow.
    pub size: u64,
    /// AssociatedIrp.SystemBuffer.
    pub buffer: u64,
    /// IoStatus.Status.
    pub status: u64,
    /// IoStatus.Information.
    pub information: u64,
    /// RequestorMode.
    pub mode: u64,
    /// Tail.Overlay.CurrentStackLocation.
    pub stack: u64,
}

/// IO_STACK_LOCATION.
#[derive(Debug)]
pub struct StackLocation {
    /// Size in bytes.
    pub size: u64,
    /// Parameters.DeviceIoControl.OutputBufferLength.
    pub output: u64,
    /// Parameters.DeviceIoControl.InputBufferLength.
    pub input: u64,
    /// Parameters.DeviceIoControl.IoControlCode.
    pub code: u64,
    /// Parameters.DeviceIoControl.Type3InputBuffer.
    pub neither: u64,
    /// DeviceObject.
    pub device: u64,
    /// FileObject.
    pub file: u64,
}

const X86: Offsets = Offsets {
    driver: DriverObject {
        size: 168,
        device: 4,
        start: 12,
        length: 16,
        unload: 52,
        major: 56,
    },
    irp: Irp {
        size: 112,
        buffer: 12,
        status: 24,
        information: 28,
        mode: 32,
        stack: 96,
    },
    stack: StackLocation {
        size: 36,
        output: 4,
        input: 8,
        code: 12,
        neither: 16,
        device: 20,
        file: 24,
    },
    device_size: 184,
    file: [32, 48, 112],
    packet: 40,
    module: [4, 8, 12, 26, 28, 284],
};

const X64: Offsets = Offsets {
    driver: DriverObject {
        size: 336,
        device: 8,
        start: 24,
        length: 32,
        unload: 104,
        major: 112,
    },
    irp: Irp {
        size: 208,
        buffer: 24,
        status: 48,
        information: 56,
        mode: 64,
        stack: 184,
    },
    stack: StackLocation {
        size: 72,
        output: 8,
        input: 16,
        code: 24,
        neither: 32,
        device: 40,
        file: 48,
    },
    device_size: 336,
    file: [64, 88, 184],
    packet: 40,
    module: [8, 16, 24, 38, 40, 296],
};

impl Offsets {
    /// The offsets on a processor.
    #[must_use]
    pub fn of(arch: Arch) -> &'static Offsets {
        match arch {
            Arch::X86 => &X86,
            Arch::X64 => &X64,
        }
    }
}
