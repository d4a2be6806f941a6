//! The driver's resources, read by independent readers: the version by pelite,
//! the messages by a reader that works as Windows does.

#[path = "../../build/message_table.rs"]
mod message_table;
#[path = "../../build/resource.rs"]
mod resource;
#[path = "../../build/version.rs"]
mod version;

use std::collections::HashSet;

use pelite::resources::version_info::{Language, VersionInfo};
use tcplimit_driver::Message;

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn dword(bytes: &[u8], at: usize) -> usize {
    usize::from(word(bytes, at)) | usize::from(word(bytes, at + 2)) << 16
}

fn table() -> Vec<u8> {
    message_table::encode(Message::texts().collect())
}

/// Finds a message as RtlFindMessage does: the first block with the number, then
/// entry by entry.
fn find(table: &[u8], id: u32) -> Option<String> {
    let id = id as usize;
    let block = (0..dword(table, 0))
        .map(|block| 4 + 12 * block)
        .find(|&at| (dword(table, at)..=dword(table, at + 4)).contains(&id))?;
    let mut entry = dword(table, block + 8);
    for _ in dword(table, block)..id {
        entry += usize::from(word(table, entry));
    }
    assert_eq!(entry % 4, 0);
    assert_eq!(word(table, entry + 2), 0, "not ANSI");
    let end = entry + usize::from(word(table, entry));
    let text = &table[entry + 4..end];
    let length = text.iter().position(|&byte| byte == 0).expect("a NUL");
    Some(String::from_utf8_lossy(&text[..length]).into_owned())
}

#[test]
fn every_message_is_found_by_its_number_with_its_text_and_a_line_end() {
    let table = table();
    for (id, text) in Message::texts() {
        assert_eq!(find(&table, id), Some(format!("{text}\r\n")), "{id:#x}");
    }
}

#[test]
fn numbers_between_the_messages_are_not_found() {
    let table = table();
    let known: HashSet<u32> = Message::texts().map(|(id, _)| id).collect();
    for near in known
        .iter()
        .flat_map(|id| [id.wrapping_sub(1), id.wrapping_add(1), id ^ 0x4000_0000])
    {
        assert_eq!(
            find(&table, near).is_some(),
            known.contains(&near),
            "{near:#x}"
        );
    }
}

#[test]
fn the_version_reads_as_it_was_written() {
    let bytes = version::encode("12.3.45", &version::DRIVER);
    let info = VersionInfo::try_from(&bytes).expect("a version resource");
    let fixed = info.fixed().expect("its fixed part");
    for version in [fixed.dwFileVersion, fixed.dwProductVersion] {
        assert_eq!(
            (version.Major, version.Minor, version.Patch, version.Build),
            (12, 3, 45, 0)
        );
    }
    // VFT_DRV, VFT2_DRV_SYSTEM.
    assert_eq!((fixed.dwFileType, fixed.dwFileSubtype), (3, 7));

    let language = Language {
        lang_id: 0x0409,
        charset_id: 0x04B0,
    };
    assert_eq!(info.translation(), [language]);
    let mut strings = Vec::new();
    info.strings(language, |key, value| {
        strings.push((key.to_string(), value.to_string()));
    });
    let expected = [
        ("FileDescription", "tcplimit: half-open connection limit"),
        ("FileVersion", "12.3.45"),
        ("InternalName", "tcplimit"),
        ("LegalCopyright", "MIT OR Apache-2.0"),
        ("OriginalFilename", "tcplimit.sys"),
        ("ProductName", "tcplimit"),
        ("ProductVersion", "12.3.45"),
    ];
    let expected = expected.map(|(key, value)| (key.to_string(), value.to_string()));
    assert_eq!(strings, expected);
}

#[test]
fn a_file_of_resources_begins_with_an_empty_one_and_keeps_each_on_a_dword() {
    let file = resource::encode(&[
        (resource::RT_VERSION, b"five!".to_vec()),
        (resource::RT_MESSAGETABLE, b"four".to_vec()),
    ]);
    let mut found = Vec::new();
    let mut at = 0;
    while at < file.len() {
        let (length, header) = (dword(&file, at), dword(&file, at + 4));
        assert_eq!(
            (word(&file, at + 8), word(&file, at + 12)),
            (0xFFFF, 0xFFFF)
        );
        let data = file[at + header..at + header + length].to_vec();
        let (kind, name, language) = (
            word(&file, at + 10),
            word(&file, at + 14),
            word(&file, at + 22),
        );
        found.push((kind, name, language, data));
        at = (at + header + length).next_multiple_of(4);
    }
    assert_eq!(
        found,
        [
            (0, 0, 0, Vec::new()),
            (16, 1, 0x0409, b"five!".to_vec()),
            (11, 1, 0x0409, b"four".to_vec()),
        ]
    );
}
