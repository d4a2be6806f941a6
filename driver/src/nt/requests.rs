//! The parameters of a request.

use core::ptr::null_mut;

pub(super) const IRP_MJ_CREATE: u8 = 0x00;
pub(super) const IRP_MJ_CLOSE: u8 = 0x02;
pub(super) const IRP_MJ_DEVICE_CONTROL: u8 = 0x0E;
pub(super) const IRP_MJ_CLEANUP: u8 = 0x12;

/// The two lowest bits of a control code; 0 is METHOD_BUFFERED.
const METHOD: u32 = 3;

/// The parameters of a request.
pub(super) struct Request {
    /// IRP_MJ_…
    pub(super) major: u8,
    /// For a control request: the code, both lengths, and the system's buffer,
    /// which is as long as the longer of them, or null.
    pub(super) code: u32,
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) buffer: *mut u8,
    /// For an open: whether a name follows the device's, or it is relative to
    /// another file.
    pub(super) relative: bool,
}

impl Request {
    /// A request without parameters.
    pub(super) fn new(major: u8) -> Request {
        Request {
            major,
            code: 0,
            input: 0,
            output: 0,
            buffer: null_mut(),
            relative: false,
        }
    }

    /// Sets the parameters of a control request. For codes of other methods,
    /// which a client may send, the system has no buffer.
    pub(super) fn control(&mut self, code: u32, input: u32, output: u32, buffer: *mut u8) {
        self.code = code;
        if code & METHOD == 0 && !buffer.is_null() {
            self.input = input as usize;
            self.output = output as usize;
            self.buffer = buffer;
        }
    }
}
