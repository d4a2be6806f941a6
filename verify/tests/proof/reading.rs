//! The locator's decoding of instructions, compared with iced-x86.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use scanner_core::Image;
use specimen::Spec;
use verify::agreement;
use verify::injected_code::InjectedCode;

/// Random code in which the bytes of gates are frequent.
fn gate_like() -> impl Strategy<Value = Vec<u8>> {
    let bytes = [
        0xA1, 0x8B, 0x3B, 0x39, 0x05, 0x0D, 0x15, 0x1D, 0x3D, 0x7C, 0x7D, 0x7E, 0x7F, 0x72, 0x0F,
        0x8C, 0x8D, 0x8E, 0x8F, 0x44, 0x41, 0x48, 0x66, 0xF0, 0x00, 0x01,
    ];
    vec(
        prop_oneof![4 => prop::sample::select(bytes.to_vec()), 1 => any::<u8>()],
        0..64,
    )
}

/// A gate in which each part is right or slightly wrong.
fn nearly_a_gate(base: u32) -> impl Strategy<Value = Vec<u8>> {
    let operand = move || {
        prop_oneof![
            4 => (0x1000_u32..0x6000).prop_map(move |rva| base.wrapping_add(rva)),
            1 => any::<u32>(),
        ]
    };
    let rex = || prop_oneof![2 => Just(vec![]), 1 => (0x40_u8..0x50).prop_map(|rex| vec![rex])];
    let modrm = || prop_oneof![4 => (0_u8..8).prop_map(|reg| reg << 3 | 5), 1 => any::<u8>()];
    let load = prop_oneof![
        1 => Just(None),
        2 => (prop_oneof![5 => Just(0x8B_u8), 1 => any::<u8>()], modrm()).prop_map(Some),
    ];
    let compare = prop_oneof![5 => prop::sample::select(vec![0x39_u8, 0x3B]), 1 => any::<u8>()];
    let jump = prop_oneof![
        (0x70_u8..0x80, any::<u8>()).prop_map(|(jump, to)| vec![jump, to]),
        (0x80_u8..0x90, any::<i16>()).prop_map(|(jump, to)| {
            let to = i32::from(to).to_le_bytes();
            [&[0x0F, jump][..], &to].concat()
        }),
        vec(any::<u8>(), 0..6),
    ];
    let parts = (
        rex(),
        load,
        operand(),
        rex(),
        compare,
        modrm(),
        operand(),
        jump,
        any::<bool>(),
    );
    parts.prop_map(
        |(rex, load, first, rex2, compare, modrm2, second, jump, same)| {
            let mut code = vec![0x90; 3];
            let register = match load {
                None => {
                    code.push(0xA1);
                    0x05
                }
                Some((opcode, modrm)) => {
                    code.extend(&rex);
                    code.extend([opcode, modrm]);
                    modrm
                }
            };
            code.extend(first.to_le_bytes());
            code.extend(if same { &rex } else { &rex2 });
            code.extend([compare, if same { register } else { modrm2 }]);
            code.extend(second.to_le_bytes());
            code.extend(jump);
            code.extend([0x90; 3]);
            code
        },
    )
}

/// Compares code in an image of each architecture, whose variables it may refer
/// to.
static FILES: LazyLock<[Vec<u8>; 2]> =
    LazyLock::new(|| [Spec::xp_sp3(), Spec::xp_x64()].map(|spec| spec.build().file));

fn on_both(code: &[u8]) {
    for file in FILES.iter() {
        let image = Image::from_file(file).unwrap();
        agreement::gates_match_iced(&image, code, 0x1000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn gates_are_read_as_iced_reads_them_in_random_code(code in vec(any::<u8>(), 0..64)) {
        on_both(&code);
    }

    #[test]
    fn gates_are_read_as_iced_reads_them_in_gate_like_code(code in gate_like()) {
        on_both(&code);
    }

    #[test]
    fn near_gates_are_read_as_iced_reads_them(x86 in nearly_a_gate(0x1_0000), x64 in nearly_a_gate(0)) {
        on_both(&x86);
        on_both(&x64);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8192))]

    #[test]
    fn locator_and_oracle_agree_on_any_code_that_uses_the_variables(
        spec: Spec,
        injected_code in vec(any::<InjectedCode>(), 1..3),
    ) {
        let spec = Spec { text_kib: 4, ..spec };
        agreement::oracle_agrees_on_injected_code(&spec, &injected_code);
    }
}

#[test]
fn gates_are_read_as_iced_reads_them_where_both_variables_are_one() {
    let variable = 0x1_4000_u32.to_le_bytes();
    on_both(&[&[0xA1][..], &variable, &[0x3B, 0x05], &variable, &[0x7D, 0]].concat());
    // On x64 the second distance counts from six bytes later.
    let [first, second] = [0x1006_u32, 0x1000].map(u32::to_le_bytes);
    on_both(
        &[
            &[0x8B, 0x0D][..],
            &first,
            &[0x3B, 0x0D],
            &second,
            &[0x7D, 0],
        ]
        .concat(),
    );
}

#[test]
fn gates_are_read_as_iced_reads_them_in_specimens_and_in_this_program() {
    for (_, spec) in Spec::presets() {
        let specimen = spec.build();
        let image = Image::from_file(&specimen.file).unwrap();
        let text = &specimen.sections[0];
        let code = &specimen.file[text.offset as usize..][..text.raw_size as usize];
        agreement::gates_match_iced(&image, code, text.rva);
    }
    // Real code that every machine has: this test program.
    let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let file = Spec::xp_x64().build().file;
    let image = Image::from_file(&file).unwrap();
    for code in own.chunks(0x1_0000).take(32) {
        agreement::gates_match_iced(&image, code, 0x1000);
    }
}
