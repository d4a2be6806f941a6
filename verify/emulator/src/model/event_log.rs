//! The event log and the debugger.

use tcplimit_driver::Message;

use super::call_context::{Answer, Entry, Scene};
use super::irql::Irql::{Dispatch, High};
use crate::call::Value;
use crate::machine::{Kind, Rights};
use crate::offset::Offsets;
use crate::placement::{Arena, allow, disallow, release};
use crate::registry::SERVICE;
use crate::resource_audit::Written;

pub(super) const MODELS: &[Entry] = &[
    ("IoAllocateErrorLogEntry", Dispatch, allocate),
    ("IoWriteErrorLogEntry", Dispatch, write),
    ("DbgPrint", High, print),
];

/// ERROR_LOG_MAXIMUM_SIZE.
const LARGEST: u64 = 152;

fn allocate(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [object, size] = *arguments else {
        unreachable!("two arguments")
    };
    scene.is(object, scene.driver, "IoObject")?;
    // Until the log's thread has taken it, it holds on to the driver, which then
    // can't be loaded again.
    let leaving = scene.unloading && scene.kept.devices.is_empty();
    scene.expect(!leaving, "an entry when all else is gone")?;
    let registered = scene.world.registry.service == SERVICE;
    scene.expect(registered, "an entry of a source that has no texts")?;
    // EntrySize is a byte.
    let size = size & 0xFF;
    let least = u64::from(Offsets::of(scene.memory.arch()).packet);
    scene.expect((least..=LARGEST).contains(&size), "no entry is as long")?;
    if scene.world.no_log {
        return Ok(Value::Pointer(0));
    }
    let entry = scene.allocate(Arena::Pool, size, Rights::Write);
    allow(scene.memory, entry, size);
    scene.kept.packets.push((entry, size));
    Ok(Value::Pointer(entry))
}

fn write(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let entry = arguments[0];
    let mut packets = scene.kept.packets.iter();
    let Some(place) = packets.position(|&(of, _)| of == entry) else {
        return Err(scene.wrong(format!("{entry:X} is no entry")));
    };
    let (_, size) = scene.kept.packets.swap_remove(place);
    let bytes = scene
        .memory
        .read(entry, usize::try_from(size).expect("a byte"));
    let short = |at: usize| usize::from(bytes[at]) | usize::from(bytes[at + 1]) << 8;
    scene.expect(bytes[..2] == [0, 0], "MajorFunctionCode or RetryCount")?;
    let (dump, count, offset) = (short(2), short(4), short(6));
    let head = Offsets::of(scene.memory.arch()).packet as usize;
    scene.expect(dump.is_multiple_of(4), "DumpDataSize is no multiple of 4")?;
    scene.expect(
        offset >= head + dump && offset.is_multiple_of(2),
        "StringOffset",
    )?;
    let code = scene.memory.dword(entry + 12);
    let known = Message::texts().any(|(id, _)| id == code);
    scene.expect(known, "a code without a text in the message resource")?;
    let mut units = bytes.get(offset..).unwrap_or_default().chunks_exact(2);
    let mut inserts = Vec::new();
    for _ in 0..count {
        let mut insert = String::new();
        loop {
            match units.next() {
                Some([0, 0]) => break,
                Some(&[byte, 0]) if byte.is_ascii_graphic() => insert.push(char::from(byte)),
                _ => return Err(scene.wrong("an insert without an end, or no text")),
            }
        }
        inserts.push(insert);
    }
    scene.kept.events.push(Written { code, inserts });
    disallow(scene.memory, entry);
    release(scene.memory, entry, size);
    Ok(Value::Nothing)
}

fn print(scene: &mut Scene<'_>, arguments: &[u64]) -> Answer {
    let [format, text] = *arguments else {
        unreachable!("two arguments")
    };
    let kind = scene.memory.kind(format, 1);
    scene.expect(
        kind == Some(Kind::Constants),
        "a format that is no constant",
    )?;
    let format = line(scene, format)?;
    scene.expect(format == "tcplimit: %s\n", "another format")?;
    let text = line(scene, text)?;
    scene.kept.printed.push(text);
    Ok(Value::Dword(0))
}

/// DbgPrint cuts what is longer.
const LINE: u64 = 512;

fn line(scene: &Scene<'_>, at: u64) -> Result<String, crate::violation::Violation> {
    let mut text = String::new();
    for address in at..at + LINE {
        scene.readable(address, 1, "the text")?;
        match scene.memory.read(address, 1)[0] {
            0 => return Ok(text),
            byte if byte.is_ascii() => text.push(char::from(byte)),
            _ => break,
        }
    }
    Err(scene.wrong("a text without an end, or no text"))
}
