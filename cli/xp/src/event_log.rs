//! Event 4226 in the system event log: the limit was reached.
//!
//! Source of the layout: EVENTLOGRECORD in Microsoft's documentation of Win32.

use alloc::vec::Vec;

use zerocopy::byteorder::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use crate::os::Os;
use crate::win32_error::Win32Error;

/// EVENT_TCPIP_TCP_CONNECT_LIMIT_REACHED.
const LIMIT_REACHED: u32 = 4226;
/// The source that logs it.
const SOURCE: &str = "Tcpip";
/// `LfLe`.
const SIGNATURE: u32 = 0x654C_664C;

/// Maximum number of records to read: ten times the capacity of the log's default size.
const MAX_RECORDS: u32 = 50_000;

/// The fixed part of a record; the source's name follows, in UTF-16 with a NUL.
#[derive(FromBytes, Immutable, KnownLayout, Unaligned)]
#[repr(C)]
struct Record {
    length: U32,
    signature: U32,
    number: U32,
    generated: U32,
    _written: U32,
    event: U32,
    _kind: U16,
    _strings: [U16; 3],
    _offsets: [U32; 6],
}

const _: () = assert!(size_of::<Record>() == 56);

/// One event 4226.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LimitEvent {
    /// Seconds since 1970.
    pub(crate) at: u32,
    /// The number of its record; later records have higher numbers.
    pub(crate) number: u32,
}

/// The position up to which the log was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LogPosition {
    /// When the log was last read, in seconds since 1970.
    pub(crate) checked_at: u32,
    /// The number of the newest event's record.
    pub(crate) number: u32,
}

impl LogPosition {
    /// The events after this position, the oldest first. Clearing the log restarts its numbers.
    pub(crate) fn unseen<'a>(
        &self,
        events: &'a [LimitEvent],
    ) -> impl Iterator<Item = &'a LimitEvent> + use<'a> {
        let LogPosition { checked_at, number } = *self;
        let is_new = move |event: &&LimitEvent| event.number > number || event.at > checked_at;
        events.iter().rev().filter(is_new)
    }

    /// The position after reading at that time.
    pub(crate) fn after(self, time: u32, events: &[LimitEvent]) -> LogPosition {
        LogPosition {
            checked_at: time,
            number: events.first().map_or(self.number, |event| event.number),
        }
    }
}

/// All events since then, the newest first. Entries are in order of time unless the clock was
/// changed, so the first older one ends the search. A log that repeats itself ends where record
/// numbers stop decreasing.
pub(crate) fn limit_events_since(os: &dyn Os, since: u32) -> Result<Vec<LimitEvent>, Win32Error> {
    let mut all = Vec::new();
    let (mut last, mut left) = (u32::MAX, MAX_RECORDS);
    os.system_log(&mut |bytes| {
        let mut rest = bytes;
        while let Some((record, body, next)) = split_record(rest) {
            let number = record.number.get();
            if record.generated.get() < since || number >= last || left == 0 {
                return false;
            }
            (last, left) = (number, left - 1);
            if record.event.get() & 0xFFFF == LIMIT_REACHED && name_matches(body, SOURCE) {
                all.push(LimitEvent {
                    at: record.generated.get(),
                    number,
                });
            }
            rest = next;
        }
        // Stops at malformed records, which would be read again and again.
        rest.is_empty()
    })?;
    Ok(all)
}

/// The first record, the bytes after its fixed part, and the bytes after the record.
fn split_record(bytes: &[u8]) -> Option<(&Record, &[u8], &[u8])> {
    let (record, _) = Record::ref_from_prefix(bytes).ok()?;
    let length = usize::try_from(record.length.get()).ok()?;
    let (whole, next) = bytes.split_at_checked(length)?;
    let body = whole.get(size_of::<Record>()..)?;
    (record.signature.get() == SIGNATURE).then_some((record, body, next))
}

/// Whether a name in UTF-16 with a NUL equals this one, ignoring case.
fn name_matches(body: &[u8], name: &str) -> bool {
    let wanted = name.bytes().chain([0]);
    let units = body.chunks_exact(2).take(name.len() + 1);
    units
        .map(|unit| match unit {
            &[byte, 0] => Some(byte.to_ascii_lowercase()),
            _ => None,
        })
        .eq(wanted.map(|byte| Some(byte.to_ascii_lowercase())))
}
