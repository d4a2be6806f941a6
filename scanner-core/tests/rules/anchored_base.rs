//! Evidence: calls through the import table land in the import table.

use scanner_core::{Evidence, Image, locate};
use specimen::{Arch, Decoys, Defect, Spec, Specimen};

use crate::edit::{address, driver, dword, put, section};
use crate::search::{assert_missing, in_file, in_memory, module, truth, without};

#[test]
fn without_an_import_table_nothing_anchors_the_base() {
    for driver in without(Defect::NoAnchor) {
        assert_missing(&driver, &[Evidence::AnchoredBase, Evidence::LocalImports]);
    }
}

/// Calls near the gates stay unchanged.
#[test]
fn calls_around_the_gates_do_not_anchor_the_base_if_others_land_elsewhere() {
    for (_, kind) in Spec::presets() {
        let spec = Spec {
            decoys: Decoys::NONE,
            gates_together: true,
            ..kind.with_text_kib(250)
        };
        let mut driver = spec.build();
        let text = *section(&driver, b".text");
        let variable = section(&driver, b".data").rva;
        for at in text.offset..text.offset + text.virtual_size - 6 {
            let place = at as usize;
            if driver.file[place..place + 2] != [0xFF, 0x15] {
                continue;
            }
            let rva = at - text.offset + text.rva;
            let mut gates = driver.truth.gates.iter();
            if gates.any(|gate| gate.abs_diff(rva) < 0x1010) {
                continue;
            }
            let operand = match spec.arch {
                Arch::X86 => driver.image_base + variable,
                Arch::X64 => variable.wrapping_sub(rva + 6),
            };
            put(&mut driver, place + 2, &operand.to_le_bytes());
        }
        assert_eq!(in_file(&driver).missing(), [Evidence::AnchoredBase]);
        assert_eq!(in_memory(&driver).missing(), [Evidence::AnchoredBase]);
    }
}

/// A driver with exactly `land` calls into the import table and `elsewhere` others.
fn with_calls(land: usize, elsewhere: usize) -> Specimen {
    let mut driver = driver();
    let text = section(&driver, b".text");
    let variable = address(&driver, section(&driver, b".data").rva);
    let mut seen = 0;
    for at in text.offset as usize..(text.offset + text.raw_size) as usize - 6 {
        if driver.file[at..at + 2] != [0xFF, 0x15] {
            continue;
        }
        let slot = dword(&driver.file, at + 2).wrapping_sub(driver.image_base);
        let lands = driver.slots.contains(&slot);
        seen += usize::from(lands);
        if !lands || seen > land + elsewhere {
            put(&mut driver, at + 1, &[0x35]);
        } else if seen > land {
            put(&mut driver, at + 2, &variable);
        }
    }
    assert!(seen >= land + elsewhere, "{seen}");
    driver
}

#[test]
fn eight_calls_and_an_eighth_of_all_must_land_in_the_import_table() {
    for (land, elsewhere, enough) in [(8, 0, true), (7, 0, false), (8, 56, true), (8, 57, false)] {
        // Fewer calls around the gates: that is other evidence.
        let missing = in_memory(&with_calls(land, elsewhere)).missing();
        let anchored = !missing.contains(&Evidence::AnchoredBase);
        assert_eq!(anchored, enough, "{land} {elsewhere}");
    }
    // Between two entries.
    let mut driver = with_calls(8, 0);
    let call = driver
        .file
        .windows(2)
        .position(|bytes| bytes == [0xFF, 0x15])
        .unwrap();
    driver.file[call + 2] ^= 2;
    let missing = in_memory(&driver).missing();
    assert!(missing.contains(&Evidence::AnchoredBase), "{missing:?}");
}

#[test]
fn sampling_stops_once_enough_calls_land() {
    for (_, kind) in Spec::presets() {
        let specimen = kind.with_text_kib(64).build();
        let image = Image::from_file(&specimen.file).unwrap();
        let located = locate(&image, module(&specimen.spec)).unwrap();
        assert_eq!(located.findings().import_calls(), 32);
    }
}

/// On x86 all operands shift with the base, all other evidence stays consistent,
/// and the shifted limit still lies in `.data`.
#[test]
fn a_flipped_bit_in_the_image_base_is_caught_by_calls_to_imports_alone() {
    let mut driver = Spec::server_2003().with_text_kib(256).build();
    assert_eq!(in_file(&driver), truth(&driver));
    let image_base = dword(&driver.file, 0x3C) as usize + 24 + 28;
    assert_eq!(dword(&driver.file, image_base), 0x1_0000);
    driver.file[image_base + 2] ^= 1;

    let data = section(&driver, b".data");
    let shifted = driver.truth.threshold + 0x1_0000;
    assert!((data.rva..data.rva + data.virtual_size - 8).contains(&shifted));

    let by_calls = [Evidence::AnchoredBase, Evidence::LocalImports];
    assert_eq!(in_file(&driver).missing(), by_calls);
}
