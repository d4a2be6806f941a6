//! Requests: what NT passes to the driver, and what it gets back.

use tcplimit_driver::Device;

use crate::address::{PAGE, index};
use crate::machine::Rights;
use crate::offset::Offsets;
use crate::placement::Arena;
use crate::system::System;
use crate::violation::Violation;

/// IRP_MJ_CREATE.
pub const CREATE: u8 = 0x00;
/// IRP_MJ_CLOSE.
pub const CLOSE: u8 = 0x02;
/// IRP_MJ_DEVICE_CONTROL.
pub const DEVICE_CONTROL: u8 = 0x0E;
/// IRP_MJ_CLEANUP.
pub const CLEANUP: u8 = 0x12;

/// What a system buffer holds before anything is put in.
const FOUND: u8 = 0xCC;

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
    pub fn plain(device: Device, major: u8) -> Request {
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
            ..Request::plain(device, DEVICE_CONTROL)
        }
    }

    /// Bytes of the system buffer.
    fn buffer(&self) -> u64 {
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
pub(crate) struct Pending {
    pub(crate) irp: u64,
    pub(crate) buffer: u64,
    pub(crate) length: u64,
    pub(crate) input: u64,
    pub(crate) file: u64,
    pub(crate) completed: Option<Completed>,
}

impl System {
    /// NT passes a request to the driver.
    ///
    /// # Errors
    /// Whatever the driver does that it may not.
    pub fn send(&mut self, request: &Request) -> Result<Completed, Violation> {
        let missing = || Violation::Completion("the device is not there".into());
        let device = self.device(request.device).ok_or_else(missing)?;
        let offsets = Offsets::of(self.machine.arch());
        let (irp, stack) = (&offsets.irp, &offsets.stack);
        let file = self.file_object(request);
        let length = request.buffer();
        let buffer = match length {
            0 => 0,
            _ => {
                let buffer = self.allocate(Arena::Requests, length, Rights::Write);
                // Behind the input it is as it was found.
                self.machine.write(buffer, &vec![FOUND; index(length)]);
                self.machine.write(buffer, &request.input);
                buffer
            }
        };
        let at = self.allocate(Arena::Requests, irp.size + stack.size, Rights::Write);
        let location = at + irp.size;
        let machine = &mut self.machine;
        machine.write_word(at + irp.buffer, buffer);
        machine.write(at + irp.mode, &[1]);
        machine.write_word(at + irp.stack, location);
        machine.write(location, &[request.major]);
        match request.major {
            DEVICE_CONTROL => {
                let input = u32::try_from(request.input.len()).expect("a short input");
                machine.write(location + stack.output, &request.output.to_le_bytes());
                machine.write(location + stack.input, &input.to_le_bytes());
                machine.write(location + stack.code, &request.code.to_le_bytes());
                // Some address of the program's: nobody is to follow it.
                machine.write_word(location + stack.neither, 0x0012_F700);
            }
            // SecurityContext, Options, ShareAccess and so on: no lengths.
            _ => machine.write(location + stack.output, &[0xFF; 4]),
        }
        machine.write_word(location + stack.device, device);
        machine.write_word(location + stack.file, file);
        self.pending = Some(Pending {
            irp: at,
            buffer,
            length,
            input: request.input.len() as u64,
            file,
            completed: None,
        });
        let major = offsets.driver.major + u64::from(request.major) * self.machine.pointer();
        let dispatch = self.machine.word(self.driver_object + major);
        if dispatch == 0 {
            return Err(Violation::Completion(format!(
                "nothing serves {:02X}",
                request.major
            )));
        }
        let io_status = at + irp.status..at + irp.information + self.machine.pointer();
        let mut writable = vec![io_status];
        if buffer != 0 {
            writable.push(buffer..buffer + length);
        }
        let returned = self.call(dispatch, &[device, at], &writable)?;
        let pending = self.pending.take().expect("it was put there");
        self.machine.unmap(pending.file & !(PAGE - 1));
        let Some(completed) = pending.completed else {
            return Err(Violation::Completion("it was never completed".into()));
        };
        if returned != completed.status {
            return Err(Violation::Completion(format!(
                "{returned:08X} returned, completed with {:08X}",
                completed.status
            )));
        }
        Ok(completed)
    }

    fn file_object(&mut self, request: &Request) -> u64 {
        let [related, name, size] = Offsets::of(self.machine.arch()).file;
        let pointer = self.machine.pointer();
        let object = self.allocate(Arena::Objects, size, Rights::Read);
        if request.related {
            self.machine.write_word(object + related, object);
        }
        if request.named {
            // Only its length counts: the name itself is not readable.
            self.machine.write(object + name, &[8, 0, 8, 0]);
            self.machine.write_word(object + name + pointer, 0x10);
        }
        object
    }

    /// IofCompleteRequest: the request, and all that came with it, is gone.
    pub(crate) fn complete(&mut self, irp: u64) -> Result<(), String> {
        let offsets = &Offsets::of(self.machine.arch()).irp;
        let pending = self.pending.as_mut().ok_or("no request is pending")?;
        if pending.completed.is_some() {
            return Err("it is completed already".into());
        }
        if irp != pending.irp {
            return Err(format!("{irp:X} is not the request"));
        }
        let status = self.machine.dword(irp + offsets.status);
        let information = self.machine.word(irp + offsets.information);
        if information > pending.length || (status >= 0x8000_0000 && information != 0) {
            return Err(format!("Information is {information}, status {status:08X}"));
        }
        let bytes = usize::try_from(information).unwrap_or(0);
        let output = match bytes {
            0 => Vec::new(),
            _ => self.machine.read(pending.buffer, bytes),
        };
        // What was there before the request is nobody's.
        let behind = information.max(pending.input.min(pending.length));
        let left = index(pending.length - behind);
        if left > 0 {
            let rest = self.machine.read(pending.buffer + behind, left);
            if rest.contains(&FOUND) {
                return Err("the buffer was not cleared behind the input".into());
            }
        }
        pending.completed = Some(Completed { status, output });
        let (buffer, length) = (pending.buffer, pending.length);
        let irp_length = offsets.size + Offsets::of(self.machine.arch()).stack.size;
        self.release(irp, irp_length);
        if buffer != 0 {
            self.release(buffer, length);
        }
        Ok(())
    }
}
