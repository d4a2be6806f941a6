//! Evidence: calls around each gate land on entries of the import address table.

use scanner_core::Evidence;
use specimen::{Arch, Spec};

use crate::edit::{dword, specimens};
use crate::search::{in_file, module, of_loaded, truth};
use crate::surroundings::{calls, tally};

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
                    // The other gate may be as near.
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

/// At such a base each address reads as a call through a pointer, FF 15, that
/// lands nowhere.
#[test]
fn where_addresses_read_as_calls_the_limit_is_not_found() {
    for (_, spec) in Spec::kinds() {
        let specimen = spec.build();
        let claimed = module(&specimen.spec);
        let at = |base| of_loaded(&specimen.load(base), claimed);
        assert_eq!(at(0x15FD_0000), truth(&specimen));
        let found = match specimen.spec.arch {
            Arch::X86 => at(0x15FF_0000).missing() == [Evidence::LocalImports],
            // Operands count from their instructions.
            Arch::X64 => at(0x15FF_0000) == truth(&specimen),
        };
        assert!(found, "{:?}", at(0x15FF_0000));
    }
}
