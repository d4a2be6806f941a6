//! Rewriting of every kind of cabinet, and every reason for refusal.

use specimen::cabinet::{Cabinet as Spec, Folder, Method};

use super::block::dword;
use super::*;
use crate::cabinet::tests::contents;

const METHODS: [Method; 3] = [Method::Stored, Method::MsZip, Method::Lzx];

/// Bytes that can be compressed, but not much.
fn filler(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let bytes = (0..length).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8 & 0x3F
    });
    bytes.collect()
}

fn is_driver(name: &str) -> bool {
    name.ends_with(".sys")
}

/// Four folders, two of them with drivers that cross block boundaries.
fn spec(methods: [Method; 4]) -> Spec {
    let [a, b, c, d] = methods;
    Spec::new(vec![
        Folder::new(a, &[("a.txt", &filler(40_000, 1)), ("b.txt", b"")]),
        Folder::new(
            b,
            &[
                ("c.dll", &filler(30_000, 2)),
                ("tcpip.sys", &filler(90_000, 3)),
                ("d.dll", &filler(70_000, 4)),
            ],
        ),
        Folder::new(c, &[("e.dll", &filler(33_000, 5))]),
        Folder::new(
            d,
            &[
                ("tcpip6.sys", &filler(50_000, 6)),
                ("TCPIP.sys", &filler(1000, 7)),
            ],
        ),
    ])
}

fn reserved(spec: Spec) -> Spec {
    Spec {
        header_reserve: vec![7; 20],
        folder_reserve: 3,
        block_reserve: 8,
        ..spec
    }
}

/// The contents of the wanted members with a byte changed at either end.
fn changed(whole: &ParsedCabinet<'_>) -> Vec<Vec<u8>> {
    let contents = whole.wanted().iter().map(|wanted| {
        let mut content = wanted.content.clone();
        *content.first_mut().unwrap() ^= 0xFF;
        *content.last_mut().unwrap() ^= 0xFF;
        content
    });
    contents.collect()
}

#[test]
fn only_wanted_members_change_under_every_compression() {
    for method in METHODS {
        for other in METHODS {
            for spec in [
                spec([other, method, other, method]),
                reserved(spec([other, method, other, method])),
            ] {
                let old = spec.build();
                let whole = ParsedCabinet::of(&old, is_driver).unwrap();
                assert_eq!(whole.wanted().len(), 3);
                let changed = changed(&whole);
                let new = whole.with(&changed).unwrap();
                let mut expected = contents(&old);
                let mut next = changed.iter();
                // `contents` has the order of the folders, which is that of the table here.
                for (name, content) in &mut expected {
                    if is_driver(name) {
                        *content = Ok(next.next().unwrap().clone());
                    }
                }
                assert_eq!(contents(&new), expected, "{method:?} {other:?}");
                let again = ParsedCabinet::of(&new, is_driver).unwrap();
                assert_eq!(
                    again.remainder_hash(),
                    whole.remainder_hash(),
                    "{method:?} {other:?}"
                );
                only_folders_differ(&old, &new, &whole);
            }
        }
    }
}

/// The tables differ only in length, offsets, block counts and compression; folders without a
/// driver are the same bytes; no checksum is missing.
fn only_folders_differ(old: &[u8], new: &[u8], whole: &ParsedCabinet<'_>) {
    let again = ParsedCabinet::of(new, is_driver).unwrap();
    assert_eq!(again.tables, whole.tables);
    let mut allowed: Vec<usize> = (8..12).collect();
    for number in 0..4 {
        let entry = whole.folders.0 + number * whole.folders.1;
        allowed.extend(entry..entry + 8);
        let (before, after) = (&whole.streams[number], &again.streams[number]);
        match whole.is_wanted(number) {
            false => assert_eq!(old[before.region.clone()], new[after.region.clone()]),
            true => {
                assert_eq!(after.folder.compression, 1);
                for (&block, &same) in after.blocks.iter().zip(&before.blocks) {
                    assert_ne!(new[block..block + 4], [0; 4], "a checksum");
                    let reserve = |at: usize| at + BLOCK_HEADER..at + BLOCK_HEADER + whole.reserve;
                    assert_eq!(new[reserve(block)], old[reserve(same)]);
                }
            }
        }
    }
    for at in (0..whole.tables).filter(|at| !allowed.contains(at)) {
        assert_eq!(old[at], new[at], "at {at}");
    }
}

#[test]
fn cabinets_that_differ_outside_their_drivers_have_different_remainder_hashes() {
    let base = reserved(spec([Method::MsZip; 4]));
    let remainder_hash = |spec: &Spec| {
        ParsedCabinet::of(&spec.build(), is_driver)
            .unwrap()
            .remainder_hash()
    };
    let sound = remainder_hash(&base);
    let mut drivers = base.clone();
    drivers.folders[1].members[1].1[5] ^= 1;
    drivers.folders[3].method = Method::Lzx;
    assert_eq!(remainder_hash(&drivers), sound);
    let changes: [fn(&mut Spec); 6] = [
        |spec| spec.folders[0].members[0].1[0] ^= 1,
        |spec| spec.folders[1].members[2].1[69_999] ^= 1,
        |spec| spec.folders[2].members[0].0.push('x'),
        |spec| spec.header_reserve[3] ^= 1,
        |spec| spec.folder_reserve += 1,
        |spec| spec.folders[0].method = Method::Stored,
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut other = base.clone();
        change(&mut other);
        assert_ne!(remainder_hash(&other), sound, "{number}");
    }
    // Every byte of the tables but the length, the places and the like.
    let old = base.build();
    let whole = ParsedCabinet::of(&old, is_driver).unwrap();
    let reserve = whole.streams[1].blocks[1] + BLOCK_HEADER;
    let mut other = old.clone();
    other[reserve] ^= 1;
    other[reserve - BLOCK_HEADER] ^= 1;
    assert_ne!(
        ParsedCabinet::of(&other, is_driver)
            .unwrap()
            .remainder_hash(),
        sound
    );
}

fn rewrite_error(file: &[u8]) -> RewriteError {
    ParsedCabinet::of(file, is_driver).map(|_| ()).unwrap_err()
}

fn unsupported(file: &[u8], expected: &str) {
    match rewrite_error(file) {
        RewriteError::Unsupported(reason) if reason.contains(expected) => {}
        other => panic!("{expected}: {other:?}"),
    }
}

fn damaged(file: &[u8], expected: &str) {
    match rewrite_error(file) {
        RewriteError::Damaged(reason) if reason.contains(expected) => {}
        other => panic!("{expected}: {other:?}"),
    }
}

#[test]
fn cabinets_that_cannot_be_reproduced_are_refused() {
    let sound = spec([Method::MsZip; 4]).build();
    let with = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        file
    };
    assert!(ParsedCabinet::of(&sound, is_driver).is_ok());
    let mut behind = sound.clone();
    behind.push(0);
    unsupported(&behind, "bytes behind");
    unsupported(&with(4, &[1]), "unknown fields");
    unsupported(&with(12, &[1]), "unknown fields");
    unsupported(&with(20, &[1]), "unknown fields");
    unsupported(&with(30, &[8]), "unknown fields");
    // The second folder's method, and the first: that is not touched.
    unsupported(&with(36 + 8 + 6, &[2]), "Quantum");
    unsupported(&with(36 + 8 + 6, &[4]), "unknown");
    assert!(ParsedCabinet::of(&with(36 + 6, &[2]), is_driver).is_ok());
    let members = 36 + 4 * 8;
    unsupported(&with(members + 8, &[0xFD, 0xFF]), "continues");
    damaged(&with(members + 8, &[4, 0]), "does not have");
    // A size and an offset too large; the next member where this one lies.
    damaged(&with(members + 2, &[1]), "ends behind its folder");
    damaged(&with(members + 4, &[1]), "ends behind its folder");
    let third = members + 2 * (16 + 6);
    damaged(&with(third + 16 + 6 + 4, &[0, 0, 0, 0]), "overlaps");
    damaged(&with(36, &[0xFF]), "overlap");
    damaged(&with(36 + 4, &[1]), "overlap");
    damaged(&sound[..sound.len() - 1], "ends before its data");
    let set = Spec {
        header_reserve: Vec::new(),
        ..spec([Method::MsZip; 4])
    };
    for flag in [1, 2] {
        let mut file = set.build();
        file[30] = flag;
        file.splice(36..36, *b"a\0b\0");
        for at in [8, 16, 36 + 4, 36 + 4 + 8, 36 + 4 + 16, 36 + 4 + 24] {
            let field = dword(&file, at).unwrap() + 4;
            file[at..at + 4].copy_from_slice(&field.to_le_bytes());
        }
        unsupported(&file, "one of a set");
    }
    let mut signed = vec![0; 20];
    signed[..4].copy_from_slice(&[0, 0, 0x10, 0]);
    let spec = Spec {
        header_reserve: signed,
        ..set
    };
    unsupported(&spec.build(), "signature");
}

#[test]
fn a_wrong_checksum_is_refused_in_any_folder_and_never_repaired() {
    for methods in [[Method::MsZip; 4], [Method::Stored; 4], [Method::Lzx; 4]] {
        let sound = spec(methods).build();
        let whole = ParsedCabinet::of(&sound, is_driver).unwrap();
        for stream in &whole.streams {
            for &block in &stream.blocks {
                for at in [block, block + BLOCK_HEADER + 3] {
                    let mut file = sound.clone();
                    file[at] ^= 1;
                    damaged(&file, "checksum");
                }
            }
        }
        let without = Spec {
            no_checksums: true,
            ..spec(methods)
        }
        .build();
        let whole = ParsedCabinet::of(&without, is_driver).unwrap();
        let new = whole.with(&changed(&whole)).unwrap();
        let again = ParsedCabinet::of(&new, is_driver).unwrap();
        for (number, stream) in again.streams.iter().enumerate() {
            let states = dword(&new, stream.blocks[0]) != Some(0);
            assert_eq!(states, again.is_wanted(number));
        }
    }
}

#[test]
fn checksums_that_leave_out_reserved_bytes_stay_so() {
    let mut file = reserved(spec([Method::MsZip; 4])).build();
    let blocks: Vec<usize> = {
        let whole = ParsedCabinet::of(&file, is_driver).unwrap();
        whole
            .streams
            .iter()
            .flat_map(|stream| stream.blocks.clone())
            .collect()
    };
    for block in blocks {
        let sum = Block::at(&file, block, 8).unwrap().checksum(true);
        write_field(&mut file, block, &sum.to_le_bytes());
    }
    let whole = ParsedCabinet::of(&file, is_driver).unwrap();
    let new = whole.with(&changed(&whole)).unwrap();
    let again = ParsedCabinet::of(&new, is_driver).unwrap();
    for stream in &again.streams {
        assert!(stream.without_reserve);
        for &block in &stream.blocks {
            let sum = Block::at(&new, block, 8).unwrap().checksum(true);
            assert_eq!(dword(&new, block), Some(sum));
        }
    }
}

#[test]
fn a_member_of_another_length_is_refused() {
    let file = spec([Method::MsZip; 4]).build();
    let whole = ParsedCabinet::of(&file, is_driver).unwrap();
    let mut contents = changed(&whole);
    contents[1].push(0);
    assert!(matches!(
        whole.with(&contents),
        Err(RewriteError::Unsupported(_))
    ));
    contents.truncate(1);
    assert!(matches!(
        whole.with(&contents),
        Err(RewriteError::Unsupported(_))
    ));
}

/// Of a small cabinet every cut and every changed byte, of its data some: it is
/// refused, or it is not, and then what is rewritten differs in nothing else.
#[test]
fn damaged_cabinets_are_refused_or_rewritten_correctly() {
    let file = Spec {
        no_checksums: true,
        ..Spec::new(vec![
            Folder::new(Method::Lzx, &[("a", &filler(900, 1))]),
            Folder::new(
                Method::MsZip,
                &[
                    ("b", b"before"),
                    ("tcpip.sys", &filler(700, 2)),
                    ("c", b"behind"),
                ],
            ),
        ])
    }
    .build();
    for length in 0..file.len() {
        assert!(
            ParsedCabinet::of(&file[..length], is_driver).is_err(),
            "{length}"
        );
    }
    let (mut rewritten, mut refused) = (0, 0);
    for at in 0..file.len() {
        for change in [0x01, 0x80, 0xFF] {
            let mut file = file.clone();
            file[at] ^= change;
            let Ok(whole) = ParsedCabinet::of(&file, is_driver) else {
                refused += 1;
                continue;
            };
            let changed: Vec<Vec<u8>> = whole
                .wanted()
                .iter()
                .map(|wanted| vec![7; wanted.content.len()])
                .collect();
            let new = whole.with(&changed).unwrap();
            let again = ParsedCabinet::of(&new, is_driver).unwrap();
            assert_eq!(
                again.remainder_hash(),
                whole.remainder_hash(),
                "{at} {change}"
            );
            assert!(
                again
                    .wanted()
                    .iter()
                    .map(|wanted| &wanted.content)
                    .eq(&changed)
            );
            rewritten += 1;
        }
    }
    assert!(rewritten > 100 && refused > 100, "{rewritten} {refused}");
}
