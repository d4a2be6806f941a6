//! The event log and the debugger.

use tcplimit_driver::Message;

use super::irql::Irql::{Dispatch, High};
use super::{Answer, Entry};
use crate::call::Value;
use crate::machine::{Kind, Rights};
use crate::offset::Offsets;
use crate::placement::Arena;
use crate::registry::SERVICE;
use crate::system::System;

pub(super) const MODELS: &[Entry] = &[
    ("IoAllocateErrorLogEntry", Dispatch, allocate),
    ("IoWriteErrorLogEntry", Dispatch, write),
    ("DbgPrint", High, print),
];

/// ERROR_LOG_MAXIMUM_SIZE.
const LARGEST: u64 = 152;

/// An entry as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// ErrorCode.
    pub code: u32,
    /// The inserts, `%2` first.
    pub inserts: Vec<String>,
}

fn allocate(system: &mut System, arguments: &[u64]) -> Answer {
    let [object, size] = *arguments else {
        unreachable!("two arguments")
    };
    system.is(object, system.driver_object, "IoObject")?;
    // Until the log's thread has taken it, it holds on to the driver, which then
    // can't be loaded again.
    let leaving = system.unloading && system.kept.devices.is_empty();
    system.expect(!leaving, "an entry when all else is gone")?;
    let registered = system.world.registry.service == SERVICE;
    system.expect(registered, "an entry of a source that has no texts")?;
    // EntrySize is a byte.
    let size = size & 0xFF;
    let least = u64::from(Offsets::of(system.machine.arch()).packet);
    system.expect((least..=LARGEST).contains(&size), "no entry is as long")?;
    if system.world.no_log {
        return Ok(Value::Pointer(0));
    }
    let entry = system.allocate(Arena::Pool, size, Rights::Write);
    system.allow(entry, size);
    system.kept.packets.push((entry, size));
    Ok(Value::Pointer(entry))
}

fn write(system: &mut System, arguments: &[u64]) -> Answer {
    let entry = arguments[0];
    let mut packets = system.kept.packets.iter();
    let Some(place) = packets.position(|&(of, _)| of == entry) else {
        return Err(system.wrong(format!("{entry:X} is no entry")));
    };
    let (_, size) = system.kept.packets.swap_remove(place);
    let bytes = system
        .machine
        .read(entry, usize::try_from(size).expect("a byte"));
    let short = |at: usize| usize::from(bytes[at]) | usize::from(bytes[at + 1]) << 8;
    system.expect(bytes[..2] == [0, 0], "MajorFunctionCode or RetryCount")?;
    let (dump, count, offset) = (short(2), short(4), short(6));
    let head = Offsets::of(system.machine.arch()).packet as usize;
    system.expect(dump.is_multiple_of(4), "DumpDataSize is no multiple of 4")?;
    system.expect(
        offset >= head + dump && offset.is_multiple_of(2),
        "StringOffset",
    )?;
    let code = system.machine.dword(entry + 12);
    let known = Message::texts().any(|(id, _)| id == code);
    system.expect(known, "a code without a text in the message resource")?;
    let mut units = bytes.get(offset..).unwrap_or_default().chunks_exact(2);
    let mut inserts = Vec::new();
    for _ in 0..count {
        let mut insert = String::new();
        loop {
            match units.next() {
                Some([0, 0]) => break,
                Some(&[byte, 0]) if byte.is_ascii_graphic() => insert.push(char::from(byte)),
                _ => return Err(system.wrong("an insert without an end, or no text")),
            }
        }
        inserts.push(insert);
    }
    system.kept.events.push(Written { code, inserts });
    system.disallow(entry);
    system.release(entry, size);
    Ok(Value::Nothing)
}

fn print(system: &mut System, arguments: &[u64]) -> Answer {
    let [format, text] = *arguments else {
        unreachable!("two arguments")
    };
    let kind = system.machine.kind(format, 1);
    system.expect(
        kind == Some(Kind::Constants),
        "a format that is no constant",
    )?;
    let format = line(system, format)?;
    system.expect(format == "tcplimit: %s\n", "another format")?;
    let text = line(system, text)?;
    system.kept.printed.push(text);
    Ok(Value::Dword(0))
}

/// DbgPrint cuts what is longer.
const LINE: u64 = 512;

fn line(system: &System, at: u64) -> Result<String, crate::violation::Violation> {
    let mut text = String::new();
    for address in at..at + LINE {
        system.readable(address, 1, "the text")?;
        match system.machine.read(address, 1)[0] {
            0 => return Ok(text),
            byte if byte.is_ascii() => text.push(char::from(byte)),
            _ => break,
        }
    }
    Err(system.wrong("a text without an end, or no text"))
}
