//! The locator on specimens: it finds the limit exactly where it was built,
//! names a missing fact, and agrees with the oracle.

use proptest::collection::vec;
use proptest::prelude::*;
use specimen::{
    Alignment, Arch, Compare, DataPart, Decoys, Defect, EventForm, Extras, GateSpec, ImageBase,
    Jump, Loads, Module, QueueForm, QueueTest, Reach, Register, Spec,
};
use verify::agreement;
use verify::property::{self, Verdict};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_built_limit_is_found_exactly_there(spec: Spec) {
        property::found_as_built(&spec);
    }

    #[test]
    fn without_one_required_fact_it_is_refused_by_name(spec: Spec, defect: Defect) {
        let spec = Spec { decoys: Decoys::NONE, ..spec };
        property::refused_without(&spec, defect);
    }

    #[test]
    fn the_oracle_agrees_on_built_specimens(spec: Spec, defect: Option<Defect>) {
        agreement::oracle_agrees(&Spec { defect, ..spec }.build());
    }

    #[test]
    fn rebasing_changes_nothing_but_addresses(spec: Spec, page in 0x8_0000_u64..0xF_0000) {
        let specimen = spec.build();
        let base = match spec.arch {
            Arch::X86 => page << 12,
            Arch::X64 => 0xFFFF_F800_0000_0000 | page << 12,
        };
        let verdict = property::loaded_verdict(&specimen.load(base), property::module(spec.module));
        prop_assert_eq!(verdict, property::truth(&specimen));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn any_bytes_give_an_answer_or_a_reason(bytes in vec(any::<u8>(), 0..2048)) {
        property::any_bytes(&bytes);
    }

    #[test]
    fn any_bytes_behind_valid_signatures_give_an_answer_or_a_reason(
        bytes in vec(any::<u8>(), 0x200..2048),
        x64: bool,
    ) {
        let mut bytes = bytes;
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3C..0x40].copy_from_slice(&[0x40, 0, 0, 0]);
        bytes[0x40..0x44].copy_from_slice(b"PE\0\0");
        let machine: u16 = if x64 { 0x8664 } else { 0x14C };
        bytes[0x44..0x46].copy_from_slice(&machine.to_le_bytes());
        bytes[0x46] %= 8;
        bytes[0x47] = 0;
        let magic: u16 = if x64 { 0x20B } else { 0x10B };
        bytes[0x54..0x56].copy_from_slice(&[if x64 { 240 } else { 224 }, 0]);
        bytes[0x58..0x5A].copy_from_slice(&magic.to_le_bytes());
        property::any_bytes(&bytes);
    }
}

#[test]
fn each_preset_is_located_and_with_any_defect_refused() {
    for (name, spec) in Spec::presets() {
        println!("{name}");
        property::found_as_built(&spec);
        agreement::oracle_agrees(&spec.build());
        for decoys in [Decoys::NONE, Decoys::REAL] {
            for defect in Defect::ALL {
                let spec = Spec {
                    decoys,
                    ..spec.clone()
                };
                property::refused_without(&spec, defect);
            }
        }
    }
}

#[test]
fn a_preset_as_large_as_the_measured_image_is_located() {
    for (spec, kib) in [
        (Spec::xp_sp3(), 250),
        (Spec::server_2003(), 310),
        (Spec::xp_x64(), 520),
    ] {
        let spec = Spec {
            decoys: Decoys::ALL,
            ..spec.with_text_kib(kib)
        };
        property::found_as_built(&spec);
    }
}

#[test]
fn in_memory_the_base_in_the_header_does_not_matter() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let mut loaded = specimen.load(spec.arch.bases()[0]);
        let e_lfanew = u32::from_le_bytes(loaded.headers[0x3C..0x40].try_into().unwrap()) as usize;
        let image_base = e_lfanew + 24 + if spec.arch == Arch::X86 { 28 } else { 24 };
        for byte in [0x00, 0x55, 0xFF] {
            loaded.headers[image_base..image_base + 4].fill(byte);
            let verdict = property::loaded_verdict(&loaded, property::module(spec.module));
            assert_eq!(verdict, property::truth(&specimen));
        }
    }
}

#[test]
fn a_patched_start_up_value_changes_nothing() {
    for value in [1, 50, 100, 1000, 16_777_214, 16_777_215, u32::MAX] {
        for (_, spec) in Spec::presets() {
            property::found_as_built(&Spec {
                start_up: value,
                ..spec
            });
        }
    }
}

#[test]
fn the_values_of_the_variables_change_nothing() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let mut loaded = specimen.load(spec.arch.bases()[0]);
        for section in &mut loaded.sections {
            if section.name.starts_with(b".data") {
                section.bytes.fill(0xEE);
            }
        }
        let verdict = property::loaded_verdict(&loaded, property::module(spec.module));
        assert!(matches!(verdict, Verdict::Located(_)), "{verdict:?}");
        assert_eq!(verdict, property::truth(&specimen));
    }
}

/// The first filler for this seed has too few direct calls around a gate:
/// without a second attempt the locator refuses the specimen. About one seed in
/// 60,000.
#[test]
fn enough_direct_calls_surround_each_gate() {
    let usual = GateSpec {
        loads: Loads::Count,
        register: Register(0),
        short_load: false,
        compare: Compare::RegisterFirst,
        jump: Jump::AtLimit,
        reach: Reach::Short,
        queue: QueueTest::FallThrough(QueueForm::MemoryFirst),
    };
    property::found_as_built(&Spec {
        seed: 64_535,
        module: Module::Tcpip6,
        alignment: Alignment::Page,
        image_base: ImageBase(0),
        text_kib: 10,
        data_part: DataPart::ZeroTail,
        gates: [
            usual,
            GateSpec {
                queue: QueueTest::BeforeTarget(QueueForm::MemoryFirst),
                ..usual
            },
        ],
        gates_together: true,
        event: EventForm::Push,
        atomics: 9,
        decoys: Decoys {
            stores_of_ten: true,
            single_gate: true,
            pageable: true,
            reversed: true,
            spread: true,
            swapped: true,
            no_queue_test: true,
            live_writer: true,
            other_read: true,
            atomic_threshold: true,
            ..Decoys::NONE
        },
        extras: Extras {
            export: false,
            version: false,
            relocations: false,
            ..Extras::default()
        },
        ..Spec::xp_x64()
    });
}
