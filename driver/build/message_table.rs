//! The message table: Event Viewer's texts by number.
//!
//! Source: MESSAGE_RESOURCE_DATA in `winnt.h`.

use super::resource::align;

/// Not MESSAGE_RESOURCE_UNICODE: the texts are ASCII, which takes half the room.
const ANSI: u16 = 0;

/// Encodes a table of these numbers and texts, each with a line end, as the
/// message compiler does. A block of the table has successive numbers.
pub(crate) fn encode(mut texts: Vec<(u32, &str)>) -> Vec<u8> {
    texts.sort();
    let blocks: Vec<&[(u32, &str)]> = texts
        .chunk_by(|(before, _), (after, _)| before + 1 == *after)
        .collect();
    let mut table = Vec::new();
    dword(&mut table, blocks.len());
    let mut entries = Vec::new();
    // The count, three dwords for each block, then the entries.
    let begin = 4 + 12 * blocks.len();
    for block in blocks {
        let offset = begin + entries.len();
        for (_, text) in block {
            entry(&mut entries, text);
        }
        if let [(first, _), ..] = block
            && let [.., (last, _)] = block
        {
            table.extend(first.to_le_bytes());
            table.extend(last.to_le_bytes());
        }
        dword(&mut table, offset);
    }
    table.extend(entries);
    table
}

fn entry(entries: &mut Vec<u8>, text: &str) {
    let mut text = format!("{text}\r\n\0").into_bytes();
    align(&mut text);
    let length = u16::try_from(4 + text.len()).expect("messages are short");
    entries.extend(length.to_le_bytes());
    entries.extend(ANSI.to_le_bytes());
    entries.extend(text);
}

fn dword(table: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).expect("tables are small");
    table.extend(value.to_le_bytes());
}
