//! Requests that NT passes to the driver, and their completion.

use tcplimit_driver::Device;

use crate::address::to_usize;
use crate::machine::{Machine, Rights};
use crate::offset::Offsets;
use crate::placement::{Arena, allocate, release};

/// IRP_MJ_CREATE.
pub const CREATE: u8 = 0x00;
/// IRP_MJ_CLOSE.
pub const CLOSE: u8 = 0x02;
/// IRP_MJ_DEVICE_CONTROL.
pub const DEVICE_CONTROL: u8 = 0x0E;
/// IRP_MJ_CLEANUP.
pub const CLEANUP: u8 = 0x12;

/// The bytes of a system buffer before its input is copied in.
pub(crate) const UNINITIALIZED: u8 = 0xCC;

/// A program's request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Device to which it is sent.
    pub device: Device,
    /// Major function code, IRP_MJ_…
    pub major: u8,
    /// The control code of IRP_MJ_DEVICE_CONTROL.
    pub code: u32,
    /// The input.
    pub input: Vec<u8>,
    /// Length of the output buffer in bytes.
    pub output: u32,
    /// For IRP_MJ_CREATE: a name follows the device's.
    pub named: bool,
    /// For IRP_MJ_CREATE: it is relative to another file.
    pub related: bool,
}

impl Request {
    /// A request without parameters.
    #[must_use]
    pub fn without_parameters(device: Device, major: u8) -> Request {
        Request {
            device,
            major,
            code: 0,
            input: Vec::new(),
            output: 0,
            named: false,
            related: false,
        }
    }

    /// An IRP_MJ_DEVICE_CONTROL request.
    #[must_use]
    pub fn control(device: Device, code: u32, input: &[u8], output: u32) -> Request {
        Request {
            code,
            input: input.to_vec(),
            output,
            ..Request::without_parameters(device, DEVICE_CONTROL)
        }
    }

    /// Length of the system buffer in bytes.
    pub(crate) fn buffer_length(&self) -> u64 {
        // METHOD_BUFFERED: the longer of input and output. Other methods have none.
        if self.code & 3 == 0 {
            (self.input.len() as u64).max(self.output.into())
        } else {
            0
        }
    }
}

/// The completion of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// IoStatus.Status.
    pub status: u32,
    /// The IoStatus.Information bytes that NT copies to the program.
    pub output: Vec<u8>,
}

/// A request that was passed to the driver.
#[derive(Debug)]
pub(crate) struct PendingRequest {
    pub(crate) irp: u64,
    pub(crate) buffer: u64,
    pub(crate) length: u64,
    pub(crate) input: u64,
    pub(crate) file: u64,
    pub(crate) completed: Option<Completed>,
}

/// The file object of a request, in a page of its own.
pub(crate) fn file_object(memory: &mut Machine, next: &mut [u64; 3], request: &Request) -> u64 {
    let [related, name, size] = Offsets::of(memory.arch()).file;
    let pointer = memory.pointer_size();
    let object = allocate(memory, next, Arena::Objects, size, Rights::Read);
    if request.related {
        memory.write_pointer(object + related, object);
    }
    if request.named {
        // Only its length matters: the name itself is not readable.
        memory.write(object + name, &[8, 0, 8, 0]);
        memory.write_pointer(object + name + pointer, 0x10);
    }
    object
}

/// IofCompleteRequest: frees the request and its buffers.
pub(crate) fn complete(
    memory: &mut Machine,
    pending: &mut Option<PendingRequest>,
    irp: u64,
) -> Result<(), String> {
    let offsets = &Offsets::of(memory.arch()).irp;
    let pending = pending.as_mut().ok_or("no request is pending")?;
    if pending.completed.is_some() {
        return Err("the request is already completed".into());
    }
    if irp != pending.irp {
        return Err(format!("{irp:X} is not the pending request"));
    }
    let status = memory.dword(irp + offsets.status);
    let information = memory.read_pointer(irp + offsets.information);
    if information > pending.length || (status >= 0x8000_0000 && information != 0) {
        return Err(format!("Information is {information}, status {status:08X}"));
    }
    let bytes = usize::try_from(information).unwrap_or(0);
    let output = match bytes {
        0 => Vec::new(),
        _ => memory.read(pending.buffer, bytes),
    };
    // The driver must not return bytes that were in the buffer before.
    let behind = information.max(pending.input.min(pending.length));
    let left = to_usize(pending.length - behind);
    if left > 0 {
        let rest = memory.read(pending.buffer + behind, left);
        if rest.contains(&UNINITIALIZED) {
            return Err("the buffer was not cleared after the input".into());
        }
    }
    pending.completed = Some(Completed { status, output });
    let (buffer, length) = (pending.buffer, pending.length);
    let irp_length = offsets.size + Offsets::of(memory.arch()).stack.size;
    release(memory, irp, irp_length);
    if buffer != 0 {
        release(memory, buffer, length);
    }
    Ok(())
}
