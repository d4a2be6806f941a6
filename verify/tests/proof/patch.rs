//! `tcplimit patch` on specimens: its changes, and every reason for a refusal.

use std::slice::from_ref;

use proptest::prelude::*;
use scanner_core::{Module, RelocationCoverage, Rva};
use specimen::checksum::{checksum_field, update};
use specimen::{Arch, Checksum, Defect, Extras, Spec, Specimen};
use tcplimit::patch::{Field, Refusal, apply, plan};
use verify::patching::{self, plan_patch};
use verify::property::damageable;

/// Limits at the bounds, and arbitrary ones.
fn limit() -> impl Strategy<Value = u32> {
    prop_oneof![
        prop::sample::select(vec![0, 1, 10, 50, 0xFF_FFFF, 0x100_0000, u32::MAX]),
        1..=0xFF_FFFF_u32,
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn a_sound_driver_is_patched_and_back_and_any_other_refused(spec: Spec, limit in limit()) {
        patching::patched_as_built(&spec, limit);
        // Most specs are refused.
        let sound = Spec {
            start_up: 10,
            extras: Extras { checksum: Checksum::Correct, relocations: true, ..spec.extras },
            ..spec
        };
        patching::patched_as_built(&sound, limit);
    }

    #[test]
    fn damage_under_a_right_checksum_never_moves_the_patch(
        spec: Spec,
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..=16),
        near in any::<bool>(),
    ) {
        let spec = Spec {
            extras: Extras { relocations: true, ..spec.extras },
            ..damageable(&spec, flips.len())
        };
        let specimen = spec.build();
        // Half of them in relevant bytes: headers, evidence and start-up code.
        let places: Vec<usize> = match near {
            false => (0..specimen.file.len()).collect(),
            true => {
                let evidence = specimen.truth.evidence.iter().cloned().flatten();
                specimen.truth.headers.clone().chain(evidence).collect()
            }
        };
        let flips: Vec<(usize, u8)> = flips
            .into_iter()
            .map(|(place, bits)| (*place.get(&places), bits))
            .collect();
        patching::patched_there_or_refused(&specimen, &flips, 77);
    }
}

#[test]
fn every_byte_of_the_start_up_store_matters() {
    for (name, spec) in Spec::presets() {
        let specimen = spec.with_text_kib(4).build();
        let value = specimen.value_offset();
        for at in value - 6..value + 4 {
            for bit in 0..8 {
                let mut damaged = specimen.clone();
                damaged.file[at] ^= 1 << bit;
                update(&mut damaged.file);
                let planned = plan_patch(&damaged, 77);
                // In the value only the upper byte is restricted.
                let is_value = (value..value + 3).contains(&at);
                assert_eq!(
                    planned.is_ok(),
                    is_value,
                    "{name} {at:X} {bit}: {planned:?}"
                );
            }
        }
    }
}

fn driver(arch: Arch) -> Specimen {
    match arch {
        Arch::X86 => Spec::server_2003().with_text_kib(4).build(),
        Arch::X64 => Spec::xp_x64().with_text_kib(4).build(),
    }
}

const BOTH: [Arch; 2] = [Arch::X86, Arch::X64];

/// The refusal of a driver after a change, with a corrected checksum.
fn refusal(mut driver: Specimen, change: impl FnOnce(&mut Specimen)) -> Refusal {
    assert!(
        plan_patch(&driver, 77).is_ok(),
        "it is sound before the change"
    );
    change(&mut driver);
    update(&mut driver.file);
    plan_patch(&driver, 77).expect_err("it is refused")
}

/// The file offset of the header of a section.
fn header(driver: &Specimen, name: &[u8]) -> usize {
    let mut windows = driver.file[driver.truth.headers.clone()].windows(8);
    let at = windows.position(|bytes| bytes.starts_with(name));
    at.expect("the section is there")
}

#[test]
fn no_limit_outside_the_drivers_own_range_is_written() {
    for limit in [0, 0x100_0000, u32::MAX] {
        let refused = plan_patch(&driver(Arch::X86), limit);
        assert_eq!(refused, Err(Refusal::LimitOutOfRange(limit)));
    }
    for limit in [1, 0xFF_FFFF] {
        assert!(plan_patch(&driver(Arch::X86), limit).is_ok());
    }
}

#[test]
fn no_value_outside_that_range_is_taken_for_a_limit() {
    for (value, is_limit) in [
        (0, false),
        (1, true),
        (0xFF_FFFF, true),
        (0x100_0000, false),
        (u32::MAX, false),
    ] {
        let spec = Spec {
            start_up: value,
            ..Spec::xp_sp3().with_text_kib(4)
        };
        let planned = plan_patch(&spec.build(), 77);
        match is_limit {
            true => assert_eq!(planned.map(|plan| plan.before), Ok(value)),
            false => assert_eq!(planned, Err(Refusal::ImplausibleValue(value))),
        }
    }
}

#[test]
fn an_embedded_signature_is_never_broken() {
    for (arch, directories) in [(Arch::X86, 96), (Arch::X64, 112)] {
        let signed = refusal(driver(arch), |driver| {
            let optional = checksum_field(&driver.file).unwrap() - 64;
            // The fifth entry: an offset, then the size.
            driver.file[optional + directories + 4 * 8 + 4] = 8;
        });
        assert_eq!(signed, Refusal::Signed);
    }
}

#[test]
fn a_missing_or_wrong_checksum_is_not_corrected() {
    let with = |checksum| {
        let spec = Spec::xp_sp3().with_text_kib(4);
        let extras = Extras {
            checksum,
            ..spec.extras
        };
        plan_patch(&Spec { extras, ..spec }.build(), 77)
    };
    assert_eq!(with(Checksum::Zero), Err(Refusal::NoChecksum));
    assert!(matches!(
        with(Checksum::Wrong),
        Err(Refusal::WrongChecksum(_))
    ));
    assert!(with(Checksum::Correct).is_ok());
}

#[test]
fn no_store_and_two_stores_are_refused() {
    for arch in BOTH {
        let none = refusal(driver(arch), |driver| {
            let at = driver.value_offset() - 6;
            driver.file[at] = 0x90;
        });
        assert_eq!(none, Refusal::NoStore);
        let several = refusal(driver(arch), |driver| {
            let at = driver.value_offset() - 6;
            let mut store = driver.file[at..at + 10].to_vec();
            let init = driver
                .sections
                .iter()
                .find(|section| section.name.starts_with(b"INIT"));
            let start = init.unwrap().offset as usize;
            assert!(start + 10 < at || at + 10 < start, "room for another");
            if arch == Arch::X64 {
                let distance = i32::from_le_bytes(store[2..6].try_into().unwrap());
                let further = i32::try_from(at - start).unwrap();
                store[2..6].copy_from_slice(&(distance + further).to_le_bytes());
            }
            driver.file[start..start + 10].copy_from_slice(&store);
        });
        assert_eq!(several, Refusal::SeveralStores);
    }
}

#[test]
fn a_store_in_another_section_than_init_is_refused() {
    for arch in BOTH {
        let store = driver(arch).truth.start_up_store.unwrap();
        let outside = refusal(driver(arch), |driver| {
            let at = header(driver, b"INIT");
            driver.file[at + 3] = b'X';
        });
        assert_eq!(outside, Refusal::StoreOutsideInit(Rva(store)));
    }
}

/// Removes the relocation of an RVA from the table of an x86 driver.
fn without_relocation(driver: &mut Specimen, rva: u32) {
    let named = |section: &&specimen::PlacedSection| section.name.starts_with(b".reloc");
    let table = *driver.sections.iter().find(named).unwrap();
    let (mut at, end) = (
        table.offset as usize,
        (table.offset + table.virtual_size) as usize,
    );
    let dword = |file: &[u8], at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    while at + 8 <= end {
        let (page, size) = (
            dword(&driver.file, at),
            dword(&driver.file, at + 4) as usize,
        );
        for entry in (at + 8..at + size).step_by(2) {
            let word = u16::from_le_bytes([driver.file[entry], driver.file[entry + 1]]);
            if word >> 12 == 3 && page + u32::from(word & 0xFFF) == rva {
                driver.file[entry..entry + 2].fill(0);
                return;
            }
        }
        at += size;
    }
    panic!("{rva:X} is not relocated");
}

#[test]
fn a_store_that_the_loader_would_not_adjust_is_refused() {
    let store = driver(Arch::X86).truth.start_up_store.unwrap();
    let refused = refusal(driver(Arch::X86), |driver| {
        without_relocation(driver, store + 2);
    });
    let coverage = RelocationCoverage {
        needed: 5,
        covered: 4,
    };
    assert_eq!(refused, Refusal::NotRelocated(coverage));
}

#[test]
fn a_gate_that_the_loader_would_not_adjust_is_refused() {
    let gate = driver(Arch::X86).truth.gates[0];
    let refused = refusal(driver(Arch::X86), |driver| {
        // A1 and the address of the count.
        without_relocation(driver, gate + 1);
    });
    let Refusal::Unusable { reason, .. } = refused else {
        panic!("{refused:?}");
    };
    assert!(reason.ends_with("Relocated"), "{reason}");
}

#[test]
fn without_any_one_required_fact_nothing_is_patched() {
    for kind in [Spec::server_2003(), Spec::xp_x64(), Spec::tcpip6_x86()] {
        for defect in Defect::ALL {
            let spec = Spec {
                defect: Some(defect),
                decoys: specimen::Decoys::NONE,
                ..kind.clone().with_text_kib(4)
            };
            let refused = plan_patch(&spec.build(), 77);
            assert!(
                matches!(refused, Err(Refusal::Unusable { .. })),
                "{defect:?}: {refused:?}"
            );
        }
    }
}

#[test]
fn the_file_name_must_name_the_module_unless_module_is_given() {
    let file = driver(Arch::X86).file;
    let named = |name: &str, module| plan(name, &file, module, 77).map(|plan| plan.module);
    for name in ["tcpip.sys", "C:\\x\\TCPIP.SYS", "/x/Tcpip.sy_"] {
        assert_eq!(named(name, None), Ok(Module::Tcpip), "{name}");
    }
    for (name, refusal) in [
        ("wtcpip.sys", Refusal::Renamed(Module::Tcpip)),
        ("tcpip.sys.bak", Refusal::Renamed(Module::Tcpip)),
        (
            "C:\\WINDOWS\\SYSWOW64\\drivers\\tcpip.sys",
            Refusal::SysWow64,
        ),
        ("/mnt/windows/SysWOW64/tcpip.sys", Refusal::SysWow64),
    ] {
        assert_eq!(named(name, None), Err(refusal), "{name}");
        assert_eq!(
            named(name, Some(Module::Tcpip)),
            Ok(Module::Tcpip),
            "{name}"
        );
    }
    assert!(named("tcpip6.sys", None).is_err());
    // With the wrong module, the event constant contradicts it.
    assert!(named("tcpip.sys", Some(Module::Tcpip6)).is_err());

    let nameless = Spec {
        extras: Extras {
            export: false,
            version: false,
            ..Extras::default()
        },
        ..Spec::server_2003().with_text_kib(4)
    };
    let file = nameless.build().file;
    assert_eq!(plan("a.sys", &file, None, 77), Err(Refusal::Unidentified));
    assert!(plan("a.sys", &file, Some(Module::Tcpip), 77).is_ok());
}

#[test]
fn a_plan_applies_to_one_image_only() {
    let (one, other) = (driver(Arch::X86), Spec::xp_sp3().with_text_kib(4).build());
    let planned = plan_patch(&one, 77).unwrap();
    let refused = apply("tcpip.sys", &planned, &other.file);
    assert_eq!(refused, Err(Refusal::VerificationFailed));
    // Equal bytes at equal offsets, but another store.
    let mut shifted = planned.clone();
    shifted.store = Rva(planned.store.0 + 1);
    let refused = apply("tcpip.sys", &shifted, &one.file);
    assert_eq!(refused, Err(Refusal::VerificationFailed));
}

#[test]
fn a_value_that_is_already_set_changes_nothing() {
    for (name, spec) in Spec::presets() {
        let planned = plan_patch(&spec.with_text_kib(4).build(), 10).unwrap();
        assert!(planned.changes.is_empty(), "{name}");
    }
}

#[test]
fn values_with_the_same_sum_leave_the_checksum_alone() {
    // The words of one value are those of the other, in another order.
    let (one, other) = (0x0001_0002, 0x0002_0001);
    let changed = (0..8).find_map(|seed| {
        let spec = Spec {
            seed,
            start_up: one,
            ..Spec::xp_sp3().with_text_kib(4)
        };
        let specimen = spec.build();
        let even = specimen.value_offset().is_multiple_of(2);
        even.then(|| (plan_patch(&specimen, other).unwrap(), specimen))
    });
    let (planned, specimen) = changed.expect("a store at an even place");
    let fields: Vec<Field> = planned.changes.iter().map(|change| change.field).collect();
    assert_eq!(fields, [Field::Limit]);
    let patched = apply("tcpip.sys", &planned, &specimen.file).unwrap();
    assert!(
        plan("tcpip.sys", &patched, None, one).is_ok(),
        "its checksum is right"
    );
}

#[test]
fn every_refusal_has_its_own_text_and_code() {
    let all = [
        Refusal::LimitOutOfRange(0),
        Refusal::Unidentified,
        Refusal::Renamed(Module::Tcpip),
        Refusal::SysWow64,
        Refusal::LoadedDiffers("x".to_owned()),
        Refusal::Signed,
        Refusal::NoChecksum,
        Refusal::WrongChecksum(scanner_core::Checksum {
            stated: 1,
            computed: 2,
        }),
        Refusal::NoStore,
        Refusal::SeveralStores,
        Refusal::StoreOutsideInit(Rva(1)),
        Refusal::NotRelocated(RelocationCoverage {
            needed: 2,
            covered: 1,
        }),
        Refusal::DamagedRelocations(None),
        Refusal::DamagedRelocations(Some(Rva(1))),
        Refusal::DiffersFromKnownBuild {
            build: "x".to_owned(),
            difference: "y".to_owned(),
        },
        Refusal::ImplausibleValue(0),
        Refusal::VerificationFailed,
        Refusal::SeveralMembers {
            drivers: Vec::new(),
        },
        Refusal::UnsupportedCabinet("x"),
        Refusal::HardLinked("x".to_owned(), 2),
        Refusal::InUse("x".to_owned()),
        Refusal::JournalPending("x".to_owned()),
        Refusal::ForeignBackup("x".to_owned()),
        Refusal::OutputExists("x".to_owned()),
        Refusal::ChangedMeanwhile("x".to_owned()),
        Refusal::SeveralBackups(Vec::new()),
    ];
    // For a cabinet it is the refusal of its first refused driver.
    let sound = ("x.sys".to_owned(), None);
    let inside = ("y.sys".to_owned(), Some(Refusal::NoChecksum));
    let in_cabinet = Refusal::InCabinet(vec![sound, inside]);
    assert_eq!(in_cabinet.name(), Refusal::NoChecksum.name());
    assert!(in_cabinet.to_string().starts_with("y.sys: its header"));
    assert!(!in_cabinet.is_bad_input());
    let texts: std::collections::BTreeSet<String> = all.iter().map(ToString::to_string).collect();
    let words: std::collections::BTreeSet<&str> = all.iter().map(Refusal::name).collect();
    // One refusal has two texts.
    assert_eq!((texts.len(), words.len()), (all.len(), all.len() - 1));
    // A possibly damaged file must not be loaded, so its refusal must not
    // suggest the driver. (Files in use, with several names, or changed were
    // found sound.)
    for refusal in all.iter().filter(|it| !matches!(it, Refusal::InUse(_))) {
        let text = refusal.to_string();
        assert!(!text.contains("tcplimit.sys"), "{text}");
    }
}

/// Fills a few places with bytes from elsewhere, and corrects the checksum.
fn mixed(first: &[u8], second: &[u8], parts: &[std::ops::Range<usize>]) -> Vec<u8> {
    let mut file = first.to_vec();
    for part in parts {
        let end = part.end.min(second.len()).min(file.len());
        let part = part.start.min(end)..end;
        file[part.clone()].copy_from_slice(&second[part]);
    }
    update(&mut file);
    file
}

#[test]
fn a_file_of_two_builds_is_never_patched() {
    let build = |seed, base: &Spec| {
        Spec {
            seed,
            ..base.clone().with_text_kib(16)
        }
        .build()
    };
    for kind in [Spec::xp_sp3(), Spec::server_2003(), Spec::tcpip6_x86()] {
        let (first, second) = (build(1, &kind), build(2, &kind));
        let text = first
            .sections
            .iter()
            .find(|it| it.name.starts_with(b".text"));
        let text = text.expect(".text");
        let (start, end) = (text.offset as usize, (text.offset + text.raw_size) as usize);
        let name = first.spec.module.file_name();
        let refused = |file: &[u8], what: &str| {
            let planned = plan(name, file, None, 77);
            assert!(planned.is_err(), "{name} {what}: {planned:?}");
        };
        for cut in (start..end - 0x200).step_by(0x200) {
            let rest = mixed(
                &first.file,
                &second.file,
                from_ref(&(cut..first.file.len())),
            );
            refused(&rest, &format!("the rest from {cut:X}"));
            let cluster = mixed(
                &first.file,
                &second.file,
                from_ref(&(cut..(cut + 0x1000).min(end))),
            );
            refused(&cluster, &format!("a cluster at {cut:X}"));
        }
    }
}

#[test]
fn a_relocation_of_a_field_that_is_no_address_is_refused() {
    for arch in BOTH {
        let sound = driver(arch);
        let image = scanner_core::Image::from_file(&sound.file).unwrap();
        let gates = sound.truth.gates.iter().chain(&sound.truth.start_up_store);
        let is_far = |at: &Rva| gates.clone().all(|place| at.0.abs_diff(*place) > 0x40);
        // Not one of the first two of a page: the locator checks those itself.
        let relocated: Vec<Rva> = scanner_core::Relocations::new(&image)
            .map(|(at, _)| at)
            .collect();
        let on_one_page = |places: &&[Rva]| places[0].0 >> 12 == places[2].0 >> 12;
        let mut third = relocated.windows(3).filter(on_one_page).map(|it| it[2]);
        let place = third.find(is_far).expect("an address");
        let refused = refusal(driver(arch), |driver| {
            let mut sections = driver.sections.iter();
            let offset = sections.find_map(|it| it.file_offset(place.0)).unwrap() as usize;
            driver.file[offset..offset + 4].fill(0xFF);
        });
        assert_eq!(
            refused,
            Refusal::DamagedRelocations(Some(place)),
            "{arch:?}"
        );
        assert!(refused.is_bad_input());
    }
}

#[test]
fn a_relocation_table_that_ends_early_is_refused() {
    let refused = refusal(driver(Arch::X86), |driver| {
        let named = |section: &&specimen::PlacedSection| section.name.starts_with(b".reloc");
        let table = *driver.sections.iter().find(named).unwrap();
        let (mut at, mut last) = (table.offset as usize, 0);
        let end = (table.offset + table.virtual_size) as usize;
        while at + 8 <= end {
            last = at;
            at += u32::from_le_bytes(driver.file[at + 4..at + 8].try_into().unwrap()) as usize;
        }
        // A size of one byte more, so that no pair of bytes is an entry.
        driver.file[last + 4] += 1;
    });
    assert!(
        matches!(
            refused,
            Refusal::DamagedRelocations(None) | Refusal::NotRelocated(_)
        ),
        "{refused:?}"
    );
}

#[test]
fn a_header_of_a_known_build_over_another_is_refused() {
    // The time stamp of XP SP3's tcpip.sys, from corpus/builds.toml.
    let refused = refusal(Spec::xp_sp3().with_text_kib(4).build(), |driver| {
        let nt = u32::from_le_bytes(driver.file[0x3C..0x40].try_into().unwrap()) as usize;
        driver.file[nt + 8..nt + 12].copy_from_slice(&0x4802_5CEC_u32.to_le_bytes());
    });
    assert!(
        matches!(&refused, Refusal::DiffersFromKnownBuild { build, .. } if build == "Windows XP SP3"),
        "{refused:?}"
    );
    assert!(refused.is_bad_input());
}

#[test]
fn a_file_patched_by_another_tool_is_patched_again() {
    for (name, spec) in Spec::presets() {
        let spec = Spec {
            start_up: 16_777_214,
            ..spec.with_text_kib(4)
        };
        let planned = plan_patch(&spec.build(), 77);
        assert_eq!(planned.map(|plan| plan.before), Ok(16_777_214), "{name}");
    }
}

#[test]
fn any_content_is_patched_or_left_unchanged() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.with_text_kib(4).build();
        patching::any_content(&specimen.file);
        patching::any_content(&specimen.file[..specimen.file.len() / 2]);
    }
    for cabinet in ["lzx", "mszip", "stored"] {
        let path = format!(
            "{}/../corpus/cabinets/{cabinet}.cab",
            env!("CARGO_MANIFEST_DIR")
        );
        patching::any_content(&std::fs::read(path).unwrap());
    }
    patching::any_content(b"");
}
