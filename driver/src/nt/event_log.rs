//! The event log and the debugger.

use core::mem::offset_of;

use tcplimit_driver::{Event, Text};

use super::imports::{DbgPrint, IoAllocateErrorLogEntry, IoWriteErrorLogEntry};
use super::types::{DRIVER_OBJECT, IO_ERROR_LOG_PACKET};

/// The longest insert in characters, with its NUL: `4294967295`.
const INSERT: usize = 12;
/// The inserts of a message: `%2` to `%5`.
const INSERTS: usize = 4;
/// Offset of the inserts: a packet without dump data ends there.
const STRINGS: usize = offset_of!(IO_ERROR_LOG_PACKET, DumpData);
/// Bytes of a packet. The maximum is 152 on every version.
const PACKET: usize = STRINGS + INSERTS * INSERT * 2;
const _: () = assert!(PACKET <= 152 && PACKET >= size_of::<IO_ERROR_LOG_PACKET>());

/// Prints an event to the debugger, if there is one.
pub(super) fn print(event: &Event) {
    let mut buffer = [0; 256];
    let mut text = Text::new(&mut buffer);
    event.write(&mut text);
    let text = text.finish();
    // SAFETY: the format takes one pointer to text that ends in a NUL.
    unsafe { DbgPrint(c"tcplimit: %s\n".as_ptr().cast(), text.as_ptr()) };
}

/// Writes an event to the event log. Without memory for the entry it is lost.
///
/// # Safety
/// `driver` is this driver's object.
pub(super) unsafe fn write(driver: *mut DRIVER_OBJECT, event: &Event) {
    // SAFETY: by contract.
    let packet = unsafe { IoAllocateErrorLogEntry(driver.cast(), PACKET as u8) };
    if packet.is_null() {
        return;
    }
    let header = packet.cast::<IO_ERROR_LOG_PACKET>();
    // SAFETY: the entry is ours until it is written, `PACKET` bytes long and
    // aligned for the packet that it begins with; zeros are valid in it.
    unsafe { packet.cast::<u8>().write_bytes(0, PACKET) };
    // SAFETY: as above, and nothing else refers to it.
    let fields = unsafe { &mut *header };
    fields.NumberOfStrings = INSERTS as u16;
    fields.StringOffset = STRINGS as u16;
    fields.ErrorCode = event.message.id().cast_signed();

    let mut at = packet.cast::<u8>().wrapping_add(STRINGS).cast::<u16>();
    for index in 0..INSERTS {
        let mut buffer = [0; INSERT];
        let mut text = Text::new(&mut buffer);
        event.insert(index, &mut text);
        for &byte in text.finish() {
            // SAFETY: `INSERTS` strings of at most `INSERT` characters fit
            // behind the header, which ends at an even offset.
            unsafe { at.write(u16::from(byte)) };
            at = at.wrapping_add(1);
        }
    }
    // SAFETY: the entry came from IoAllocateErrorLogEntry; the call takes it.
    unsafe { IoWriteErrorLogEntry(packet) };
}
