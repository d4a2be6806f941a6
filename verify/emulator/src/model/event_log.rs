//! The event log and the debugger.

use tcplimit_driver::Message;

use super::call_context::{CallContext, CallResult, ModelEntry};
use super::irql::Irql::{Dispatch, High};
use crate::call::ReturnValue;
use crate::machine::{MemoryKind, Rights};
use crate::offset::Offsets;
use crate::placement::{Arena, allow_writes, forbid_writes, release};
use crate::registry::SERVICE;
use crate::resource_audit::LogEntry;

pub(super) const MODELS: &[ModelEntry] = &[
    ("IoAllocateErrorLogEntry", Dispatch, allocate),
    ("IoWriteErrorLogEntry", Dispatch, write),
    ("DbgPrint", High, print),
];

/// ERROR_LOG_MAXIMUM_SIZE.
const LARGEST: u64 = 152;

fn allocate(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [object, size] = *arguments else {
        unreachable!("two arguments")
    };
    context.require_value(object, context.driver, "IoObject")?;
    // Until the log's thread has processed it, an entry references the driver,
    // which then can't be loaded again.
    let leaving = context.unloading && context.resources.devices.is_empty();
    context.require(!leaving, "an entry after the last device was deleted")?;
    let registered = context.world.registry.service == SERVICE;
    context.require(
        registered,
        "an entry under a service name without message texts",
    )?;
    // EntrySize is a byte.
    let size = size & 0xFF;
    let least = u64::from(Offsets::of(context.memory.arch()).packet);
    context.require((least..=LARGEST).contains(&size), "an invalid size")?;
    if context.world.no_log {
        return Ok(ReturnValue::Pointer(0));
    }
    let entry = context.allocate(Arena::Pool, size, Rights::Write);
    allow_writes(context.memory, entry, size);
    context.resources.packets.push((entry, size));
    Ok(ReturnValue::Pointer(entry))
}

fn write(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let entry = arguments[0];
    let mut packets = context.resources.packets.iter();
    let Some(place) = packets.position(|&(of, _)| of == entry) else {
        return Err(context.violation(format!("{entry:X} is no allocated entry")));
    };
    let (_, size) = context.resources.packets.swap_remove(place);
    let bytes = context
        .memory
        .read(entry, usize::try_from(size).expect("a byte"));
    let short = |at: usize| usize::from(bytes[at]) | usize::from(bytes[at + 1]) << 8;
    context.require(bytes[..2] == [0, 0], "MajorFunctionCode or RetryCount")?;
    let (dump, count, offset) = (short(2), short(4), short(6));
    let head = Offsets::of(context.memory.arch()).packet as usize;
    context.require(dump.is_multiple_of(4), "DumpDataSize is no multiple of 4")?;
    context.require(
        offset >= head + dump && offset.is_multiple_of(2),
        "StringOffset",
    )?;
    let code = context.memory.dword(entry + 12);
    let known = Message::texts().any(|(id, _)| id == code);
    context.require(known, "a code without a text in the message resource")?;
    let mut units = bytes.get(offset..).unwrap_or_default().chunks_exact(2);
    let mut inserts = Vec::new();
    for _ in 0..count {
        let mut insert = String::new();
        loop {
            match units.next() {
                Some([0, 0]) => break,
                Some(&[byte, 0]) if byte.is_ascii_graphic() => insert.push(char::from(byte)),
                _ => {
                    return Err(
                        context.violation("an insert that is unterminated or not ASCII text")
                    );
                }
            }
        }
        inserts.push(insert);
    }
    context.resources.events.push(LogEntry { code, inserts });
    forbid_writes(context.memory, entry);
    release(context.memory, entry, size);
    Ok(ReturnValue::Nothing)
}

fn print(context: &mut CallContext<'_>, arguments: &[u64]) -> CallResult {
    let [format, text] = *arguments else {
        unreachable!("two arguments")
    };
    let kind = context.memory.kind(format, 1);
    context.require(
        kind == Some(MemoryKind::Constants),
        "a format that is not a constant",
    )?;
    let format = line(context, format)?;
    context.require(format == "tcplimit: %s\n", "an unexpected format")?;
    let text = line(context, text)?;
    context.resources.printed.push(text);
    Ok(ReturnValue::Dword(0))
}

/// DbgPrint truncates longer lines.
const LINE: u64 = 512;

fn line(context: &CallContext<'_>, at: u64) -> Result<String, crate::violation::Violation> {
    let mut text = String::new();
    for address in at..at + LINE {
        context.require_readable(address, 1, "the text")?;
        match context.memory.read(address, 1)[0] {
            0 => return Ok(text),
            byte if byte.is_ascii() => text.push(char::from(byte)),
            _ => break,
        }
    }
    Err(context.violation("a text that is unterminated or not ASCII"))
}
