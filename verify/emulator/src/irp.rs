//! Requests: what NT passes to the driver, and what it gets back.

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

/// What a system buffer holds before anything is put in.
pub(crate) const UNINITIALIZED: u8 = 0xCC;

/// What a program asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Of which device.
    pub device: Device,
    /// IRP_MJ_…
    pub major: u8,
    /// For a control code: it, the input, and the length of the output.
    pub code: u32,
    /// The input.
    pub input: Vec<u8>,
    /// Bytes of output.
    pub output: u32,
    /// For an open: a name follows the device's.
    pub named: bool,
    /// For an open: it is relative to another file.
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

    /// A control code.
    #[must_use]
    pub fn control(device: Device, code: u32, input: &[u8], output: u32) -> Request {
        Request {
            code,
            input: input.to_vec(),
            output,
            ..Request::without_parameters(device, DEVICE_CONTROL)
        }
    }

    /// Bytes of the system buffer.
    pub(crate) fn buffer_length(&self) -> u64 {
        // METHOD_BUFFERED: the longer of the two. Other methods have none.
        if self.code & 3 == 0 {
            (self.input.len() as u64).max(self.output.into())
        } else {
            0
        }
    }
}

/// How a request was completed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completed {
    /// IoStatus.Status.
    pub status: u32,
    /// What NT copies to the program: IoStatus.Information bytes.
    pub output: Vec<u8>,
}

/// A request that the driver has.
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
        // Only its length counts: the name itself is not readable.
        memory.write(object + name, &[8, 0, 8, 0]);
        memory.write_pointer(object + name + pointer, 0x10);
    }
    object
}

/// IofCompleteRequest: the request, and all that came with it, is gone.
pub(crate) fn complete(
    memory: &mut Machine,
    pending: &mut Option<PendingRequest>,
    irp: u64,
) -> Result<(), String> {
    let offsets = &Offsets::of(memory.arch()).irp;
    let pending = pending.as_mut().ok_or("no request is pending")?;
    if pending.completed.is_some() {
        return Err("it is completed already".into());
    }
    if irp != pending.irp {
        return Err(format!("{irp:X} is not the request"));
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
    // What was there before the request is nobody's.
    let behind = information.max(pending.input.min(pending.length));
    let left = to_usize(pending.length - behind);
    if left > 0 {
        let rest = memory.read(pending.buffer + behind, left);
        if rest.contains(&UNINITIALIZED) {
            return Err("the buffer was not cleared behind the input".into());
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
