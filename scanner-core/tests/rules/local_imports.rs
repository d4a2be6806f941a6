//! Evidence: calls around each gate land on entries of the import address table.

use scanner_core::Evidence;
use specimen::{Arch, Spec};

use crate::edit::{address, driver, dword, gate, put, specimens};
use crate::nearby_calls::{calls, tally};
use crate::relocated::relocations;
use crate::search::{in_file, in_memory, module, of_loaded, truth};

#[test]
fn at_each_gate_two_in_three_calls_through_pointers_must_land_in_the_import_table() {
    for built in specimens() {
        assert_eq!(in_file(&built), truth(&built));
        for gate in 0..2 {
            let mut specimen = built.clone();
            let rva = built.truth.gates[gate];
            let (mut was_refused, mut was_located) = (false, false);
            for (at, next) in calls(&built, rva, &[0xFF, 0x15]) {
                let (hits, total) = tally(&specimen, gate, Evidence::LocalImports);
                let enough = u32::from(hits) * 3 >= u32::from(total) * 2;
                let verdict = in_file(&specimen);
                if !enough {
                    // The other gate may be near too.
                    assert_eq!(verdict.missing(), [Evidence::LocalImports]);
                    was_refused = true;
                    break;
                }
                was_located |= verdict == truth(&built);
                // Between two entries.
                let value = dword(&specimen.file, at + 2).wrapping_add(1);
                let slot = match built.spec.arch {
                    Arch::X86 => value.wrapping_sub(built.image_base),
                    Arch::X64 => value.wrapping_add(next),
                };
                if built.slots.contains(&slot.wrapping_sub(1)) {
                    specimen.file[at + 2..at + 6].copy_from_slice(&value.to_le_bytes());
                }
            }
            assert!(was_refused && was_located, "{:?}", built.spec);
        }
    }
}

#[test]
fn in_a_file_for_x86_the_calls_must_be_relocated_as_well() {
    for built in specimens().filter(|built| built.spec.arch == Arch::X86) {
        let around = calls(&built, built.truth.gates[0], &[0xFF, 0x15]);
        let operands: Vec<u32> = around.iter().map(|&(_, next)| next - 4).collect();
        let mut specimen = built.clone();
        for (entry, operand) in relocations(&built) {
            if operands.contains(&operand) {
                specimen.file[entry + 1] &= 0x0F;
            }
        }
        assert_eq!(in_file(&specimen).missing(), [Evidence::LocalImports]);
        assert_eq!(in_memory(&specimen), truth(&built));
    }
}

/// The gate's first byte is at the end of the previous section.
#[test]
fn a_gate_at_the_start_of_a_section_counts_calls_of_that_section() {
    let mut driver = driver();
    let second = driver
        .sections
        .iter()
        .position(|it| it.name.starts_with(b"PAGELK"));
    let second = second.unwrap();
    let (before, section) = (driver.sections[second - 1], driver.sections[second]);
    assert!(before.name.starts_with(b"PAGE"));
    assert_eq!(before.rva + before.raw_size, section.rva);
    // Both stay in memory; the first fills its extent.
    let nt = dword(&driver.file, 0x3C) as usize;
    let table = nt + 24 + usize::from(driver.file[nt + 20]);
    for index in [second - 1, second] {
        let header = table + 40 * index;
        let flags = dword(&driver.file, header + 36) | 0x0800_0000;
        put(&mut driver, header, b"CODE");
        put(&mut driver, header + 36, &flags.to_le_bytes());
    }
    let size = table + 40 * (second - 1) + 8;
    put(&mut driver, size, &before.raw_size.to_le_bytes());
    // The previous section is full of calls, the gate's has none.
    let call = [&[0xFF, 0x15][..], &address(&driver, driver.slots[0])].concat();
    let calls = call.repeat(before.raw_size as usize / call.len());
    put(&mut driver, before.offset as usize, &calls);
    let gate = gate(&driver, driver.truth.threshold);
    let mut code = vec![0x90; section.virtual_size as usize];
    code[..gate.len()].copy_from_slice(&gate);
    put(&mut driver, section.offset as usize, &code);
    assert_eq!(tally(&driver, 2, Evidence::LocalImports), (0, 0));
    assert!(tally(&driver, 1, Evidence::LocalImports).1 > 8);
}

/// With this base each address reads as a call through a pointer, FF 15, that does
/// not land.
#[test]
fn addresses_that_read_as_calls_do_not_count() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let claimed = module(&specimen.spec);
        let at = |base| of_loaded(&specimen.load(base), claimed);
        assert_eq!(at(0x15FD_0000), truth(&specimen));
        let found = match specimen.spec.arch {
            Arch::X86 => at(0x15FF_0000).missing() == [Evidence::LocalImports],
            // Operands are relative to their instructions.
            Arch::X64 => at(0x15FF_0000) == truth(&specimen),
        };
        assert!(found, "{:?}", at(0x15FF_0000));
    }
}
