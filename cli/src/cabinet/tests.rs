//! Cabinets, sound, hostile and unsupported.

use std::io::{Cursor, Write};

use super::*;

fn cabinet(members: &[(&str, &[u8])], compression: cab::CompressionType) -> Vec<u8> {
    let mut builder = cab::CabinetBuilder::new();
    let folder = builder.add_folder(compression);
    for (name, _) in members {
        folder.add_file(*name);
    }
    let mut writer = builder.build(Cursor::new(Vec::new())).unwrap();
    let mut contents = members.iter().map(|(_, content)| content);
    while let Some(mut file) = writer.next_file().unwrap() {
        file.write_all(contents.next().unwrap()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

pub(super) fn contents(data: &[u8]) -> Vec<(String, Result<Vec<u8>, String>)> {
    let mut all = Vec::new();
    let cabinet = Cabinet::new(&data).unwrap();
    cabinet.each(
        |_| true,
        |member, content| all.push((member.name.clone(), content)),
    );
    all
}

/// 100,000 bytes: more than three blocks.
fn long() -> Vec<u8> {
    (0..=250_u8).cycle().take(100_000).collect()
}

#[test]
fn members_are_decompressed_byte_for_byte() {
    let long = long();
    let members: [(&str, &[u8]); 4] = [
        ("a", b"hello"),
        ("b", &long),
        ("a", b"its namesake"),
        ("empty", b""),
    ];
    for compression in [cab::CompressionType::None, cab::CompressionType::MsZip] {
        let all = contents(&cabinet(&members, compression));
        assert_eq!(all.len(), members.len());
        for (name, content) in members {
            let found = (name.to_owned(), Ok(content.to_vec()));
            assert!(all.contains(&found), "{name}");
        }
    }
}

#[test]
fn only_wanted_members_are_decompressed() {
    let data = cabinet(&[("a", b"1"), ("b", b"2")], cab::CompressionType::MsZip);
    let mut names = Vec::new();
    let tables = Cabinet::new(&data).unwrap();
    tables.each(
        |name| name == "b",
        |member, _| names.push(member.name.clone()),
    );
    assert_eq!(names, ["b"]);
    assert_eq!(tables.len(), 2);
}

#[test]
fn every_cut_and_every_changed_byte_gets_an_answer() {
    let long = long();
    let data = cabinet(
        &[("a", b"hello"), ("b", &long)],
        cab::CompressionType::MsZip,
    );
    for length in 0..data.len() {
        if let Ok(cabinet) = Cabinet::new(&&data[..length]) {
            cabinet.each(|_| true, |_, _| {});
        }
    }
    for at in 0..data.len() {
        for change in [0xFF, 0x01, 0x80] {
            let mut data = data.clone();
            data[at] ^= change;
            if let Ok(cabinet) = Cabinet::new(&data) {
                cabinet.each(|_| true, |_, _| {});
            }
        }
    }
}

#[test]
fn unsupported_compression_is_named() {
    let data = cabinet(&[("a", b"hello")], cab::CompressionType::MsZip);
    // The folder's compression, and the file's folder.
    let with = |at: usize, field: [u8; 2]| {
        let mut data = data.clone();
        data[at..at + 2].copy_from_slice(&field);
        contents(&data).pop().unwrap().1.unwrap_err()
    };
    assert!(with(42, [2, 0]).contains("Quantum"));
    assert!(with(42, [9, 0]).contains("unknown"));
    assert!(with(52, [0xFE, 0xFF]).contains("another cabinet"));
    assert!(with(52, [7, 0]).contains("does not have"));
    // A size of 80 MiB.
    assert!(with(46, [0, 5]).contains("larger"));
}
